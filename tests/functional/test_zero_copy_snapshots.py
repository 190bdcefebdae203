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

"""Snapshots into Glance's store beside the instances: nothing is uploaded."""

import os
import subprocess
from unittest import mock

from nova import exception

from nova_gpfs import errors
from tests.functional import cloud
from tests.functional import shared_store
from tests.functional import test_snapshots
from tests import refusing

GIB = 2 ** 30
MIB = cloud.MIB


class StoreTestCase(test_snapshots.SnapshotsTestCase,
                    shared_store.SharedStoreTestCase):
    """An instance of an image in the store; ``happened`` as there."""

    def setUp(self):
        super().setUp()
        self.useFixture(refusing.Unlink(self.storage().driver))

    def start_hosts(self):
        self.glance.directory = self.store_directory
        if not getattr(self, 'computes', None):
            super().start_hosts()
        self.glance.place = self.storage().guard.where()
        return self.computes

    def storage(self, host='node1'):
        return self.computes[host].driver.image_backend.storage

    def stored(self):
        """Return the images that have a file of Nova's in the store."""
        return sorted(os.listdir(self.glance.store.room('snapshots')))

    def assert_cloned(self, image_id, before):
        self.assertEqual([image_id], self.stored())
        self.assertEqual(before, self.glance.data(image_id))
        self.assertEqual('active', self.glance.images[image_id]['status'])
        self.assertEqual(len(before), self.glance.images[image_id]['size'])
        self.assertEqual([{'url': self.glance.uri(image_id), 'metadata': {}}],
                         self.glance.images[image_id]['locations'])

    def assert_uploaded(self, image_id, before, why):
        self.assertEqual([], self.stored())
        self.assertEqual(before, self.glance.data(image_id))
        self.assertIn('upload', self.happened)
        self.assertIn(why, self.log())

    def assert_nothing_is_left(self):
        self.delete()
        for image_id in self.stored():
            self.glance.delete(None, image_id)
        # What hangs on another goes in an earlier pass.
        for _ in range(3):
            self.age_masters()
            for owner in os.listdir(os.path.join(self.home, 'parents')):
                os.utime(os.path.join(self.home, 'parents', owner), (0, 0))
            self.run_pass()
        for name in ('parents', 'trash'):
            self.assertEqual([], os.listdir(os.path.join(self.home, name)))
        self.assert_storage_is_consistent()


