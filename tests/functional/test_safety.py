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

from nova_gpfs import errors

from tests.functional import cloud


class SafetyTest(cloud.CloudTestCase):

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        self.start_hosts()
        data, self.guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.tiny = self.flavor('tiny', root_gb=1)

    def _fault(self, server):
        return str(self.api.get_server(server['id'])['fault'])

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


class ResizeTest(cloud.CloudTestCase):
    """Stock Nova rewrites raw disks as qcow2 here (bug 2038898)."""

    def test_resize_to_another_host_keeps_the_disk_raw_and_its_data(self):
        self.flags(use_cow_images=True)
        self.start_hosts()
        data, guest_bytes = cloud.qcow2_image(self.directory)
        image = self.glance.add('image', data, 'qcow2')
        server = self.boot(
            image, self.flavor('one', root_gb=1, ephemeral_gb=1, swap=16),
            host='node1')
        disk = self.instance_file(server, 'disk')
        with open(disk, 'r+b') as f:
            f.write(b'GUEST')
        self.useFixture(cloud.fixtures.MockPatch(
            'nova.virt.libvirt.driver.LibvirtDriver._is_path_shared_with',
            autospec=True, return_value=True))
        larger = self.flavor('two', root_gb=2, ephemeral_gb=2, swap=32)
        self.api.post_server_action(server['id'],
                                    {'resize': {'flavorRef': larger}})
        server = self.wait_for(server, 'VERIFY_RESIZE')
        self.assertEqual('node2', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(b'GUEST' + guest_bytes[5:],
                         cloud.read(disk, len(guest_bytes)))
        self.assertEqual(2 * 2 ** 30, os.stat(disk).st_size)
        self.api.post_server_action(server['id'], {'confirmResize': None})
        self.wait_for(server, 'ACTIVE')
        self.assertEqual([], self.gpfs.check())
