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

"""What a compute host reports of what the cluster offers."""

import dataclasses

from nova.compute import provider_tree
from oslo_utils import uuidutils
from oslotest import base

from nova_gpfs.compute import reporting
from nova_gpfs import policy

from tests.unit import test_offer


def an_offer(*pools, groups=('1', '2'), **kwargs):
    names = pools or ('fast',)
    return test_offer.an_offer(
        [test_offer.pool(name) for name in names],
        [test_offer.disk(group, name) for name in names for group in groups],
        **kwargs)


def with_affinity(offer, affinity, release=(5, 2, 2, 0)):
    return dataclasses.replace(
        offer,
        file_system=dataclasses.replace(offer.file_system, release=release),
        pools=tuple(dataclasses.replace(pool, write_affinity=affinity)
                    for pool in offer.pools))


class TraitsTest(base.BaseTestCase):

    def test_a_pool_is_a_trait_in_the_letters_of_traits(self):
        found = reporting.traits(an_offer('system', 'ssd-1.a'))
        self.assertLessEqual({'CUSTOM_GPFS_POOL_SYSTEM',
                              'CUSTOM_GPFS_POOL_SSD_1_A'}, found)

    def test_no_name_is_too_long_for_placement(self):
        for trait in reporting.traits(an_offer('x' * 255)):
            self.assertLessEqual(len(trait), 255)

    def test_each_possible_number_of_replicas_is_a_trait(self):
        for groups, most in (('1', 1), ('12', 2), ('123', 2)):
            self.assertEqual(
                {'CUSTOM_GPFS_POOL_FAST',
                 *(f'CUSTOM_GPFS_REPLICAS_{n}' for n in range(1, most + 1))},
                reporting.traits(an_offer(groups=groups)))

    def test_write_affinity_is_a_trait_where_it_is_known_to_work(self):
        for affinity, release, known in (
                (True, (5, 2, 2, 0), True), (False, (5, 2, 2, 0), False),
                (None, (5, 2, 2, 0), False), (True, (), True),
                (True, (6, 0, 0, 0), False)):
            found = reporting.traits(
                with_affinity(an_offer(), affinity, release))
            self.assertIs(known, 'CUSTOM_GPFS_FPO' in found,
                          (affinity, release))

    def test_write_affinity_of_a_pool_without_data_is_none(self):
        offer = with_affinity(an_offer(), True)
        offer = dataclasses.replace(offer, pools=tuple(
            dataclasses.replace(pool, holds_data=False)
            for pool in offer.pools))
        self.assertEqual(set(), reporting.traits(offer))


class UpdateTraitsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.tree = provider_tree.ProviderTree()
        self.tree.new_root('node1', uuidutils.generate_uuid())

    def update(self, offer, *before):
        self.tree.add_traits('node1', *before)
        reporting.update_traits(offer, self.tree, 'node1')
        return self.tree.data('node1').traits

    def test_traits_that_no_longer_hold_are_removed(self):
        found = self.update(
            an_offer(groups='1'), 'CUSTOM_GPFS_POOL_OLD', 'CUSTOM_GPFS_FPO',
            'CUSTOM_GPFS_REPLICAS_2', 'CUSTOM_GPFS_REPLICAS_1')
        self.assertEqual({'CUSTOM_GPFS_POOL_FAST', 'CUSTOM_GPFS_REPLICAS_1'},
                         found)

    def test_traits_of_others_are_left_alone(self):
        others = {'HW_CPU_X86_AVX', 'CUSTOM_GPFS', 'CUSTOM_GPFS_FPO2',
                  'CUSTOM_GPFS_POOLS_FAST', 'CUSTOM_MINE'}
        self.assertLessEqual(others, self.update(an_offer(), *others))


class StatsTest(base.BaseTestCase):

    def test_pools_are_told_by_a_host_without_a_failure_group(self):
        self.assertEqual({'gpfs_pools': 'fast,system'}, reporting.stats(
            an_offer('system', 'fast'), None, None, policy.Rules()))

    def test_the_pools_that_policies_name_are_told(self):
        rules = policy.Rules({
            'gold': {'pool': 'fast', 'swap_pool': 'system'},
            'silver': {'data_replicas': 2},
            'tin': {'pool': 'fast', 'root_pool': 'system'}})
        self.assertEqual(
            'gold=fast,tin=system', reporting.stats(
                an_offer('system', 'fast'), None, None, rules)[
                    'gpfs_policy_pools'])
