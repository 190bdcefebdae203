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

"""Whatever becomes of the storage, what a compute host does is safe.

An operation is done, or there is one typed error; what was there is there,
byte for byte; a name is there with all that it should have, or it is not
there; and once the cluster is well the same object does it. See test_faults
for the driver below.
"""

import os
import pathlib
import shutil

from oslo_utils import uuidutils

from nova_gpfs import collection
from nova_gpfs import errors
from nova_gpfs import flattening
from nova_gpfs import image_store
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import plan
from nova_gpfs import storage
from tests.contract import test_faults
from tests import face
from tests import refusing
from tests import sick

CONTENT, FAST, OWNER = (test_faults.CONTENT, test_faults.FAST,
                        test_faults.OWNER)


class OperationsTest(test_faults.SickTestCase):
    """What a compute host does, with all that stands above the driver."""

    content = CONTENT

    def setUp(self):
        super().setUp()
        well = sick.driver(sick.Transport(self.cluster, self.instances))
        self.useFixture(refusing.Unlink(well))
        self.layout = layout.Layout(self.instances)
        self.store = image_store.ImageStore(os.path.join(
            os.path.dirname(self.instances), 'glance'))
        for kind in image_store.DIRECTORIES:
            os.makedirs(self.store.room(kind))
        self.storage = self.storage_of(leftover_age=86400.0)
        self.master, _made = self.storage.masters.ensure('key', self.fill)

    def storage_of(self, leftover_age):
        made = storage.Storage(
            self.gpfs, self.layout, copy=shutil.copyfile, require_clone=True,
            leftover_age=leftover_age, store=self.store)
        made.guard.establish()
        return made

    def fill(self, path):
        pathlib.Path(path).write_bytes(self.content)
        return plan.MasterInfo(plan.RAW, len(self.content))

    def instance(self):
        directory = self.path('instance')
        os.mkdir(directory)
        return directory

    def disk(self, placement=model.Placement()):
        path = os.path.join(self.instance(), 'disk')
        with self.storage.new_disk(self.master, path, placement):
            pass
        return path

    # Each returns what is done, and the files that are there in any case and
    # the ones that are made.

    def make_master(self, placement):
        key = f'image{next(self.numbers)}'
        made = os.path.join(self.layout.master(
            layout.placed_key(key, placement)), 'image')
        return lambda: self.storage.masters.ensure(
            key, self.fill, placement), [], made

    def make_placed_sibling(self):
        key = f'image{next(self.numbers)}'
        first, _made = self.storage.masters.ensure(key, self.fill)
        made = os.path.join(self.layout.master(layout.placed_key(
            key, FAST)), 'image')
        return (lambda: self.storage.masters.ensure(key, self.fill, FAST),
                [first.path], made)

    def make_disk(self):
        path = os.path.join(self.instance(), 'disk')

        def work():
            with self.storage.new_disk_of(
                    lambda: self.storage.masters.ensure('key', self.fill)[0],
                    path, FAST):
                pass
        return work, [], path

    def make_double(self):
        source, target = self.disk(), os.path.join(self.instance(), 'disk')
        return (lambda: self.storage.double(OWNER, source, target),
                [source], target)

    def flatten(self):
        path = self.disk()
        return lambda: self.storage.flatten(OWNER, path), [path], None

    def flatten_in_parts(self):
        path = self.disk()
        flattener = flattening.Flattener(self.storage, flattening.Pace(
            test_faults.MIB, sleep=lambda _seconds: None))
        return (lambda: flattener.flatten(OWNER, path, lambda: None,
                                          lambda *_reached: None),
                [path], None)

    def move(self):
        path = self.disk()
        return (lambda: self.storage.move(path, model.Placement(), FAST),
                [path], None)

    def resize_and_go_back(self):
        old, new = self.disk(), os.path.join(self.instance(), 'disk')
        owner = uuidutils.generate_uuid()

        def work():
            # As compute.moves does: else it is all made below a mount point.
            self.storage.guard.check()
            os.makedirs(os.path.dirname(new), exist_ok=True)
            if not os.path.lexists(new):
                self.storage.double(owner, old, new)
            self.storage.move(new, model.Placement(), FAST)
            self.assertEqual(self.content, self.read(new))
            self.storage.guard.check()
            self.storage.trash.discard(os.path.dirname(new))
            self.storage.parents.tidy(owner, [os.path.dirname(old)])
        return work, [old], None

    def confirm_a_resize(self):
        old, new = self.disk(), os.path.join(self.instance(), 'disk')
        owner = uuidutils.generate_uuid()
        self.storage.double(owner, old, new)

        def work():
            self.storage.guard.check()
            self.storage.trash.discard(os.path.dirname(old))
            self.storage.parents.tidy(owner, [os.path.dirname(new)])
            self.assertFalse(os.path.lexists(old))
        return work, [self.master.path, new], None

    def snapshot_into_the_store(self):
        path, image_id = self.disk(), uuidutils.generate_uuid()

        def work():
            parent = self.storage.parents.make(OWNER, path)
            self.storage.snapshots.add(parent, image_id, FAST)
        return work, [path], self.store.snapshot(image_id)

    def delete(self):
        path, other = self.disk(), os.path.join(self.instance(), 'disk')
        self.storage.double(OWNER, path, other)
        directory = os.path.dirname(path)

        def work():
            # As compute.removal does: else what is not mounted has gone.
            self.storage.guard.check()
            self.storage.trash.discard(directory)
            self.storage.parents.forget(OWNER)
            self.assertFalse(os.path.lexists(directory))
        return work, [self.master.path, other], None

    def pass_over_the_cache(self):
        disk = self.disk()
        unused, _made = self.storage.masters.ensure(
            f'image{next(self.numbers)}', self.fill)

        def work():
            self.storage.collection.collect(collection.Ages(0, 0))
            self.assertFalse(os.path.lexists(unused.directory))
        return work, [self.master.path, disk], None

    # Each with a cluster of its own.

    def test_making_a_master(self):
        self.try_all(lambda: self.make_master(FAST))

    def test_making_the_master_of_another_placement(self):
        self.try_all(self.make_placed_sibling)

    def test_making_a_disk(self):
        self.try_all(self.make_disk)

    def test_making_a_second_disk_of_one(self):
        self.try_all(self.make_double)

    def test_taking_a_disk_off_its_master(self):
        self.try_all(self.flatten)

    def test_taking_a_disk_off_its_master_in_parts(self):
        self.content = test_faults.CONTENT * 13
        self.master, _made = self.storage.masters.ensure('large', self.fill)
        self.try_all(self.flatten_in_parts)

    def test_moving_a_disk_to_another_pool(self):
        self.try_all(self.move)

    # Two tests, as it is the longest.

    def test_a_resize_that_is_reverted_and_one_command_fails(self):
        self.try_all(self.resize_and_go_back, {**sick.HARMLESS, **sick.ONCE})

    def test_a_resize_that_is_reverted_and_the_cluster_falls_ill(self):
        self.try_all(self.resize_and_go_back, sick.LASTING)

    def test_confirming_a_resize(self):
        self.try_all(self.confirm_a_resize)

    def test_a_snapshot_into_the_store_of_images(self):
        self.try_all(self.snapshot_into_the_store)

    def test_deleting_an_instance(self):
        self.try_all(self.delete)

    def test_a_pass_over_the_cache(self):
        self.try_all(self.pass_over_the_cache)

    def try_all(self, prepare, faults=sick.ALL):
        """Do something once with each fault at each of its commands."""
        work, _kept, _made = prepare()
        for number in range(1, self.calls_of(work) + 1):
            for name, fault in faults.items():
                with self.subTest(fault=name, call=number):
                    self.try_out(prepare, fault, number,
                                 name in sick.HARMLESS)
                    self.assertEqual([], self.cluster.check())
                    self.delete_instances()
        self.try_unmounted(prepare)
        self.assertEqual([], self.cluster.check())
        # What could not be removed while GPFS was away.
        self.storage_of(leftover_age=0.0).masters.sweep()
        self.assertEqual([], os.listdir(self.layout.incoming))

    def try_out(self, prepare, fault, number, harmless):
        work, kept, made = prepare()
        self.transport.spoil(fault, number)
        error = self.attempt(work)
        self.assertFalse(harmless and error)
        was_away = self.is_away()
        sick.cure(self.transport)
        if error and was_away:
            self.sweep_the_store()
        for path in kept:
            self.assertEqual(self.content, self.read(path))
        if made:
            # A name is there with all of it, or it is not there.
            self.assertEqual(error is None, os.path.lexists(made))
        if error:
            work()
        for path in (*kept, *filter(None, [made])):
            self.assertEqual(self.content, self.read(path))

    def delete_instances(self):
        """Keep the cluster small: to look for a parent is to look at all."""
        for name in os.listdir(self.instances):
            if name.startswith('instance'):
                self.storage.trash.discard(os.path.join(self.instances, name))
        self.sweep_the_store()
        for owner in os.listdir(self.layout.parents):
            self.storage.parents.forget(owner)
        self.assertEqual([], os.listdir(self.layout.parents))

    def is_away(self):
        """Whether no file can be removed, on a mount of a sick node too."""
        return (self.transport.is_unmounted or self.transport.instead
                or face.is_asked_for() and self.transport.is_changed)

    def sweep_the_store(self):
        """Do what is done later where nobody could remove a file."""
        for image_id in list(self.storage.snapshots.image_ids()):
            self.storage.snapshots.remove(image_id)

    def try_unmounted(self, prepare):
        """Do it while nothing is mounted, which is noticed at once."""
        work, kept, made = prepare()
        sick.befall(self.transport, sick.unmount)
        self.assertIsInstance(self.attempt(work), errors.NotMounted)
        sick.cure(self.transport)
        work()
        for path in (*kept, *filter(None, [made])):
            self.assertEqual(self.content, self.read(path))
