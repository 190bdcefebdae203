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


"""The benchmark measures what it says; numbers of things, never times."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from unittest import mock

import fixtures
from oslotest import base

from benchmarks import backends
from benchmarks import counting
from benchmarks import ground
from benchmarks import image
from benchmarks import results
from benchmarks import scenarios
from benchmarks import snapshots

ROOT = pathlib.Path(__file__).parents[2]
MIB = 2 ** 20
DATA = 2 * MIB


class RunTest(base.BaseTestCase):
    """One small run of everything, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not shutil.which('qemu-img'):
            cls.skipTest(cls, 'qemu-img is not installed')
        cls.done = subprocess.run(
            (sys.executable, ROOT / 'benchmarks' / 'run.py', '--repeat', '1',
             '--size', '16M', '--callers', '2', '--hosts', '2',
             '--data', '4M,16M', '--format', 'json'),
            capture_output=True, text=True, timeout=600)
        if cls.done.returncode:
            raise AssertionError(cls.done.stderr)
        cls.found = json.loads(cls.done.stdout)

    def gpfs(self):
        return [name for name in (backends.GPFS, backends.PRIVSEP)
                if name in self.found['disk']]

    def test_every_backend_is_measured_in_every_round(self):
        expected = {backends.RAW, backends.QCOW2, backends.GPFS,
                    backends.POLICY}
        if os.geteuid() == 0:
            expected.add(backends.PRIVSEP)
        if not ground.reason_not_xfs():
            expected.add(backends.COPIED)
        self.assertEqual(expected, set(self.found['warm']['samples']))
        for values in self.found['warm']['samples'].values():
            self.assertEqual(1, len(values))
            self.assertGreater(values[0], 0)

    def test_a_disk_from_a_cached_image_takes_one_mmclone_and_no_more(self):
        for name in self.gpfs():
            self.assertEqual({'mmclone copy': 1},
                             self.found['disk'][name]['programs'])

    def test_a_policy_that_the_master_has_takes_one_look_more(self):
        self.assertEqual({'mmclone copy': 1, 'mmlsattr': 1},
                         self.found['disk'][backends.POLICY]['programs'])

    def test_a_disk_from_a_cached_image_waits_for_no_other_host(self):
        for name in self.gpfs():
            self.assertEqual(0, self.found['disk'][name]['external_locks'])

    def test_a_disk_from_a_cached_image_is_written_nowhere(self):
        if ground.reason_not_xfs():
            self.skipTest(ground.reason_not_xfs())
        disk = self.found['disk']
        self.assertLess(disk[backends.GPFS]['written'], MIB)
        self.assertGreaterEqual(disk[backends.COPIED]['written'], DATA)
        for name in self.gpfs():
            self.assertLess(disk[name]['taken'], MIB)

    def test_what_novas_backends_do_is_seen(self):
        raw = self.found['disk'][backends.RAW]
        qcow2 = self.found['disk'][backends.QCOW2]
        self.assertEqual(1, raw['programs']['cp'])
        self.assertEqual(1, qcow2['programs']['qemu-img create'])
        for disk in (raw, qcow2):
            self.assertIn('qemu-img info (prlimit)', disk['programs'])
            self.assertEqual(1, disk['external_locks'])

    def test_callers_and_hosts_download_an_image_once(self):
        cold = self.found['cold']
        self.assertEqual({'cold, callers: 2', 'cold, hosts: 2'}, set(cold))
        for one in cold.values():
            self.assertEqual({1}, set(one['downloads'].values()))
            self.assertGreaterEqual(one['written'][backends.GPFS], DATA)

    def test_the_overhead_is_compared_with_the_same_command(self):
        kinds = self.found['overhead'][backends.GPFS]
        self.assertEqual({'over the command', 'outside the command'},
                         set(kinds))
        for outside in kinds['outside the command']['samples']:
            self.assertGreater(outside, 0)

    def snapshots(self, *names):
        """Return what was counted, by backend and step, less data first."""
        found = {}
        for row in self.found['snapshots']:
            found.setdefault((row['backend'], row['step']), []).append(row)
        return {key: rows for key, rows in found.items() if key[0] in names}

    def test_a_snapshot_and_a_disk_from_it_send_and_fetch_nothing(self):
        found = self.snapshots(backends.GPFS)
        self.assertEqual(2, len(found))
        for less, more in found.values():
            self.assertEqual((4 * MIB, 16 * MIB),
                             (less['data'], more['data']))
            for row in (less, more):
                self.assertEqual((0, 0), (row['uploaded'], row['downloaded']))

    def test_a_snapshot_and_a_disk_from_it_take_the_same_few_commands(self):
        for (_name, step), rows in self.snapshots(backends.GPFS).items():
            for row in rows:
                self.assertEqual(
                    {'mmclone snap': 1, 'mmclone copy': 1,
                     **({'mmclone show': 2} if step == snapshots.SNAPSHOT
                        else {'mmclone show': 1, 'mmlsattr': 1})},
                    row['commands'])

    def test_a_snapshot_and_a_disk_from_it_are_written_nowhere(self):
        if ground.reason_not_xfs():
            self.skipTest(ground.reason_not_xfs())
        for less, more in self.snapshots(backends.GPFS).values():
            self.assertLess(more['written'], MIB)
            self.assertLess(more['read'] - less['read'], 4 * MIB)

    def test_novas_own_snapshots_move_all_data(self):
        found = self.snapshots(backends.COPIED, backends.RAW, backends.QCOW2)
        self.assertEqual(4, len(found))
        for (_name, step), rows in found.items():
            for row in rows:
                self.assertGreaterEqual(row['read'], row['data'])
                way = ('uploaded' if step == snapshots.SNAPSHOT
                       else 'downloaded')
                self.assertGreater(row[way], row['data'])
                self.assertEqual({}, row['commands'])

    def test_what_copies_needs_more_space_and_is_left_out_sooner(self):
        self.assertTrue(snapshots.fits(backends.GPFS, 4 * MIB, 8 * MIB))
        self.assertFalse(snapshots.fits(backends.GPFS, 4 * MIB, 7 * MIB))
        for name in (backends.RAW, backends.COPIED, backends.QCOW2):
            self.assertTrue(snapshots.fits(name, 4 * MIB, 20 * MIB))
            self.assertFalse(snapshots.fits(name, 4 * MIB, 19 * MIB))

    def test_progress_goes_to_standard_error(self):
        self.assertIn('cold, hosts: 2, round 1', self.done.stderr)

    def test_a_person_gets_every_number_in_a_table(self):
        text = results.text(self.found)
        for expected in ('warm, s', 'cold, callers: 2, s', 'gpfs / qcow2',
                         'mmclone copy', 'outside the command',
                         'times gpfs', snapshots.BOOT,
                         self.found['setting']['file system']):
            self.assertIn(expected, text)


class CheckTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        if not shutil.which('qemu-img'):
            self.skipTest('qemu-img is not installed')
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.image = image.write(self.path('image'), 16 * MIB, DATA)
        self.stand = scenarios.Stand(
            cluster=None, backends=[], grounds={}, image=self.image,
            disk_size=40 * MIB, repeat=1, progress=None)

    def path(self, name):
        return os.path.join(self.directory, name)

    def disk(self, size=40 * MIB):
        image.Download(self.image)(None, self.path('disk'), 'id')
        os.truncate(self.path('disk'), size)
        return self.path('disk')

    def test_the_image_made_larger_is_right(self):
        self.stand.check(self.disk())

    def test_another_size_is_broken(self):
        self.assertRaisesRegex(scenarios.Broken, 'bytes', self.stand.check,
                               self.disk(32 * MIB))

    def test_another_byte_is_broken(self):
        path = self.disk()
        with open(path, 'r+b') as f:
            f.seek(MIB + 4096)
            f.write(b'another')
        self.assertRaisesRegex(scenarios.Broken, 'mismatch',
                               self.stand.check, path)

    def test_a_download_keeps_the_holes_and_is_counted(self):
        download = image.Download(self.image)
        download(None, self.path('copy'), 'id')
        self.assertEqual(1, download.calls)
        self.assertLess(os.stat(self.path('copy')).st_blocks * 512, 4 * MIB)
        with open(self.image, 'rb') as a, open(self.path('copy'), 'rb') as b:
            self.assertEqual(a.read(), b.read())


