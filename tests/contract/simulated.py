# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.


"""The contract where commands fail, lie, hang and are killed."""

import errno
import os
import pathlib
import shutil
import tempfile
import uuid

from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs.sim import cluster
from nova_gpfs.sim import spec
from nova_gpfs.sim import switches
from tests.contract import suite
from tests import face
from tests import sim_library

NODE = 'node1'
KIB = 1024

# What each action leaves of the change that a command was to make, when the
# command then reports a failure, or reports success.
UNDONE = ('fail', 'kill')
DONE = ('fail-after', 'kill-after')


def _spec():
    system = spec.standard_file_system()
    system.write_affinity_pools.append('fast')
    system.filesets.append(spec.Fileset('other', 'other'))
    system.filesets.append(spec.Fileset('full', 'full', hard=64 * KIB))
    quiet = spec.standard_file_system('fs1')
    quiet.quotas = 'none'
    quiet.highest_version = '39.00 (6.0.1.0)'
    return spec.Spec(file_systems=[system, quiet])


class ClusterTestCase:
    """One simulated cluster for a class, one directory for each test."""

    device = 'fs0'
    fileset = 'nova'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.top = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.cluster = cluster.create(os.path.join(cls.top, 'sim'), _spec())
        face.put_on(cls.cluster, cls.addClassCleanup)
        cls.no_parts = sim_library.reason_not()
        cls.library = '' if cls.no_parts else cls.cluster.library(NODE)
        cls.instances = os.path.join(cls.cluster.mount_point('fs0'), 'nova')

    def setUp(self):
        super().setUp()
        self.directory = os.path.join(self.instances, uuid.uuid4().hex)
        os.mkdir(self.directory)
        self.addCleanup(face.remove, self.directory)
        self.addCleanup(self.cluster.faults.clear)
        self.outside = os.path.join(self.top, 'outside')
        pathlib.Path(self.outside).touch()
        self.gpfs = self.make_driver(NODE, 60.0, 60.0)

    def elsewhere(self, *parts):
        return os.path.join(self.cluster.mount_point('fs0'), *parts)

    def calls(self, since=0):
        return [' '.join(call['argv'][:2]).split('/')[-1]
                for call in self.cluster.calls()[since:]]


