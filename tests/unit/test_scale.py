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


"""The model of many hosts, and what it must never show: counts, no times."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import types

import fixtures
from oslotest import base

from benchmarks.scale import clock
from benchmarks.scale import report
from benchmarks.scale import watch
from nova_gpfs import incoming

ROOT = pathlib.Path(__file__).parents[2]
HOSTS, INSTANCES, IMAGES, BOOTS, FACTOR = 40, 400, 12, 120, 4


class RunTest(base.BaseTestCase):
    """One small run of everything; growth is by a factor of four."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.done = subprocess.run(
            (sys.executable, ROOT / 'benchmarks' / 'scale' / 'run.py',
             f'--hosts={HOSTS}', f'--instances={INSTANCES}',
             f'--images={IMAGES}', f'--boots={BOOTS}', f'--factor={FACTOR}',
             '--mm-latency=mmchattr=1.5', '--format=json'),
            capture_output=True, text=True, timeout=600)
        if cls.done.returncode:
            raise AssertionError(cls.done.stderr)
        cls.found = json.loads(cls.done.stdout)
        cls.whole = cls.found['whole']['scenarios']

    def each(self, name, what, fewer=None):
        """Return how many of something one operation takes."""
        found = self.found['fewer'][fewer] if fewer else self.found['whole']
        return report.each(found['scenarios'][name], what)

    def assert_flat(self, name, whats, dimensions):
        """Assert that an operation costs the same in a larger cloud."""
        for what in whats:
            for dimension in dimensions:
                before = self.each(name, what, dimension)
                self.assertLessEqual(
                    self.each(name, what), 1.5 * before + 1,
                    f'{what} of {name} grows with {dimension}')

    def test_an_image_is_downloaded_once_however_many_want_it(self):
        self.assertEqual(1, self.whole['boot, one image']['downloads'])
        self.assertEqual(IMAGES,
                         self.whole['boot, many images']['downloads'])

    def test_a_disk_takes_one_command_and_a_master_three(self):
        for name, images in (('boot, one image', 1),
                             ('boot, many images', IMAGES)):
            self.assertEqual(
                {'mmclone copy': BOOTS, 'mmclone snap': images,
                 'mmclone show': images, 'mmlsattr': images},
                self.whole[name]['commands'])

    def test_a_boot_costs_the_same_however_large_the_cloud_is(self):
        for name in ('boot, one image', 'boot, many images'):
            self.assert_flat(name, ('commands', 'changes', 'recalls'),
                             ('hosts', 'instances'))
            self.assert_flat(name, report.EACH, ('instances',))

    def test_no_boot_lists_a_directory_that_all_share(self):
        """But one host of all, which clears up what is unfinished."""
        for name in ('boot, one image', 'boot, many images'):
            self.assertEqual({}, self.whole[name]['listed by hosts'])
            self.assertLess(self.whole[name]['names'], IMAGES)

    def test_a_move_does_not_read_the_entries_of_all_hosts(self):
        self.assertLessEqual(self.whole['move']['lists'], 3)
        self.assert_flat('move', report.EACH, ('hosts', 'instances'))

    def test_one_host_of_those_that_start_looks_at_all_instances(self):
        self.assertLess(self.whole['start']['looks'],
                        2 * INSTANCES + 10 * HOSTS)

    def test_no_operation_has_every_host_list_what_all_share(self):
        for name, found in self.whole.items():
            for path, one in found['listed by hosts'].items():
                self.assertLess(one['hosts'], HOSTS // 4, f'{name}: {path}')

    def test_hosts_do_not_take_a_note_of_use_from_each_other(self):
        """The directory of instances is Nova's to write to."""
        for name in ('boot, one image', 'host entry', 'host report',
                     'cache pass'):
            changed = {path: one for path, one
                       in self.whole[name]['changed by hosts'].items()
                       if path != '.'}
            for path, one in changed.items():
                self.assertLess(one['hosts'], HOSTS // 4, path)

    def test_a_host_waits_for_a_master_without_asking_all_the_time(self):
        """oslo.concurrency asks ten times a second: up to 600 times."""
        self.assertLess(self.each('boot, one image', 'lock tries'), 40)

    def test_an_evacuation_depends_on_no_size(self):
        self.assert_flat('evacuation', report.EACH,
                         ('hosts', 'instances', 'images', 'boots'))
        self.assertLessEqual(self.each('evacuation', 'commands'), 4)

    def test_what_a_host_reports_does_not_grow_with_the_number_of_hosts(self):
        for name in ('host entry', 'host report'):
            self.assert_flat(name, report.EACH, ('hosts', 'instances'))

    def test_one_host_looks_at_all_instances_for_the_others(self):
        for name in ('near, first', 'near, again'):
            found = self.whole[name]
            # All instances, and the files that hosts leave each other.
            self.assertLessEqual(found['lists'], 2)
            self.assertLess(found['looks'], 2 * INSTANCES + 10 * HOSTS)

    def test_a_cache_pass_takes_a_command_for_each_master_and_no_host(self):
        masters = self.found['whole']['directories']['masters']
        self.assertEqual({'mmclone show': masters},
                         self.whole['cache pass']['commands'])
        self.assert_flat('cache pass', report.EACH, ('hosts', 'instances'))

    def test_a_latency_is_a_parameter(self):
        self.assertEqual(1.5, self.found['latencies']['mmchattr'])
        self.assertGreater(self.whole['evacuation']['longest seconds'], 1.5)
        self.assertLess(self.whole['host report']['longest seconds'], 1.5)

    def test_progress_goes_to_standard_error(self):
        self.assertIn('fewer images: cache pass', self.done.stderr)

    def test_a_person_gets_it_in_tables(self):
        text = report.text(self.found)
        for expected in ('40 hosts, 400 instances', 'mmchattr 1.5',
                         'boot, many images', 'Names in shared directories'):
            self.assertIn(expected, text)
        for line in text.splitlines():
            self.assertEqual(line.rstrip(), line)


class ClockTest(base.BaseTestCase):

    def test_who_is_next_in_time_goes_on(self):
        clocks, order = clock.Clock(100), []

        def host(name, *pauses):
            for seconds in pauses:
                clocks.spend(seconds)
                order.append((name, clocks.now, clocks.host))

        clocks.run([(0, 'a', lambda: host('one', 3, 3)),
                    (1, 'b', lambda: host('two', 1, 3))])
        self.assertEqual([('two', 102, 'b'), ('one', 103, 'a'),
                          ('two', 105, 'b'), ('one', 106, 'a')], order)

    def test_many_short_times_add_up(self):
        clocks = clock.Clock(0)

        def host():
            for _each in range(1000):
                clocks.charge(0.001)
            clocks.spend(0)

        clocks.run([(0, 'a', host)])
        self.assertAlmostEqual(1.0, clocks.now)

    def test_who_waits_for_nobody_is_not_forgotten(self):
        clocks = clock.Clock(0)
        self.assertRaises(clock.Stuck, clocks.run, [
            (0, 'a', lambda: clocks.queue([]))])


class WatchTest(base.BaseTestCase):

    def test_files_are_as_old_as_the_model_has_them(self):
        top = self.useFixture(fixtures.TempDir()).path
        clocks = clock.Clock(1000)
        seen = watch.Watch(clocks, types.SimpleNamespace(
            clones=collections.Counter()), top, watch.Costs(0.0, 0.0))
        path = os.path.join(top, 'file')
        with seen.watching():
            for _new_then_old in range(2):
                clocks.now += 500
                incoming.touch(path)
                self.assertEqual(clocks.now, os.lstat(path).st_mtime)


class GrowthTest(base.BaseTestCase):

    def scenario(self, looks):
        found = dict.fromkeys(report.EACH, 10)
        return {'scenarios': {'one': {**found, 'operations': 10,
                                      'commands': {}, 'looks': looks}}}

    def test_what_grows_is_told_and_with_what(self):
        found = report.growth({
            'whole': self.scenario(1000),
            'fewer': {'hosts': self.scenario(100),
                      'images': self.scenario(1000)}})
        self.assertEqual(
            {'one': {'looks': {'hosts': 10.0, 'images': 1.0}}}, found)
