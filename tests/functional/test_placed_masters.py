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


"""Masters of several placements, and disks that get another, without Nova."""

import os
import shutil
from unittest import mock

from nova_gpfs import collection
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import placed_names
from nova_gpfs import storage
from tests.functional import test_masters
from tests import local_driver

FAST = model.Placement('fast', 2)
CONTENT = test_masters.CONTENT


class PlacedMastersTest(test_masters.MastersTestCase):

    def spec(self):
        spec = super().spec()
        spec.file_systems[0].write_affinity_pools = ['system']
        return spec

    def setUp(self):
        super().setUp()
        self.driver = local_driver.make(self.gpfs.bin_dir('node1'))
        self.copied = []
        self.names = set()
        self.storage = storage.Storage(
            self.driver, self.layout, self.copy, require_clone=True,
            leftover_age=86400)
        self.storage.guard.establish()

    def before_copy(self, source):
        """Do what another host does in this moment."""

    def copy(self, source, target):
        """Copy, and note how the target was placed before it had a block."""
        self.before_copy(source)
        found = self.driver.attributes(target)
        self.copied.append((found.pool, found.data_replicas))
        shutil.copyfile(source, target)

    def placed(self, path):
        return {(block.pool, block.replicas)
                for block in self.gpfs.blocks(path)}

    def disk(self, name, placement=model.Placement()):
        master, _made = self.storage.masters.ensure('key', self._fill,
                                                    placement)
        path = os.path.join(self.instances_path, name)
        with self.storage.new_disk(master, path, placement):
            pass
        return path

    def _fill(self, path):
        with open(path, 'w') as image:
            image.write(CONTENT)
        return test_masters.plan.MasterInfo(test_masters.plan.RAW,
                                            len(CONTENT))

    def assert_content(self, path):
        with open(path) as disk:
            self.assertEqual(CONTENT, disk.read())

    def test_a_second_master_is_placed_before_it_gets_a_block(self):
        self.disk('plain')
        disk = self.disk('placed', FAST)
        self.assertEqual([('fast', 2)], self.copied)
        self.assertEqual({('fast', 2)}, self.placed(disk))
        self.assert_content(disk)

    def test_a_master_that_goes_while_it_is_copied_is_made_anew(self):
        """Another host has found it unused, and does not see our lock."""
        self.storage.masters.ensure('key', self._fill)
        self.before_copy = lambda source: shutil.rmtree(
            os.path.dirname(source))
        self.assert_content(self.disk('placed', FAST))
        # The other one was fetched again, with nothing to be copied from.
        self.assertEqual([layout.placed_key('key', FAST)],
                         os.listdir(self.layout.masters))
        self.assertEqual([], os.listdir(self.layout.incoming))

    def test_a_new_image_does_not_have_all_masters_listed(self):
        self.disk('placed', FAST)
        listdir = mock.Mock(wraps=os.listdir)
        with mock.patch.object(os, 'listdir', listdir):
            self.disk('plain')
        self.assertEqual([('system', 1)], self.copied)
        self.assertNotIn(mock.call(self.layout.masters),
                         listdir.call_args_list)

    def test_a_placed_master_is_found_by_its_image_until_it_goes(self):
        name = layout.placed_key('key', FAST)
        self.disk('placed', FAST)
        names = self.layout.placed_names('key')
        self.assertEqual([name], os.listdir(names))
        self.assertEqual(
            [self.layout.master(name)],
            [master.directory for master
             in self.storage.masters.of_image('key')])
        self.age(os.path.join(names, name))
        self.collect()
        self.assertEqual([name], os.listdir(names))
        os.unlink(os.path.join(self.instances_path, 'placed'))
        self.collect()
        self.assertEqual([], os.listdir(self.layout.masters))
        self.assertEqual([], os.listdir(self.layout.placed))

    def test_the_name_of_a_master_that_is_still_made_stays(self):
        """Its host may publish it in a moment."""
        names = placed_names.PlacedNames(self.layout, 86400)
        names.add('key', 'key_on-fast')
        names.sweep()
        self.assertEqual(['key_on-fast'], names.of('key'))
        self.age(os.path.join(self.layout.placed_names('key'), 'key_on-fast'))
        names.sweep()
        self.assertEqual([], names.of('key'))

    def test_an_older_release_has_made_no_directory_of_names(self):
        os.rmdir(self.layout.placed)
        self.collect()
        self.disk('placed', FAST)
        self.assertEqual([layout.placed_key('key', FAST)],
                         os.listdir(self.layout.placed_names('key')))

    def test_the_name_of_a_master_that_may_come_back_stays(self):
        names = placed_names.PlacedNames(self.layout, 86400)
        names.add('key', 'key_on-fast')
        self.age(os.path.join(self.layout.placed_names('key'), 'key_on-fast'))
        os.mkdir(os.path.join(self.layout.leaving, 'key_on-fast.0123'))
        names.sweep()
        self.assertEqual(['key_on-fast'], names.of('key'))

    def test_a_name_is_added_though_a_sweep_removes_its_directory(self):
        names = placed_names.PlacedNames(self.layout, 86400)
        utime, removed = os.utime, []

        def remove_first(path, *times, **how):
            if not removed:
                removed.append(os.rmdir(os.path.dirname(path)))
            utime(path, *times, **how)

        with mock.patch.object(os, 'utime', remove_first):
            names.add('key', 'key_on-fast')
        self.assertEqual(['key_on-fast'], names.of('key'))

    def age(self, path):
        os.utime(path, (1, 1))

    def collect(self):
        # The first pass notes that there are no clones.
        for _time in range(2):
            self.storage.collection.collect(collection.Ages(0, 0))

    def test_images_whose_names_begin_alike_are_not_mixed_up(self):
        self.storage.masters.ensure('key_on-fast', self._other)
        master, made = self.storage.masters.ensure('key', self._fill, FAST)
        self.assertTrue(made)
        self.assertEqual([], self.copied)
        self.assert_content(master.path)

    def _other(self, path):
        with open(path, 'w') as image:
            image.write('another image')
        return test_masters.plan.MasterInfo(test_masters.plan.RAW, 13)

    def test_pools_and_replicas_are_not_mixed_up(self):
        for placement in (model.Placement('ssd_r2'),
                          model.Placement('ssd', 2),
                          model.Placement('ssd_r2_m2'),
                          model.Placement('ssd_r2', None, 2),
                          model.Placement('ssd', 2, 2),
                          model.Placement('ssd', None, None, 2),
                          model.Placement('ssd', None, None, None, 2),
                          model.Placement('ssd', None, None, None, None, '2')):
            self.names.add(layout.placed_key('key', placement))
        self.assertEqual(8, len(self.names))

    def test_a_master_of_another_placement_is_not_taken(self):
        master, _made = self.storage.masters.ensure('key_r2', self._other)
        self.assertRaises(errors.CloneParentInvalid,
                          self.storage.masters.find, 'key',
                          model.Placement(None, 2))

    def test_a_placement_that_is_refused_publishes_nothing(self):
        self.assertRaises(errors.NoSuchPool, self.disk, 'disk',
                          model.Placement('nvme'))
        self.assertEqual([], os.listdir(self.layout.masters))
        self.assertEqual([], os.listdir(self.layout.incoming))
        self.assertFalse(os.path.lexists(
            os.path.join(self.instances_path, 'disk')))

    def test_a_clone_that_cannot_be_placed_leaves_no_disk(self):
        self.disk('first', FAST)
        self.gpfs.set_switch('clone_placement', 'defaults')
        self.gpfs.faults.add('mmchattr', action='fail', code=1, nth=0,
                             text='mmchattr: no')
        self.assertRaises(errors.GpfsError, self.disk, 'second', FAST)
        self.assertEqual({'_gpfs', 'first'},
                         set(os.listdir(self.instances_path)))

    def test_all_blocks_of_a_clone_move_with_it(self):
        disk = self.disk('disk')
        with open(disk, 'r+') as f:
            f.write('changed')
        with open(disk) as f:
            expected = f.read()
        self.storage.move(disk, model.Placement(), FAST)
        self.assertEqual({('fast', 2)}, self.placed(disk))
        self.assertEqual(model.CloneInfo(), self.driver.clone_info(disk))
        with open(disk) as f:
            self.assertEqual(expected, f.read())
        self.assertEqual([], self.gpfs.check())

    def test_a_clone_stays_one_where_only_write_affinity_changes(self):
        disk = self.disk('disk', FAST)
        self.gpfs.set_switch('write_affinity_elsewhere', 'ignore')
        self.storage.move(disk, FAST, model.Placement(
            'fast', 2, write_affinity_failure_group='2'))
        self.assertIsNotNone(self.driver.clone_info(disk).parent_inode)

    def test_write_affinity_holds_for_all_blocks_of_a_master_of_its_own(self):
        for number, group in enumerate('231', start=1):
            wanted = model.Placement(write_affinity_failure_group=group)
            disk = self.disk(f'disk{number}', wanted)
            self.assertEqual({(group,)}, {
                tuple(block.failure_groups)
                for block in self.gpfs.blocks(disk)})
            self.assert_content(disk)
        self.assertEqual(3, len(self.storage.masters.keys()))

    def test_hosts_that_want_several_placements_at_once_download_once(self):
        placements = ({}, {'pool': 'fast', 'data_replicas': 2},
                      {'pool': 'fast'}, {'data_replicas': 3})
        hosts = [self.host(number, pause=0.3,
                           placement=placements[number % 4],
                           disk=os.path.join(self.instances_path,
                                             f'disk{number}'))
                 for number in range(8)]
        made = [self.finish(host)['made'] for host in hosts]
        self.assertEqual(4, made.count(True))
        self.assertEqual(1, self.count_downloads())
        self.assertEqual(4, len(os.listdir(self.layout.masters)))
        for number in range(8):
            wish = placements[number % 4]
            self.assertEqual(
                {(wish.get('pool', 'system'), wish.get('data_replicas', 1))},
                self.placed(os.path.join(self.instances_path,
                                         f'disk{number}')))
        self.assertEqual([], self.gpfs.check())
