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

"""Images that are made to read or write what is none of their owner's.

Each is offered as the file that Glance has beside the instances, and when it
was not taken from there, as a download. Nova's own code looks at the latter.
"""

from concurrent import futures
import os
import threading
import time

import fixtures
from nova import context
from nova import exception
from nova.privsep import qemu
from nova.virt.libvirt import utils as libvirt_utils

from nova_gpfs.compute import fetching
from tests.functional import cloud
from tests.functional import shared_store

VMDK = ('# Disk DescriptorFile\nversion=1\nCID=fffffffe\n'
        'parentCID=ffffffff\ncreateType="monolithicFlat"\n'
        'RW 2048 FLAT "/etc/passwd" 0\n')


class HostileImagesTest(shared_store.SharedStoreTestCase):

    force_raw_images = True

    def _configure(self):
        super()._configure()
        self.flags(force_raw_images=self.force_raw_images)

    def create(self, *arguments):
        """Return what qemu-img makes with these options of create."""
        path = os.path.join(self.directory, 'hostile')
        *options, size = arguments
        cloud.qemu_img('create', '-f', *options, path, size)
        return cloud.read(path)

    def polyglot(self):
        """Return what is qcow2 to one reader and an ISO 9660 to another."""
        image = bytearray(self.qcow2.ljust(0x9000, b'\0'))
        image[0x8000:0x8006] = b'\x01CD001'
        return bytes(image)

    def images(self):
        """Return the format that is claimed and the data, by what it is."""
        secret = os.path.join(self.directory, 'secret')
        with open(secret, 'wb') as f:
            f.write(b'secret' * 1000)
        wrong = bytearray(self.qcow2)
        wrong[24:32] = (2 ** 63).to_bytes(8, 'big')
        return {
            'a backing file': ('qcow2', self.create(
                'qcow2', '-b', secret, '-F', 'raw', '1M')),
            'a data file': ('qcow2', self.create(
                'qcow2', '-o', f'data_file={secret}.data,data_file_raw=on',
                '1M')),
            'a descriptor of another file': (
                'vmdk', VMDK.replace('/etc/passwd', secret).encode().ljust(
                    65536, b'\0')),
            'qcow2 that is sold as raw': ('raw', self.qcow2),
            'raw that is sold as qcow2': ('qcow2', b'\0' * 65536),
            'qcow2 and something else': ('qcow2', self.polyglot()),
            'a header and no more': ('qcow2', self.qcow2[:100]),
            'nothing': ('qcow2', b''),
            'more bytes than there are': ('qcow2', bytes(wrong)),
        }

    def test_each_is_refused_and_leaves_nothing(self):
        self.qcow2, _guest_sees = cloud.qcow2_image(self.directory)
        storage = self.computes['node1'].driver.image_backend.storage
        for what, (disk_format, data) in self.images().items():
            with self.subTest(image=what):
                image_id = self.glance.add('hostile', data, disk_format)
                image = fetching.Image(
                    storage, libvirt_utils.fetch_image, image_id,
                    context=context.get_admin_context(), trusted_certs=None)
                self.assertRaises(exception.NovaException,
                                  storage.masters.ensure, image_id, image,
                                  clone=image.clone)
                self.assertIn(image_id, self.glance.downloads, what)
                for directory in (storage.layout.masters,
                                  storage.layout.incoming):
                    self.assertEqual([], os.listdir(directory), what)
                self.assertEqual(data, self.glance.data(image_id))
        self.assertEqual([], self.gpfs.check())
        # And one that is not.
        image_id = self.glance.add('image', self.qcow2, 'qcow2')
        image = fetching.Image(
            storage, libvirt_utils.fetch_image, image_id,
            context=context.get_admin_context(), trusted_certs=None)
        _master, made = storage.masters.ensure(image_id, image,
                                               clone=image.clone)
        self.assertTrue(made)
        self.assertNotIn(image_id, self.glance.downloads)


