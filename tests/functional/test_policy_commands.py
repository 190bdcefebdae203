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

"""nova-gpfs policy, on disks of a simulated cluster."""

import contextlib
import io
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid

import fixtures
from oslo_config import cfg
from oslotest import base

from nova_gpfs.cmd import applying
from nova_gpfs.cmd import drift
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import nova_gpfs
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import plan
from nova_gpfs import policy
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs import storage
from tests.contract import test_privsep
from tests import face
from tests.functional import programs
from tests import local_driver

TOP = str(pathlib.Path(__file__).parents[2])
MIB = 1 << 20
KEY = '0123456789abcdef0123456789abcdef01234567'
ALL_COMMANDS = ('mmclone, mmchattr, mmgetstate, mmlsattr, mmlscluster, '
                'mmlsconfig, mmlsdisk, mmlsfileset, mmlsfs, mmlsnsd, '
                'mmlspool, mmlsquota')
FAST = {'pool': 'fast', 'data_replicas': 2}
PROGRAM = [sys.executable, '-W', 'ignore', '-m', 'nova_gpfs.cmd.nova_gpfs']


class CommandsTestCase(base.BaseTestCase):
    """A cluster, a nova.conf and disks, without Nova.

    There are pools system and fast over three failure groups, and instances
    that nobody has asked anything for.
    """

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(self.directory, 'gpfs'))
        face.put_on(self.gpfs, self.addCleanup)
        self.mm_path = self.gpfs.bin_dir('node1')
        self.instances_path = os.path.join(self.gpfs.mount_point('fs0'),
                                           'nova', 'instances')
        os.mkdir(self.instances_path)
        self.storage = storage.Storage(
            local_driver.make(self.mm_path),
            layout.Layout(self.instances_path), shutil.copyfile,
            require_clone=True, leftover_age=86400)
        self.storage.guard.establish()
        self.addCleanup(cfg.CONF.reset)
        self.configure()

    def configure(self, gpfs='', rootless=ALL_COMMANDS, **policies):
        """Write nova.conf with policies."""
        self.nova_conf = os.path.join(self.directory, 'nova.conf')
        with open(self.nova_conf, 'w') as f:
            f.write(f'[DEFAULT]\ninstances_path = {self.instances_path}\n'
                    f'[gpfs]\nmm_path = {self.mm_path}\n'
                    f'rootless_commands = {rootless}\n{gpfs}\n')
            for name, options in policies.items():
                f.write(f'[gpfs_policy:{name}]\n' + ''.join(
                    f'{key} = {value}\n' for key, value in options.items()))

    def everything_is_to_be_fast(self):
        self.configure('root_policy = gold', gold=FAST)

    def argv(self, *words):
        return [f'--config-file={self.nova_conf}',
                f'--config-dir={self.directory}', '--format=json', 'policy',
                *words]

    def run_program(self, *words):
        """Run a command; return its exit code, document and stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = nova_gpfs.main(self.argv(*words))
        document = json.loads(out.getvalue()) if out.getvalue() else None
        return code, document, err.getvalue()

    def boot(self, wanted=None, wishes=None, name='disk'):
        """Make an instance with a disk that was written to; return both."""
        instance = str(uuid.uuid4())
        directory = os.path.join(self.instances_path, instance)
        os.mkdir(directory)
        wanted = wanted or model.Placement()
        master, _made = self.storage.masters.ensure(
            KEY, self.fill, policy.of_master(wanted))
        path = os.path.join(directory, name)
        with self.storage.new_disk(master, path, wanted) as unnamed:
            with open(unnamed, 'r+b') as disk:
                disk.write(b'guest')
        placements.write(directory, placements.Record(
            wishes or policy.Wishes(), {name: wanted}))
        return instance, path

    def fill(self, path):
        with open(path, 'wb') as image:
            image.write(os.urandom(3 * MIB))
        return plan.MasterInfo(plan.RAW, 3 * MIB)

    def mmchattr(self, path, *words):
        subprocess.run([os.path.join(self.mm_path, 'mmchattr'), *words,
                        '-I', 'yes', path], check=True)

    def changes(self):
        """Return the commands so far that changed something."""
        argvs = [[os.path.basename(call['argv'][0]), *call['argv'][1:]]
                 for call in self.gpfs.calls()]
        return [argv for argv in argvs if argv[0] == 'mmchattr'
                or argv[:2] in (['mmclone', 'split'], ['mmclone', 'snap'],
                                ['mmclone', 'copy'])]

    def placed(self, path):
        """Return (pool, replicas) of all blocks of a file, as a set."""
        return {(block.pool, block.replicas)
                for block in self.gpfs.blocks(path)}

    def read(self, path):
        with open(path, 'rb') as f:
            return f.read()

    def states(self):
        code, found, _err = self.run_program('audit')
        return code, [row['state'] for row in found['disks']]


class AuditTest(CommandsTestCase):

    def test_what_no_policy_is_about_is_well(self):
        self.boot()
        code, found, _err = self.run_program('audit')
        self.assertEqual(0, code)
        self.assertEqual({'ok': 2, 'drift': 0, 'unknown': 0},
                         found['summary'])
        self.assertEqual([KEY], [row['master'] for row in found['masters']])

    def test_a_changed_policy_is_drift_of_disk_and_of_shared_blocks(self):
        instance, _path = self.boot()
        self.everything_is_to_be_fast()
        code, found, _err = self.run_program('audit')
        (row,) = found['disks']
        self.assertEqual((1, instance, 'disk', 'drift', FAST), (
            code, row['instance'], row['disk'], row['state'], row['wanted']))
        self.assertEqual({'pool': 'system', 'data_replicas': 1,
                          'metadata_replicas': 1}, row['found'])
        self.assertEqual(
            ['pool is system', 'data_replicas is 1',
             f'shares blocks with its master {KEY} (pool is system, '
             'data_replicas is 1)'], row['why'])
        self.assertIn('no record', row['note'])

    def test_what_the_instance_has_asked_for_counts(self):
        self.configure(gold=FAST)
        asked = policy.Wishes({'policy': 'gold'})
        self.boot(model.Placement(**FAST), asked)
        self.assertEqual((0, ['ok']), self.states())
        self.configure(gold={'pool': 'system'})
        self.assertEqual((1, ['drift']), self.states())

    def test_a_disk_that_was_changed_behind_the_back_is_drift(self):
        self.everything_is_to_be_fast()
        _instance, path = self.boot(model.Placement(**FAST))
        self.assertEqual((0, ['ok']), self.states())
        self.mmchattr(path, '-r', '1')
        code, found, _err = self.run_program('audit')
        self.assertEqual((1, ['data_replicas is 1']),
                         (code, found['disks'][0]['why']))

    def test_a_master_that_was_moved_is_drift_of_all_that_share_it(self):
        self.everything_is_to_be_fast()
        self.boot(model.Placement(**FAST))
        master = self.storage.masters.find(KEY, model.Placement(**FAST))
        self.mmchattr(master.path, '-P', 'system')
        code, found, _err = self.run_program('audit')
        self.assertEqual(1, code)
        self.assertEqual(['drift'], [row['state'] for row
                                     in found['masters']])
        self.assertIn('shares blocks', found['disks'][0]['why'][0])

    def test_a_parent_that_is_no_master_is_unknown_and_no_drift(self):
        self.everything_is_to_be_fast()
        _instance, path = self.boot(model.Placement(**FAST))
        self.storage.driver.snapshot(
            path, os.path.join(self.instances_path, 'snapshot'))
        self.mmchattr(path, '-P', 'fast', '-r', '2')
        self.assertEqual((0, ['unknown']), self.states())

    def test_parents_that_instances_got_when_they_moved_are_known(self):
        self.everything_is_to_be_fast()
        for inherited in ('source', 'defaults'):
            self.gpfs.set_switch('clone_placement', inherited)
            instance, path = self.boot(model.Placement(**FAST))
            self.storage.parents.make(instance, path)
            self.mmchattr(path, '-P', 'fast', '-r', '2')
        self.assertEqual((0, ['ok', 'ok']), self.states())
        self.configure('root_policy = slow', slow={'pool': 'system'})
        code, found, _err = self.run_program('audit', '--instance', instance)
        self.assertEqual(1, code)
        self.assertIn(f'its master {KEY}_r2_on-fast (pool is fast)',
                      found['disks'][0]['why'][-1])

    def test_a_record_that_cannot_be_read_is_unknown_and_not_well(self):
        _instance, path = self.boot()
        with open(os.path.join(os.path.dirname(path), placements.NAME),
                  'w') as f:
            f.write('{')
        code, found, _err = self.run_program('audit')
        self.assertEqual((1, 'unknown'), (code, found['disks'][0]['state']))
        self.assertIn('cannot be read', found['disks'][0]['why'][0])

    def test_wishes_that_are_refused_today_are_unknown_and_not_well(self):
        self.boot(wishes=policy.Wishes({'policy': 'bronze'}))
        code, found, _err = self.run_program('audit')
        self.assertEqual((1, 'unknown'), (code, found['disks'][0]['state']))
        self.assertIn('bronze', found['disks'][0]['why'][0])

    def test_a_disk_that_cannot_be_looked_at_does_not_hide_the_others(self):
        self.everything_is_to_be_fast()
        for _ in range(3):
            self.boot(model.Placement(**FAST))
        self.gpfs.faults.add('mmlsattr', 'garbage', nth=3)
        code, states = self.states()
        self.assertEqual((1, ['ok', 'ok', 'unknown']),
                         (code, sorted(states)))

    def test_each_role_has_its_own_policy(self):
        self.configure('swap_policy = gold', gold=FAST)
        self.boot()
        _instance, path = self.boot(name='disk.swap')
        code, found, _err = self.run_program('audit')
        self.assertEqual((1, [os.path.dirname(path)]), (code, [
            os.path.join(self.instances_path, row['instance'])
            for row in found['disks'] if row['state'] == 'drift']))

    def test_one_instance_alone_is_looked_at_when_it_is_named(self):
        first, _path = self.boot()
        self.boot()
        code, found, _err = self.run_program('audit', '--instance', first)
        self.assertEqual((0, [first], []), (
            code, [row['instance'] for row in found['disks']],
            found['masters']))

    def test_only_disks_of_instances_count(self):
        self.everything_is_to_be_fast()
        _instance, path = self.boot()
        directory = os.path.dirname(path)
        os.rename(directory, directory + '_resize')
        other = os.path.join(self.instances_path, str(uuid.uuid4()))
        os.symlink(directory + '_resize', other)
        real = os.path.join(self.instances_path, str(uuid.uuid4()))
        os.mkdir(real)
        os.symlink(directory + '_resize/disk', os.path.join(real, 'disk'))
        for name in ('disk.info', 'console.log', 'disk.0f.new'):
            with open(os.path.join(real, name), 'w'):
                pass
        self.assertEqual((0, []), self.states())

    def test_a_file_system_that_goes_away_is_not_taken_for_no_disks(self):
        self.boot()
        here = hosts.from_files([self.nova_conf], [self.directory])
        (disk,) = drift.disks(self.instances_path)
        here.storage.guard.check()
        self.gpfs.unmount('fs0')
        self.assertRaises(errors.NotMounted, drift.Auditor(here).disk, disk)

    def test_a_disk_that_is_gone_meanwhile_is_left_out(self):
        _instance, path = self.boot()
        here = hosts.from_files([self.nova_conf], [self.directory])
        (disk,) = drift.disks(self.instances_path)
        os.unlink(path)
        self.assertIsNone(drift.Auditor(here).disk(disk))

    def test_a_file_system_that_is_away_is_a_failure_in_one_line(self):
        self.boot()
        self.gpfs.unmount('fs0')
        code, found, err = self.run_program('audit')
        self.assertEqual((2, None, 1), (code, found, len(err.splitlines())))
        self.assertIn('not mounted', err)


class ApplyTest(CommandsTestCase):

    def setUp(self):
        super().setUp()
        self.disks = sorted(self.boot()[1] for _ in range(2))
        self.contents = [self.read(path) for path in self.disks]
        self.everything_is_to_be_fast()

    def results(self, *words):
        code, found, _err = self.run_program('apply', *words)
        return code, [row['result'] for row in found['disks']]

    def test_a_dry_run_changes_nothing_and_tells_what_would_be_run(self):
        before = self.changes()
        code, found, err = self.run_program('apply', '--all', '--dry-run',
                                            '--detach')
        self.assertEqual((1, ''), (code, err))
        self.assertEqual(before, self.changes())
        self.assertEqual((1, ['drift'] * 2), self.states())
        self.assertEqual(
            [[['mmchattr', '-P', 'fast', '-r', '2', '-I', 'yes', path],
              ['mmclone', 'split', path]] for path in self.disks],
            [row['commands'] for row in found['disks']])
        self.run_program('apply', '--all', '--detach')
        ran = self.changes()[len(before):]
        self.assertEqual([command for row in found['disks']
                          for command in row['commands']], ran)

    def test_shared_blocks_stay_where_they_are_without_the_wish(self):
        code, results = self.results('--all')
        self.assertEqual((1, ['shares blocks with its master'] * 2),
                         (code, results))
        for path, contents in zip(self.disks, self.contents):
            self.assertEqual({('fast', 2), ('system', 1)}, self.placed(path))
            self.assertEqual(contents, self.read(path))

    def test_the_second_time_nothing_is_run(self):
        for words, code in (((), 1), (('--detach',), 0)):
            self.results('--all', *words)
            before = self.changes()
            self.assertEqual(code, self.results('--all', *words)[0])
            self.assertEqual(before, self.changes())

    def test_all_blocks_move_where_that_is_wished(self):
        """Harvester issue 5925: a disk could not change its class."""
        self.assertEqual((0, ['applied'] * 2),
                         self.results('--all', '--detach'))
        for path, contents in zip(self.disks, self.contents):
            self.assertEqual({('fast', 2)}, self.placed(path))
            self.assertEqual(contents, self.read(path))
        self.assertEqual((0, ['ok'] * 2), self.states())
        self.assertEqual([], self.gpfs.check())

    def test_a_master_that_covers_the_disk_is_kept(self):
        instance, path = self.boot(model.Placement(**FAST))
        self.mmchattr(path, '-P', 'system', '-r', '1')
        before = self.changes()
        self.assertEqual((0, ['applied']), self.results(
            '--instance', instance, '--detach'))
        self.assertEqual([['mmchattr', '-P', 'fast', '-r', '2', '-I', 'yes',
                           path]], self.changes()[len(before):])

    def test_the_record_tells_what_all_blocks_of_the_disk_were_given(self):
        directory = os.path.dirname(self.disks[0])
        words = '--instance', os.path.basename(directory)
        self.results(*words)
        self.assertTrue(placements.read(directory).is_empty)
        self.results(*words, '--detach')
        self.assertEqual({'disk': model.Placement(**FAST)},
                         placements.read(directory).disks)

    def test_the_wishes_of_the_instance_stay_in_the_record(self):
        asked = policy.Wishes({'metadata_replicas': '2'}, {'pool': 'x'})
        self.configure('root_policy = gold\nimage_may_set = pool',
                       gold=FAST)
        instance, path = self.boot(wishes=policy.Wishes(asked.flavor))
        self.results('--instance', instance, '--detach')
        found = placements.read(os.path.dirname(path))
        self.assertEqual(asked.flavor, found.wishes.flavor)
        self.assertEqual(model.Placement('fast', 2, 2),
                         found.placement('disk'))

    def test_one_failing_disk_does_not_stop_the_others(self):
        self.gpfs.faults.add('mmchattr', 'fail', nth=1, code=28,
                             text='mmchattr: No space left on device')
        code, found, _err = self.run_program('apply', '--all', '--detach')
        self.assertEqual((1, ['failed', 'applied']), (
            code, [row['result'] for row in found['disks']]))
        self.assertIn('No space left', found['disks'][0]['why'][0])
        self.assertEqual((1, ['drift', 'ok']), self.states())
        self.assertEqual((0, ['applied']), self.results('--all', '--detach'))

    def test_a_command_that_lies_is_found_out(self):
        # A disk that another host may have placed elsewhere is placed again.
        for time_of_the_first in (1, 2, 3):
            self.gpfs.faults.add('mmchattr', 'fail', nth=time_of_the_first,
                                 code=0)
        self.assertEqual((1, ['failed', 'applied']),
                         self.results('--all', '--detach'))

    def test_a_run_that_was_killed_is_gone_on_with(self):
        self.gpfs.faults.add('mmchattr', 'hang', nth=2)
        process = subprocess.Popen(
            [*PROGRAM, *self.argv('apply', '--all', '--detach')],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for _ in range(600):
            if any(one.seen >= 2 for one in self.gpfs.faults.all()):
                break
            time.sleep(0.1)
        process.kill()
        process.wait()
        self.end_commands()
        self.gpfs.faults.clear()
        before = self.changes()
        self.assertEqual((0, ['applied']),
                         self.results('--all', '--detach'))
        self.assertNotIn(self.disks[0], [argv[-1] for argv in
                                         self.changes()[len(before):]])
        self.assertEqual((0, ['ok'] * 2), self.states())

    def end_commands(self):
        """Kill the mm command that a dead program has left hanging."""
        for entry in os.listdir('/proc'):
            with contextlib.suppress(OSError, ValueError):
                with open(f'/proc/{entry}/cmdline', 'rb') as f:
                    words = f.read()
                mine = (self.directory.encode() in words
                        and b'fuse_server' not in words)
                if mine and int(entry) != os.getpid():
                    os.kill(int(entry), signal.SIGKILL)

    def test_how_far_it_has_come_is_told(self):
        _code, _found, err = self.run_program('apply', '--all', '--detach')
        lines = err.splitlines()
        self.assertEqual(4, len(lines))
        self.assertRegex(lines[2], r'^\[2/2\] [0-9a-f-]{36}/disk: \d')
        self.assertTrue(lines[3].endswith('applied'))

    def test_write_affinity_is_given_once_and_keeps_the_failure_group(self):
        self.gpfs.set_switch('write_affinity_elsewhere', 'ignore')
        given = model.Placement(write_affinity_depth=0,
                                write_affinity_failure_group='2')
        instance, path = self.boot(given)
        self.configure('root_policy = near', near={
            'write_affinity_depth': 1,
            'write_affinity_failure_group': 'local'})
        before = self.changes()
        words = '--instance', instance
        self.assertEqual((0, ['applied']), self.results(*words))
        self.assertEqual(
            [['mmchattr', '--write-affinity-depth', '1',
              '--write-affinity-failure-group', '2', '-I', 'yes', path]],
            self.changes()[len(before):])
        self.assertEqual((0, []), self.results(*words))

    def test_nothing_is_written_while_the_file_system_is_away(self):
        self.gpfs.unmount('fs0')
        code, found, err = self.run_program('apply', '--all', '--detach')
        self.assertEqual((2, None), (code, found))
        self.assertEqual([], os.listdir(self.gpfs.mount_point('fs0')))
        self.assertEqual(1, len(err.splitlines()))

    def test_a_file_system_that_goes_away_ends_the_run(self):
        here = hosts.from_files([self.nova_conf], [self.directory])
        calls = []

        def say(line):
            if line.startswith('[2/'):
                self.gpfs.unmount('fs0')
                calls.extend(self.gpfs.calls())

        before = len(self.changes())
        self.assertRaises(errors.NotMounted, applying.apply, here, [],
                          applying.Options(detach=True), say)
        self.assertEqual(2, len(self.changes()) - before)
        self.assertEqual(calls, self.gpfs.calls())
        self.assertEqual([], os.listdir(self.gpfs.mount_point('fs0')))

    def wrap(self, **scripts):
        """Let programs do more, after what they do (``$real``)."""
        real, self.mm_path = self.mm_path, os.path.join(self.directory, 'mm')
        os.mkdir(self.mm_path)
        for name in os.listdir(real):
            path = os.path.join(self.mm_path, name)
            with open(path, 'w') as f:
                f.write(f'#!/bin/sh\nreal={real}/{name}\n'
                        + scripts.get(name, '"$real" "$@"\n'))
            os.chmod(path, 0o755)
        self.everything_is_to_be_fast()

    def unmounts(self):
        return (f'(cd {TOP}; {shlex.quote(sys.executable)} -m nova_gpfs.sim '
                f'unmount {self.gpfs.directory} fs0)\n')

    def test_a_file_system_that_goes_away_is_no_disk_that_is_gone(self):
        self.wrap(mmchattr=self.unmounts() + 'exit 2')
        code, found, err = self.run_program(
            'apply', '--instance', os.path.basename(
                os.path.dirname(self.disks[0])))
        self.assertEqual((2, None), (code, found))
        self.assertIn('not mounted', err)

    def test_no_record_is_written_below_a_mount_that_is_gone(self):
        directory = os.path.dirname(self.disks[0])
        self.mmchattr(self.disks[0], '-P', 'fast')
        flag = os.path.join(self.directory, 'changed')
        self.wrap(
            mmchattr=f'touch {flag}; "$real" "$@"\n',
            mmlsattr='"$real" "$@"\nif [ -e ' + flag + ' ]; then\n'
            + self.unmounts() + f'mkdir -p {directory}\nfi\n')
        self.configure('root_policy = wide', wide={
            'write_affinity_depth': 1, 'pool': 'fast'})
        self.gpfs.set_switch('write_affinity_elsewhere', 'ignore')
        code, found, err = self.run_program(
            'apply', '--instance', os.path.basename(directory))
        self.assertEqual((2, None, []), (code, found, os.listdir(directory)))

    def test_an_instance_on_the_move_is_left_alone(self):
        directory = os.path.dirname(self.disks[0])
        os.mkdir(directory + '_resize')
        before = self.changes()
        code, found, _err = self.run_program(
            'apply', '--instance', os.path.basename(directory))
        (row,) = found['disks']
        self.assertEqual((1, 'is being moved'), (code, row['result']))
        self.assertEqual(before, self.changes())

    def test_no_record_is_written_of_one_that_begins_to_move(self):
        directory = os.path.dirname(self.disks[0])
        with open(os.path.join(directory, placements.NAME), 'w') as f:
            f.write('{"what": "nova-compute writes"}')
        self.wrap(mmchattr=f'mkdir -p {directory}_resize; "$real" "$@"\n')
        self.run_program('apply', '--instance', os.path.basename(directory))
        self.assertEqual(b'{"what": "nova-compute writes"}', self.read(
            os.path.join(directory, placements.NAME)))

    def test_another_user_is_told_who_it_has_to_be(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to give files away')
        os.chown(self.storage.layout.home, 1, 1)
        before = self.changes()
        code, found, err = self.run_program('apply', '--all')
        self.assertEqual((2, None), (code, found))
        self.assertRegex(err, 'belongs to user (daemon|bin|number 1)')
        self.assertEqual(before, self.changes())
        self.assertEqual(1, self.results('--all', '--dry-run')[0])

    def test_a_directory_that_is_no_instance_is_refused(self):
        os.mkdir(os.path.join(self.instances_path, 'other'))
        for name in ('other', '../..', '', '_gpfs',
                     str(uuid.uuid4()), self.disks[0]):
            code, found, err = self.run_program('apply', '--instance', name)
            self.assertEqual((2, None), (code, found), name)
            self.assertIn('No such instance', err)

    def test_what_needs_root_runs_in_the_privileged_daemon(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to be the privileged daemon')
        helper = test_privsep.helper_command(self.nova_conf)
        self.configure(f'root_policy = gold\n[nova_gpfs_privileged]\n'
                       f'helper_command = {helper}', 'mmlsattr', gold=FAST)
        done = subprocess.run(
            [*PROGRAM, *self.argv('apply', '--all', '--detach')],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual({('fast', 2)}, self.placed(self.disks[1]))


class ExplainTest(CommandsTestCase):

    def test_the_commands_are_those_that_run(self):
        self.gpfs.set_switch('clone_placement', 'defaults')
        self.configure(gold=FAST)
        self.boot()
        before = len(self.changes())
        _instance, path = self.boot(model.Placement(**FAST))
        _code, found, _err = self.run_program(
            'explain', '--flavor', 'policy=gold', '--role', 'root')
        master = self.storage.masters.find(KEY, model.Placement(**FAST)).path
        self.assertEqual(
            [self.plainly(argv, master, path)
             for argv in self.changes()[before:]],
            [row['command'] for row in found['commands']])

    def plainly(self, argv, master, path):
        """Return a command with the names that nobody can know replaced."""
        incoming = self.storage.layout.incoming
        return [word.replace(KEY, 'IMAGE') if word == master
                else os.path.join(incoming, 'ROOM', 'image')
                if word.startswith(incoming)
                else os.path.join(self.instances_path, 'INSTANCE', 'disk')
                if word.startswith(path) else word for word in argv]

    def test_local_is_the_failure_group_that_the_cluster_tells(self):
        self.configure(near={'write_affinity_failure_group': 'local'})
        for gpfs, expected in (('', '1'), ('failure_group = 7', '7')):
            self.configure(gpfs,
                           near={'write_affinity_failure_group': 'local'})
            _code, found, _err = self.run_program(
                'explain', '--flavor', 'policy=near', '--role', 'swap')
            (row,) = found['commands']
            self.assertEqual(['--write-affinity-failure-group', expected],
                             row['command'][1:3])

    def test_a_master_of_its_own_is_named_after_the_failure_group(self):
        for number, expected in ((7, 'IMAGE_in-7'), (8, 'IMAGE_in-8')):
            self.configure(
                f'masters_by_write_affinity = True\nfailure_group = {number}',
                near={'write_affinity_failure_group': 'local'})
            _code, found, _err = self.run_program(
                'explain', '--flavor', 'policy=near', '--role', 'root')
            self.assertEqual(expected, found['disks'][0]['master'])
            self.assertEqual(
                ['mmchattr', 'mmrestripefile', 'mmclone', 'mmclone',
                 'mmchattr'],
                [os.path.basename(row['command'][0])
                 for row in found['commands']])


class ShowTest(CommandsTestCase):

    def test_the_cluster_grants_what_it_has(self):
        self.configure(gold={**FAST, 'swap_pool': 'nvme'},
                       silver={'data_replicas': 3})
        code, found, _err = self.run_program('show', 'gold')
        self.assertEqual((1, ['yes', 'yes', 'no', 'yes']), (
            code, [row['granted'] for row in found['roles']]))
        self.assertIn('nvme', found['roles'][2]['why'])
        self.assertEqual(0, self.run_program('show', 'silver')[0])

    def test_write_affinity_is_granted_where_a_pool_has_it(self):
        for pools, expected in (('fast', ['yes']), ('system', ['no'])):
            self.configure(f'write_affinity_pools = {pools}', near={
                'pool': 'fast', 'write_affinity_depth': 1})
            _code, found, _err = self.run_program('show', 'near')
            self.assertEqual(expected * 4, [row['granted'] for row
                                            in found['roles']])

    def test_it_works_before_nova_compute_has_ever_run(self):
        shutil.rmtree(self.storage.layout.home)
        self.configure(gold=FAST)
        self.assertEqual(0, self.run_program('show', 'gold')[0])

    def test_a_daemon_that_is_down_is_said_and_a_failure(self):
        self.configure(gold=FAST)
        self.gpfs.set_node_state('node1', 'down')
        code, found, _err = self.run_program('show', 'gold')
        self.assertEqual((2, 'unknown'), (code, found['roles'][0]['granted']))


class ConfigurationTest(programs.ProgramsTestCase):
    """The program in an interpreter of its own, for which Nova is missing."""

    CODE = ('import sys; sys.modules["nova"] = None\n'
            'from nova_gpfs.cmd import nova_gpfs\n'
            'sys.exit(nova_gpfs.main())')

    def program(self, *words):
        return self.home.run(self.CODE, *words, PYTHONPATH=TOP)

    def test_the_files_of_nova_compute_are_read_without_nova(self):
        self.home.nova_conf('[gpfs]\nswap_policy = gold\n')
        self.home.drop_in(programs.ACTIVATE
                          + '[gpfs_policy:gold]\npool = fast\n')
        done = self.program('policy', 'list')
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        self.assertEqual(['name  pool  default for', 'gold  fast  swap'],
                         done.stdout.splitlines())

    def test_other_files_may_be_named_before_or_after_the_command(self):
        path = self.home._write(
            os.path.join(self.home.path, 'other.conf'),
            '[DEFAULT]\nstate_path = /var/lib/nova\n[gpfs_policy:x]\n')
        for words in (('--config-file', path, 'policy', 'list'),
                      ('policy', 'list', '--config-file', path)):
            done = self.program(*words)
            self.assertEqual((0, ['name', 'x']),
                             (done.returncode, done.stdout.split()))

    def test_what_cannot_be_read_is_a_failure_in_one_line(self):
        path = os.path.join(self.home.path, 'other.conf')
        for text, expected in (
                (None, 'other.conf'), ('x', 'other.conf'),
                ('[gpfs]\n', 'instances_path'),
                ('[DEFAULT]\nstate_path = /a\n[gpfs_policy:x]\npol = y\n',
                 'pol'),
                ('[DEFAULT]\nstate_path = /a\n[gpfs]\ncommand_timeout = x\n',
                 'command_timeout'),
                ('[DEFAULT]\nstate_path = /a\n'
                 '[gpfs_policy:x]\ndata_replicas = 9\n', 'data_replicas')):
            if text is not None:
                self.home._write(path, text)
            done = self.program('--config-file', path, 'policy', 'list')
            self.assertEqual((2, '', 1), (
                done.returncode, done.stdout,
                len(done.stderr.splitlines())), done.stderr)
            self.assertIn(expected, done.stderr)

    def test_a_home_without_any_nova_conf_is_said(self):
        os.unlink(os.path.join(self.home.path, '.nova', 'nova.conf'))
        done = self.program('policy', 'list')
        self.assertEqual(2, done.returncode)
        self.assertIn('--config-file', done.stderr)
