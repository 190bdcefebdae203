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

"""The lists that a compute host reports."""

import uuid

from hypothesis import given
from hypothesis import strategies
from oslotest import base

from nova_gpfs import locality

UUIDS = strategies.uuids().map(str)


class InstancesTest(base.BaseTestCase):

    @given(strategies.sets(UUIDS, max_size=20))
    def test_an_instance_that_was_packed_is_found(self, uuids):
        packed = locality.pack(uuids)
        for each in uuids:
            self.assertTrue(locality.lists(packed, each))

    @given(strategies.sets(UUIDS, max_size=20), UUIDS)
    def test_one_that_was_not_is_not_unless_it_begins_alike(self, uuids,
                                                            other):
        alike = other[:6] in {each[:6] for each in uuids}
        self.assertEqual(alike, locality.lists(locality.pack(uuids), other))

    def test_an_entry_is_not_found_across_two(self):
        packed = locality.pack(['00000000-0000-4000-8000-000000000000',
                                'ffffff00-0000-4000-8000-000000000000'])
        self.assertEqual('AAAA ____', packed)
        self.assertFalse(locality.lists(
            packed, '0000ff00-0000-4000-8000-000000000000'))

    def test_nothing_is_in_an_empty_list(self):
        self.assertFalse(locality.lists('', str(uuid.uuid4())))

    def test_5000_instances_fit_beside_what_others_report(self):
        packed = locality.pack(str(uuid.uuid4()) for _ in range(5000))
        self.assertLess(len(packed), 32 * 1024)

    def test_no_number_of_instances_overflows_the_column(self):
        packed = locality.pack(str(uuid.uuid4()) for _ in range(30000))
        self.assertLess(len(packed), 56 * 1024)
        self.assertEqual(locality.MOST_INSTANCES, len(packed.split()))

    def test_the_same_instances_make_the_same_text(self):
        uuids = [str(uuid.uuid4()) for _ in range(9)]
        self.assertEqual(locality.pack(uuids), locality.pack(uuids[::-1]))


class PoolsTest(base.BaseTestCase):

    def test_a_pool_is_found_by_its_whole_name(self):
        packed = locality.pack_pools(['system', 'fast'])
        self.assertEqual('fast,system', packed)
        self.assertTrue(locality.has_pool(packed, 'fast'))
        for name in ('fas', 'st', 'fast,system', ''):
            self.assertFalse(locality.has_pool(packed, name))


class PolicyPoolsTest(base.BaseTestCase):

    def test_each_policy_has_its_pool(self):
        packed = locality.pack_policy_pools({'gold': 'fast', 'tin': 'system'})
        self.assertEqual(['fast', 'system', None, None], [
            locality.pool_of_policy(packed, name)
            for name in ('gold', 'tin', 'gol', None)])

    def test_without_policies_there_is_none(self):
        self.assertIsNone(locality.pool_of_policy('', 'gold'))
