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


"""Policies: where the blocks of disks and masters are, seen from below."""

import dataclasses
import errno
import json
import os
import random
from unittest import mock

from nova import exception
from oslo_config import fixture as config_fixture

from nova_gpfs.compute import host
from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_policies
from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec
from tests import face
from tests.functional import cloud

MIB = cloud.MIB


class PolicyTestCase(cloud.CloudTestCase):
    """The standard cluster: pools system and fast, three failure groups."""

    policies = {'gold': {'pool': 'fast', 'data_replicas': 2},
                'silver': {'metadata_replicas': 2},
                'plain': {'pool': 'system', 'data_replicas': 1}}

    def setUp(self):
        super().setUp()
        for name, options in self.policies.items():
            self.define_policy(name, **options)
        self.image, self.guest_sees = cloud.qcow2_image(self.directory)

    def define_policy(self, name, **options):
        """Write a group of nova.conf."""
        self.useFixture(config_fixture.Config(cloud.CONF)).load_raw_values(
            group=f'gpfs_policy:{name}',
            **{key: str(value) for key, value in options.items()})

    def flavor_with(self, name, specs, **sizes):
        flavor = self.flavor(name, **sizes)
        self.api.post_extra_spec(flavor, {'extra_specs': specs})
        return flavor

    def placed(self, path):
        """Return (pool, replicas) of all blocks of a file, as a set.

        The replicas of each are in failure groups of their own.
        """
        blocks = self.gpfs.blocks(path)
        for block in blocks:
            self.assertEqual(block.replicas, len(set(block.failure_groups)))
        return {(block.pool, block.replicas) for block in blocks}

    def write_as_guest(self, path, seed=1):
        """Change blocks that a disk shares, and some that it does not."""
        noise = random.Random(seed)
        with open(path, 'r+b') as disk:
            for offset in (MIB, 5 * MIB, 20 * MIB, 900 * MIB):
                disk.seek(offset)
                disk.write(noise.randbytes(4096))

    def masters(self):
        top = os.path.join(self.instances_path, '_gpfs', 'masters')
        return sorted(os.listdir(top))


