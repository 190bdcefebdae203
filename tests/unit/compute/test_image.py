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

"""Our disk class among Nova's own tests of image classes."""

import os

import fixtures
from nova import objects
from nova import test
from nova.tests.unit.virt.libvirt import test_imagebackend
from nova.virt.image import model as imgmodel
from nova.virt.libvirt import driver
from oslo_serialization import jsonutils
from oslo_utils.imageutils import format_inspector
from oslo_utils import units

from nova_gpfs.compute import backend
from nova_gpfs.compute import disk_info
from nova_gpfs.compute import host
from nova_gpfs.compute import image
from nova_gpfs import conf as gpfs_conf
from nova_gpfs.sim import cluster as sim_cluster

COMMANDS = ['mmclone', 'mmgetstate', 'mmlsattr', 'mmlscluster', 'mmlsconfig',
            'mmlsfs']


class OnGpfs(fixtures.Fixture):
    """Configure Nova for a simulated cluster."""

    def __init__(self, test_case):
        self.test_case = test_case

    def _setUp(self):
        directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(directory + '/gpfs')
        path = os.path.join(self.gpfs.mount_point('fs0'), 'nova', 'instances')
        os.mkdir(path)
        gpfs_conf.register(test.CONF)
        self.test_case.flags(instances_path=path)
        self.test_case.flags(mm_path=self.gpfs.bin_dir('node1'),
                             rootless_commands=COMMANDS, group='gpfs')
        self.storage = host.storage_from_conf()
        self.storage.guard.establish()


class NovasImageTest(test_imagebackend._ImageTestCase, test.NoDBTestCase):
    """Nova's mixin for every image class."""

    SIZE = units.Gi
    image_class = image.Gpfs

    def _assert_never_allocates(self):
        """Preallocation is refused at start and ignored here.

        It would give a disk blocks of its own for what it shares with its
        master.
        """
        gpfs = self.useFixture(OnGpfs(self))
        self.flags(preallocate_images='space')
        # Nova's has no flavor, which every real instance has.
        instance = objects.Instance(
            uuid=self.INSTANCE.uuid, system_metadata={},
            flavor=objects.Flavor(extra_specs={}))
        disk = self.image_class(instance, self.NAME)
        os.mkdir(os.path.dirname(disk.path))
        disk.cache(lambda target: open(target, 'wb').close(), 'template',
                   self.SIZE)
        disk.cache(None, 'template', self.SIZE)
        self.assertEqual(self.SIZE, os.stat(disk.path).st_size)
        self.assertEqual(0, os.stat(disk.path).st_blocks)
        self.assertEqual([], gpfs.gpfs.check())

    def test_prealloc_image(self):
        self._assert_never_allocates()

    def test_prealloc_image_without_write_access(self):
        self._assert_never_allocates()


class ImageTest(test.NoDBTestCase):

    def setUp(self):
        super().setUp()
        self.on_gpfs = self.useFixture(OnGpfs(self))
        self.directory = os.path.join(test.CONF.instances_path, 'uuid')
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, 'disk')
        self.info = os.path.join(self.directory, 'disk.info')

    def _record(self, disk_format, path=None):
        disk_info.record(self.info, path or self.path, disk_format,
                         os.path.join(test.CONF.instances_path, 'locks'))

    def test_the_model_has_the_recorded_format(self):
        for disk_format in ('raw', 'qcow2'):
            open(self.path, 'w').close()
            self._record(disk_format)
            self.assertEqual(
                imgmodel.LocalFileImage(self.path, disk_format),
                image.Gpfs(path=self.path).get_model(None))

    def test_a_record_of_an_earlier_disk_is_written_over(self):
        self._record('qcow2')
        self._record('raw', self.path + '.rescue')
        self._record('raw')
        with open(self.info) as info:
            self.assertEqual({self.path: 'raw', self.path + '.rescue': 'raw'},
                             jsonutils.loads(info.read()))

    def test_the_record_of_nova_is_kept(self):
        with open(self.info, 'w') as info:
            info.write('{"/elsewhere": "qcow2"}\n')
        self._record('raw')
        with open(self.info) as info:
            self.assertEqual({self.path: 'raw', '/elsewhere': 'qcow2'},
                             jsonutils.loads(info.read()))

    def test_a_disk_that_cannot_be_looked_at_is_not_absent(self):
        disk = image.Gpfs(path=self.path)
        self.assertFalse(disk.exists())
        disk.path = os.path.join(self.info, 'disk')
        open(self.info, 'w').close()
        self.assertRaises(NotADirectoryError, disk.exists)

    def test_a_disk_formatted_with_vfat_is_raw_whatever_it_looks_like(self):
        """Launchpad bug 2079850: its boot sector passed for partitions."""
        # Releases of oslo.utils differ in what they take a boot sector for.
        self.useFixture(fixtures.MockPatch(
            'nova.virt.images.get_image_format', autospec=True,
            side_effect=format_inspector.ImageFormatError('partitions?')))
        disk = image.Gpfs(path=self.path)
        for _ in range(2):
            disk.cache(driver.LibvirtDriver._create_ephemeral,
                       'ephemeral_1_vfat', units.Gi, ephemeral_size=1,
                       specified_fs='vfat', fs_label='ephemeral0',
                       os_type='linux')
        self.assertEqual('raw', disk.get_model(None).format)
        self.assertEqual(units.Gi, os.stat(self.path).st_size)
        with open(self.path, 'rb') as f:
            self.assertIn(b'FAT', f.read(512))

    def test_what_fails_while_it_is_generated_leaves_nothing(self):
        disk = image.Gpfs(path=self.path)

        def fail(target):
            with open(target, 'w') as f:
                f.write('half')
            raise LookupError

        self.assertRaises(LookupError, disk.cache, fail, 'swap_16')
        self.assertEqual([], os.listdir(self.directory))


class BackendTest(test.NoDBTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(OnGpfs(self))
        self.backend = backend.GpfsBackend(True)

    def _class_of(self, name, image_type, top=None):
        path = os.path.join(top or test.CONF.instances_path, 'uuid', name)
        return type(self.backend.by_libvirt_path(None, path, image_type))

    def test_disks_that_libvirt_calls_raw_or_qcow2_are_ours(self):
        for image_type in ('raw', 'qcow2', 'gpfs'):
            self.assertTrue(issubclass(self._class_of('disk', image_type),
                                       image.Gpfs))

    def test_files_elsewhere_and_other_files_stay_as_nova_has_them(self):
        for name, top in (('disk', '/var/lib/nova'), ('kernel', None)):
            self.assertFalse(issubclass(self._class_of(name, 'raw', top),
                                        image.Gpfs))

    def test_each_host_has_a_storage_of_its_own(self):
        other = backend.GpfsBackend(True)
        self.assertIsNot(self.backend.storage, other.storage)
        self.assertIs(self.backend.storage,
                      self.backend.BACKEND['gpfs'].storage)
