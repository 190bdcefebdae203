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


"""Nova's image cache: what its periodic task and its API do with masters."""

import concurrent.futures
import os
import struct
from unittest import mock

from nova import exception
from nova.tests import fixtures as nova_fixtures
from nova.virt.libvirt import imagecache
from oslo_utils.fixture import uuidsentinel as uuids

from nova_gpfs import layout
from tests.functional import caching
from tests.functional import cloud
from tests.functional import test_placement
from tests import refusing

DAY = caching.DAY


class ImageCacheTestCase(caching.ImageCacheMixin,
                         test_placement.PolicyTestCase):

    def setUp(self):
        super().setUp()
        self.start_hosts()
        self.image_id = self.glance.add('image', self.image, 'qcow2')
        self.key = imagecache.get_cache_fname(self.image_id)

    def run_pass(self, host='node1'):
        with refusing.with_clones():
            super().run_pass(host)

    def delete(self, server):
        self.api.delete_server(server['id'])
        self._wait_until_deleted(server)


class PassTest(ImageCacheTestCase):

    def test_a_master_goes_an_age_after_its_last_instance(self):
        server = self.boot(self.image_id, self.flavor('small'))
        self.age_masters()
        self.run_pass()
        self.assertEqual([self.key], self.masters())
        self.delete(server)
        self.run_pass()
        self.assertEqual([self.key], self.masters())
        self.age_masters()
        self.run_pass()
        self.assertEqual([], self.masters())
        self.boot(self.image_id, 'small')
        self.assertEqual([self.image_id] * 2, self.glance.downloads)
        self.assert_storage_is_consistent()

    def test_a_host_that_was_silent_for_days_keeps_its_masters(self):
        """Nova asks only about hosts that it has heard of in a day."""
        server = self.boot(self.image_id, self.flavor('small'), host='node2')
        self.run_pass('node1')
        with mock.patch('nova.virt.storage_users.get_storage_users',
                        autospec=True, return_value=['node1']):
            for _ in range(3):
                self.age_masters(100 * DAY)
                self.run_pass('node1')
        self.assertEqual([self.key], self.masters())
        self.assertEqual(self.guest_sees, cloud.read(
            self.instance_file(server, 'disk'), len(self.guest_sees)))
        self.assert_storage_is_consistent()

    def test_a_pass_costs_a_command_for_each_master_and_no_qemu_img(self):
        flavor = self.flavor_with('gold', {'gpfs:policy': 'gold'})
        small = self.flavor('small')
        for _ in range(2):
            self.boot(self.image_id, flavor)
            self.boot(self.image_id, small)
        self.run_pass()
        before = len(self.gpfs.calls())
        with mock.patch('nova.virt.images.qemu_img_info',
                        autospec=True) as qemu_img:
            self.run_pass()
        self.assertEqual(0, qemu_img.call_count)
        self.assertEqual(2, len(self.masters()))
        self.assertEqual(2, len(self.gpfs.calls()) - before)

    def test_one_host_works_in_each_interval(self):
        self.boot(self.image_id, self.flavor('small'))
        self.run_pass('node1')
        before = len(self.gpfs.calls())
        self.computes['node2'].manager._run_image_cache_manager_pass(
            self.context)
        self.assertEqual(before, len(self.gpfs.calls()))
        self.run_pass('node2')
        self.assertEqual(before + 1, len(self.gpfs.calls()))

    def test_what_is_left_over_goes_in_a_pass(self):
        home = layout.Layout(self.instances_path)
        left = [os.path.join(place, 'left') for place in (
            home.incoming, home.trash, home.parents)]
        for path in left:
            os.mkdir(path)
            os.utime(path, (1, 1))
        self.run_pass()
        self.assertEqual([], [path for path in left if os.path.lexists(path)])

    def test_masters_of_ephemeral_disks_go_as_well(self):
        """Launchpad bugs 1602193, 1253991: they stayed for ever."""
        server = self.boot(self.image_id, self.flavor('big', ephemeral_gb=1))
        self.age_masters()
        self.run_pass()
        self.assertEqual(2, len(self.masters()))
        self.delete(server)
        self.age_masters()
        self.run_pass()
        self.assertEqual([], self.masters())
        self.assert_storage_is_consistent()

    def test_nothing_goes_where_novas_option_says_so(self):
        server = self.boot(self.image_id, self.flavor('small'))
        self.delete(server)
        manager = self.computes['node1'].driver.image_cache_manager
        manager.remove_unused_base_images = False
        self.age_masters()
        self.run_pass()
        self.assertEqual([self.key], self.masters())

    def test_a_sick_cluster_fails_no_pass_and_removes_nothing(self):
        server = self.boot(self.image_id, self.flavor('small'))
        self.delete(server)
        self.age_masters()
        self.gpfs.faults.add('mmclone show', action='fail', nth=0, code=1,
                             text='mmclone: Stale file handle')
        self.run_pass()
        self.assertEqual([self.key], self.masters())

    def test_nothing_is_done_where_gpfs_is_not_mounted(self):
        self.gpfs.unmount('fs0')
        driver = self.computes['node1'].driver
        self.assertRaises(exception.NovaException, driver.manage_image_cache,
                          self.context, [])
        self.assertFalse(os.path.exists(self.instances_path))

    def test_the_space_of_masters_is_told_as_that_of_the_cache(self):
        """Launchpad bugs 1878024, 1884214: nobody counted the cache."""
        manager = self.computes['node1'].driver.image_cache_manager
        self.assertEqual(0, manager.get_disk_usage())
        self.boot(self.image_id, self.flavor('small'))
        image = os.path.join(self.home, 'masters', self.key, 'image')
        # One host looks for all, and not each time.
        self.assertEqual(0, manager.get_disk_usage())
        found = os.path.join(self.home, 'shared', 'usage.json')
        os.utime(found, (1, 1))
        self.assertEqual(os.stat(image).st_blocks * 512,
                         manager.get_disk_usage())

    def test_the_space_of_masters_is_unknown_while_gpfs_is_away(self):
        manager = self.computes['node1'].driver.image_cache_manager
        self.gpfs.unmount('fs0')
        self.assertEqual(0, manager.get_disk_usage())
        self.assertFalse(os.path.exists(self.instances_path))