class PolicyTest(PolicyTestCase):

    def setUp(self):
        super().setUp()
        self.start_hosts()
        self.image_id = self.glance.add('image', self.image, 'qcow2')
        self.plain = self.flavor('plain')
        self.gold = self.flavor_with('gold', {'gpfs:policy': 'gold'})

    def test_all_blocks_are_placed_before_and_after_the_guest_writes(self):
        """Harvester issue 5897: all hung on the one copy of a base."""
        server = self.boot(self.image_id, self.gold)
        disk = self.instance_file(server, 'disk')
        self.assertEqual(self.guest_sees, cloud.read(disk, 32 * MIB))
        self.assertEqual({('fast', 2)}, self.placed(disk))
        self.write_as_guest(disk)
        self.assertEqual({('fast', 2)}, self.placed(disk))
        self.assert_storage_is_consistent()

    def test_what_a_clone_starts_with_does_not_matter(self):
        self.gpfs.set_switch('clone_placement', 'defaults')
        server = self.boot(self.image_id, self.gold)
        disk = self.instance_file(server, 'disk')
        self.write_as_guest(disk)
        self.assertEqual({('fast', 2)}, self.placed(disk))

    def test_each_placement_has_a_master_and_the_image_one_download(self):
        """Scale CSI issues 503, 510, 748, 1079: no clone in another class.

        CDI issues 4068, 3902, pull request 2963: each copied the image.
        """
        self.boot(self.image_id, self.plain, host='node1')
        self.boot(self.image_id, self.gold, host='node2')
        self.boot(self.image_id, self.gold, host='node1')
        self.assertEqual([self.image_id], self.glance.downloads)
        self.assertEqual(2, len(self.masters()))
        plain, gold = self.masters()
        self.assertEqual(plain + '_r2_on-fast', gold)
        for name, expected in ((plain, {('system', 1)}),
                               (gold, {('fast', 2)})):
            master = os.path.join(self.instances_path, '_gpfs', 'masters',
                                  name, 'image')
            self.assertEqual(expected, self.placed(master))
            self.assertEqual(self.guest_sees, cloud.read(master))
            data = os.stat(face.behind(self.gpfs, master))
            self.assertLess(data.st_blocks * 512, 4 * MIB)

    def test_a_placed_master_can_be_the_first(self):
        self.boot(self.image_id, self.gold)
        server = self.boot(self.image_id, self.plain)
        self.assertEqual([self.image_id], self.glance.downloads)
        self.assertEqual({('system', 1)},
                         self.placed(self.instance_file(server, 'disk')))

    def test_a_master_that_is_right_by_itself_is_shared(self):
        self.boot(self.image_id, self.plain)
        same = self.flavor_with('same', {'gpfs:policy': 'plain'})
        self.boot(self.image_id, same)
        self.assertEqual(1, len(self.masters()))

    def test_a_warm_disk_costs_at_most_one_mmchattr(self):
        for inherited, expected in (('source', 0), ('defaults', 1)):
            self.gpfs.set_switch('clone_placement', inherited)
            self.boot(self.image_id, self.gold)
            before = len(self.commands())
            changed = len(self.commands('mmchattr'))
            self.boot(self.image_id, self.gold)
            ran = [argv[0] for argv in self.commands()[before:]]
            self.assertEqual(1, ran.count('mmclone'), ran)
            self.assertEqual(expected,
                             len(self.commands('mmchattr')) - changed)
            self.assertEqual({'mmclone', 'mmlsattr'},
                             set(ran) - {'mmchattr'}, ran)

    def test_every_disk_of_an_instance_is_placed(self):
        flavor = self.flavor_with(
            'all', {'gpfs:policy': 'gold', 'gpfs:swap_pool': 'system'},
            ephemeral_gb=1, swap=8)
        server = self.boot(self.image_id, flavor, config_drive=True)
        for name, expected in (('disk', 'fast'), ('disk.eph0', 'fast'),
                               ('disk.config', 'fast'),
                               ('disk.swap', 'system')):
            path = self.instance_file(server, name)
            self.assertEqual({(expected, 2)}, self.placed(path), name)

    def test_what_was_asked_for_and_given_stands_beside_the_disks(self):
        server = self.boot(self.image_id, self.gold)
        with open(self.instance_file(server, 'gpfs.json')) as f:
            found = json.load(f)
        self.assertEqual({'policy': 'gold'}, found['flavor'])
        self.assertEqual({'disk': {'pool': 'fast', 'data_replicas': 2}},
                         found['disks'])
        plain = self.boot(self.image_id, self.plain)
        self.assertFalse(os.path.exists(
            self.instance_file(plain, 'gpfs.json')))

    def test_a_default_policy_holds_where_nobody_asks(self):
        self.flags(root_policy='gold', group='gpfs')
        self.start_again()
        server = self.boot(self.image_id, self.plain, host='node1')
        self.assertEqual({('fast', 2)},
                         self.placed(self.instance_file(server, 'disk')))

    def test_an_image_says_only_what_the_operator_allows(self):
        image = self.glance.add('placed', self.image, 'qcow2',
                                gpfs_pool='fast')
        failed = self.boot(image, self.plain, expected_state='ERROR')
        self.assertIn("image gpfs_pool = 'fast'", failed['fault']['message'])
        self.flags(image_may_set=['pool=fast'], group='gpfs')
        self.start_again()
        server = self.boot(image, self.plain, host='node1')
        self.assertEqual({('fast', 1)},
                         self.placed(self.instance_file(server, 'disk')))

    def start_again(self):
        """Give the first host its new configuration."""
        backend = self.computes['node1'].driver.image_backend
        backend.placing.rules = conf_policies.rules(cloud.CONF)

    def test_what_cannot_be_granted_fails_once_and_clearly(self):
        for number, (specs, expected) in enumerate((
                ({'gpfs:pool': 'nvme'}, 'No such storage pool: nvme'),
                ({'gpfs:policy': 'bronze'}, 'No such placement policy'),
                ({'gpfs:swap_data_replicas': '3', 'gpfs:swap_pool': 'two'},
                 'No such storage pool: two'))):
            flavor = self.flavor_with(f'bad{number}', specs, swap=8)
            failed = self.boot(self.image_id, flavor, expected_state='ERROR')
            self.assertIn(expected, failed['fault']['message'])
            self.assertNotIn('Exceeded maximum number of retries',
                             failed['fault']['message'])
            self.assertNotIn(self.instances_path, str(failed['fault']))
            self.assertFalse(os.path.exists(self.instance_file(failed)))
        self.assertEqual([], self.glance.downloads)

    def test_a_placement_that_gpfs_refuses_costs_no_download(self):
        self.gpfs.faults.add('mmchattr', 'fail', nth=0, code=22,
                             text='mmchattr: no')
        failed = self.boot(self.image_id, self.gold, expected_state='ERROR')
        self.assertEqual([], self.glance.downloads)
        self.assertNotIn(self.instances_path, str(failed['fault']))

    def test_users_read_no_paths_when_the_system_refuses(self):
        with mock.patch('nova_gpfs.placements.write', autospec=True,
                        side_effect=OSError(errno.ENOSPC, 'No space left',
                                            self.instances_path)):
            failed = self.boot(self.image_id, self.gold,
                               expected_state='ERROR')
        self.assertNotIn(self.instances_path, str(failed['fault']))

    def test_the_config_drive_of_every_rescue_is_placed(self):
        server = self.boot(self.image_id, self.gold, config_drive=True)
        for _ in range(2):
            self.api.post_server_action(server['id'], {'rescue': {}})
            self.wait_for(server, 'RESCUE')
            for name in ('disk.rescue', 'disk.config.rescue'):
                self.assertEqual(
                    {('fast', 2)},
                    self.placed(self.instance_file(server, name)), name)
            self.api.post_server_action(server['id'], {'unrescue': None})
            self.wait_for(server, 'ACTIVE')

    def test_write_affinity_is_refused_where_it_is_known_not_to_be(self):
        near = self.flavor_with('near', {'gpfs:policy': 'gold',
                                         'gpfs:write_affinity_depth': '1'})
        self.flags(write_affinity_pools=['fpo'], group='gpfs')
        self.computes.clear()
        self.start_host('node3')
        failed = self.boot(self.image_id, near, host='node3',
                           expected_state='ERROR')
        self.assertIn('Write affinity is not supported here: pool fast',
                      failed['fault']['message'])

    def test_write_affinity_shares_the_master(self):
        near = self.flavor_with('near', {'gpfs:policy': 'gold',
                                         'gpfs:write_affinity_depth': '1'})
        self.gpfs.set_switch('write_affinity_elsewhere', 'ignore')
        self.boot(self.image_id, self.gold)
        self.boot(self.image_id, near)
        self.assertEqual(1, len(self.masters()))


