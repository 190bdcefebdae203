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

"""When something is wrong, nothing is lost and nothing is left behind."""

import os
import time
from unittest import mock

from nova import context
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver

from nova_gpfs.compute import boundary
from nova_gpfs import errors

from tests.functional import cloud


class SafetyTestCase(cloud.CloudTestCase):

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        self.start_hosts()
        data, self.guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.tiny = self.flavor('tiny', root_gb=1)


class SafetyTest(SafetyTestCase):

    def test_an_unmounted_file_system_stays_empty_and_heals(self):
        self.gpfs.unmount('fs0')
        empty = self.gpfs.mount_point('fs0')
        # What an unmounted file system leaves: local directories of the
        # same names, made by an installer or by hand.
        os.makedirs(self.instances_path)
        server = self.boot(self.image, self.tiny, expected_state='ERROR')
        self.assertEqual([self.instances_path], [
            os.path.join(top, name) for top, dirs, files in os.walk(empty)
            for name in dirs + files if name not in ('nova',)])
        self.api.delete_server(server['id'])

        os.rmdir(self.instances_path)
        os.rmdir(os.path.dirname(self.instances_path))
        self.gpfs.mount('fs0')
        self.boot(self.image, self.tiny)
        self.assert_storage_is_consistent()

    def test_no_space_fails_the_instance_and_leaves_nothing(self):
        self.boot(self.image, self.tiny)
        self.gpfs.faults.add('mmclone copy', action='fail', code=28,
                             text='mmclone: No space left on device')
        server = self.boot(self.image, self.tiny, expected_state='ERROR')
        self.assertFalse(os.path.exists(self.instance_file(server)))
        self.assert_storage_is_consistent()

    def test_a_failure_with_exit_code_0_is_a_failure(self):
        self.boot(self.image, self.tiny)
        self.gpfs.faults.add('mmclone copy', action='fail', code=0,
                             text='mmclone: No space left on device')
        server = self.boot(self.image, self.tiny, expected_state='ERROR')
        self.assertFalse(os.path.exists(self.instance_file(server)))

    def test_a_success_with_a_bad_exit_code_is_a_success(self):
        self.boot(self.image, self.tiny)
        self.gpfs.faults.add('mmclone copy', action='fail-after', code=1,
                             text='something unheard of')
        server = self.boot(self.image, self.tiny)
        self.assertEqual(self.guest_bytes, cloud.read(
            self.instance_file(server, 'disk'), len(self.guest_bytes)))

    def test_a_sealing_that_fails_publishes_nothing(self):
        self.gpfs.faults.add('mmclone snap', action='fail', code=1,
                             text='mmclone: Input/output error')
        self.boot(self.image, self.tiny, expected_state='ERROR')
        self.assertEqual([], os.listdir(
            os.path.join(self.instances_path, '_gpfs', 'masters')))
        self.assert_storage_is_consistent()
        self.gpfs.faults.clear()
        self.boot(self.image, self.tiny)

    def test_where_a_clone_is_impossible_a_full_copy_is_made_and_said(self):
        """Launchpad bug 1858877, Longhorn issue 7794: slow copies, unsaid."""
        self.boot(self.image, self.tiny)
        self.gpfs.faults.add('mmclone copy', action='fail', code=18,
                             text='mmclone: Invalid cross-device link')
        server = self.boot(self.image, self.tiny)
        self.assertEqual(self.guest_bytes, cloud.read(
            self.instance_file(server, 'disk'), len(self.guest_bytes)))
        self.assertIn('made by a full copy', self.stdlog.logger.output)
        self.assertEqual(
            1, self.computes['node1'].driver.image_backend.storage.copies)
        self.assert_storage_is_consistent()

    def test_require_clone_refuses_the_full_copy(self):
        self.flags(require_clone=True, group='gpfs')
        self.hosts = ('node2',)
        self.start_host('node2')
        self.boot(self.image, self.tiny, host='node2')
        self.gpfs.faults.add('mmclone copy', action='fail', code=18,
                             text='mmclone: Invalid cross-device link')
        server = self.boot(self.image, self.tiny, host='node2',
                           expected_state='ERROR')
        self.assertFalse(os.path.exists(self.instance_file(server)))
        self.assertEqual(
            0, self.computes['node2'].driver.image_backend.storage.copies)

    def test_a_disk_that_is_there_is_never_overwritten(self):
        driver = self.computes['node1'].driver
        server = self.boot(self.image, self.tiny)
        disk = self.instance_file(server, 'disk')
        with open(disk, 'r+b') as f:
            f.write(b'PRECIOUS')
        storage = driver.image_backend.storage
        (key,) = os.listdir(storage.layout.masters)
        master = storage.masters.find(key)
        with self.assertRaises(errors.AlreadyExists):
            with storage.new_disk(master, disk):
                self.fail('a disk was overwritten')
        self.assertEqual(b'PRECIOUS', cloud.read(disk, 8))

    def test_a_link_in_the_place_of_a_disk_leads_nowhere(self):
        server = self.boot(self.image, self.tiny)
        disk = self.instance_file(server, 'disk')
        victim = os.path.join(self.instances_path, 'victim')
        with open(victim, 'wb') as f:
            f.write(b'PRECIOUS')
        os.unlink(disk)
        os.symlink(victim, disk)
        instance = objects.Instance.get_by_uuid(
            context.get_admin_context(), server['id'])
        image = self.computes['node1'].driver.image_backend.by_name(
            instance, 'disk')
        # As Nova does where a resize arrives.
        self.assertRaises(boundary.StorageFailed, image.cache, self.fail,
                          self.image, 2 * 1024 ** 3)
        self.assertRaises(boundary.StorageFailed, image.exists)
        self.assertEqual((8, b'PRECIOUS'), (os.stat(victim).st_size,
                                            cloud.read(victim, 8)))

    def test_a_link_in_the_place_of_a_master_is_not_cloned(self):
        driver = self.computes['node1'].driver
        self.boot(self.image, self.tiny)
        storage = driver.image_backend.storage
        (key,) = os.listdir(storage.layout.masters)
        master = storage.masters.find(key)
        secret = os.path.join(self.instances_path, 'secret')
        with open(secret, 'wb') as f:
            f.write(b'SECRET')
        storage.driver.seal(secret)
        os.rename(master.path, f'{master.path}.moved')
        os.symlink(secret, master.path)
        self.boot(self.image, self.tiny, expected_state='ERROR')
        holding = [os.path.join(top, name) for top, _names, files
                   in os.walk(self.instances_path) for name in files
                   if cloud.read(os.path.join(top, name), 6) == b'SECRET']
        # The link itself is one of them.
        self.assertEqual({secret, master.path}, set(holding))