class CountingTest(base.BaseTestCase):

    def test_a_program_is_named_behind_its_launchers(self):
        for argv, expected in (
                (('/usr/lpp/mmfs/bin/mmclone', 'copy', 'a', 'b'),
                 'mmclone copy'),
                (('cp', '-r', 'a', 'b'), 'cp'),
                (('env', 'LC_ALL=C', 'qemu-img', 'create', 'a'),
                 'qemu-img create'),
                (('python', '-m', 'oslo_concurrency.prlimit', '--as=1', '--',
                  'env', 'LC_ALL=C', 'qemu-img', 'info', 'a'),
                 'qemu-img info (prlimit)')):
            self.assertEqual(expected, counting.program(argv))

    def test_only_what_happens_meanwhile_is_counted(self):
        subprocess.run(('true',))
        with counting.counted() as counts:
            subprocess.run(('true',))
            subprocess.run(('sh', '-c', ':'))
        subprocess.run(('true',))
        self.assertEqual({'true': 1, 'sh': 1}, counts.programs)

    def test_locks_are_counted_by_kind(self):
        locks = self.useFixture(fixtures.TempDir()).path
        with counting.counted() as counts:
            with counting.lockutils.lock('a'):
                pass
            with counting.lockutils.lock('b', external=True,
                                         lock_path=locks):
                pass
            counting.lockutils.synchronized('c', external=True,
                                            lock_path=locks)(int)()
        self.assertEqual((1, 2), (counts.inner_locks, counts.external_locks))

    def test_bytes_of_children_are_counted(self):
        directory = self.useFixture(fixtures.TempDir(rootdir=ROOT))
        if ground.here(directory.path).kind in ('tmpfs', 'ramfs'):
            self.skipTest('the repository is on a file system in memory, for '
                          'which the kernel counts no bytes written')
        path = directory.join('file')
        with counting.counted() as counts:
            subprocess.run(('dd', 'if=/dev/zero', f'of={path}', 'bs=1M',
                            'count=2', 'conv=fsync'), capture_output=True)
        self.assertGreaterEqual(counts.written, 2 * MIB)

    def test_system_calls_are_the_last_line_of_strace(self):
        summary = ('% time     seconds  usecs/call     calls    errors '
                   'syscall\n------\n 60.00    0.000006           6         '
                   '1           read\n100.00    0.000010           0      '
                   '  85         3 total\n')
        self.assertEqual(85, counting._total(summary))


class ResultsTest(base.BaseTestCase):

    def test_a_ratio_compares_within_a_round(self):
        found = results.summary({backends.GPFS: [1.0, 10.0, 1.5],
                                 backends.QCOW2: [2.0, 20.0, 1.0]})
        self.assertEqual({'gpfs / qcow2': 0.5}, found['ratios'])
        self.assertEqual(1.5, found['medians'][backends.GPFS])

    def test_the_worst_number_of_downloads_of_two_is_shown(self):
        found = results.rounds({backends.GPFS: [
            scenarios.Cold(1.0, downloads, 0) for downloads in (1, 2)]})
        self.assertEqual({backends.GPFS: 2}, found['downloads'])
        self.assertEqual({backends.GPFS: None}, found['taken'])


class GroundTest(base.BaseTestCase):

    def test_the_temporary_directory_has_space_that_others_use(self):
        here = ground.here(self.useFixture(fixtures.TempDir()).path)
        self.assertIsNone(here.used())
        self.assertEqual([], os.listdir(here.path))

    def test_growth_is_read_when_it_has_come_to_rest(self):
        own = ground.Ground('/nowhere', ground.XFS, True, own=True)
        with mock.patch.object(ground.Ground, '_used', autospec=True,
                               side_effect=[5, 4, 3, 3]):
            self.assertEqual(3, own.used())