class Trouble(suite.Contract):

    def spoil(self, command, action, **how):
        self.cluster.faults.add(command, action, **how)

    def assertAbsent(self, name='disk'):
        self.assertFalse(os.path.lexists(self.path(name)))

    def test_a_clone_takes_one_command_when_all_is_well(self):
        master = self.master()
        before = len(self.cluster.calls())
        self.clone(parent=master)
        self.assertEqual(['mmclone copy'], self.calls(before))

    def test_nothing_is_run_where_a_look_is_enough(self):
        master, path = self.master(), self.file('a')
        before = len(self.cluster.calls())
        self.gpfs.place(path, model.Placement())
        for ask in (self.gpfs.clone, self.gpfs.snapshot):
            self.assertRaises(errors.AlreadyExists, ask, master, path)
        self.assertRaises(errors.NoSuchFile, self.gpfs.clone,
                          self.path('gone'), self.path('disk'))
        self.assertEqual([], self.calls(before))

    def test_the_cluster_is_described_while_the_daemon_is_down(self):
        self.addCleanup(self.cluster.set_node_state, NODE, 'up')
        self.cluster.set_node_state(NODE, 'down')
        self.assertEqual('down', self.gpfs.cluster().daemon_state)

    def test_everything_else_says_that_the_daemon_is_down(self):
        master, plain = self.master(), self.file('a')
        self.addCleanup(self.cluster.set_node_state, NODE, 'up')
        self.cluster.set_node_state(NODE, 'down')
        for ask, *arguments in (
                (self.gpfs.pools, 'fs0'), (self.gpfs.disks, 'fs0'),
                (self.gpfs.attributes, plain), (self.gpfs.seal, plain),
                (self.gpfs.clone, master, self.path('disk')),
                (self.gpfs.quota, 'fs0', 'nova'),
                (self.gpfs.place, plain, model.Placement(pool='fast')),
                (self.gpfs.relocate, plain)):
            self.assertRaises(errors.NotReady, ask, *arguments)
        self.assertAbsent()

    def test_a_stale_mount_says_that_it_is_not_mounted(self):
        master = self.master()
        self.cluster.faults.add_condition('stale', fs='fs0')
        self.assertRaises(errors.NotMounted, self.gpfs.clone, master,
                          self.path('disk'))
        self.assertAbsent()

    def test_a_full_file_system_says_so(self):
        master = self.master()
        self.cluster.faults.add_condition('no-space', fs='fs0')
        self.assertRaises(errors.NoSpace, self.gpfs.clone, master,
                          self.path('disk'))
        self.assertAbsent()

    def test_a_used_up_quota_says_so(self):
        master = self.master()
        self.cluster.faults.add_condition('quota', fs='fs0', fileset='nova')
        self.assertRaises(errors.QuotaExceeded, self.gpfs.clone, master,
                          self.path('disk'))
        self.assertAbsent()

    def test_a_clone_in_another_fileset_says_that_it_cannot_be(self):
        self.assertRaises(self.not_gpfs + (errors.CannotClone,),
                          self.gpfs.clone, self.master(),
                          self.elsewhere('other', 'disk'))

    def test_each_disk_has_its_servers(self):
        self.assertEqual(
            {'1': {('node1',)}, '2': {('node2',)}, '3': {('node3',)}},
            {group: {disk.servers for disk in self.gpfs.disks('fs0')
                     if disk.failure_group == group} for group in '123'})

    def test_disks_are_listed_where_mmlsnsd_fails(self):
        for action in ('fail', 'garbage', 'kill'):
            self.spoil('mmlsnsd', action)
            disks = self.gpfs.disks('fs0')
            self.assertEqual({()}, {disk.servers for disk in disks})
            self.assertEqual(6, len(disks))

    def test_the_release_of_the_software_is_known(self):
        self.assertEqual((5, 0, 4, 0), self.gpfs.file_system('fs0').release)
        self.assertEqual((6, 0, 1, 0), self.gpfs.file_system('fs1').release)

    def test_a_quota_is_in_bytes(self):
        self.assertEqual(64 * KIB,
                         self.gpfs.quota('fs0', 'full').hard_limit)
        self.assertEqual(0, self.gpfs.quota('fs0', 'nova').hard_limit)

    def test_a_file_system_without_quotas_has_none(self):
        self.assertIsNone(self.gpfs.quota('fs1', 'nova'))

    # Exit codes lie.

    def test_an_error_text_with_exit_code_0_is_an_error(self):
        master, plain = self.master(), self.file('a')
        for command, kind, ask, *arguments in (
                ('mmclone copy', errors.NoSpace, self.gpfs.clone, master,
                 self.path('disk')),
                ('mmclone snap', errors.NoSpace, self.gpfs.seal, plain),
                ('mmclone snap', errors.NoSpace, self.gpfs.snapshot, plain,
                 self.path('snap')),
                ('mmchattr', errors.NoSpace, self.gpfs.place, plain,
                 model.Placement(pool='fast'))):
            self.spoil(command, 'fail', code=0,
                       text='mmx: No space left on device')
            self.assertRaises(kind, ask, *arguments)
        self.assertAbsent('disk')
        self.assertAbsent('snap')

    def test_success_without_a_result_is_an_error(self):
        master, plain = self.master(), self.file('a')
        disk = self.clone('other', master)
        for command, ask, *arguments in (
                ('mmclone copy', self.gpfs.clone, master, self.path('disk')),
                ('mmclone snap', self.gpfs.seal, plain),
                ('mmclone snap', self.gpfs.snapshot, plain,
                 self.path('snap')),
                ('mmclone split', self.gpfs.detach, disk,
                 model.Ancestors.ALL),
                ('mmclone redirect', self.gpfs.detach, disk,
                 model.Ancestors.PARENT),
                ('mmchattr', self.gpfs.place, plain,
                 model.Placement(pool='fast'))):
            self.spoil(command, 'fail', code=0, nth=0)
            self.assertRaises((errors.CommandFailed, errors.NoSuchFile), ask,
                              *arguments)

    def test_a_failure_with_the_result_in_place_is_a_success(self):
        master, plain, other = self.master(), self.file('a'), self.file('b')
        disk = self.path('disk')
        for action in DONE:
            for command, ask, *arguments in (
                    ('mmclone copy', self.gpfs.clone, master, disk),
                    ('mmclone split', self.gpfs.detach, disk,
                     model.Ancestors.ALL),
                    ('mmclone snap', self.gpfs.snapshot, other,
                     self.path(f'snap{action}')),
                    ('mmchattr', self.gpfs.place, disk,
                     model.Placement(pool='fast'))):
                self.spoil(command, action, code=5, text='mmx: Boo')
                self.assertIs(model.Change.MADE, ask(*arguments))
            os.unlink(disk)
        self.spoil('mmclone snap', 'fail-after', code=5, text='mmx: Boo')
        self.assertIs(model.Change.MADE, self.gpfs.seal(plain))

    def test_a_killed_command_that_did_nothing_is_an_error(self):
        master, plain = self.master(), self.file('a')
        for action in UNDONE:
            for command, ask, *arguments in (
                    ('mmclone copy', self.gpfs.clone, master,
                     self.path('disk')),
                    ('mmclone snap', self.gpfs.seal, plain),
                    ('mmchattr', self.gpfs.place, plain,
                     model.Placement(pool='fast'))):
                self.spoil(command, action, text='mmx: Boo', code=5)
                error = self.assertRaises(errors.CommandFailed, ask,
                                          *arguments)
                self.assertIn(error.rc, (5, -9))
        self.assertAbsent()

    def test_write_affinity_is_not_taken_for_granted_after_a_failure(self):
        path = self.file('a')
        placement = model.Placement(pool='fast', write_affinity_depth=1)
        self.spoil('mmchattr', 'fail-after', code=5, text='mmchattr: Boo')
        self.assertRaises(errors.CommandFailed, self.gpfs.place, path,
                          placement)
        self.assertEqual('fast', self.gpfs.attributes(path).pool)
        for _ in range(2):
            self.assertIs(model.Change.MADE,
                          self.gpfs.place(path, placement))

    def test_a_target_made_by_another_meanwhile_is_not_taken_over(self):
        master = self.master()
        self.spoil('mmclone copy', 'fail-after', code=17,
                   text='mmclone: File exists')
        self.assertRaises(errors.AlreadyExists, self.gpfs.clone, master,
                          self.path('disk'))
        self.assertEqual(b'data' * suite.MIB, self.content(self.path('disk')))

    def test_read_only_is_sealed_only_if_it_is(self):
        path = self.file('a')
        self.spoil('mmclone snap', 'fail', code=30,
                   text='mmclone: Read-only file system')
        self.assertRaises(errors.ReadOnly, self.gpfs.seal, path)

    def test_exit_codes_may_all_be_zero(self):
        self.addCleanup(self.cluster.set_switch, 'exit_code_on_failure',
                        'errno')
        self.cluster.set_switch('exit_code_on_failure', 'zero')
        plain = self.file('a')
        for kind, ask, *arguments in (
                (errors.NoSuchFileSystem, self.gpfs.pools, suite.NOWHERE),
                (errors.NoSuchFile, self.gpfs.attributes, self.path('gone')),
                (errors.CloneParentInvalid, self.gpfs.clone, plain,
                 self.path('disk')),
                (errors.NoSuchPool, self.gpfs.place, plain,
                 model.Placement(pool=suite.NOWHERE)),
                (errors.NoSuchFileset, self.gpfs.quota, 'fs0',
                 suite.NOWHERE)):
            self.assertRaises(kind, ask, *arguments)

    def test_a_warning_about_replicas_is_not_a_refusal(self):
        self.addCleanup(self.cluster.set_switch,
                        'replicas_beyond_failure_groups', 'refuse')
        self.cluster.set_switch('replicas_beyond_failure_groups', 'warn')
        path = self.file('a')
        self.assertIs(model.Change.MADE, self.gpfs.place(
            path, model.Placement(data_replicas=3)))

    def test_blocks_are_moved_at_once_whatever_the_default_is(self):
        self.addCleanup(self.cluster.set_switch, 'move_now', 'yes')
        self.cluster.set_switch('move_now', 'defer')
        path = self.file('a')
        for placement in (model.Placement(pool='fast'),
                          model.Placement(data_replicas=2)):
            self.assertIs(model.Change.MADE,
                          self.gpfs.place(path, placement))
            self.assertEqual((), tuple(
                flag for flag in self.gpfs.attributes(path).flags
                if flag.startswith('ill')))

    # Blocks near the host.

    def near(self):
        """Make a file whose blocks are to be near its writer, node3."""
        path = self.file('a')
        self.gpfs.place(path, model.Placement(
            pool='fast', write_affinity_depth=1))
        self.cluster.note_writer(path, 'node3')
        with open(path, 'r+b') as file:
            file.truncate(0)
            file.write(b'data' * suite.MIB)
        return path

    def groups(self, path):
        return {group for block in self.cluster.blocks(path)
                for group in block.failure_groups}

    def test_a_relocated_file_is_near_the_host_that_relocated_it(self):
        path = self.near()
        self.cluster.note_writer(path, NODE)
        before = len(self.cluster.calls())
        self.assertIs(model.Change.MADE, self.gpfs.relocate(path))
        self.assertEqual({'1'}, self.groups(path))
        self.assertEqual(['mmlsattr -L', 'mmrestripefile -l', 'mmlsattr -L'],
                         self.calls(before))

    def test_a_relocation_may_say_nothing_and_clear_a_flag(self):
        for switch, value in (('restripe_output', 'silent'),
                              ('affinity_flag', 'illplaced'),
                              ('relocate_moves_pools', 'yes'),
                              ('relocating_node', 'writer')):
            self.addCleanup(self.cluster.set_switch, switch,
                            switches.SWITCHES[switch].default)
            self.cluster.set_switch(switch, value)
            self.assertIs(model.Change.MADE,
                          self.gpfs.relocate(self.near()))

    def test_a_relocation_that_failed_is_an_error(self):
        path = self.near()
        self.spoil('mmrestripefile', 'fail', code=0,
                   text='mmrestripefile: No space left on device')
        self.assertRaises(errors.NoSpace, self.gpfs.relocate, path)
        for action in UNDONE:
            self.spoil('mmrestripefile', action, code=5, text='mmx: Boo')
            self.assertRaises(errors.CommandFailed, self.gpfs.relocate, path)
        self.spoil('mmrestripefile', 'garbage')
        self.assertRaises(errors.CommandFailed, self.gpfs.relocate, path)

    def test_a_relocation_that_hangs_has_timed_out_at_the_copy_limit(self):
        gpfs = self.make_driver(NODE, 60.0, 3.0)
        path = self.near()
        self.spoil('mmrestripefile', 'hang', child=True)
        error = self.assertRaises(errors.TimedOut, gpfs.relocate, path)
        self.assertEqual(3.0, error.seconds)

    # Detaching in parts, which is a subroutine and no command.

    def disk(self):
        if self.no_parts:
            self.skipTest(self.no_parts)
        return self.clone()

    def test_each_value_of_errno_is_an_error_of_its_own(self):
        disk = self.disk()
        for number, kind in (
                (errno.ENOSPC, errors.NoSpace),
                (errno.EDQUOT, errors.QuotaExceeded),
                (errno.EACCES, errors.NotPermitted),
                (errno.EPERM, errors.NotPermitted),
                (errno.EBADF, errors.NotGpfs),
                (errno.EINVAL, errors.NotGpfs),
                (errno.EROFS, errors.ReadOnly),
                (errno.ESTALE, errors.NotMounted),
                (errno.ENOSYS, errors.LibraryUnusable)):
            self.spoil('gpfs_declone', 'fail', code=number)
            error = self.assertRaises(kind, self.gpfs.detach_part, disk, 1, 0)
            self.assertIn(os.strerror(number), str(error))
            self.assertEqual(number, error.__cause__.rc)

    def test_an_unknown_errno_is_kept_and_not_guessed_at(self):
        disk = self.disk()
        for action, how, number in (('fail', {'code': 99}, 99),
                                    ('kill', {}, errno.EIO)):
            self.spoil('gpfs_declone', action, **how)
            error = self.assertRaises(errors.CommandFailed,
                                      self.gpfs.detach_part, disk, 1, 7)
            self.assertEqual((number, ('gpfs_declone', disk, '1', '7')),
                             (error.rc, error.argv))

    def test_a_part_that_does_not_go_on_is_not_understood(self):
        disk = self.disk()
        for text in ('0', '5', '-2'):
            self.spoil('gpfs_declone', 'garbage', text=text)
            self.assertRaises(errors.OutputNotUnderstood,
                              self.gpfs.detach_part, disk, 1, 5)

    def test_a_file_that_is_no_clone_may_be_refused(self):
        self.disk()
        self.addCleanup(self.cluster.set_switch, 'declone_of_plain_file',
                        'ignore')
        self.cluster.set_switch('declone_of_plain_file', 'refuse')
        plain = self.file('a')
        self.assertIsNone(self.gpfs.detach_part(plain, 1, 0))
        self.spoil('mmclone show', 'fail', code=5, text='mmclone: Boo')
        self.assertRaises(errors.CommandFailed, self.gpfs.detach_part, plain,
                          1, 0)

    # Nonsense is not an answer.

    def test_garbage_is_not_understood(self):
        plain = self.file('a')
        for command, ask, *arguments in (
                ('mmlsfs', self.gpfs.file_systems),
                ('mmlspool', self.gpfs.pools, 'fs0'),
                ('mmlsdisk', self.gpfs.disks, 'fs0'),
                ('mmlsfileset', self.gpfs.filesets, 'fs0'),
                ('mmlsquota', self.gpfs.quota, 'fs0', 'nova'),
                ('mmlscluster', self.gpfs.cluster),
                ('mmgetstate', self.gpfs.cluster),
                ('mmlsconfig', self.gpfs.cluster),
                ('mmlsattr', self.gpfs.attributes, plain),
                ('mmclone show', self.gpfs.clone_info, plain)):
            self.spoil(command, 'garbage')
            self.assertRaises(errors.OutputNotUnderstood, ask, *arguments)

    def test_rows_that_end_early_are_not_understood(self):
        for command, ask, *arguments in (
                ('mmlsfs', self.gpfs.file_systems),
                ('mmlsdisk', self.gpfs.disks, 'fs0'),
                ('mmlsfileset', self.gpfs.filesets, 'fs0'),
                ('mmlscluster', self.gpfs.cluster),
                ('mmlsquota', self.gpfs.quota, 'fs0', 'full')):
            self.spoil(command, 'truncate')
            self.assertRaises(errors.OutputNotUnderstood, ask, *arguments)

    # Time-outs: the outcome is unknown, so it is looked up.

    def hurried(self):
        return self.make_driver(NODE, 3.0, 3.0)

    def test_a_clone_that_hangs_before_it_begins_has_timed_out(self):
        master, gpfs = self.master(), self.hurried()
        self.spoil('mmclone copy', 'hang', child=True)
        self.assertRaises(errors.TimedOut, gpfs.clone, master,
                          self.path('disk'))
        self.assertAbsent()

    def test_a_clone_that_hangs_when_it_is_done_is_made(self):
        master, gpfs = self.master(), self.hurried()
        self.spoil('mmclone copy', 'hang-after', child=True)
        self.assertIs(model.Change.MADE,
                      gpfs.clone(master, self.path('disk')))
        self.assertEqual(os.geteuid(), os.stat(self.path('disk')).st_uid)

    def test_a_seal_that_hangs_is_looked_up_too(self):
        first, second, gpfs = self.file('a'), self.file('b'), self.hurried()
        self.spoil('mmclone snap', 'hang-after')
        self.assertIs(model.Change.MADE, gpfs.seal(first))
        self.spoil('mmclone snap', 'hang')
        self.assertRaises(errors.TimedOut, gpfs.seal, second)
        self.assertFalse(gpfs.clone_info(second).is_parent)

    def test_a_look_that_hangs_as_well_leaves_the_time_out(self):
        master, gpfs = self.master(), self.hurried()
        self.spoil('mmclone copy', 'hang')
        self.spoil('mmclone show', 'hang', nth=0)
        self.assertRaises(errors.TimedOut, gpfs.clone, master,
                          self.path('disk'))

    def test_a_query_that_hangs_has_timed_out(self):
        gpfs = self.hurried()
        self.spoil('mmlspool', 'hang', child=True)
        error = self.assertRaises(errors.TimedOut, gpfs.pools, 'fs0')
        self.assertEqual(3.0, error.seconds)
        self.assertTrue(error.argv[0].endswith('/mmlspool'))
