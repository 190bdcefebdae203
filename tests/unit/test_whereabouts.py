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

"""Records of instances: where their blocks are."""

import contextlib
import os
import shutil
from unittest import mock
import uuid

from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import whereabouts

from tests.unit import test_offer


class WhereaboutsTest(test_offer.ClusterTestCase):

    def setUp(self):
        super().setUp()
        self.whereabouts = whereabouts.Whereabouts(
            self.layout, self.guard, age=300.0, clock=self.clock)
        self.found = os.path.join(self.layout.shared, 'whereabouts.json')

    def instance(self, group, name=None):
        """Write a record and return the instance's UUID."""
        name = name or str(uuid.uuid4())
        directory = os.path.join(self.instances_path, name)
        os.makedirs(directory, exist_ok=True)
        placements.write(directory, placements.Record(disks={
            'disk': model.Placement(write_affinity_failure_group=group),
            'disk.swap': model.Placement(pool='fast')}))
        return name

    def record(self, name):
        return os.path.join(self.instances_path, name, 'gpfs.json')

    def in_group(self, group, later=0):
        self.clock.now += later
        with contextlib.suppress(FileNotFoundError):
            before = os.stat(self.found).st_mtime - later
            os.utime(self.found, (before, before))
        return self.whereabouts.in_group(group)

    def test_each_group_has_its_instances(self):
        near = {self.instance('1'), self.instance('1')}
        far = self.instance('1,0,2')
        self.assertEqual(near, self.in_group('1'))
        self.assertEqual({far}, self.in_group('1,0,2'))
        self.assertEqual(set(), self.in_group('3'))

    def test_what_is_no_instance_is_left_alone(self):
        self.instance('1', name='_base')
        self.instance('1', name=f'{uuid.uuid4()}_resize')
        os.mkdir(os.path.join(self.instances_path, str(uuid.uuid4())))
        self.assertEqual(set(), self.in_group('1'))

    def test_any_disk_counts_and_any_replica(self):
        name = self.instance('1,0,1;2')
        for group in ('1,0,1', '2'):
            self.assertEqual({name}, self.in_group(group))
        for group in ('1', '0', '', '1,0,1;2'):
            self.assertEqual(set(), self.in_group(group))

    def test_a_record_that_nobody_understands_says_nothing(self):
        for text in ('{', '{}', '[]', '{"disks": {"disk": 1}}'):
            with open(self.record(self.instance('1')), 'w') as record:
                record.write(text)
        near = self.instance('1')
        self.assertEqual({near}, self.in_group('1'))

    def test_changes_are_seen_when_what_is_known_is_old(self):
        moved, gone = self.instance('1'), self.instance('1')
        self.assertEqual({moved, gone}, self.in_group('1'))
        self.instance('22', name=moved)
        shutil.rmtree(os.path.join(self.instances_path, gone))
        new = self.instance('1')
        self.assertEqual({moved, gone}, self.in_group('1', later=299.9))
        self.assertEqual({new}, self.in_group('1', later=0.1))
        self.assertEqual({moved}, self.in_group('22'))

    def test_a_record_is_read_again_only_when_it_changed(self):
        path = self.record(self.instance('1'))
        before = os.stat(path)
        self.assertNotEqual(set(), self.in_group('1'))
        with open(path, 'r+b') as record:
            text = record.read().replace(b'"1"', b'"2"')
            record.seek(0)
            record.write(text)
        for change, seen in ((0, '1'), (1, '2')):
            os.utime(path, ns=(0, before.st_mtime_ns + change))
            self.assertNotEqual(set(), self.in_group(seen, later=300))

    def test_a_file_system_that_is_away_changes_nothing(self):
        near = self.instance('1')
        self.assertEqual({near}, self.in_group('1'))
        self.gpfs.unmount('fs0')
        os.makedirs(self.instances_path)
        self.instance('1')
        self.assertEqual({near}, self.in_group('1', later=300))

    def test_a_slow_file_system_is_looked_at_less_often(self):
        near = self.instance('1')
        self.clock.step = 10.0
        self.assertEqual({near}, self.in_group('1'))
        self.clock.step = 0.0
        new = self.instance('1')
        self.assertEqual({near}, self.in_group('1', later=999.9))
        self.assertEqual({near, new}, self.in_group('1', later=0.1))

    def test_one_host_looks_for_all_of_them(self):
        near = self.instance('1')
        self.assertEqual({near}, self.in_group('1'))
        other = whereabouts.Whereabouts(self.layout, self.guard, age=300.0,
                                        clock=self.clock)
        with mock.patch('os.listdir', autospec=True) as listdir:
            self.assertEqual({near}, other.in_group('1'))
        listdir.assert_not_called()