class PlacedResizeTest(PolicyTestCase):

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)
        self.start_hosts()
        self.image_id = self.glance.add('image', self.image, 'qcow2')
        self.server = self.boot(self.image_id, self.flavor('plain'))
        self.disk = self.instance_file(self.server, 'disk')
        self.write_as_guest(self.disk)
        self.contents = cloud.read(self.disk)

    def resize(self, flavor, state):
        self.api.post_server_action(self.server['id'],
                                    {'resize': {'flavorRef': flavor}})
        return self.wait_for(self.server, state)

    def test_another_policy_moves_all_blocks_and_a_revert_brings_them_back(
            self):
        self.resize(self.flavor_with('gold', {'gpfs:policy': 'gold'}),
                    'VERIFY_RESIZE')
        self.assertEqual({('fast', 2)}, self.placed(self.disk))
        self.assertEqual(self.contents, cloud.read(self.disk))
        self.api.post_server_action(self.server['id'], {'revertResize': None})
        self.wait_for(self.server, 'ACTIVE')
        self.assertEqual({('system', 1)}, self.placed(self.disk))
        self.assertEqual(self.contents, cloud.read(self.disk))
        self.assert_storage_is_consistent()

    def test_a_policy_that_cannot_be_granted_leaves_the_guest_running(self):
        before = len(self.computes['node1'].driver._host.get_connection()
                     .listAllDomains(1))
        self.resize(self.flavor_with('bad', {'gpfs:pool': 'nvme'}), 'ACTIVE')
        self._wait_for_action_fail_completion(
            self.server, 'resize', 'compute_resize_instance')
        self.wait_for(self.server, 'ACTIVE')
        self.assertEqual(before, len(
            self.computes['node1'].driver._host.get_connection()
            .listAllDomains(1)))
        self.assertEqual(self.contents, cloud.read(self.disk))

    def test_what_is_asked_for_now_is_recorded_and_what_was_given_kept(self):
        self.resize(self.flavor_with('gold', {'gpfs:policy': 'gold'}),
                    'VERIFY_RESIZE')
        self.api.post_server_action(self.server['id'], {'confirmResize': None})
        self.wait_for(self.server, 'ACTIVE')
        split = len(self.commands('mmclone', 'split'))
        self.resize(self.flavor_with('fast', {'gpfs:pool': 'fast'}),
                    'VERIFY_RESIZE')
        record = placements.read(os.path.dirname(self.disk))
        self.assertEqual({'pool': 'fast'}, record.wishes.flavor)
        self.assertEqual(model.Placement('fast', 2), record.placement('disk'))
        self.assertEqual({('fast', 2)}, self.placed(self.disk))
        self.assertEqual(split, len(self.commands('mmclone', 'split')))

    def test_a_sick_gpfs_leaves_the_guest_running(self):
        gold = self.flavor_with('gold', {'gpfs:policy': 'gold'})
        self.gpfs.faults.add('mmlspool', 'fail', nth=0, code=1,
                             text='mmlspool: no')
        self.computes['node1'].driver.image_backend.placing.facts._known = (
            None)
        self.resize(gold, 'ACTIVE')
        self._wait_for_action_fail_completion(
            self.server, 'resize', 'compute_resize_instance')
        self.wait_for(self.server, 'ACTIVE')
        self.assertEqual(self.contents, cloud.read(self.disk))


