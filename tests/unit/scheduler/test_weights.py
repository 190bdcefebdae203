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

"""Which of several hosts is preferred."""

import copy
import uuid

from nova import conf
from nova import objects
from nova.scheduler import host_manager
from nova.scheduler import weights as nova_weights
from nova import test
from nova.tests.unit.scheduler import fakes

from nova_gpfs import locality
from nova_gpfs.scheduler import weights

CONF = conf.CONF
MOVING = str(uuid.uuid4())
OTHERS = [str(uuid.uuid4()) for _ in range(50)]


def near(*instances, pools='fast,system'):
    return {'gpfs_failure_group': '1', 'gpfs_pools': pools,
            'gpfs_instances': locality.pack(instances)}


class LocalityWeigherTest(test.NoDBTestCase):

    def host(self, name, stats, **metadata):
        """Return the scheduler's view of a host that has reported."""
        compute = copy.deepcopy(fakes.COMPUTE_NODES[0])
        compute.host = compute.hypervisor_hostname = name
        compute.stats = stats
        state = host_manager.HostState(name, name, uuid.uuid4())
        state.update(compute=compute)
        state.aggregates = [objects.Aggregate(metadata=metadata)]
        return state

    def weights(self, *hosts, instance=MOVING, **extra_specs):
        """Return {host: weight} as the scheduler sees it."""
        spec = objects.RequestSpec(
            instance_uuid=instance, flavor=objects.Flavor(extra_specs={
                f'gpfs:{name}': value
                for name, value in extra_specs.items()}))
        weighed = nova_weights.HostWeightHandler().get_weighed_objects(
            [weights.LocalityWeigher()], hosts, spec)
        return {each.obj.host: each.weight for each in weighed}

    def found(self, name):
        return nova_weights.HostWeightHandler().get_matching_classes([
            'nova.scheduler.weights.all_weighers', name])

    def test_nova_finds_it_by_the_names_in_the_documentation(self):
        for name in ('nova_gpfs.scheduler.weights.LocalityWeigher',
                     'nova_gpfs.scheduler.weights:LocalityWeigher'):
            found = self.found(name)
            self.assertIn(weights.LocalityWeigher, found)
            self.assertGreater(len(found), 2)

    def test_another_name_is_as_unknown_as_ever(self):
        for name in ('nova_gpfs.scheduler.weights:Locality',
                     'nova_gpfs.scheduler.weight:LocalityWeigher',
                     'nova_gpfs.scheduler.LocalityWeigher'):
            self.assertRaises(ImportError, self.found, name)

    def test_a_host_near_the_blocks_is_preferred(self):
        self.assertEqual({'far': 0, 'near': 1.0}, self.weights(
            self.host('far', near(*OTHERS)),
            self.host('near', near(MOVING, *OTHERS))))

    def test_a_host_with_the_pool_of_the_policy_is_preferred(self):
        told = {'gpfs_policy_pools': 'gold=fast,tin=system'}
        hosts = [self.host('with', {**near(pools='fast,system'), **told}),
                 self.host('without', {**near(pools='system'), **told})]
        self.assertEqual({'with': 1.0, 'without': 0},
                         self.weights(*hosts, policy='gold'))
        self.assertEqual({'with': 0, 'without': 0},
                         self.weights(*hosts, policy='tin'))
        self.assertEqual({'with': 0, 'without': 0}, self.weights(
            *hosts, policy='gold', root_pool='system'))

    def test_all_hosts_near_the_blocks_are_alike(self):
        self.assertEqual({'a': 1.0, 'b': 1.0, 'c': 0}, self.weights(
            self.host('a', near(MOVING)), self.host('b', near(MOVING)),
            self.host('c', near())))

    def test_a_new_instance_is_near_no_host(self):
        self.assertEqual({'a': 0, 'b': 0}, self.weights(
            self.host('a', near(*OTHERS)), self.host('b', near()),
            instance=str(uuid.uuid4())))

    def test_hosts_that_report_nothing_are_far(self):
        for silent in ({}, {'gpfs_pools': None, 'gpfs_instances': None}):
            self.assertEqual({'silent': 0, 'near': 1.0}, self.weights(
                self.host('silent', silent),
                self.host('near', near(MOVING)), pool='fast'))

    def test_a_host_with_the_pool_is_preferred(self):
        hosts = (self.host('with', near()),
                 self.host('without', near(pools='system')))
        for name in ('pool', 'root_pool'):
            self.assertEqual({'with': 1.0, 'without': 0},
                             self.weights(*hosts, **{name: 'fast'}))
        self.assertEqual({'with': 0, 'without': 0}, self.weights(*hosts))
        self.assertEqual({'with': 0, 'without': 0},
                         self.weights(*hosts, swap_pool='fast'))

    def test_the_pool_of_the_root_disk_counts_more_than_that_of_all(self):
        self.assertEqual({'a': 0, 'b': 1.0}, self.weights(
            self.host('a', near(pools='slow')),
            self.host('b', near(pools='fast')),
            pool='slow', root_pool='fast'))

    def test_the_pool_counts_more_than_the_blocks(self):
        found = self.weights(
            self.host('near', near(MOVING, pools='system')),
            self.host('far', near()), pool='fast')
        self.assertGreater(found['far'], found['near'])

    def test_the_option_multiplies_and_an_aggregate_overrides(self):
        self.flags(locality_weight_multiplier=5.0, group='gpfs')
        self.assertEqual({'a': 5.0, 'b': -2.0, 'c': 0}, self.weights(
            self.host('a', near(MOVING)),
            self.host('b', near(MOVING),
                      gpfs_locality_weight_multiplier='-2'),
            self.host('c', near())))

    def test_requests_without_extra_specs_or_instance_are_weighed(self):
        hosts = [self.host('a', near(MOVING)), self.host('b', near())]
        weighed = nova_weights.HostWeightHandler().get_weighed_objects(
            [weights.LocalityWeigher()], hosts,
            objects.RequestSpec(flavor=objects.Flavor()))
        self.assertEqual([0, 0], [each.weight for each in weighed])