class RunningTest(StoreTestCase):

    def test_a_guest_stands_still_for_one_clone_and_nothing_is_uploaded(self):
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        self.assertEqual(['suspend', 'snap', 'resume'], self.happened)
        self.assert_cloned(image_id, before)
        self.write(b'LATER')
        self.assertEqual(before, self.glance.data(image_id))
        self.assertEqual('raw', self.glance.images[image_id]['disk_format'])
        found = os.stat(self.glance.path(image_id))
        self.assertEqual(0o640, found.st_mode & 0o777)
        self.assertEqual(0, self.storage().copied_snapshots)
        self.assert_nothing_is_left()

    def test_it_is_booted_without_a_download_on_the_other_host(self):
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        server = self.boot(image_id, 'own', host='node2')
        self.assertEqual(before, cloud.read(
            self.instance_file(server, 'disk')))
        self.assertNotIn(image_id, self.glance.downloads)
        self.delete_server(server)
        self.assert_nothing_is_left()

    def test_ten_gibibytes_take_no_more_than_ten(self):
        with open(self.disk, 'r+b') as disk:
            disk.truncate(10 * GIB)
            disk.seek(10 * GIB - 4096)
            disk.write(b'THE END')
        before = self.read_bytes()
        image_id = self.snapshot()
        self.assertEqual([image_id], self.stored())
        server = self.boot(image_id, 'own')
        self.assertLess(self.read_bytes() - before, 64 * MIB)
        for path in (self.glance.path(image_id),
                     self.instance_file(server, 'disk')):
            found = os.stat(path)
            self.assertEqual(10 * GIB, found.st_size)
            self.assertLess(found.st_blocks * 512, GIB)
            with open(path, 'rb') as f:
                f.seek(10 * GIB - 4096)
                self.assertEqual(b'THE END', f.read(7))
        self.assertNotIn(image_id, self.glance.downloads)

    def test_a_refusal_of_glance_leads_to_the_upload(self):
        for refusal in (exception.Invalid('no such scheme'),
                        exception.ImageNotAuthorized(image_id='x')):
            self.forget()
            self.glance.refusal = refusal
            before = cloud.read(self.disk)
            image_id = self.snapshot()
            self.assert_uploaded(image_id, before, 'Glance refuses gpfs://')
            self.assertEqual(['suspend', 'snap', 'resume', 'upload'],
                             self.happened)
        self.glance.refusal = None
        self.assert_nothing_is_left()

    def test_what_is_no_refusal_fails_the_snapshot_as_in_nova(self):
        self.glance.refusal = exception.GlanceConnectionFailed(
            server='glance', reason='gone')
        self.snapshot()
        self.assertEqual([], self.stored())
        self.assertNotIn('snap', {each['name'] for each
                                  in self.glance.images.values()})
        self.assert_nothing_is_left()

    def test_what_glance_has_registered_is_whole_whatever_it_answers(self):
        before = cloud.read(self.disk)
        for shows, lost in (
                (True, exception.GlanceConnectionFailed(server='glance',
                                                        reason='gone')),
                (False, exception.Invalid('it has data already'))):
            self.forget()
            self.glance.shows_locations = shows
            self.glance.lost = lost
            image_id = self.snapshot()
            self.assert_cloned(image_id, before)
            self.assertNotIn('upload', self.happened)
            self.glance.delete(None, image_id)
        self.assert_nothing_is_left()

    def test_a_store_that_cannot_be_written_to_leads_to_the_upload(self):
        for kind in ('images', 'snapshots'):
            path = self.glance.store.room(kind)
            self.assertTrue(os.path.isdir(path))
        os.rmdir(self.glance.store.room('snapshots'))
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        self.assertEqual(before, self.glance.data(image_id))
        self.assertIn('cannot write to', self.log())
        os.mkdir(self.glance.store.room('snapshots'))

    def test_a_refused_clone_leads_to_the_upload_of_what_is_sealed(self):
        before = cloud.read(self.disk)
        self.gpfs.faults.add('mmclone copy', action='fail', code=1, nth=1,
                             text='mmclone: Permission denied')
        image_id = self.snapshot()
        self.assert_uploaded(image_id, before, 'direct snapshot failed')
        self.assertEqual(['suspend', 'snap', 'resume', 'upload'],
                         self.happened)
        self.assert_nothing_is_left()

    def test_a_placement_that_is_refused_leaves_no_file(self):
        before = cloud.read(self.disk)
        with mock.patch.object(
                self.computes['node1'].driver.image_backend.placing,
                'of_snapshots', autospec=True,
                side_effect=errors.NoSuchPool('gone')):
            image_id = self.snapshot()
        self.assert_uploaded(image_id, before, 'gone')
        self.assert_nothing_is_left()

    def test_an_open_disk_that_gpfs_does_not_snap_is_copied(self):
        self.gpfs.set_switch('snap_of_open_file', 'refuse')
        with open(self.disk, 'r+b'):
            self.snapshot()
        self.assertEqual([], self.stored())
        self.assertIn('upload', self.happened)
        self.assertIn('direct snapshot failed', self.log())

    def test_another_format_is_converted_and_uploaded(self):
        self.flags(snapshot_image_format='qcow2', group='libvirt')
        image_id = self.snapshot()
        self.assertEqual([], self.stored())
        self.assertEqual(b'QFI\xfb', self.glance.data(image_id)[:4])
        self.assertIn('qcow2 is asked for', self.log())
        self.assert_nothing_is_left()

    def test_without_a_store_nothing_changes(self):
        self.storage().images.store = None
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        self.assertEqual([], self.stored())
        self.assertEqual(before, self.glance.data(image_id))
        self.assertNotIn('direct snapshot failed', self.log())


