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

"""Every trial, on simulated clusters whose switches stand both ways."""

import contextlib
import dataclasses
import errno
import os
import pwd
import shutil
import tempfile
from unittest import mock

from oslotest import base as test_base

from nova_gpfs import errors
from nova_gpfs import libgpfs
from nova_gpfs.mm import mmgetstate
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import run
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import cluster
from nova_gpfs.sim import mmchattr
from nova_gpfs.sim import mmclone
from nova_gpfs.sim import mmlsfileset
from nova_gpfs.sim import program as programs
from nova_gpfs.sim import spec
from nova_gpfs.sim import store
from nova_gpfs.sim import switches
from nova_gpfs.trials import base
from nova_gpfs.trials import recorder
from nova_gpfs.trials import table
from tests import face
from tests import refusing
from tests import sim_library

NODE = 'node1'
NOBODY = 65534
# Loaded before the user changes, who may not be able to.
LOADED = (mmchattr, mmclone, mmlsfileset, pwd)
TRIALS = {trial.name: trial for trial in table.TRIALS}
FOR_USERS = {name for name in TRIALS if name.startswith('user-runs-')} | {
    'pool-change'}


def _spec():
    """Return a cluster with a second fileset and pools in two groups."""
    system = spec.standard_file_system()
    system.filesets.append(spec.Fileset('other', 'other'))
    system.nsds = [disk for disk in system.nsds
                   if (disk.pool, disk.failure_group) != ('fast', '3')]
    system.nsds += [spec.Nsd(f'near{group}', group, 'near', usage='dataOnly')
                    for group in '12']
    system.write_affinity_pools.append('near')
    return spec.Spec(file_systems=[system], shared=True)


class Leaking(mmdriver.MmDriver):
    """A cluster on which a parent is no copy of its file."""

    def snapshot(self, source, parent):
        os.link(source, parent)
        return model.Change.MADE


#: Plain files refuse nothing that is a matter of errno.
BY_ERRNO = {name for name, switch in switches.SWITCHES.items()
            if set(switch.alternatives) & set(errno.errorcode.values())}


def told(finding):
    """Return the position of the switch that a finding tells."""
    number, _blank, _text = finding.detail.partition(' ')
    if number in switches.SWITCHES[finding.switch].alternatives:
        assert finding.answer == 'refuse', finding
        return number
    return finding.answer


class TrialsTestCase(test_base.BaseTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.top = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.cluster = cluster.create(os.path.join(cls.top, 'sim'), _spec())
        face.put_on(cls.cluster, cls.addClassCleanup)
        cls.nova = os.path.join(cls.cluster.mount_point('fs0'), 'nova')
        cls.other = os.path.join(cls.cluster.mount_point('fs0'), 'other')
        cls.no_library = sim_library.reason_not()
        cls.library = '' if cls.no_library else cls.cluster.library(NODE)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.cluster.faults.clear)
        for name, switch in switches.SWITCHES.items():
            self.addCleanup(self.cluster.set_switch, name, switch.default)
        self.scratch = tempfile.mkdtemp(dir=self.nova)
        self.addCleanup(face.remove, self.scratch)
        self.local = run.Local(self.cluster.bin_dir(NODE), 60.0, 60.0)

    def bench(self, **changes):
        driver = mmdriver.MmDriver(self.local, libgpfs.Library(self.library))
        values = {'driver': driver, 'configured': self.local,
                  'direct': self.local,
                  'library': libgpfs.Library(self.library),
                  'scratch': self.scratch,
                  'file_system': driver.file_system('fs0'),
                  'fileset': 'nova', 'max_clone_depth': 3,
                  'elsewhere': self.other, **changes}
        return base.Bench(**values)

    def make(self, name, **changes):
        return base.make(TRIALS[name], self.bench(**changes))

    def put(self, switch, position):
        self.cluster.set_switch(switch, position)

    def put_back(self, switch):
        """Put a switch back, and remove what could not be removed before."""
        self.put(switch, switches.SWITCHES[switch].default)
        for left in os.listdir(self.scratch):
            face.remove(os.path.join(self.scratch, left))


