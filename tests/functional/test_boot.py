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

"""Instances boot from clones of one sealed master, on every host."""

import json
import os
import subprocess
import time

from tests.functional import cloud

GIB = 2 ** 30


class BootTestCase(cloud.CloudTestCase):

    def setUp(self):
        super().setUp()
        self.start_hosts()
        data, self.guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')

    def masters(self):
        top = os.path.join(self.instances_path, '_gpfs', 'masters')
        return [os.path.join(top, name, 'image') for name in os.listdir(top)]


class BootTest(BootTestCase):

    def test_two_hosts_boot_clones_of_a_master_that_was_fetched_once(self):
        flavor = self.flavor('exact', root_gb=0)
        servers = [self.boot(self.image, flavor, host=host)
                   for host in ('node1', 'node2', 'node1', 'node2')]

        self.assertEqual([self.image], self.glance.downloads)
        self.assertEqual(1, len(self.masters()))
        parent = os.stat(self.masters()[0]).st_ino
        for server in servers:
            disk = self.instance_file(server, 'disk')
            self.assertEqual(self.guest_bytes, cloud.read(disk))
            self.assertIn(f' {parent} ', self._show(disk))
        self.assert_storage_is_consistent()

    def test_a_warm_disk_costs_one_mmclone_and_no_other_command(self):
        """Launchpad bug 1226351: a boot took minutes to copy the image."""
        flavor = self.flavor('larger', root_gb=1)
        self.boot(self.image, flavor, host='node1')
        before = len(self.gpfs.calls())
        server = self.boot(self.image, flavor, host='node1')

        disk = self.instance_file(server, 'disk')
        later = [call['argv'] for call in self.gpfs.calls()[before:]]
        self.assertEqual(1, len(later), later)
        self.assertEqual('mmclone', os.path.basename(later[0][0]))
        self.assertEqual(['copy', self.masters()[0]], later[0][1:3])
        self.assertTrue(later[0][3].startswith(disk + '.'), later[0][3])
        self.assertEqual(['disk'], [name for name in os.listdir(
            self.instance_file(server)) if name.startswith('disk')
            and name != 'disk.info'])

    def test_a_disk_grows_to_its_flavor_by_a_hole(self):
        server = self.boot(self.image, self.flavor('larger', root_gb=1))
        disk = self.instance_file(server, 'disk')
        self.assertEqual(GIB, os.stat(disk).st_size)
        self.assertEqual(self.guest_bytes,
                         cloud.read(disk, len(self.guest_bytes)))
        self.assertEqual({disk: 'raw'}, self._disk_info(server))

    def test_a_flavor_smaller_than_the_image_fails_the_instance(self):
        path = os.path.join(self.directory, 'large.qcow2')
        cloud.qemu_img('create', '-f', 'qcow2', path, '2G')
        large = self.glance.add('large', cloud.read(path), 'qcow2')
        server = self.boot(large, self.flavor('small', root_gb=1),
                           expected_state='ERROR')
        self.assertIn('too small', str(
            self.api.get_server(server['id'])['fault']))
        self.assertFalse(os.path.exists(self.instance_file(server)))

    def test_the_image_cache_manager_keeps_masters_for_their_age(self):
        flavor = self.flavor('short', root_gb=1)
        server = self.boot(self.image, flavor)
        self.flags(remove_unused_base_images=True, group='image_cache')
        self._delete_server(server)
        manager = self.computes['node1'].manager
        for _ in range(2):
            manager._run_image_cache_manager_pass(
                cloud.context.get_admin_context())
        self.assertEqual(1, len(self.masters()))
        self.boot(self.image, flavor)
        self.assertEqual([self.image], self.glance.downloads)
        self.assert_storage_is_consistent()

    def test_deleting_everything_leaves_nothing_but_the_master(self):
        flavor = self.flavor('all', root_gb=1, ephemeral_gb=1, swap=16)
        servers = [self.boot(self.image, flavor, config_drive=True)
                   for _ in range(2)]
        for server in servers:
            self._delete_server(server)
            self.assertFalse(os.path.exists(self.instance_file(server)))
        self.assertEqual(2, len(self.masters()))
        self.assert_storage_is_consistent()

    def test_ephemeral_disks_are_clones_of_one_formatted_master(self):
        flavor = self.flavor('eph', root_gb=1, ephemeral_gb=1)
        servers = [self.boot(self.image, flavor, host=host)
                   for host in ('node1', 'node2')]
        for server in servers:
            disk = self._ephemeral(server)
            self.assertIn('ephemeral0', self._label(disk))
            self.assertRegex(self._show(disk), r'no +1 ')
            self.assertEqual(GIB, os.stat(disk).st_size)
        self.assertEqual(2, len(self.masters()))

    def test_ephemeral_disks_of_one_size_keep_labels_of_their_own(self):
        flavor = self.flavor('eph2', root_gb=1, ephemeral_gb=2)
        server = self.boot(
            self.image, flavor, imageRef=self.image,
            block_device_mapping_v2=[
                {'boot_index': 0, 'uuid': self.image, 'source_type': 'image',
                 'destination_type': 'local'},
                *({'boot_index': -1, 'source_type': 'blank', 'volume_size': 1,
                   'destination_type': 'local'} for _ in range(2))])
        for number in (0, 1):
            disk = self.instance_file(server, f'disk.eph{number}')
            self.assertIn(f'ephemeral{number}', self._label(disk))

    def test_swap_is_made_in_place_and_is_swap(self):
        server = self.boot(self.image, self.flavor('swap', swap=16))
        disk = self.instance_file(server, 'disk.swap')
        self.assertEqual(16 * cloud.MIB, os.stat(disk).st_size)
        self.assertIn(b'SWAPSPACE2', cloud.read(disk, 4096))
        self.assertNotRegex(self._show(disk), r'(yes|no) +\d')

    def test_config_drive_and_kernel_are_plain_files(self):
        kernel = self.glance.add('kernel', b'kernel' * 9999, 'aki')
        ramdisk = self.glance.add('ramdisk', b'ramdisk' * 9999, 'ari')
        raw = cloud.read(cloud.partitioned_disk(
            os.path.join(self.directory, 'ami')))
        image = self.glance.add('ami', raw, 'ami', kernel_id=kernel,
                                ramdisk_id=ramdisk)
        server = self.boot(image, self.flavor('plain'), config_drive=True)
        self.assertEqual(b'kernel' * 9999,
                         cloud.read(self.instance_file(server, 'kernel')))
        self.assertEqual(b'ramdisk' * 9999,
                         cloud.read(self.instance_file(server, 'ramdisk')))
        for name in ('kernel', 'ramdisk', 'disk.config'):
            self.assertNotRegex(self._show(self.instance_file(server, name)),
                                r'(yes|no) +\d')

    def test_a_raw_image_becomes_a_sparse_master(self):
        """oVirt engine issue 390: clones of raw ones took full size."""
        raw = cloud.partitioned_disk(os.path.join(self.directory, 'raw'))
        image = self.glance.add('raw', cloud.read(raw), 'raw')
        server = self.boot(image, self.flavor('raw', root_gb=0))
        status = os.stat(self.masters()[0])
        self.assertEqual(32 * cloud.MIB, status.st_size)
        # One block of the file system in four, and the first.
        self.assertLess(status.st_blocks * 512, status.st_size // 3)
        self.assertEqual(cloud.read(raw),
                         cloud.read(self.instance_file(server, 'disk')))

    def test_a_bare_file_system_grows_with_its_disk(self):
        path = os.path.join(self.directory, 'bare')
        subprocess.run(['mkfs.ext4', '-q', '-F', path, '64M'], check=True)
        image = self.glance.add('bare', cloud.read(path), 'raw')
        server = self.boot(image, self.flavor('bare', root_gb=1))
        disk = self.instance_file(server, 'disk')
        said = subprocess.run(['dumpe2fs', '-h', disk], check=True, text=True,
                              capture_output=True).stdout
        fields = dict(line.split(':', 1) for line in said.splitlines()
                      if ':' in line)
        blocks, size = (int(fields[name])
                        for name in ('Block count', 'Block size'))
        self.assertGreater(blocks * size, GIB * 9 // 10)

    def test_rescue_boots_a_clone_and_unrescue_removes_it(self):
        server = self.boot(self.image, self.flavor('rescue'))
        with open(self.instance_file(server, 'disk'), 'r+b') as disk:
            disk.write(b'GUEST')
        self.api.post_server_action(server['id'], {
            'rescue': {'rescue_image_ref': self.image}})
        self.wait_for(server, 'RESCUE')
        rescue = self.instance_file(server, 'disk.rescue')
        self.assertEqual(self.guest_bytes, cloud.read(rescue))
        self.assertRegex(self._show(rescue), r'no +1 ')
        self.api.post_server_action(server['id'], {'unrescue': None})
        self.wait_for(server, 'ACTIVE')
        self.assertFalse(os.path.exists(rescue))
        self.assertEqual(b'GUEST', cloud.read(
            self.instance_file(server, 'disk'), 5))

    def test_prefetch_makes_the_master_once_for_all_hosts(self):
        drivers = [compute.driver for compute in self.computes.values()]
        context = cloud.context.get_admin_context()
        self.assertEqual([True, False], [
            driver.cache_image(context, self.image) for driver in drivers])
        self.boot(self.image, self.flavor('warm'), host='node2')
        self.assertEqual([self.image], self.glance.downloads)

    def test_a_snapshot_reads_the_disk_through_our_class(self):
        server = self.boot(self.image, self.flavor('snapshot', root_gb=0))
        self.api.post_server_action(server['id'], {'os-stop': {}})
        self.wait_for(server, 'SHUTOFF')
        with open(self.instance_file(server, 'disk'), 'r+b') as disk:
            disk.write(b'GUEST')
        expected = b'GUEST' + self.guest_bytes[5:]
        self.api.post_server_action(server['id'], {
            'createImage': {'name': 'snapshot'}})
        image = self._snapshot('snapshot')
        path = os.path.join(self.directory, 'snapshot')
        with open(path, 'wb') as f:
            f.write(self.glance.data(image['id']))
        cloud.qemu_img('convert', '-O', 'raw', path, path + '.raw')
        self.assertEqual(expected, cloud.read(path + '.raw'))

    def _snapshot(self, name):
        """Wait until a snapshot has been uploaded and return it."""
        for _ in range(600):
            for image in self.glance.images.values():
                if image['name'] == name and self.glance.has(image['id']):
                    return image
            time.sleep(0.1)
        self.fail('the snapshot was not uploaded')

    def _show(self, path):
        return subprocess.run(
            [os.path.join(self.gpfs.bin_dir(), 'mmclone'), 'show', path],
            check=True, capture_output=True, text=True).stdout

    def _label(self, path):
        return subprocess.run(['blkid', '-o', 'export', path], check=True,
                              capture_output=True, text=True).stdout

    def _ephemeral(self, server):
        for name in ('disk.local', 'disk.eph0'):
            if os.path.exists(self.instance_file(server, name)):
                return self.instance_file(server, name)
        self.fail('there is no ephemeral disk')

    def _disk_info(self, server):
        return json.loads(cloud.read(self.instance_file(server, 'disk.info')))


class Qcow2MasterTest(cloud.CloudTestCase):
    """force_raw_images = False: masters keep the format of the image."""

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        self.flags(force_raw_images=False)
        self.start_hosts()

    def _format(self, server):
        disk = self.instance_file(server, 'disk')
        return json.loads(cloud.read(
            self.instance_file(server, 'disk.info')))[disk]

    def test_qcow2_is_cloned_as_qcow2_without_a_backing_file(self):
        """Launchpad bugs 1816686, 1864020: formats were mixed up."""
        data, guest_bytes = cloud.qcow2_image(self.directory)
        image = self.glance.add('image', data, 'qcow2')
        server = self.boot(image, self.flavor('larger', root_gb=1))
        disk = self.instance_file(server, 'disk')
        info = json.loads(cloud.qemu_img('info', '--output=json', '-f',
                                         'qcow2', disk))
        self.assertEqual(GIB, info['virtual-size'])
        self.assertNotIn('backing-filename', info)
        self.assertEqual('qcow2', self._format(server))
        raw = os.path.join(self.directory, 'out.raw')
        cloud.qemu_img('convert', '-f', 'qcow2', '-O', 'raw', disk, raw)
        self.assertEqual(guest_bytes, cloud.read(raw, len(guest_bytes)))

    def test_raw_stays_raw(self):
        raw = cloud.partitioned_disk(os.path.join(self.directory, 'raw'))
        image = self.glance.add('raw', cloud.read(raw), 'raw')
        server = self.boot(image, self.flavor('raw'))
        self.assertEqual('raw', self._format(server))

    def test_other_formats_are_converted_to_raw(self):
        raw = cloud.partitioned_disk(os.path.join(self.directory, 'raw'))
        vdi = os.path.join(self.directory, 'vdi')
        cloud.qemu_img('convert', '-f', 'raw', '-O', 'vdi', raw, vdi)
        image = self.glance.add('vdi', cloud.read(vdi), 'vdi')
        server = self.boot(image, self.flavor('vdi', root_gb=0))
        self.assertEqual('raw', self._format(server))
        self.assertEqual(cloud.read(raw),
                         cloud.read(self.instance_file(server, 'disk')))


class HostileImageTest(cloud.CloudTestCase):

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        self.start_hosts()

    def _assert_refused(self, data, disk_format):
        image = self.glance.add('hostile', data, disk_format)
        server = self.boot(image, self.flavor('any'), expected_state='ERROR')
        self.assertFalse(os.path.exists(self.instance_file(server)))
        self.assertEqual([], os.listdir(
            os.path.join(self.instances_path, '_gpfs', 'masters')))
        self.assert_storage_is_consistent()

    def test_a_backing_file_is_refused_and_leaves_nothing(self):
        """Launchpad bug 2059809: files of the host were read through it."""
        path = os.path.join(self.directory, 'hostile')
        cloud.qemu_img('create', '-f', 'qcow2', '-b', '/etc/passwd', '-F',
                       'raw', path, '1M')
        self._assert_refused(cloud.read(path), 'qcow2')

    def test_a_data_file_is_refused_and_leaves_nothing(self):
        path = os.path.join(self.directory, 'hostile')
        cloud.qemu_img('create', '-f', 'qcow2', '-o',
                       f'data_file={path}.data,data_file_raw=on', path, '1M')
        self._assert_refused(cloud.read(path), 'qcow2')

    def test_qcow2_sold_as_raw_is_refused_and_leaves_nothing(self):
        """Launchpad bug 2071734: what was called raw was not read."""
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self._assert_refused(data, 'raw')

    def test_a_vmdk_of_another_file_is_refused_and_leaves_nothing(self):
        """Launchpad bug 1996188: its descriptor named a file of the host."""
        descriptor = ('# Disk DescriptorFile\nversion=1\nCID=fffffffe\n'
                      'parentCID=ffffffff\ncreateType="monolithicFlat"\n'
                      'RW 2048 FLAT "/etc/passwd" 0\n')
        self._assert_refused(descriptor.encode().ljust(65536, b'\0'), 'vmdk')

    def test_a_truncated_image_is_refused_and_leaves_nothing(self):
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self._assert_refused(data[:100], 'qcow2')

    def test_a_disk_that_a_guest_wrote_a_header_to_stays_raw(self):
        """Launchpad bug 1221190: a guest could choose the format."""
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        image = self.glance.add('image', data, 'qcow2')
        server = self.boot(image, self.flavor('guest'))
        disk = self.instance_file(server, 'disk')
        with open(disk, 'r+b') as f:
            f.write(data[:512])
        os.unlink(self.instance_file(server, 'disk.info'))
        backend = self.computes['node1'].driver.image_backend
        found = backend.by_libvirt_path(
            cloud.objects.Instance(uuid=server['id']), disk, 'raw')
        self.assertEqual('raw', found.driver_format)


class HostileQcow2Test(cloud.CloudTestCase):
    """What is not converted to raw is inspected all the same."""

    hosts = ('node1',)

    def test_a_backing_file_is_refused_without_novas_inspection(self):
        self.flags(force_raw_images=False)
        self.flags(disable_deep_image_inspection=True, group='workarounds')
        self.start_hosts()
        path = os.path.join(self.directory, 'hostile')
        cloud.qemu_img('create', '-f', 'qcow2', '-o',
                       f'data_file={path}.data,data_file_raw=on', path, '1M')
        image = self.glance.add('hostile', cloud.read(path), 'qcow2')
        self.boot(image, self.flavor('any'), expected_state='ERROR')
        self.assertEqual([], os.listdir(
            os.path.join(self.instances_path, '_gpfs', 'masters')))