class StoppedTest(StoreTestCase):

    def test_the_disk_of_a_guest_that_is_off_is_cloned(self):
        self.act({'os-stop': None}, 'SHUTOFF')
        self.forget()
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        self.assertEqual(['snap'], self.happened)
        self.assert_cloned(image_id, before)
        self.assert_nothing_is_left()


class SuspendedTest(StoreTestCase):

    def test_a_guest_that_nova_suspends_resumes_after_the_clone(self):
        self.flags(disable_libvirt_livesnapshot=True, group='workarounds')
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        self.assertEqual(['managedSave', 'snap'], self.happened)
        self.assert_cloned(image_id, before)
        self.wait_for(self.server, 'ACTIVE')
        self.assert_nothing_is_left()


class Qcow2Test(StoreTestCase):

    write = test_snapshots.Qcow2Test.write

    def _configure(self):
        super()._configure()
        self.flags(force_raw_images=False)

    def test_a_disk_in_qcow2_is_cloned_as_it_is(self):
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        self.assert_cloned(image_id, before)
        self.assertEqual('qcow2', self.glance.images[image_id]['disk_format'])
        self.assert_nothing_is_left()

    def test_a_disk_with_a_backing_file_is_not(self):
        base = os.path.join(self.instances_path, '_base')
        os.makedirs(base, exist_ok=True)
        cloud.qemu_img('create', '-f', 'raw', f'{base}/old', '4M')
        subprocess.run(('qemu-img', 'rebase', '-u', '-F', 'raw', '-b',
                        f'{base}/old', self.disk), check=True)
        self.snapshot()
        self.assertEqual([], self.stored())
        self.assertIn('has a backing file', self.log())


class DeepTest(StoreTestCase):
    """Disks that were snapshotted often."""

    parents_may_be_split = 'refuse'

    def setUp(self):
        super().setUp()
        for host in self.hosts:
            self.storage(host).parents.max_depth = 2
        self.gpfs.set_switch('split_parent_with_children',
                             self.parents_may_be_split)

    def split(self):
        self.computes['node1'].driver.image_backend.splitting.finish()

    def depth(self, path):
        return self.storage().driver.clone_info(path).depth

    def rounds(self, number):
        for each in range(number):
            self.write(b'ROUND %d' % each, each * MIB)
            before = cloud.read(self.disk)
            image_id = self.snapshot()
            self.split()
            if image_id in self.stored():
                self.assertEqual(before, self.glance.data(image_id))
            yield image_id

    def test_the_image_is_split_and_the_disk_is_not_touched(self):
        for image_id in self.rounds(3):
            path = self.glance.store.snapshot(image_id)
            self.assertIn(image_id, self.stored())
            self.assertLessEqual(self.depth(path) or 0, 2)
        self.assertEqual(4, self.depth(self.disk))
        image_id, = self.rounds(1)
        self.assertNotIn(image_id, self.stored())
        self.assertIn('has 4 ancestors and is open', self.log())
        self.assertEqual(
            {self.glance.store.snapshot(each) for each in self.stored()
             if not self.depth(self.glance.store.snapshot(each))},
            {argv[-1] for argv in self.commands('mmclone', 'split')
             if argv[-1].startswith(self.store_directory)})
        self.assertNotIn(self.disk, {argv[-1] for argv in self.commands(
            'mmclone', 'split')})
        self.assertEqual([], self.commands('mmclone', 'redirect'))


class SplittableParentsTest(DeepTest):

    parents_may_be_split = 'allow'

    def test_the_image_is_split_and_the_disk_is_not_touched(self):
        for image_id in self.rounds(6):
            self.assertIn(image_id, self.stored())
            self.assertFalse(self.storage().parents.is_deeper(
                self.server['id'], self.disk, 3))
        self.assertNotIn(self.disk, {argv[-1] for argv in self.commands(
            'mmclone', 'split')})
        self.assert_nothing_is_left()


