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

"""What other releases have written, and what the guide says of it.

Of masters tests/functional/test_masters.py says it.
"""

import json
import os

from nova_gpfs import errors
from nova_gpfs import guard
from nova_gpfs import hosts
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import policy

from tests.unit import test_offer

RECORD = placements.Record(
    policy.Wishes({'policy': 'gold'}),
    {'disk': model.Placement(pool='fast',
                             write_affinity_failure_group='1')},
    {'disk': '1'})


class FilesTest(test_offer.ClusterTestCase):

    def rewrite(self, path, change):
        """Let another release have written a file."""
        with open(path) as f:
            fields = json.load(f)
        change(fields)
        with open(path, 'w') as f:
            json.dump(fields, f)

    def record(self, change):
        """Return what is read of a changed record."""
        placements.write(self.instances_path, RECORD)
        self.rewrite(os.path.join(self.instances_path, 'gpfs.json'), change)
        return placements.read(self.instances_path)

    def test_every_file_has_its_version(self):
        placements.write(self.instances_path, RECORD)
        hosts.Hosts(self.layout, self.guard, 600.0).announce(
            hosts.Host('node1', '192.0.2.1'))
        for path in (os.path.join(self.instances_path, 'gpfs.json'),
                     self.layout.identity, self.layout.host('node1')):
            with open(path) as f:
                self.assertEqual(1, json.load(f)['version'], path)

    def test_what_a_later_release_records_of_disks_is_passed_over(self):
        def change(fields):
            fields['later'] = fields['disks']['disk']['invented_later'] = 1
        self.assertEqual(RECORD, self.record(change))

    def test_a_record_of_before_blocks_were_looked_for_is_understood(self):
        found = self.record(lambda fields: fields.pop('blocks_in'))
        self.assertEqual((RECORD.disks, {}), (found.disks, found.blocks_in))

    def test_a_record_without_what_is_needed_counts_as_none(self):
        self.assertEqual(placements.Record(),
                         self.record(lambda fields: fields.pop('disks')))

    def test_what_a_later_release_says_of_a_host_is_passed_over(self):
        registers = [hosts.Hosts(self.layout, self.guard, 600.0)
                     for _ in range(2)]
        for number, register in enumerate(registers):
            register.announce(hosts.Host(f'node{number}', f'192.0.2.{number}'))
        path = self.layout.host('node1')
        self.rewrite(path, lambda fields: fields.update(later=1))
        self.assertTrue(registers[0].share('192.0.2.1'))
        self.rewrite(path, lambda fields: fields.pop('address'))
        self.assertFalse(registers[0].share('192.0.2.1'))

    def test_the_file_system_is_known_with_fields_of_a_later_release(self):
        def change(fields):
            fields['later'] = fields['location']['invented_later'] = 1
        self.rewrite(self.layout.identity, change)
        guard.MountGuard(self.driver, self.layout).establish()

    def test_without_a_field_that_is_needed_nothing_starts(self):
        self.rewrite(self.layout.identity,
                     lambda fields: fields.pop('location'))
        self.assertRaises(errors.WrongFileSystem, guard.MountGuard(
            self.driver, self.layout).establish)
