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

"""What compute hosts report, and where the scheduler puts instances."""

import os

from nova import context
from nova import objects
from nova.tests.functional import integrated_helpers

from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec

from tests.functional import cloud


class SchedulingTestCase(cloud.CloudTestCase,
                         integrated_helpers.PlacementHelperMixin):
    """Each host serves the disks of the failure group of its number."""

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.start_hosts()

    def stats(self, host):
        """Return what the scheduler reads of a host about GPFS."""
        node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
            context.get_admin_context(), host)
        return {name: value for name, value in node.stats.items()
                if name.startswith('gpfs_')}


class ReportTest(SchedulingTestCase):

    def traits(self, host):
        return self._get_provider_traits(self._get_provider_uuid_by_name(
            host))

    def report(self, host):
        """Run the periodic task that reports, as if nothing were cached."""
        compute = self.computes[host]
        compute.rt.reportclient.clear_provider_cache()
        compute.update_available_resource(context.get_admin_context())

    def test_a_host_has_the_traits_of_its_file_system(self):
        self.assertLessEqual(
            {'CUSTOM_GPFS_POOL_SYSTEM', 'CUSTOM_GPFS_POOL_FAST',
             'CUSTOM_GPFS_REPLICAS_1', 'CUSTOM_GPFS_REPLICAS_2',
             'CUSTOM_GPFS_REPLICAS_3', 'COMPUTE_NODE'},
            set(self.traits('node1')))

    def test_the_scheduler_is_told_pools_and_failure_group(self):
        self.assertEqual(
            {'gpfs_pools': 'fast,system', 'gpfs_failure_group': '1',
             'gpfs_instances': ''}, self.stats('node1'))

    def test_the_operators_word_on_the_failure_group_counts(self):
        self.flags(failure_group='7', group='gpfs')
        self.start_host('node2')
        self.assertEqual('7', self.stats('node2')['gpfs_failure_group'])

    def test_ours_go_and_those_of_others_stay(self):
        for trait in ('CUSTOM_GPFS_POOL_GONE', 'CUSTOM_MINE'):
            self._create_trait(trait)
        before = set(self.traits('node1'))
        self._set_provider_traits(
            self._get_provider_uuid_by_name('node1'),
            sorted(before | {'CUSTOM_GPFS_POOL_GONE', 'CUSTOM_MINE'}))
        self.report('node1')
        self.assertEqual(before | {'CUSTOM_MINE'}, set(self.traits('node1')))

    def test_a_sick_cluster_neither_fails_the_report_nor_changes_it(self):
        before = set(self.traits('node1')), self.stats('node1')
        facts = self.computes['node1'].driver.image_backend.placing.facts
        facts._max_age = -1
        self.flags(disable_sick_host=False, group='gpfs')
        self.gpfs.set_node_state('node1', 'down')
        self.report('node1')
        self.assertIn('could not be found out', self.stdlog.logger.output)
        self.assertEqual(
            before, (set(self.traits('node1')), self.stats('node1')))

    def test_a_required_trait_keeps_instances_off_other_hosts(self):
        self.gpfs.faults.add('mmlspool', action='garbage', nth=0)
        self.start_host('node2')
        self.gpfs.faults.clear()
        self.assertNotIn('CUSTOM_GPFS_POOL_FAST', self.traits('node2'))
        demanding = self.flavor('demanding', extra_specs={
            'trait:CUSTOM_GPFS_POOL_FAST': 'required'})
        for _ in range(3):
            server = self.boot(self.image, demanding)
            self.assertEqual('node1', server['OS-EXT-SRV-ATTR:host'])
        self.boot(self.image, demanding, host='node2',
                  expected_state='ERROR')
        self.boot(self.image, self.flavor('modest'), host='node2')


class LocalityTest(SchedulingTestCase):
    """Instances go where their blocks are, not only where there is room."""

    def make_cluster(self):
        spec = sim_spec.Spec()
        spec.file_systems[0].write_affinity_pools = ['fast']
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def _configure(self):
        super()._configure()
        self.flags(weight_classes=[
            'nova.scheduler.weights.all_weighers',
            'nova_gpfs.scheduler.weights:LocalityWeigher'],
            group='filter_scheduler')
        self.flags(locality_weight_multiplier=100.0, group='gpfs')
        # Each host has an address of its own.
        self.flags(migration_inbound_addr='%s.example', group='libvirt')

    def test_a_cold_migration_goes_to_the_failure_group_of_the_blocks(self):
        server = self.boot(self.image, self.flavor('third', extra_specs={
            'gpfs:pool': 'fast', 'gpfs:write_affinity_depth': '1',
            'gpfs:write_affinity_failure_group': '3'}))
        # What node1 has found for all when it started is old by now.
        os.utime(os.path.join(self.instances_path, '_gpfs', 'shared',
                              'whereabouts.json'), (1, 1))
        for host in ('node2', 'node3'):
            self.start_host(host)
        self.assertEqual('', self.stats('node2')['gpfs_instances'])
        self.assertNotEqual('', self.stats('node3')['gpfs_instances'])
        # Nova's own weighers prefer the host that has more room.
        self.boot(self.image, self.flavor('filler'), host='node3')

        self.api.post_server_action(server['id'], {'migrate': None})
        moved = self.wait_for(server, 'VERIFY_RESIZE')
        self.assertEqual('node3', moved['OS-EXT-SRV-ATTR:host'])
