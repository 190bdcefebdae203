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


"""Write affinity follows an instance; seen in the simulator's block map."""

import os

from nova_gpfs import placements
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec
from tests.functional import cloud
from tests.functional import test_placement

MIB = test_placement.MIB


class FollowingTestCase(test_placement.PolicyTestCase):
    """Pool fpo has write affinity; node2 serves group 2, node3 group 3."""

    hosts = ('node2', 'node3')
    relocate = False
    own_masters = False
    policies = {'near': {
        'pool': 'fpo', 'write_affinity_depth': 1,
        'write_affinity_failure_group': 'local'}}

    def make_cluster(self):
        spec = sim_spec.Spec()
        system = spec.file_systems[0]
        system.nsds += [sim_spec.Nsd(
            f'fpo{group}', str(group), 'fpo', usage='dataOnly',
            servers=f'node{group}') for group in (1, 2, 3)]
        system.write_affinity_pools = ['fpo']
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def setUp(self):
        super().setUp()
        self.flags(relocate_blocks=self.relocate, relocation_pause=0.0,
                   write_affinity_pools=['fpo'],
                   masters_by_write_affinity=self.own_masters, group='gpfs')
        self.let_guests_migrate()
        self.start_hosts()
        self.flavor_id = self.flavor_with('near', {'gpfs:policy': 'near'})
        self.server = self.boot(
            self.glance.add('image', self.image, 'qcow2'), self.flavor_id,
            host='node2')
        self.disk = self.instance_file(self.server, 'disk')
        self.write(100 * MIB)

    def write(self, offset):
        with open(self.disk, 'r+b') as disk:
            disk.seek(offset)
            disk.write(b'written by the guest' * 100)

    def groups(self, *offsets):
        """Return the failure groups of the blocks at these offsets."""
        blocks = {block.index: block.failure_groups
                  for block in self.gpfs.blocks(self.disk)}
        return [blocks[offset // MIB] for offset in offsets]

    def groups_of(self, path, below=float('inf')):
        """Return the failure groups of blocks before an offset, as a set."""
        return {tuple(block.failure_groups)
                for block in self.gpfs.blocks(path)
                if block.index * MIB < below}

    def live_migrate(self):
        self.api.post_server_action(self.server['id'], {'os-migrateLive': {
            'host': 'node3', 'block_migration': 'auto'}})
        self._wait_for_migration_status(self.server, ['completed'])
        server = self.wait_for(self.server, 'ACTIVE')
        self.assertEqual('node3', server['OS-EXT-SRV-ATTR:host'])

    def given(self):
        record = placements.read(os.path.dirname(self.disk))
        return record.placement('disk').write_affinity_failure_group


class FollowingTest(FollowingTestCase):

    def test_new_blocks_are_written_near_the_host_of_the_instance(self):
        self.assertEqual([['2']], self.groups(100 * MIB))
        self.live_migrate()
        self.assertEqual('3', self.given())
        self.write(200 * MIB)
        self.assertEqual([['2'], ['3']], self.groups(100 * MIB, 200 * MIB))

    def test_a_migration_does_not_fail_for_where_blocks_go(self):
        self.gpfs.faults.add('mmchattr', 'fail', nth=0, code=22,
                             text='mmchattr: no')
        self.live_migrate()
        self.assertEqual('2', self.given())

    def test_an_evacuated_instance_writes_near_its_new_host(self):
        self.put_down('node2')
        self.api.post_server_action(self.server['id'], {
            'evacuate': {'host': 'node3'}})
        server = self.wait_for_host('node3')
        self.assertEqual('node3', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual('3', self.given())
        self.write(200 * MIB)
        self.assertEqual([['2'], ['3']], self.groups(100 * MIB, 200 * MIB))

    def wait_for_host(self, name):
        self._wait_for_migration_status(self.server, ['done'])
        return self._wait_for_server_parameter(
            self.server, {'OS-EXT-SRV-ATTR:host': name,
                          'OS-EXT-STS:task_state': None})


class SharedMasterTest(FollowingTestCase):

    def test_hosts_of_two_failure_groups_share_a_master(self):
        there = self.boot(self.server['image']['id'], self.flavor_id,
                          host='node3')
        self.assertEqual(1, len(self.masters()))
        self.assertEqual(
            self.groups_of(self.disk, below=32 * MIB),
            self.groups_of(self.instance_file(there, 'disk')))


class OwnMastersTest(FollowingTestCase):

    own_masters = True

    def test_all_blocks_are_near_the_host_before_and_after_writing(self):
        there = self.boot(self.server['image']['id'], self.flavor_id,
                          host='node3')
        for server, group in ((self.server, '2'), (there, '3')):
            disk = self.instance_file(server, 'disk')
            self.assertEqual(self.guest_sees, cloud.read(disk, 32 * MIB))
            self.assertEqual({('fpo', 1)}, self.placed(disk))
            self.assertEqual({(group,)}, self.groups_of(disk))
            self.write_as_guest(disk)
            self.assertEqual({(group,)}, self.groups_of(disk))
        self.assertEqual(2, len(self.masters()))
        self.assertEqual([self.server['image']['id']],
                         self.glance.downloads)
        self.assert_storage_is_consistent()

    def test_a_master_is_taken_by_those_of_its_failure_group(self):
        self.boot(self.server['image']['id'], self.flavor_id, host='node2')
        self.assertEqual(1, len(self.masters()))
        self.assertIn('_d1_in-2_on-fpo', self.masters()[0])


class RelocationTest(FollowingTestCase):

    relocate = True

    def test_blocks_that_are_there_follow_in_the_background(self):
        self.live_migrate()
        backend = self.computes['node3'].driver.image_backend
        backend.following._relocator.finish()
        self.assertEqual([['3']], self.groups(100 * MIB))

    def test_a_restart_goes_on_with_blocks_that_have_not_moved(self):
        driver = self.computes['node3'].driver
        relocator = driver.image_backend.following._relocator
        self.gpfs.faults.add('mmrestripefile', 'fail', nth=1, code=1,
                             text='mmrestripefile: no')
        self.live_migrate()
        relocator.finish()
        self.assertEqual([['2']], self.groups(100 * MIB))
        driver.init_host('node3')
        relocator.finish()
        self.assertEqual([['3']], self.groups(100 * MIB))

    def test_blocks_follow_a_cold_migration_too(self):
        self.api.post_server_action(self.server['id'], {'migrate': None})
        self.wait_for(self.server, 'VERIFY_RESIZE')
        self.api.post_server_action(self.server['id'], {'confirmResize': None})
        self.wait_for(self.server, 'ACTIVE')
        backend = self.computes['node3'].driver.image_backend
        backend.following._relocator.finish()
        self.assertEqual([['3']], self.groups(100 * MIB))
        record = placements.read(os.path.dirname(self.disk))
        self.assertEqual({'disk': '3'}, record.blocks_in)

    def test_blocks_that_cannot_move_stay_and_the_instance_runs(self):
        self.gpfs.faults.add('mmrestripefile', 'fail', nth=0, code=1,
                             text='mmrestripefile: no')
        self.live_migrate()
        backend = self.computes['node3'].driver.image_backend
        backend.following._relocator.finish()
        self.assertEqual([['2']], self.groups(100 * MIB))
        record = placements.read(os.path.dirname(self.disk))
        self.assertEqual({'disk': '2'}, record.blocks_in)
        self.assert_storage_is_consistent()
