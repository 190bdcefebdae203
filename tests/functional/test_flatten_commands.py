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

"""nova-gpfs flatten, on disks of a simulated cluster."""

import errno
import os
import pathlib
import re
import signal
import subprocess

import fixtures

from nova_gpfs.cmd import flatten
from nova_gpfs.cmd import host as hosts
from nova_gpfs import errors
from nova_gpfs import flattening
from nova_gpfs import plan
from tests.functional import test_policy_commands as commands
from tests import sim_library
from tests.unit import test_flattening
from tests.unit import test_image_locks

MIB = commands.MIB
BLOCKS = 10
# The guest has written to one block before its disk was sealed as a parent,
# and to one afterwards.
SHARED = BLOCKS - 1


class FlattenTestCase(commands.CommandsTestCase):

    library = '/no/such/libgpfs.so'

    def setUp(self):
        super().setUp()
        self.configure(f'library = {self.library}')

    def argv(self, *words):
        argv = super().argv(*words)
        argv[argv.index('policy')] = 'flatten'
        return argv

    def fill(self, path):
        with open(path, 'wb') as image:
            image.write(os.urandom(BLOCKS * MIB))
        return plan.MasterInfo(plan.RAW, BLOCKS * MIB)

    def chain(self):
        """Make an instance whose disk hangs on a parent and a master."""
        instance, path = self.boot()
        self.storage.parents.make(instance, path)
        with open(path, 'r+b') as disk:
            disk.seek(2 * MIB)
            disk.write(b'guest')
        return instance, path

    def hangs(self, path):
        return self.storage.driver.clone_info(path).parent_inode is not None

    def declones(self):
        return [call for call in self.gpfs.calls()
                if call['argv'][0].endswith('gpfs_declone')]

    def results(self, document):
        return [row['result'] for row in document['disks']]

    def host(self):
        return hosts.from_files([self.nova_conf], [self.directory])


class InPartsTestCase(FlattenTestCase):
    """Parts of one block each."""

    def setUp(self):
        if reason := sim_library.reason_not():
            self.skipTest(reason)
        super().setUp()
        self.library = self.gpfs.library('node1')
        self.configure(f'library = {self.library}')
        self.useFixture(fixtures.MonkeyPatch(
            f'{flattening.__name__}._LARGEST_PART', MIB))