class BaseDirectoryTest(ImageCacheTestCase):
    """What Nova keeps for itself: kernels, ramdisks, old backing files."""

    def base_file(self, image_id, age=2 * DAY):
        """Put a file into _base as Nova does, and its lock."""
        name = imagecache.get_cache_fname(image_id)
        path = os.path.join(self.instances_path, '_base', name)
        locks = os.path.join(self.instances_path, 'locks')
        for directory in (os.path.dirname(path), locks):
            os.makedirs(directory, exist_ok=True)
        with open(path, 'w') as f:
            f.write('kernel')
        with open(os.path.join(locks, f'nova-{name}'), 'w'):
            pass
        self.age(path, age)
        return path

    def test_an_unused_kernel_goes_and_its_lock_file_stays(self):
        path = self.base_file(uuids.kernel)
        self.run_pass()
        self.assertFalse(os.path.exists(path))
        self.assertTrue(os.path.exists(os.path.join(
            self.instances_path, 'locks',
            f'nova-{os.path.basename(path)}')))

    def test_what_an_instance_of_nova_uses_stays(self):
        path = self.base_file(self.image_id)
        self.boot(self.image_id, self.flavor('small'), host='node1')
        with mock.patch('nova.virt.storage_users.get_storage_users',
                        autospec=True, return_value=['node1']):
            self.run_pass()
        self.assertTrue(os.path.exists(path))

    def test_what_a_disk_of_earlier_days_is_backed_by_stays(self):
        path = self.base_file(uuids.backing)
        other = self.base_file(uuids.other)
        directory = os.path.join(self.instances_path, uuids.silent)
        os.mkdir(directory)
        cloud.qemu_img('create', '-f', 'qcow2', '-F', 'raw', '-b', path,
                       os.path.join(directory, 'disk'))
        with open(os.path.join(directory, 'disk.local'), 'wb') as disk:
            disk.write(struct.pack('>4sIQI', b'QFI\xfb', 3, 2 ** 63, 4))
        self.run_pass()
        self.assertTrue(os.path.exists(path))
        self.assertFalse(os.path.exists(other))


