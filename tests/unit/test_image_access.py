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

"""Which locations of images lead to a file that may be cloned."""

import os

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import guard
from nova_gpfs import image_access
from nova_gpfs import image_location
from nova_gpfs import image_store
from nova_gpfs import layout
from nova_gpfs import location
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import run
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs import store_snapshots
from tests import local_driver

IMAGE = '11111111-2222-4333-8444-555555555555'
OTHER = '66666666-2222-4333-8444-555555555555'


class AccessTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(self.directory, 'gpfs'))
        self.top = os.path.join(self.gpfs.mount_point('fs0'), 'nova')
        instances = os.path.join(self.top, 'instances')
        self.files = os.path.join(self.top, 'files')
        os.mkdir(instances)
        os.mkdir(self.files)
        self.driver = local_driver.make(self.gpfs.bin_dir('node1'))
        self.guard = guard.MountGuard(self.driver, layout.Layout(instances))
        self.home = self.guard.establish()
        self.access = self.make(os.path.join(self.top, 'glance'))
        self.store = self.access.store
        self.made(self.store.image(IMAGE))

    def make(self, directory):
        store = image_store.ImageStore(directory)
        for kind in image_store.DIRECTORIES:
            os.makedirs(store.room(kind))
        return image_access.ImageAccess(self.driver, self.guard, store,
                                        [self.files])

    def made(self, path):
        with open(path, 'w') as f:
            f.write('image')
        return path

    def uri(self, image_id=IMAGE, **other):
        fields = {'cluster_id': self.home.cluster_id,
                  'file_system': self.home.file_system,
                  'fileset': self.home.fileset, **other}
        return image_location.ImageLocation(
            image_id=image_id, **fields).uri

    def open(self, uri, image_id=IMAGE):
        with self.access.opened(uri, image_id) as found:
            return os.read(found.descriptor, 100)


class SecretTest(AccessTestCase):

    def test_no_password_of_a_location_is_told(self):
        for uri in (f'gpfs://me:SECRET@1/fs0/nova/{IMAGE}',
                    f'file://me:SECRET@{self.files}/{IMAGE}',
                    f'swift+https://me:SECRET@keystone/{IMAGE}',
                    's3+https://KEY:SECRET@s3/bucket', 'SECRET',
                    f'file://{self.files}/me:SECRET@{IMAGE}'):
            error = self.assertRaises(errors.GpfsError, self.open, uri)
            self.assertNotIn('SECRET', str(error))


class GpfsLocationTest(AccessTestCase):

    def test_the_images_own_file_is_opened(self):
        self.assertEqual(b'image', self.open(self.uri()))

    def test_that_of_another_image_is_not(self):
        self.made(self.store.image(OTHER))
        self.assertRaises(errors.InvalidName, self.open, self.uri(OTHER))

    def test_another_place_is_not(self):
        for other in ({'cluster_id': '1'}, {'file_system': 'fs9'},
                      {'fileset': 'elsewhere'}):
            self.assertRaises(errors.CannotClone, self.open,
                              self.uri(**other))

    def test_what_is_no_location_is_not(self):
        for uri in ('', 'gpfs://', 'gpfs://a/b/c', 'rbd://a/b/c/d',
                    self.uri() + '/', self.uri() + '?x', 'GPFS://a/b/c/d',
                    f'https://a/b/c/{IMAGE}'):
            self.assertRaises(errors.GpfsError, self.open, uri)

    def test_a_missing_file_is_said_to_be_missing(self):
        self.assertRaises(errors.NoSuchFile, self.open, self.uri(OTHER),
                          OTHER)

    def test_a_hard_link_is_refused(self):
        os.link(self.store.image(IMAGE), os.path.join(self.top, 'second'))
        self.assertRaises(errors.NotPermitted, self.open, self.uri())

    def test_the_store_is_asked_for_its_place_once(self):
        self.open(self.uri())
        before = len(self.gpfs.calls())
        self.open(self.uri())
        self.assertEqual(before, len(self.gpfs.calls()))

    def test_another_directory_of_that_name_is_asked_again(self):
        self.open(self.uri())
        before = len(self.gpfs.calls())
        os.rename(self.store.directory, self.store.directory + '.old')
        self.make(self.store.directory)
        self.made(self.store.image(IMAGE))
        self.open(self.uri())
        self.assertGreater(len(self.gpfs.calls()), before)

    def test_a_store_in_another_fileset_is_none(self):
        self.access = self.make(os.path.join(
            self.gpfs.mount_point('fs0'), 'glance'))
        self.store = self.access.store
        self.made(self.store.image(IMAGE))
        self.assertNotEqual(self.home, location.locate(
            self.driver, self.store.directory))
        self.assertRaises(errors.CannotClone, self.open, self.uri())

    def test_without_a_store_there_is_no_such_location(self):
        self.access = image_access.ImageAccess(self.driver, self.guard)
        self.assertFalse(self.access.is_on)
        self.assertRaises(errors.CannotClone, self.open, self.uri())