class InPartsTest(InPartsTestCase):

    def test_a_disk_of_a_parent_and_a_master_hangs_on_nothing_in_the_end(self):
        """Harvester issue 4997: a disk could not be made independent."""
        instance, path = self.chain()
        before = pathlib.Path(path).read_bytes()
        (parent,) = self.storage.parents.of(instance)
        code, document, told = self.run_program('--instance', instance)
        self.assertEqual(0, code)
        self.assertEqual([{
            'instance': instance, 'disk': 'disk', 'result': 'flattened',
            'parents_removed': 1, 'note': ''}], document['disks'])
        self.assertFalse(self.hangs(path))
        self.assertFalse(os.path.exists(parent))
        self.assertEqual(before, pathlib.Path(path).read_bytes())
        self.assertEqual(SHARED, self.gpfs.copied(path))
        self.assertEqual([], self.gpfs.check())
        self.assertIsNotNone(self.storage.masters.find(commands.KEY))
        where = f'[1/1] {instance}/disk'
        self.assertEqual(
            [f'{where}: {percent} % of 10.0 MiB' for percent in
             (0, 10, 20, 40, 50, 60, 70, 80, 90, 100)]
            + [f'{where}: flattened'], told.splitlines())

    def test_what_is_flat_is_left_alone(self):
        instance, _path = self.chain()
        self.run_program('--all')
        before = len(self.declones())
        for words in (['--all'], ['--instance', instance]):
            code, document, told = self.run_program(*words)
            self.assertEqual((0, [], ''), (code, document['disks'], told))
        self.assertEqual(before, len(self.declones()))

    def test_a_full_file_system_leaves_the_disk_and_what_was_copied(self):
        self.broken_off(errno.ENOSPC, 'No space left')

    def test_any_failure_leaves_the_disk_and_what_was_copied(self):
        self.broken_off(errno.EIO, 'Input/output error')

    def broken_off(self, number, words):
        instance, path = self.chain()
        before = pathlib.Path(path).read_bytes()
        self.gpfs.faults.add('gpfs_declone', 'fail', nth=4, code=number)
        code, document, _told = self.run_program('--all')
        self.assertEqual((1, ['failed']), (code, self.results(document)))
        self.assertIn(words, document['disks'][0]['why'][0])
        self.assertTrue(self.hangs(path))
        self.assertEqual(3, self.gpfs.copied(path))
        self.assertEqual(1, len(self.storage.parents.of(instance)))
        self.assertEqual(before, pathlib.Path(path).read_bytes())
        code, document, _told = self.run_program('--all')
        self.assertEqual((0, ['flattened']), (code, self.results(document)))
        self.assertEqual(SHARED, self.gpfs.copied(path))
        self.assertEqual(before, pathlib.Path(path).read_bytes())
        self.assertEqual([], self.gpfs.check())

    def test_what_is_interrupted_goes_on_in_the_next_run(self):
        _instance, path = self.chain()
        before = pathlib.Path(path).read_bytes()
        with subprocess.Popen(
                [*commands.PROGRAM, *self.argv('--all', '--rate', '2')],
                cwd=commands.TOP, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
                # A job in the background of a shell ignores it.
                preexec_fn=lambda: signal.signal(
                    signal.SIGINT, signal.SIG_DFL)) as process:
            for line in process.stderr:
                if re.search(r'[1-9]\d % of', line):
                    process.send_signal(signal.SIGINT)
                    break
            self.assertIn('interrupted', process.stderr.read())
        self.assertEqual(2, process.returncode)
        self.assertTrue(self.hangs(path))
        self.assertLess(0, self.gpfs.copied(path))
        self.assertGreater(SHARED, self.gpfs.copied(path))
        self.assertEqual(0, self.run_program('--all')[0])
        self.assertEqual(SHARED, self.gpfs.copied(path))
        self.assertEqual(before, pathlib.Path(path).read_bytes())

    def test_the_rate_is_kept(self):
        instance, path = self.chain()
        clock = test_flattening.Clock()
        pace = flattening.Pace(MIB / 4, clock, clock.sleep)
        host = self.host()
        host.storage.guard.check()
        flattening.Flattener(host.storage, pace).flatten(
            instance, path, lambda: None, lambda reached, size: None)
        self.assertEqual([4.0] * SHARED, clock.slept)
        self.assertFalse(self.hangs(path))

    def test_a_failing_split_leaves_a_clone_that_has_all_of_its_blocks(self):
        instance, path = self.chain()
        self.gpfs.faults.add('mmclone split', 'fail', code=5, text='Boo')
        self.assertEqual(1, self.run_program('--all')[0])
        self.assertTrue(self.hangs(path))
        self.assertEqual(1, len(self.storage.parents.of(instance)))
        self.assertEqual(0, self.run_program('--all')[0])
        self.assertEqual(SHARED, self.gpfs.copied(path))

    def test_one_disk_that_fails_does_not_stop_the_others(self):
        for _again in range(3):
            self.chain()
        self.gpfs.faults.add('gpfs_declone', 'fail', nth=2, code=errno.EACCES)
        code, document, _told = self.run_program('--all')
        self.assertEqual((1, ['failed', 'flattened', 'flattened']),
                         (code, self.results(document)))

    def test_a_file_system_that_goes_away_ends_the_run(self):
        for _again in range(2):
            self.chain()
        self.gpfs.faults.add('gpfs_declone', 'fail', nth=2,
                             code=errno.ESTALE)
        code, document, told = self.run_program('--all')
        self.assertEqual((2, None), (code, document))
        self.assertIn('not mounted', told)

    def test_a_dry_run_changes_nothing(self):
        _instance, path = self.chain()
        before = self.changes()
        code, document, told = self.run_program('--all', '--dry-run')
        self.assertEqual((0, ''), (code, told))
        self.assertEqual(['would be flattened'], self.results(document))
        self.assertEqual([['mmclone', 'split', path]],
                         document['disks'][0]['commands'])
        self.assertEqual(before, self.changes())
        self.assertEqual([], self.declones())
        self.assertTrue(self.hangs(path))


