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

"""Images and disks of one lineage on one file system, deleted in any order.

An image of Glance, an instance of it, a snapshot of that instance in Glance's
store and an instance of the snapshot share blocks. Each is Glance's or Nova's
to delete at any time, and none may need another one.
"""

import contextlib
import itertools
import os
import uuid

import fixtures
from oslotest import base

from nova_gpfs import collection
from nova_gpfs import image_location
from nova_gpfs import image_store
from nova_gpfs import layout
from nova_gpfs import plan
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs import storage
from tests import face
from tests import local_driver
from tests import refusing

PARTS = ('image', 'first', 'snapshot', 'second')
SIZE = 1 << 20


class LineageTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(directory, 'gpfs'))
        face.put_on(self.gpfs, self.addCleanup)
        top = os.path.join(self.gpfs.mount_point('fs0'), 'nova')
        self.instances_path = os.path.join(top, 'instances')
        os.mkdir(self.instances_path)
        self.store = image_store.ImageStore(os.path.join(top, 'glance'))
        for kind in image_store.DIRECTORIES:
            os.makedirs(self.store.room(kind))
        self.storage = storage.Storage(
            local_driver.make(self.gpfs.bin_dir('node1')),
            layout.Layout(self.instances_path), None, require_clone=True,
            leftover_age=0, store=self.store)
        self.storage.guard.establish()
        self.useFixture(refusing.Unlink(self.storage.driver))

    def make(self):
        """Return {part: (its path, what it holds)} of a new lineage."""
        image, snapshot = str(uuid.uuid4()), str(uuid.uuid4())
        found = {'image': self.store.image(image)}
        with open(found['image'], 'wb') as f:
            f.write(os.urandom(SIZE))
        found['first'] = self.boot(found['image'], image)
        self.write(found['first'], b'first')
        owner = os.path.basename(os.path.dirname(found['first']))
        parent, _depth = self.storage.parents.make_of_open(
            owner, found['first'], contextlib.nullcontext())
        uri = self.storage.snapshots.add(parent, snapshot)
        self.assertEqual(snapshot, image_location.parse_uri(uri).image_id)
        found['snapshot'] = self.store.snapshot(snapshot)
        self.write(found['first'], b'later')
        found['second'] = self.boot(found['snapshot'], snapshot)
        self.write(found['second'], b'second')
        return {part: (path, self.read(path))
                for part, path in found.items()}

    def boot(self, path, image_id):
        """Make an instance whose master is a clone parent of a file."""
        def clone(image):
            self.storage.driver.snapshot(path, image)
            return plan.MasterInfo(plan.RAW, SIZE, image_id), ''

        disk = os.path.join(self.instances_path, str(uuid.uuid4()), 'disk')
        os.mkdir(os.path.dirname(disk))
        with self.storage.new_disk_of(lambda: self.storage.masters.ensure(
                layout.master_key(image_id), None, clone=clone)[0], disk):
            pass
        return disk

    def write(self, path, text):
        with open(path, 'r+b') as f:
            f.seek(SIZE // 2 + len(text))
            f.write(text)

    def read(self, path):
        with open(path, 'rb') as f:
            return f.read()

    def delete(self, part, path):
        os.unlink(path)
        if part in ('first', 'second'):
            top = os.path.dirname(path)
            os.rmdir(top)
            self.storage.parents.forget(os.path.basename(top))
        self.look_after()

    def look_after(self):
        """Do what a host does every now and then."""
        self.storage.parents.sweep()
        self.storage.masters.sweep()
        self.storage.collection.collect(collection.Ages(0, 0))

    def test_any_order_leaves_the_others_whole_and_nothing_behind(self):
        for order in itertools.permutations(PARTS):
            parts = self.make()
            for part in order:
                path, _holds = parts.pop(part)
                self.delete(part, path)
                for other, (path, holds) in parts.items():
                    self.assertEqual(holds, self.read(path),
                                     (order, part, other))
                self.assertEqual([], self.gpfs.check(), (order, part))
            # What hangs on another goes in an earlier pass.
            for _ in range(2):
                self.look_after()
            for name in ('masters', 'parents', 'incoming', 'leaving'):
                self.assertEqual([], os.listdir(os.path.join(
                    self.storage.layout.home, name)), (order, name))