class LargeImagesTest(shared_store.SharedStoreTestCase):
    """An image that is a hundred times as large when it is unpacked."""

    def setUp(self):
        super().setUp()
        path = os.path.join(self.directory, 'large')
        cloud.qemu_img('create', '-f', 'raw', path, '2G')
        with open(path, 'r+b') as f:
            f.write(b'\xff' * 64 * cloud.MIB)
        cloud.qemu_img('convert', '-c', '-O', 'qcow2', path, f'{path}.qcow2')
        self.image_id = self.glance.add(
            'large', cloud.read(f'{path}.qcow2'), 'qcow2')

        self.converted = []
        convert = qemu.unprivileged_convert_image
        self.useFixture(fixtures.MonkeyPatch(
            'nova.privsep.qemu.unprivileged_convert_image',
            lambda *args, **kwargs: (self.converted.append(args[0]),
                                     convert(*args, **kwargs))))

    def assert_boot_refused(self):
        """A boot from the image fails, and no byte of it is unpacked."""
        server = self.boot(self.image_id, self.flavor('small', root_gb=1),
                           expected_state='ERROR')
        self.assertIn("Flavor's disk is too small",
                      server['fault']['message'])
        self.assertEqual([], self.converted)
        self.assert_no_master()

    def assert_no_master(self):
        layout = self.storage().layout
        self.assertEqual([], os.listdir(layout.incoming))
        self.assertEqual([], os.listdir(layout.masters))
        self.assertEqual([], self.gpfs.check())

    def assert_boots_on_a_larger_disk(self):
        self.boot(self.image_id, self.flavor('large', root_gb=3))
        self.assertEqual(1, len(os.listdir(self.storage().layout.masters)))
        self.assertEqual(1, len(self.converted))

    def fetch(self, host, size):
        """Return what a host that needs the image makes of it."""
        storage = self.computes[host].driver.image_backend.storage
        image = fetching.Image(
            storage, libvirt_utils.fetch_image, self.image_id, at_most=size,
            context=context.get_admin_context(), trusted_certs=None)
        return storage.masters.ensure(self.image_id, image, clone=image.clone)

    def test_glance_knows_and_not_a_byte_is_fetched(self):
        self.glance.images[self.image_id]['virtual_size'] = 2 * 2 ** 30
        self.assert_boot_refused()
        self.assertEqual([], self.glance.downloads)

    def test_the_header_knows_of_a_file_that_glance_has(self):
        self.assert_boot_refused()
        self.assert_boots_on_a_larger_disk()
        self.assertEqual([], self.glance.downloads)

    def test_the_header_knows_of_a_file_that_is_downloaded(self):
        self.glance.shows_locations = False
        self.assert_boot_refused()
        self.assert_boots_on_a_larger_disk()
        self.assertEqual([self.image_id] * 2, self.glance.downloads)

    def test_the_header_knows_of_an_image_that_is_not_to_be_raw(self):
        # Of what guests do not get as it is.
        self.flags(force_raw_images=False)
        self.glance.shows_locations = False
        path = os.path.join(self.directory, 'large')
        cloud.qemu_img('convert', '-O', 'vdi', path, f'{path}.vdi')
        self.image_id = self.glance.add('vdi', cloud.read(f'{path}.vdi'),
                                        'vdi')
        self.assert_boot_refused()

    def test_who_waits_for_a_smaller_disk_is_judged_by_its_own(self):
        self.glance.shows_locations = False
        begun, go_on = threading.Event(), threading.Event()
        download = self.glance.download

        def wait(*args, **kwargs):
            begun.set()
            go_on.wait(60)
            return download(*args, **kwargs)

        self.glance.download = wait
        with futures.ThreadPoolExecutor(2) as pool:
            small = pool.submit(self.fetch, 'node1', 2 ** 30)
            self.assertTrue(begun.wait(60))
            large = pool.submit(self.fetch, 'node2', 3 * 2 ** 30)
            time.sleep(0.5)
            go_on.set()
            self.assertRaises(exception.FlavorDiskSmallerThanImage,
                              small.result)
            _master, made = large.result()
        self.assertTrue(made)
        self.assertEqual(1, len(self.converted))

    def test_a_fetch_for_no_disk_has_no_limit(self):
        for size in (None, 0, 2 * 2 ** 30):
            self.fetch('node1', size)
        self.assertEqual(1, len(self.converted))


class HostileKeptImagesTest(HostileImagesTest):
    """Where qcow2 stays what it is."""

    force_raw_images = False