class EvacuationTest(PolicyTestCase):
    """The disks are there; what becomes of policies must not stop them."""

    policies = {**PolicyTestCase.policies, 'same': {
        'pool': 'system', 'data_replicas': 1, 'metadata_replicas': 1}}

    def setUp(self):
        super().setUp()
        self.start_hosts()
        self.image_id = self.glance.add('image', self.image, 'qcow2')

    def evacuate(self, server):
        self.put_down('node1')
        self.api.post_server_action(server['id'], {
            'evacuate': {'host': 'node2'}})
        self._wait_for_migration_status(server, ['done'])
        return self._wait_for_server_parameter(
            server, {'OS-EXT-SRV-ATTR:host': 'node2',
                     'OS-EXT-STS:task_state': None})

    def rules(self, **changes):
        placing = self.computes['node2'].driver.image_backend.placing
        placing.rules = dataclasses.replace(placing.rules, **changes)

    def test_a_new_default_that_disks_have_already_copies_nothing(self):
        server = self.boot(self.image_id, self.flavor('plain'), host='node1')
        self.rules(defaults={'root': 'same'})
        self.evacuate(server)
        self.assertEqual([], self.commands('mmclone', 'split'))
        record = placements.read(self.instance_file(server))
        self.assertEqual('system', record.placement('disk').pool)

    def test_a_policy_that_is_gone_does_not_stop_an_evacuation(self):
        server = self.boot(self.image_id, self.flavor_with(
            'gold', {'gpfs:policy': 'gold'}), host='node1')
        self.rules(policies={})
        found = self.evacuate(server)
        self.assertEqual('ACTIVE', found['status'])
        self.assertEqual({('fast', 2)},
                         self.placed(self.instance_file(server, 'disk')))


