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
"""Images and snapshots that no byte of is moved for, in a store on GPFS."""

import os
import threading
from unittest import mock

from crash import case
from crash import lasting_glance
from nova_gpfs import image_store
from tests.functional import cloud
from tests.functional import contents
from tests.functional import shared_store


class StoreTestCase(case.CrashTestCase):

    def setUp(self):
        super().setUp()
        self.glance.directory = self.store_directory
        self.glance.place = self.storage().guard.where()
        _data, _guest = cloud.qcow2_image(self.directory)
        raw = cloud.read(os.path.join(self.directory, 'image.raw'))
        self.image = self.glance.add('image', raw, 'raw')
        self.expected = contents.of(os.path.join(
            self.directory, 'image.raw')).grown(1024 * cloud.MIB)

    def make_glance(self):
        return lasting_glance.lasting(shared_store.Glance, self)

    def _configure(self):
        super()._configure()
        self.store_directory = os.path.join(
            os.path.dirname(self.instances_path), 'glance')
        for kind in image_store.DIRECTORIES:
            os.makedirs(os.path.join(self.store_directory, kind))
        self.flags(image_store=self.store_directory, group='gpfs')

    def roots(self):
        return {**super().roots(),
                os.path.realpath(self.store_directory): 'store/'}

    def remove_unknown(self, driver):
        """Do as ``nova-gpfs cache snapshots --remove``."""
        snapshots = driver.image_backend.storage.snapshots
        for image_id in snapshots.image_ids():
            if image_id not in self.glance.images or not (
                    self.glance.images[image_id].get('locations')):
                snapshots.remove(image_id)

    def end(self, driver, *instances):
        """Delete everything; nothing may be left of it."""
        for instance in instances:
            self.destroy(instance, driver)
        for image_id in list(self.glance.images):
            if self.glance.path(image_id):
                self.glance.delete(self.context, image_id)
        self.remove_unknown(driver)
        # What hangs on another goes in an earlier pass.
        for _time in range(3):
            self.sweep(driver)
        self.assert_nothing_is_left()
        for kind in image_store.DIRECTORIES:
            self.assertEqual([], os.listdir(self.glance.store.room(kind)))


class MasterTestCase(StoreTestCase):

    def go_on(self, host):
        if os.path.exists(self.disk(self.crashed)):
            self.assertEqual(self.expected,
                             contents.of(self.disk(self.crashed)))
        driver = self.go_on_as(host)
        other = self.instance(self.image, host)
        self.spawn(other, driver)
        self.assertEqual(self.expected, contents.of(self.disk(other)))
        self.assertEqual([], self.glance.downloads)
        self.destroy(self.crashed, self.drivers['node1'])
        self.end(driver, other)

    def setUp(self):
        super().setUp()
        self.crashed = self.instance(self.image)


class MasterTest(MasterTestCase):

    def test_of_a_file_that_glance_has(self):
        self.crash_everywhere(
            'spawn without a download', lambda: self.spawn(self.crashed),
            self.go_on)


class SnapshotTestCase(StoreTestCase):

    def setUp(self):
        super().setUp()
        self.guest = self.instance(self.image)
        self.spawn(self.guest)
        self.wrote = self.write(self.guest)

    def snapshot(self, driver):
        """Make an image as Nova's API does, and have it made."""
        image_id = self.glance.create(self.context, {
            'name': 'snapshot', 'status': 'queued', 'size': None,
            'disk_format': 'raw', 'container_format': 'bare',
            'min_disk': 0, 'min_ram': 0, 'properties': {}})['id']
        driver.snapshot(self.context, self.guest, image_id,
                        lambda **states: None)
        return image_id

    def assert_registered_is_whole(self):
        """What Glance knows of is the disk as it was, or another image."""
        for image_id, record in self.glance.images.items():
            if record.get('locations') and image_id != self.image:
                self.assertEqual(self.wrote,
                                 contents.of(self.glance.path(image_id)))

    def go_on(self, host):
        self.assertEqual(self.wrote, contents.of(self.disk(self.guest)))
        self.assert_registered_is_whole()
        driver = self.go_on_as(host)
        if host == 'node1':
            self.drivers['node1'] = driver
        self.be('node1')
        image_id = self.snapshot(self.drivers['node1'])
        self.assertTrue(self.glance.images[image_id]['locations'])
        self.assertEqual(self.wrote,
                         contents.of(self.glance.path(image_id)))
        self.be(host)
        other = self.instance(image_id, host)
        self.spawn(other, driver)
        self.assertEqual(self.wrote, contents.of(self.disk(other)))
        self.assertEqual([], self.glance.downloads)
        self.destroy(self.guest, self.drivers['node1'])
        self.end(driver, other)


class SnapshotTest(SnapshotTestCase):

    def test_snapshot_into_the_store(self):
        self.crash_everywhere(
            'snapshot without an upload',
            lambda: self.snapshot(self.drivers['node1']), self.go_on)


class HeldThread(threading.Thread):
    """The thread that splits, which begins when the snapshot is made.

    Else it would be chance which of its effects are before those of Nova.
    """

    held = None

    def start(self):
        type(self).held = self


class SplitTest(SnapshotTestCase):
    """Each snapshot is taken off its disk, in the background."""

    def setUp(self):
        super().setUp()
        self.flags(split_snapshots=True, group='gpfs')
        self.drivers['node1'] = self.new_driver('node1')

    def split(self):
        """Make a snapshot, and then wait until it hangs on nothing."""
        driver = self.drivers['node1']
        with mock.patch('threading.Thread', HeldThread):
            self.snapshot(driver)
        threading.Thread.start(HeldThread.held)
        driver.image_backend.splitting.finish()

    def go_on(self, host):
        self.assertEqual(self.wrote, contents.of(self.disk(self.guest)))
        driver = self.go_on_as(host)
        if host != 'node1':
            driver = self.new_driver(host)
        # What the dead one has registered hangs on nothing in the end.
        driver.image_backend.splitting.finish()
        self.assert_registered_is_whole()
        for image_id in driver.image_backend.storage.snapshots.image_ids():
            self.assertIsNone(self.storage().driver.clone_info(
                self.glance.path(image_id)).parent_inode)
        self.destroy(self.guest, self.drivers['node1'])
        self.end(driver)

    def test_a_snapshot_that_is_split(self):
        self.crash_everywhere('snapshot that is split', self.split,
                              self.go_on)