class RefusalTest(InPartsTestCase):

    def refused(self, path, result, *words):
        for options in ((), ('--dry-run',)):
            code, document, _told = self.run_program('--all', *options)
            self.assertEqual((1, [result]), (code, self.results(document)))
            for word in words:
                self.assertIn(word, document['disks'][0]['why'][0])
        self.assertEqual([], self.declones())
        self.assertTrue(self.hangs(path))

    def test_a_disk_that_qemu_has_open_is_flattened_only_when_told_to(self):
        _instance, path = self.chain()
        with subprocess.Popen(['qemu-io', '-f', 'raw', path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as qemu:
            qemu.stdout.read(len('qemu-io> '))
            self.refused(path, 'in use', path, '--running')
            code, document, _told = self.run_program('--all', '--running')
            qemu.stdin.close()
        self.assertEqual((0, ['flattened']), (code, self.results(document)))
        self.assertFalse(self.hangs(path))

    def flatten_while_it_starts(self, progress, instance, path):
        """Let QEMU lock a disk once so much of it is flat."""
        opened = []

        def say(line):
            if progress in line:
                opened.append(test_image_locks.lock(path, 201))

        answer = flatten.flatten(self.host(), [instance], flatten.Options(),
                                 say)
        opened.pop().close()
        return answer

    def test_a_guest_that_starts_meanwhile_has_its_disk_left_alone(self):
        instance, path = self.chain()
        document, code = self.flatten_while_it_starts('40 %', instance, path)
        self.assertEqual((1, ['in use']), (code, self.results(document)))
        self.assertEqual(3, self.gpfs.copied(path))
        self.assertTrue(self.hangs(path))
        self.assertEqual([], [argv for argv in self.changes()
                              if argv[:2] == ['mmclone', 'split']])

    def test_a_guest_that_starts_in_the_end_keeps_its_disk_a_clone(self):
        instance, path = self.chain()
        document, _code = self.flatten_while_it_starts('100 %', instance,
                                                       path)
        self.assertEqual(['in use'], self.results(document))
        self.assertTrue(self.hangs(path))

    def test_a_disk_of_an_instance_that_is_moved_is_left_alone(self):
        instance, path = self.chain()
        aside = os.path.join(self.instances_path, f'{instance}_resize')
        os.mkdir(aside)
        self.refused(path, 'is being moved', aside)
        code, document, _told = self.run_program('--all', '--running')
        self.assertEqual((1, ['is being moved']),
                         (code, self.results(document)))

    def test_an_unknown_instance_or_no_instance_is_refused(self):
        code, _document, told = self.run_program(
            '--instance', '11111111-2222-3333-4444-555555555555')
        self.assertEqual(2, code)
        self.assertIn('No such instance', told)
        for words in ([], ['--all', '--rate', '0'], ['--all', '--rate', 'x']):
            self.assertRaises(SystemExit, self.run_program, *words)


class WithoutLibraryTest(FlattenTestCase):

    def test_all_is_copied_in_one_piece_and_that_is_said(self):
        instance, path = self.chain()
        before = pathlib.Path(path).read_bytes()
        code, document, told = self.run_program('--all', '--rate', '1')
        self.assertEqual((0, ['flattened']), (code, self.results(document)))
        self.assertIn('in one piece and at no rate',
                      document['disks'][0]['note'])
        self.assertIn(self.library, document['disks'][0]['note'])
        self.assertEqual(
            [f'[1/1] {instance}/disk: 0 % of 10.0 MiB',
             f'[1/1] {instance}/disk: flattened'], told.splitlines())
        self.assertFalse(self.hangs(path))
        self.assertEqual([], self.storage.parents.of(instance))
        self.assertEqual(before, pathlib.Path(path).read_bytes())
        self.assertEqual([], self.gpfs.check())

    def test_a_full_file_system_is_an_error_of_its_own(self):
        instance, path = self.chain()
        self.gpfs.faults.add_condition('no-space')
        host = self.host()
        self.assertRaises(
            errors.NoSpace, flattening.Flattener(
                host.storage, flattening.Pace()).flatten,
            instance, path, lambda: None, lambda reached, size: None)
        self.assertTrue(self.hangs(path))

    def test_an_unmounted_file_system_is_refused(self):
        self.chain()
        self.gpfs.unmount()
        code, document, _told = self.run_program('--all')
        self.assertEqual((2, None), (code, document))