class PrefetchTest(ImageCacheTestCase):
    hosts = ('node1', 'node2', 'node3')

    def cache(self, image_id):
        """Let all hosts cache an image at once; return their answers."""
        managers = [compute.manager for compute in self.computes.values()]
        with concurrent.futures.ThreadPoolExecutor(len(managers)) as pool:
            return sorted(answer[image_id] for answer in pool.map(
                lambda manager: manager.cache_images(
                    self.context, [image_id]), managers))

    def test_of_all_hosts_at_once_one_fetches(self):
        self.assertEqual(['cached', 'existing', 'existing'],
                         self.cache(self.image_id))
        self.assertEqual([self.image_id], self.glance.downloads)
        self.assertEqual([self.key], self.masters())
        self.boot(self.image_id, self.flavor('small'))
        self.assertEqual([self.image_id], self.glance.downloads)
        self.assert_storage_is_consistent()

    def test_what_cannot_be_fetched_is_an_error_on_every_host(self):
        self.assertEqual(['error'] * 3, self.cache(uuids.nothing))
        self.assertEqual([], self.masters())
        self.assert_storage_is_consistent()

    def test_masters_are_made_for_the_default_policy_and_those_listed(self):
        self.flags(prefetch_policies=['gold', 'silver'], group='gpfs')
        self.assertEqual(['cached', 'existing', 'existing'],
                         self.cache(self.image_id))
        self.assertEqual([self.image_id], self.glance.downloads)
        made = self.masters()
        self.boot(self.image_id,
                  self.flavor_with('gold', {'gpfs:policy': 'gold'}))
        self.boot(self.image_id,
                  self.flavor_with('silver', {'gpfs:policy': 'silver'}))
        self.boot(self.image_id, self.flavor('small'))
        self.assertEqual(made, self.masters())
        self.assert_storage_is_consistent()

    def test_an_image_that_is_asked_for_again_is_young_again(self):
        self.cache(self.image_id)
        self.age_masters()
        self.cache(self.image_id)
        self.run_pass()
        self.assertEqual([self.key], self.masters())


class AggregateTest(ImageCacheTestCase):
    """PUT /os-aggregates/{id}/images, through API, conductor and hosts."""

    hosts = ('node1', 'node2', 'node3')

    def _configure(self):
        super()._configure()
        # The conductor asks all three at once.
        self.flags(precache_concurrency=3, group='image_cache')

    def _use_fixtures(self):
        self.notifier = self.useFixture(
            nova_fixtures.NotificationFixture(self))
        super()._use_fixtures()

    def cache(self, image_id):
        """Return {host: (cached, failed)} as Nova reports it."""
        aggregate = self.api.post_aggregate({'aggregate': {'name': 'all'}})
        for host in self.hosts:
            self.api.add_host_to_aggregate(aggregate['id'], host)
        self.api.api_post(f'/os-aggregates/{aggregate["id"]}/images',
                          {'cache': [{'id': image_id}]},
                          check_response_status=[202])
        self.said('end', 1)
        payloads = [each['payload']['nova_object.data']
                    for each in self.said('progress', len(self.hosts))]
        return {each['host']: (each['images_cached'], each['images_failed'])
                for each in payloads}

    def said(self, phase, count):
        return self.notifier.wait_for_versioned_notifications(
            f'aggregate.cache_images.{phase}', n_events=count,
            timeout=cloud.PATIENCE)

    def test_the_image_is_fetched_once_for_all_hosts(self):
        self.assertEqual(
            dict.fromkeys(self.hosts, ([self.image_id], [])),
            self.cache(self.image_id))
        self.assertIn('1 cached, 2 existing, 0 errors',
                      self.stdlog.logger.output)
        self.assertEqual([self.image_id], self.glance.downloads)
        self.assertEqual([self.key], self.masters())
        self.assert_storage_is_consistent()

    def test_what_cannot_be_cached_is_said_of_every_host(self):
        image = self.glance.add('broken', b'QFI\xfb and no more', 'qcow2')
        self.assertEqual(dict.fromkeys(self.hosts, ([], [image])),
                         self.cache(image))
        self.assertEqual([], self.masters())
        self.assert_storage_is_consistent()