class StartTest(PolicyTestCase):

    policies = {}

    def setUp(self):
        super().setUp()
        self.flags(mm_path=self.gpfs.bin_dir('node1'), group='gpfs')

    def placing(self):
        found = host.storage_from_conf()
        found.guard.establish()
        return host.placing_from_conf(found)

    def test_a_policy_that_cannot_be_granted_is_refused_at_the_start(self):
        for number, (options, expected) in enumerate((
                ({'pool': 'nvme'}, errors.NoSuchPool),
                ({'swap_pool': 'nvme'}, errors.NoSuchPool),
                ({'pool': 'fast', 'data_replicas': '3'}, None),
                ({'pool': '-x'}, errors.InvalidPolicy))):
            self.define_policy('one', **options)
            if expected:
                self.assertRaises(expected, self.placing().check_rules)
            else:
                self.placing().check_rules()
            cloud.CONF.reset()
            self._configure()
            self.flags(mm_path=self.gpfs.bin_dir('node1'), group='gpfs')

    def test_a_default_that_does_not_exist_is_refused(self):
        self.flags(swap_policy='gold', group='gpfs')
        self.assertRaises(errors.NoSuchPolicy, self.placing().check_rules)

    def test_a_value_out_of_range_is_refused(self):
        self.define_policy('one', data_replicas='5')
        error = self.assertRaises(errors.Misconfigured, self.placing)
        self.assertIn('data_replicas', str(error))

    def parse(self, text):
        """Return what a nova.conf of this text comes to, and its path."""
        path = os.path.join(self.directory, 'nova.conf')
        with open(path, 'w') as f:
            f.write(text)
        conf = conf_policies.cfg.ConfigOpts()
        gpfs_conf.register(conf)
        conf(args=[], default_config_files=[path])
        return conf, path

    def test_names_that_oslo_config_mixes_up_are_refused(self):
        conf, _path = self.parse('[gpfs_policy:gold]\n[gpfs_policy:Gold]\n')
        self.assertRaises(errors.Misconfigured, conf_policies.rules, conf)

    def test_an_unknown_field_of_an_allow_list_is_refused(self):
        self.flags(image_may_set=['pools'], group='gpfs')
        error = self.assertRaises(errors.Misconfigured, self.placing)
        self.assertIn('image_may_set = pools', str(error))

    def test_a_failure_group_that_is_none_is_refused(self):
        self.flags(failure_group='rack one', group='gpfs')
        self.assertRaises(errors.Misconfigured, self.placing)

    def test_a_misspelt_option_is_refused(self):
        conf, path = self.parse('[gpfs_policy:gold]\npol = fast\n')
        self.assertEqual([f'[gpfs_policy:gold] pol ({path})'],
                         list(conf_policies.unknown_options(conf)))


class SmallClusterTest(PolicyTestCase):
    """Two failure groups and at most two replicas."""

    policies = {'three': {'data_replicas': 3}}

    def make_cluster(self):
        spec = sim_spec.Spec()
        spec.file_systems[0].max_data_replicas = 2
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def test_more_replicas_than_the_maximum_stop_nova_compute(self):
        self.computes = {}
        error = self.assertRaises(errors.TooManyReplicas, self.start_host,
                                  'node1')
        self.assertIn('2', str(error))
        self.assertNotIsInstance(error, exception.NovaException)
