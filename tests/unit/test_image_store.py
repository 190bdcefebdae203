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

import os

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import image_store

IMAGE = '11111111-2222-4333-8444-555555555555'


class ImageStoreTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.store = image_store.ImageStore(
            self.useFixture(fixtures.TempDir()).path)
        for kind in image_store.DIRECTORIES:
            os.mkdir(self.store.room(kind))

    def write(self, path, data=b'data'):
        with open(path, 'wb') as f:
            f.write(data)

    def open(self):
        found = image_store.open_image(self.store, IMAGE)
        self.addCleanup(os.close, found.descriptor)
        return found

    def test_an_image_is_what_glance_has_written(self):
        self.write(self.store.image(IMAGE))
        found = self.open()
        self.assertEqual((self.store.image(IMAGE), 4, 1),
                         (found.path, found.size, found.names))
        self.assertEqual(b'data', os.read(found.descriptor, 10))

    def test_or_what_nova_has_cloned(self):
        self.write(self.store.snapshot(IMAGE))
        self.assertEqual(self.store.snapshot(IMAGE), self.open().path)

    def test_what_glance_has_written_comes_first(self):
        self.write(self.store.image(IMAGE))
        self.write(self.store.snapshot(IMAGE))
        self.assertEqual(self.store.image(IMAGE), self.open().path)

    def test_what_is_being_written_is_no_image(self):
        self.write(os.path.join(self.store.room('incoming'), IMAGE))
        self.assertRaises(errors.NoSuchFile, self.open)

    def test_a_store_that_is_not_there_has_no_image(self):
        self.store = image_store.ImageStore(self.store.directory + '/none')
        self.assertRaises(errors.NoSuchFile, self.open)

    def test_links_are_not_followed(self):
        self.write(os.path.join(self.store.directory, 'other'))
        os.symlink('../other', self.store.image(IMAGE))
        self.assertRaises(errors.NotPermitted, self.open)
        os.unlink(self.store.image(IMAGE))
        os.rmdir(self.store.room('images'))
        self.write(self.store.snapshot(IMAGE))
        os.symlink('snapshots', self.store.room('images'))
        self.assertRaises(errors.NotPermitted, self.open)

    def test_only_regular_files_are_images(self):
        os.mkdir(self.store.image(IMAGE))
        self.assertRaises(errors.NotPermitted, self.open)
        os.rmdir(self.store.image(IMAGE))
        os.mkfifo(self.store.image(IMAGE))
        self.assertRaises(errors.NotPermitted, self.open)

    def test_hard_links_are_counted(self):
        self.write(self.store.image(IMAGE))
        os.link(self.store.image(IMAGE), self.store.directory + '/second')
        self.assertEqual(2, self.open().names)