class FileLocationTest(AccessTestCase):

    def setUp(self):
        super().setUp()
        self.path = self.made(os.path.join(self.files, IMAGE))

    def test_a_file_in_a_directory_of_the_option_is_opened(self):
        self.assertEqual(b'image', self.open(f'file://{self.path}'))

    def test_a_file_elsewhere_is_not(self):
        self.made(os.path.join(self.top, IMAGE))
        os.mkdir(os.path.join(self.files, 'sub'))
        self.made(os.path.join(self.files, 'sub', IMAGE))
        for path in (f'{self.top}/{IMAGE}', f'{self.files}/sub/{IMAGE}',
                     f'{self.files}/../{IMAGE}',
                     f'{self.files}/./{IMAGE}'):
            self.assertRaises(errors.CannotClone, self.open,
                              f'file://{path}')

    def test_another_name_than_the_images_is_not(self):
        self.made(os.path.join(self.files, OTHER))
        self.assertRaises(errors.InvalidName, self.open,
                          f'file://{self.files}/{OTHER}')

    def test_a_link_is_not(self):
        os.rename(self.path, self.path + '.there')
        os.symlink(self.path + '.there', self.path)
        self.assertRaises(errors.NotPermitted, self.open,
                          f'file://{self.path}')

    def test_without_the_option_none_is(self):
        self.access = image_access.ImageAccess(self.driver, self.guard,
                                               self.store)
        self.assertRaises(errors.CannotClone, self.open,
                          f'file://{self.path}')


class Swapping(mmdriver.MmDriver):
    """Glance, or who has taken it over, puts something in a clone's place."""

    swap = None

    def clone(self, parent, target):
        made = super().clone(parent, target)
        if self.swap is not None:
            os.unlink(target)
            self.swap(target)
        return made


class SwapTest(AccessTestCase):

    def setUp(self):
        super().setUp()
        self.swapping = Swapping(
            run.Local(self.gpfs.bin_dir('node1'), 60.0, 60.0), self.fail)
        self.snapshots = store_snapshots.StoreSnapshots(self.swapping,
                                                        self.access)
        self.parent = self.made(os.path.join(self.top, 'instances', 'disk'))
        self.driver.seal(self.parent)
        self.private = self.made(os.path.join(self.top, 'private'))
        os.chmod(self.private, 0o600)

    def test_a_link_to_a_file_of_ours_leads_to_no_change_of_it(self):
        group = os.stat(self.private).st_gid
        for link in (os.symlink, os.link):
            self.swapping.swap = lambda at: link(self.private, at)
            self.assertRaises(errors.NotPermitted, self.snapshots.add,
                              self.parent, OTHER)
            found = os.stat(self.private)
            self.assertEqual((0o600, group),
                             (found.st_mode & 0o777, found.st_gid))
            self.assertEqual([], os.listdir(self.store.room('snapshots')))

    def test_nothing_that_blocks_is_waited_for(self):
        self.swapping.swap = os.mkfifo
        self.assertRaises(errors.NotPermitted, self.snapshots.add,
                          self.parent, OTHER)


class SnapshotsTest(AccessTestCase):

    def setUp(self):
        super().setUp()
        self.snapshots = store_snapshots.StoreSnapshots(self.driver,
                                                        self.access)
        self.parent = self.made(os.path.join(self.top, 'instances', 'disk'))
        self.driver.seal(self.parent)

    def left(self):
        return os.listdir(self.store.room('snapshots'))

    def test_the_file_is_a_clone_and_has_the_group_of_its_directory(self):
        group = next((each for each in os.getgroups()
                      if each != os.getegid()), os.getegid())
        os.chown(self.store.room('snapshots'), -1, group)
        uri = self.snapshots.add(self.parent, OTHER)
        self.assertEqual(self.uri(OTHER), uri)
        found = os.stat(self.store.snapshot(OTHER))
        self.assertEqual((group, 0o640),
                         (found.st_gid, found.st_mode & 0o777))
        self.assertEqual(b'image', self.open(uri, OTHER))

    def test_a_file_that_is_there_is_left_alone(self):
        self.made(self.store.snapshot(OTHER))
        self.assertRaises(errors.AlreadyExists, self.snapshots.add,
                          self.parent, OTHER)
        self.assertEqual([OTHER], self.left())

    def test_what_is_no_image_gets_no_file(self):
        self.assertRaises(errors.InvalidName, self.snapshots.add,
                          self.parent, '../' + OTHER)
        self.assertEqual([], self.left())

    def test_a_failure_after_the_clone_leaves_nothing(self):
        self.access.require_here(self.store.directory)
        self.gpfs.faults.add('mmlsattr', action='fail', code=5, nth=1,
                             text='mmlsattr: Input/output error')
        self.assertRaises(errors.GpfsError, self.snapshots.add, self.parent,
                          OTHER, model.Placement(pool='nowhere'))
        self.assertEqual([], self.left())

    def test_to_remove_it_again_is_harmless(self):
        self.snapshots.add(self.parent, OTHER)
        self.snapshots.remove(OTHER)
        self.snapshots.remove(OTHER)
        self.assertEqual([], self.left())

    def test_a_store_that_cannot_be_written_to_is_refused_at_once(self):
        os.rmdir(self.store.room('snapshots'))
        self.assertRaises(errors.NotPermitted, self.snapshots.require_room,
                          OTHER)

    def test_old_files_are_listed(self):
        self.snapshots.add(self.parent, OTHER)
        self.assertEqual([OTHER], list(self.snapshots.image_ids()))
        self.assertEqual([], list(self.snapshots.image_ids(600)))