class OtherHostTest(cloud.CloudTestCase):
    """What Nova asks another host must not decide over a disk."""

    def setUp(self):
        super().setUp()
        self.flags(use_cow_images=True)
        # Each host has an address of its own.
        self.flags(migration_inbound_addr='%s.example', group='libvirt')
        self.start_hosts()
        data, self.guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.server = self.boot(
            self.image, self.flavor('one', ephemeral_gb=1, swap=16),
            host='node1')
        self.disk = self.instance_file(self.server, 'disk')
        with open(self.disk, 'r+b') as f:
            f.write(b'GUEST')
        self._silence('node2')

    def _silence(self, name):
        """Let a host not have refreshed its entry for long."""
        driver = self.computes[name].driver
        driver._name_of_host = None
        driver.image_backend.storage.hosts._self = None
        os.utime(os.path.join(self.instances_path, '_gpfs', 'hosts',
                              f'{name}.json'), (1, 1))

    def _resize(self):
        larger = self.flavor('two', root_gb=2, ephemeral_gb=2, swap=32)
        self.api.post_server_action(self.server['id'],
                                    {'resize': {'flavorRef': larger}})

    def _instance(self):
        return objects.Instance.get_by_uuid(
            context.get_admin_context(read_deleted='yes'), self.server['id'])

    def _assert_untouched(self):
        self.assertEqual(b'GUEST' + self.guest_bytes[5:],
                         cloud.read(self.disk, len(self.guest_bytes)))

    def test_resize_to_another_host_keeps_the_disk_raw_and_its_data(self):
        """Launchpad bugs 2038898, 1399098: stock Nova makes qcow2 of it."""
        with mock.patch('nova.virt.libvirt.volume.remotefs.RemoteFilesystem.'
                        'create_file', autospec=True,
                        side_effect=lambda *args: open(
                            args[-1], 'w').close()):
            self._resize()
            server = self.wait_for(self.server, 'VERIFY_RESIZE')
        self.assertEqual('node2', server['OS-EXT-SRV-ATTR:host'])
        self._assert_untouched()
        self.assertEqual(2 * 2 ** 30, os.stat(self.disk).st_size)
        self.api.post_server_action(server['id'], {'confirmResize': None})
        self.wait_for(server, 'ACTIVE')
        self.assertEqual([], self.gpfs.check())

    def test_a_refused_ssh_stops_the_move_and_not_the_disk(self):
        with mock.patch('nova.virt.libvirt.volume.remotefs.RemoteFilesystem.'
                        'create_file', autospec=True,
                        side_effect=OSError('connection refused')):
            self._resize()
            for _ in range(300):
                found = self.api.get_server(self.server['id'])
                if found['OS-EXT-STS:task_state'] is None:
                    break
                time.sleep(0.1)
        self.assertEqual('ACTIVE', found['status'])
        self.assertEqual('node1', found['OS-EXT-SRV-ATTR:host'])
        self._assert_untouched()

    def test_a_clean_up_after_a_failed_move_stays_on_this_host(self):
        driver = self.computes['node1'].driver
        top = self.instance_file(self.server)
        os.rename(top, top + '_resize')
        os.mkdir(top)
        with mock.patch.object(driver._remotefs, 'remove_dir',
                               autospec=True) as remove:
            driver._cleanup_remote_migration('node2', top, top + '_resize')
        remove.assert_not_called()
        self._assert_untouched()

    def test_the_roll_back_of_a_live_migration_keeps_the_disks(self):
        """Launchpad bugs 1250751, 1314526: the only disks were deleted."""
        data = objects.LibvirtLiveMigrateData(
            is_shared_instance_path=False, is_shared_block_storage=False,
            instance_relative_path=self.server['id'],
            serial_listen_ports=[])
        driver = self.computes['node2'].driver
        driver.rollback_live_migration_at_destination(
            context.get_admin_context(), self._instance(), [],
            {'block_device_mapping': []}, destroy_disks=True,
            migrate_data=data)
        self._assert_untouched()

    def test_no_check_answers_for_a_file_system_that_is_not_there(self):
        driver = self.computes['node2'].driver
        self.gpfs.unmount('fs0')
        os.makedirs(self.instances_path)
        admin, instance = context.get_admin_context(), self._instance()
        for check in (
                lambda: driver.check_can_live_migrate_destination(
                    admin, instance, {}, {}),
                lambda: driver.check_can_live_migrate_source(
                    admin, instance, None),
                lambda: driver.check_instance_shared_storage_local(
                    admin, instance),
                lambda: driver.check_instance_shared_storage_remote(
                    admin, {'filename': self.disk})):
            self.assertRaises(boundary.StorageFailed, check)
        self.assertEqual([], os.listdir(self.instances_path))

    def test_files_that_cannot_be_deleted_now_are_deleted_later(self):
        """Launchpad bug 1856845: a delete that failed was final."""
        driver = self.computes['node1'].driver
        self.gpfs.unmount('fs0')
        self.assertFalse(driver.delete_instance_files(self._instance()))
        self.gpfs.mount('fs0')
        self._assert_untouched()
        self.assertTrue(driver.delete_instance_files(self._instance()))
        self.assertFalse(os.path.exists(self.disk))

    def test_a_rebuild_never_boots_the_old_disk(self):
        data, _guest_bytes = cloud.qcow2_image(self.directory, seed=b'other')
        other = self.glance.add('other', data, 'qcow2')
        stock = libvirt_driver.LibvirtDriver
        real = stock.delete_instance_files

        def while_unmounted(driver, instance):
            self.gpfs.unmount('fs0')
            try:
                return real(driver, instance)
            finally:
                self.gpfs.mount('fs0')

        with mock.patch.object(stock, 'delete_instance_files',
                               while_unmounted):
            self.api.post_server_action(self.server['id'],
                                        {'rebuild': {'imageRef': other}})
            self.wait_for(self.server, 'ERROR')
        self._assert_untouched()


class FaultTest(SafetyTestCase):

    def test_users_read_no_paths_and_operators_do(self):
        """Launchpad bug 1926978: the fault had the command of the storage."""
        self.boot(self.image, self.tiny)
        self.gpfs.faults.add('mmclone copy', action='fail', code=5,
                             text='mmclone: Input/output error', nth=0)
        # A host that is named is not tried again, and its error is shown.
        server = self.boot(self.image, self.tiny, expected_state='ERROR',
                           availability_zone='nova:node1')
        fault = self.api.get_server(server['id'])['fault']['message']
        self.assertIn('GPFS command failed', fault)
        self.assertNotIn(self.directory, fault)
        self.assertIn('mmfs.log', self.stdlog.logger.output)