class DeadHostTest(DeepTest):
    """A host dies when a snapshot that is too deep is not yet split."""

    parents_may_be_split = 'allow'

    def setUp(self):
        super().setUp()
        for host in self.hosts:
            self.storage(host).parents.max_depth = 1
        with mock.patch('nova_gpfs.compute.splitting.threading.Thread',
                        autospec=True):
            self.image_id = self.snapshot()
        self.path = self.glance.path(self.image_id)
        self.holds = self.glance.data(self.image_id)
        self.assertEqual(2, self.depth(self.path))
        self.assertEqual([self.image_id], self.noted())

    def noted(self):
        return os.listdir(os.path.join(self.home, 'splits'))

    def assert_split(self):
        self.assertIsNone(self.depth(self.path))
        self.assertEqual(self.holds, self.glance.data(self.image_id))
        self.assertFalse(self.storage().parents.is_deeper(
            self.server['id'], self.disk, 1))
        self.assertEqual([], self.noted())

    def test_the_image_is_split_and_the_disk_is_not_touched(self):
        driver = self.computes['node2'].driver
        driver.init_host('node2')
        driver.image_backend.splitting.finish()
        self.assert_split()
        self.assert_nothing_is_left()

    def test_another_host_splits_it_in_its_next_pass(self):
        splitting = self.computes['node2'].driver.image_backend.splitting
        with self.storage().masters.only_one(f'split.{self.image_id}'):
            self.run_pass('node2')
            splitting.finish()
        self.assertEqual([self.image_id], self.noted(), 'another one has it')
        self.gpfs.faults.add('mmclone split', action='fail', code=1, nth=1,
                             text='mmclone: No space left on device')
        self.run_pass('node2')
        splitting.finish()
        self.assertIn('still hangs on a disk', self.log())
        self.assertEqual([self.image_id], self.noted())
        self.run_pass('node2')
        splitting.finish()
        self.assert_split()


class SplitTest(StoreTestCase):

    policies = ()

    def _configure(self):
        super()._configure()
        self.flags(split_snapshots=True, group='gpfs')

    def test_each_image_is_split_in_the_background(self):
        before = cloud.read(self.disk)
        image_id = self.snapshot()
        splitting = self.computes['node1'].driver.image_backend.splitting
        splitting.finish()
        path = self.glance.path(image_id)
        driver = self.storage().driver
        self.assertIsNone(driver.clone_info(path).parent_inode)
        self.assertEqual(before, self.glance.data(image_id))
        splits = len(self.commands('mmclone', 'split'))
        splitting.resume()
        splitting.finish()
        self.assertEqual(splits, len(self.commands('mmclone', 'split')))
        self.assert_nothing_is_left()

    def test_what_a_dead_host_has_left_is_split_by_the_next_one(self):
        splitting = self.computes['node1'].driver.image_backend.splitting
        with mock.patch.object(splitting, 'add', autospec=True):
            image_id = self.snapshot()
        path = self.glance.path(image_id)
        driver = self.storage().driver
        self.assertIsNotNone(driver.clone_info(path).parent_inode)
        other = self.computes['node2'].driver.image_backend.splitting
        other.resume()
        other.finish()
        self.assertIsNone(driver.clone_info(path).parent_inode)

    def test_an_image_that_goes_meanwhile_is_no_trouble(self):
        splitting = self.computes['node1'].driver.image_backend.splitting
        splitting.add('11111111-2222-4333-8444-555555555555')
        splitting.finish()
        self.assertNotIn('still hangs on a disk', self.log())
        self.assertEqual([], os.listdir(os.path.join(self.home, 'splits')))


class ShelveTest(StoreTestCase):

    microversion = '2.91'

    def test_a_shelved_guest_moves_no_byte(self):
        self.flags(shelved_offload_time=0)
        before = cloud.read(self.disk)
        self.act({'shelve': None}, 'SHELVED_OFFLOADED')
        self.assertNotIn('upload', self.happened)
        image_id, = self.stored()
        self.assertFalse(os.path.exists(self.disk))
        self.act({'unshelve': {'host': 'node2'}})
        self.assertEqual(before, cloud.read(self.disk))
        self.assertNotIn(image_id, self.glance.downloads)
        self.wait_for_no_task()
        self.assertEqual([], self.stored())
        self.assertEqual(before, cloud.read(self.disk))
        self.assert_storage_is_consistent()