class SwitchesTest(TrialsTestCase):

    def test_what_users_may_do_is_tried_as_a_user(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to be another user')
        self.cluster.set_switch('superuser', 'root')
        for directory in (self.top, self.nova):
            os.chmod(directory, 0o755)
        for name in FOR_USERS:
            if not TRIALS[name].switch:
                continue
            with self.subTest(name), mock.patch.object(
                    os, 'geteuid', return_value=NOBODY):
                self.assert_answered(name, direct=self.as_nobody)

    def assert_answered(self, name, **changes):
        """Assert that the answer is the position of the trial's switch."""
        switch = TRIALS[name].switch
        for position in switches.SWITCHES[switch].alternatives:
            self.put(switch, position)
            self.assertEqual(position, told(self.make(name, **changes)))
            self.put_back(switch)

    def as_nobody(self, command):
        """Run a command of the simulator as a user who owns the files."""
        for top, _directories, files in os.walk(self.scratch):
            os.chmod(top, 0o777)
            for name in files:
                os.chown(os.path.join(top, name), NOBODY, -1)
        program, *arguments = command.argv()
        os.seteuid(NOBODY)
        try:
            with store.Store(self.cluster.directory) as state:
                call = calls.Call(program, NODE, arguments, state)
                programs.serve(call)
        finally:
            os.seteuid(0)
        return model.Result(call.code, '\n'.join(call.out),
                            '\n'.join(call.err))

    def test_what_the_kernel_refuses_is_told_by_errno(self):
        self.assertEqual(
            {'unlink-childless-parent', 'unlink-parent-with-children',
             'replace-parent-with-children', 'write-parent',
             'truncate-parent', 'link-parent'},
            {name for name, trial in TRIALS.items()
             if trial.switch in BY_ERRNO})

    def test_every_switch_has_a_trial_or_a_reason(self):
        tried = {trial.switch for trial in table.EVERY if trial.switch}
        self.assertEqual(set(switches.SWITCHES), tried | set(table.NOT_TRIED))
        self.assertEqual(set(), tried & set(table.NOT_TRIED))

    def test_every_position_of_a_switch_has_a_verdict(self):
        for trial in table.EVERY:
            if trial.switch:
                with self.subTest(trial.name):
                    self.assertEqual(set(), {
                        'refuse' if position in errno.errorcode.values()
                        and position not in trial.verdicts
                        else position for position in switches.SWITCHES[
                            trial.switch].alternatives} - set(trial.verdicts))


class VerdictsTest(TrialsTestCase):

    def test_what_is_not_well_has_a_next_step(self):
        for trial in table.EVERY:
            for answer, verdict in trial.verdicts.items():
                with self.subTest(trial.name, answer=answer):
                    self.assertIn(verdict.state, base.STATES)
                    self.assertTrue(verdict.product)
                    self.assertEqual(verdict.state == base.WORKS,
                                     not verdict.next_step)

    def test_names_are_of_one_trial(self):
        names = [trial.name for trial in table.EVERY]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_a_parent_with_clones_that_can_be_removed_is_wrong(self):
        if not face.is_asked_for():
            self.assertEqual(base.WRONG, self.make(
                'unlink-parent-with-children').state)
        with refusing.with_clones():
            finding = self.make('unlink-parent-with-children')
        self.assertEqual((base.WORKS, 'refuse', 'EROFS (Read-only file '
                          'system)'),
                         (finding.state, finding.answer, finding.detail))

    def test_a_fileset_in_which_acls_outlive_chmod_is_degraded(self):
        for mode, answer, state in (
                ('chmodAndSetacl', 'replaced', base.WORKS),
                ('chmodOnly', 'replaced', base.WORKS),
                ('chmodAndUpdateAcl', 'kept', base.DEGRADED),
                ('setAclOnly', 'kept', base.DEGRADED),
                ('', 'not told', base.DEGRADED)):
            def says(command, mode=mode):
                found = self.local(command)
                return dataclasses.replace(found, stdout=found.stdout.replace(
                    'chmodAndSetacl', mode))

            finding = self.make('permission-changes',
                                driver=mmdriver.MmDriver(says))
            self.assertEqual((answer, state, mode), (
                finding.answer, finding.state, finding.detail))

    def test_a_parent_that_can_be_changed_is_degraded(self):
        for name, call in (('write-parent', 'open'),
                           ('truncate-parent', 'truncate')):
            if not face.is_asked_for():
                self.assertEqual(base.DEGRADED, self.make(name).state)
            with self.sealed(call):
                self.assertEqual((base.WORKS, 'refuse'), (
                    (finding := self.make(name)).state, finding.answer))

    def sealed(self, name):
        """Let a system call refuse to change a file as GPFS does.

        The file system itself does that where it is a FUSE mount.
        """
        if face.is_asked_for():
            return contextlib.nullcontext()
        real = getattr(os, name)

        def refuse(path, *arguments, **named):
            if str(path).endswith('/image') and arguments[:1] in (
                    (0,), (os.O_WRONLY,)):
                raise OSError(30, 'Read-only file system', path)
            return real(path, *arguments, **named)
        return mock.patch.object(os, name, refuse)

    def test_another_fileset_that_is_the_same_is_not_tried(self):
        finding = self.make('clone-across-filesets', elsewhere=self.scratch)
        self.assertEqual(base.SKIPPED, finding.state)
        finding = self.make('clone-across-filesets', elsewhere='')
        self.assertIn('--other-fileset', finding.detail)

    def test_a_library_that_is_not_there_is_degraded(self):
        driver = mmdriver.MmDriver(
            self.local, libgpfs.Library('/no/such/libgpfs.so'))
        finding = self.make('declone', driver=driver)
        self.assertEqual((base.DEGRADED, 'absent'),
                         (finding.state, finding.answer))

    def test_a_parent_that_changes_with_its_file_is_wrong(self):
        finding = self.make('snap-of-open-file',
                            driver=Leaking(self.local, self.fail))
        self.assertEqual((base.WRONG, 'leaks'),
                         (finding.state, finding.answer))

    def test_data_that_is_called_a_hole_is_wrong(self):
        lseek = os.lseek

        def nothing_behind_the_first_block(file, start, how):
            if how == os.SEEK_DATA and start:
                raise OSError(6, 'No such device or address')
            return lseek(file, start, how)
        with mock.patch.object(os, 'lseek', nothing_behind_the_first_block):
            finding = self.make('holes')
        self.assertEqual((base.WRONG, 'data lost'),
                         (finding.state, finding.answer))

    def test_a_chain_that_stops_is_wrong_and_says_where(self):
        self.cluster.faults.add('mmclone snap', 'fail', nth=3,
                                text='mmclone: Too many links')
        finding = self.make('clone-depth')
        self.assertEqual((base.WRONG, 'stops'),
                         (finding.state, finding.answer))
        self.assertIn('at 3 ancestors', finding.detail)

    def test_a_command_that_fails_as_configured_is_wrong(self):
        self.assertEqual(base.WORKS, self.make('as-configured').state)
        self.cluster.faults.add('mmlspool', 'fail', nth=0, text='no')
        finding = self.make('as-configured')
        self.assertEqual(base.WRONG, finding.state)
        self.assertIn('mmlspool', finding.detail)

    def test_write_affinity_is_tried_where_a_pool_is_named(self):
        self.assertEqual(base.SKIPPED, self.make('write-affinity').state)
        asked = len(self.cluster.calls())
        found = self.make('write-affinity', write_affinity_pools=('near',))
        self.assertEqual((base.WORKS, 'take', '1, 1;2'),
                         (found.state, found.answer, found.detail))
        given = [argv[argv.index('--write-affinity-failure-group') + 1]
                 for argv in (call['argv'] for call
                              in self.cluster.calls()[asked:])
                 if '--write-affinity-failure-group' in argv]
        self.assertEqual(['1', '1;2'], given)
        self.assertEqual([], self.cluster.check())

    def test_write_affinity_that_gpfs_refuses_is_degraded(self):
        found = self.make('write-affinity', write_affinity_pools=('fast',))
        self.assertEqual((base.DEGRADED, 'refuse'),
                         (found.state, found.answer))
        self.assertIn('no failure group: exit code', found.detail)

    def test_a_small_file_that_gpfs_does_not_clone_is_degraded(self):
        self.assertEqual('allow', self.make('small-file').answer)
        self.cluster.faults.add('mmclone copy', 'fail', code=22,
                                text='mmclone: Invalid argument')
        found = self.make('small-file')
        self.assertEqual((base.DEGRADED, 'refuse'),
                         (found.state, found.answer))

    def test_what_the_product_can_do_without_is_degraded(self):
        self.cluster.faults.add('mmlsnsd', 'fail', nth=0, text='no')
        self.assertEqual(base.DEGRADED, self.make('as-configured').state)

    def test_a_trial_that_fails_is_unknown_and_the_next_one_is_made(self):
        self.cluster.faults.add('mmclone snap', 'fail', text='what is this')
        finding = self.make('copy-mode')
        self.assertEqual(base.UNKNOWN, finding.state)
        self.assertIn('what is this', finding.detail)
        self.assertEqual(base.WORKS, self.make('copy-mode').state)

    def test_a_daemon_that_is_down_ends_the_trials(self):
        bench = self.bench()
        self.addCleanup(self.cluster.set_node_state, NODE, 'up')
        self.cluster.set_node_state(NODE, 'down')
        self.assertRaises(errors.NotReady, base.make, TRIALS['copy-mode'],
                          bench)

    def test_an_answer_that_nobody_foresaw_is_unknown(self):
        finding = base.found(TRIALS['clone'], base.Seen('sideways'))
        self.assertEqual((base.UNKNOWN, 'sideways'),
                         (finding.state, finding.answer))
        self.assertIn('--record', finding.next_step)


class RecorderTest(TrialsTestCase):

    def test_times_are_of_what_went_well(self):
        calls = []
        record = recorder.Recorder(self.local, 'as configured', calls)
        record(mmgetstate.Get())
        self.cluster.faults.add('mmgetstate', 'fail', text='no')
        record(mmgetstate.Get())
        (row,) = recorder.times(calls)
        self.assertEqual(('mmgetstate', 1), (row['command'], row['times']))
        self.assertEqual(['', 'no'],
                         [call.stderr.strip() for call in calls])

    def test_a_command_that_was_not_run_is_kept(self):
        def missing(_command):
            raise errors.ProgramMissing('/no/mmgetstate')
        calls = []
        self.assertRaises(errors.ProgramMissing, recorder.Recorder(
            missing, 'as configured', calls), mmgetstate.Get())
        self.assertEqual([(None, 'ProgramMissing')],
                         [(call.rc, call.failure) for call in calls])

    def test_the_median_is_told(self):
        def slow(_command):
            return model.Result(0, '', '')
        calls = []
        record = recorder.Recorder(slow, 'as configured', calls)
        with mock.patch.object(recorder.time, 'monotonic',
                               side_effect=[0, 1, 0, 2, 0, 9]):
            for _each in range(3):
                record(mmgetstate.Get())
        self.assertEqual([(2000.0, 9000.0)],
                         [(row['median_ms'], row['max_ms'])
                          for row in recorder.times(calls)])
