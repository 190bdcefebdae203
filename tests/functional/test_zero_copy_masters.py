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

"""Masters of images that lie beside the instances: nothing is downloaded."""

import concurrent.futures
import hashlib
import os
import random
from unittest import mock

from nova import exception

from nova_gpfs.cmd import caching
from nova_gpfs.cmd import host as hosts
from nova_gpfs import digest
from nova_gpfs import errors
from nova_gpfs import model
from tests import face
from tests.functional import cloud
from tests.functional import shared_store
from tests import refusing

MIB = cloud.MIB


class MastersTestCase(shared_store.SharedStoreTestCase):

    def setUp(self):
        super().setUp()
        self.small = self.flavor('small')
        self.qcow2, self.guest_sees = cloud.qcow2_image(self.directory)

    def add_raw(self):
        return self.glance.add('raw', self.guest_sees, 'raw')

    def add_qcow2(self):
        return self.glance.add('qcow2', self.qcow2, 'qcow2')

    def assert_right_bytes(self, server):
        self.assertEqual(self.guest_sees, cloud.read(
            self.instance_file(server, 'disk'), len(self.guest_sees)))

    def snaps(self):
        return [argv for argv in self.commands('mmclone', 'snap')
                if len(argv) == 4]


class RawTest(MastersTestCase):

    def test_a_raw_image_is_cloned_and_stays_a_file_of_glance(self):
        image_id = self.add_raw()
        path = self.glance.path(image_id)
        before = os.stat(path)
        server = self.boot(image_id, self.small)
        self.assert_right_bytes(server)
        self.assertEqual([], self.glance.downloads)
        self.assertEqual(1, len(self.snaps()))
        after = os.stat(path)
        for field in ('st_ino', 'st_uid', 'st_gid', 'st_mode', 'st_nlink',
                      'st_size'):
            self.assertEqual(getattr(before, field), getattr(after, field))
        self.assertEqual(self.guest_sees, self.glance.data(image_id))
        master, = self.storage().masters.all()
        driver = self.storage().driver
        self.assertTrue(driver.clone_info(master[1].path).is_parent)
        self.assertFalse(driver.clone_info(path).is_parent)
        with open(path, 'r+b') as f:
            f.write(b'still an ordinary file')
        self.assert_right_bytes(self.boot(image_id, 'small', host='node2'))
        self.assert_storage_is_consistent()

    def test_nova_compute_reads_no_bytes_of_the_image(self):
        path = os.path.join(self.store_directory, 'noise')
        cloud.partitioned_disk(path, size=65 * MIB)
        with open(path, 'r+b') as disk:
            disk.seek(MIB)
            for _ in range(64):
                disk.write(random.randbytes(MIB))
        image_id = self.glance.add_file(path, 'raw')
        before = self.read_bytes()
        self.boot(image_id, self.small)
        self.assertLess(self.read_bytes() - before, 32 * MIB)
        self.assertEqual([], self.glance.downloads)
        self.assertEqual(0, self.storage().copies)
        self.storage().images.store = None
        other = self.glance.add('other', self.glance.data(image_id), 'raw')
        before = self.read_bytes()
        self.boot(other, self.small, host='node1')
        self.assertGreater(self.read_bytes() - before, 64 * MIB)

    def test_many_boots_at_once_make_one_master(self):
        image_id = self.add_raw()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            servers = list(pool.map(
                lambda number: self.boot(
                    image_id, 'small', host=self.hosts[number % 2]),
                range(4)))
        for server in servers:
            self.assert_right_bytes(server)
        self.assertEqual(1, len(self.snaps()))
        self.assertEqual([], self.glance.downloads)
        self.assert_storage_is_consistent()

    def test_a_placed_master_is_copied_from_the_cloned_one(self):
        image_id = self.add_raw()
        self.let_parents_be_unreadable()
        self.api.post_extra_spec(self.flavor('fast'), {
            'extra_specs': {'gpfs:pool': 'fast'}})
        server = self.boot(image_id, 'fast')
        self.assert_right_bytes(server)
        self.assertEqual([], self.glance.downloads)
        self.assertEqual(2, len(self.masters()))
        self.assertEqual({'fast'}, {
            block.pool for block in self.gpfs.blocks(
                self.instance_file(server, 'disk'))})
        self.assertEqual(1, len(self.snaps()))
        # Once to look at what was sealed, once to copy it.
        self.assertEqual(2, len(self.readers()))
        self.assert_storage_is_consistent()

    def readers(self):
        """Return the clones by which a parent was read.

        The daemon makes them elsewhere first, by the same name.
        """
        return [argv for argv in self.commands('mmclone', 'copy')
                if os.path.basename(argv[-1]).startswith('image.')]

    def test_a_master_that_this_user_may_not_read_will_do(self):
        self.let_parents_be_unreadable()
        image_id = self.add_raw()
        self.assert_right_bytes(self.boot(image_id, self.small))
        self.assertEqual([], self.glance.downloads)
        self.assertEqual(1, len(self.readers()))
        self.assert_storage_is_consistent()

    def test_prefetch_clones_as_well(self):
        image_id = self.add_raw()
        driver = self.computes['node1'].driver
        self.assertTrue(driver.cache_image(self.context, image_id))
        self.assertFalse(driver.cache_image(self.context, image_id))
        self.assertEqual([], self.glance.downloads)
        self.assertEqual(1, len(self.snaps()))

    def test_the_services_own_answer_about_locations_will_do(self):
        image_id = self.add_raw()
        self.glance.shows_locations = False
        asked = []

        class Client:
            def call(_self, context, version, method, controller=None,
                     args=None, kwargs=None):
                asked.append((method, args))
                return [{'url': self.glance.uri(image_id), 'metadata': {}}]

        self.glance._client = Client()
        self.assert_right_bytes(self.boot(image_id, self.small))
        self.assertEqual([], self.glance.downloads)
        self.assertEqual([('get_image_locations', (image_id,))], asked)


class DigestTest(MastersTestCase):
    """What a clone holds is known although nobody has read it."""

    def state(self, image_id):
        """Let Glance know the digest of an image."""
        self.glance.images[image_id].update(
            os_hash_algo='sha256', os_hash_value=self.stated())

    def stated(self):
        return hashlib.sha256(self.guest_sees).hexdigest()

    def master(self):
        (_name, master), = self.storage().masters.all()
        return master

    def verified(self):
        """Return what ``nova-gpfs cache verify`` says of the master."""
        document, code = caching.verify(hosts.Host(
            rules=None, storage=self.storage(), facts=None))
        (row,) = document['masters']
        return code, row['why'], row['note']

    def test_a_flipped_byte_is_found_by_what_glance_says(self):
        image_id = self.add_raw()
        self.state(image_id)
        with mock.patch('nova_gpfs.digest.of_file', autospec=True,
                        side_effect=AssertionError):
            self.boot(image_id, self.small)
        master = self.master()
        self.assertEqual(1, len(self.snaps()))
        self.assertEqual('sha256:' + self.stated(), master.digest)
        self.let_parents_be_unreadable()
        self.assertEqual((0, [], ''), self.verified())
        with open(face.behind(self.gpfs, master.path), 'r+b') as f:
            f.seek(3 * MIB + 11)
            byte = f.read(1)[0]
            f.seek(3 * MIB + 11)
            f.write(bytes([byte ^ 1]))
        self.assertEqual((1, ['it does not hold what it held'], ''),
                         self.verified())

    def test_a_later_boot_records_what_glance_did_not_know_at_first(self):
        image_id = self.add_raw()
        self.boot(image_id, self.small, host='node1')
        self.assertEqual('', self.master().digest)
        self.boot(image_id, 'small', host='node2')
        self.assertEqual('', self.master().digest)
        self.state(image_id)
        self.boot(image_id, 'small', host='node2')
        self.assertEqual('', self.master().digest, 'asked twice in minutes')
        self.boot(image_id, 'small', host='node1')
        self.assertEqual('sha256:' + self.stated(), self.master().digest)
        self.assertEqual((0, [], ''), self.verified())

    def test_the_first_verify_records_what_glance_does_not_know(self):
        self.boot(self.add_raw(), self.small)
        self.assertEqual((0, [], caching.RECORDED), self.verified())
        self.assertEqual((0, [], ''), self.verified())
        self.assertTrue(self.master().digest.startswith('mebibytes-'))


class Qcow2Test(MastersTestCase):

    def test_a_qcow2_image_is_converted_where_it_lies(self):
        image_id = self.add_qcow2()
        path = self.glance.path(image_id)
        before = os.stat(path)
        server = self.boot(image_id, self.small)
        self.assert_right_bytes(server)
        self.assertEqual([], self.glance.downloads)
        self.assertEqual([], self.snaps())
        (_name, master), = self.storage().masters.all()
        self.assertTrue(digest.same(master.path, master.digest))
        after = os.stat(path)
        self.assertEqual((before.st_ino, before.st_size, before.st_mtime_ns),
                         (after.st_ino, after.st_size, after.st_mtime_ns))
        self.assert_storage_is_consistent()

    def test_an_image_that_changes_meanwhile_is_downloaded(self):
        image_id = self.add_qcow2()
        from nova.virt import images
        convert = images.convert_image

        def change(source, *args, **kwargs):
            convert(source, *args, **kwargs)
            if source.startswith('/proc'):
                os.utime(self.glance.path(image_id))

        with mock.patch('nova.virt.images.convert_image', autospec=True,
                        side_effect=change):
            server = self.boot(image_id, self.small)
        self.assert_right_bytes(server)
        self.assertEqual([image_id], self.glance.downloads)
        self.assertIn('has changed', self.log())
        self.assert_storage_is_consistent()


class KeptQcow2Test(MastersTestCase):

    def _configure(self):
        super()._configure()
        self.flags(force_raw_images=False)

    def test_without_force_raw_images_it_is_cloned_as_it_is(self):
        image_id = self.add_qcow2()
        server = self.boot(image_id, self.small)
        disk = self.instance_file(server, 'disk')
        self.assertEqual(b'QFI\xfb', cloud.read(disk, 4))
        raw = os.path.join(self.directory, 'seen.raw')
        cloud.qemu_img('convert', '-f', 'qcow2', '-O', 'raw', disk, raw)
        self.assertEqual(self.guest_sees, cloud.read(
            raw, len(self.guest_sees)))
        self.assertEqual([], self.glance.downloads)
        self.assertEqual(1, len(self.snaps()))
        self.assert_storage_is_consistent()


class ObstacleTest(MastersTestCase):
    """Whatever is in the way, the image is downloaded and it is said why."""

    def assert_downloaded(self, image_id, reason):
        server = self.boot(image_id, self.small)
        self.assert_right_bytes(server)
        self.assertEqual([image_id], self.glance.downloads)
        self.assertIn(reason, self.log())
        self.assertEqual([], [argv for argv in self.snaps()
                              if os.path.exists(argv[-1])])
        self.assert_storage_is_consistent()

    def locate(self, image_id, *uris):
        self.glance.images[image_id]['locations'] = [
            {'url': uri, 'metadata': {}} for uri in uris]

    def test_another_images_file(self):
        image_id, other = self.add_raw(), self.add_raw()
        self.locate(image_id, self.glance.uri(other))
        self.assert_downloaded(image_id, 'is a location of image')

    def test_another_cluster(self):
        image_id = self.add_raw()
        uri = self.glance.uri(image_id)
        self.locate(image_id, uri.replace(self.glance.place.cluster_id,
                                          '4711'))
        self.assert_downloaded(image_id, 'in another cluster')

    def test_another_scheme(self):
        image_id = self.add_raw()
        self.locate(image_id, 'rbd://a/b/c/d')
        self.assert_downloaded(image_id, "begins with 'rbd'")

    def test_no_location(self):
        image_id = self.add_raw()
        self.glance.shows_locations = False
        self.glance._client = mock.Mock(spec=['call'])
        self.glance._client.call.side_effect = exception.Forbidden()
        self.assert_downloaded(image_id, 'downloaded and not cloned')

    def test_a_symbolic_link(self):
        image_id = self.add_raw()
        path = self.glance.path(image_id)
        os.rename(path, path + '.there')
        os.symlink(path + '.there', path)
        self.assert_downloaded(image_id, 'Too many levels of symbolic links')

    def test_a_hard_link(self):
        image_id = self.add_raw()
        os.link(self.glance.path(image_id),
                os.path.join(self.store_directory, 'second'))
        self.assert_downloaded(image_id, 'has 2 names')

    def test_a_file_of_another_size(self):
        image_id = self.add_raw()
        self.glance.images[image_id]['size'] += 1
        self.assert_downloaded(image_id, 'bytes, the image')

    def test_a_snap_that_gpfs_refuses(self):
        self.gpfs.faults.add('mmclone snap', action='fail', code=1, nth=1,
                             text='mmclone: Permission denied')
        self.assert_downloaded(self.add_raw(), 'ermi')

    def test_a_format_that_is_not_what_glance_says(self):
        image_id = self.add_qcow2()
        self.glance.images[image_id]['disk_format'] = 'raw'
        self.boot(image_id, self.small, expected_state='ERROR')
        self.assertIn('downloaded and not cloned', self.log())
        self.assertEqual([], self.snaps())
        self.assertEqual([], self.masters())
        self.assert_storage_is_consistent()

    def test_a_format_that_changes_before_it_is_sealed(self):
        image_id = self.add_raw()
        path = self.glance.path(image_id)
        driver = self.storage('node1').driver
        snapshot = driver.snapshot

        def swap(source, parent):
            with open(path, 'r+b') as f:
                f.write(self.qcow2[:4096])
            return snapshot(source, parent)

        with mock.patch.object(driver, 'snapshot', autospec=True,
                               side_effect=swap), refusing.with_clones():
            self.boot(image_id, self.small, host='node1',
                      expected_state='ERROR')
        self.assertIn('downloaded and not cloned', self.log())
        self.assertEqual([], self.masters())

    def test_a_signature_is_verified_by_nova(self):
        image_id = self.add_raw()
        self.flags(verify_glance_signatures=True, group='glance')
        self.assert_downloaded(image_id, 'its signature is to be verified')

    def test_it_is_said_once_of_each_image(self):
        image_id = self.add_raw()
        images = self.storage().images
        self.assertTrue(images.is_news(image_id, 'so'))
        self.assertFalse(images.is_news(image_id, 'so'))
        self.assertTrue(images.is_news('another', 'so'))
        for number in range(2000):
            images.is_news(str(number), 'so')
        self.assertLessEqual(len(images._told), 1000)


class OtherFilesetTest(MastersTestCase):

    store_path = 'glance'

    def test_a_store_in_another_fileset_is_no_source(self):
        image_id = self.add_raw()
        self.assertRaises(errors.CannotClone,
                          self.storage().images.require_here,
                          self.store_directory)
        self.boot(image_id, self.small)
        self.assertEqual([image_id], self.glance.downloads)
        self.assertEqual([], self.snaps())


class FileStoreTest(shared_store.FileStoreMixin, MastersTestCase):
    """Images of Glance's own store for files."""

    def add_raw(self):
        image_id = super().add_raw()
        os.rename(self.glance.path(image_id),
                  os.path.join(self.files, image_id))
        self.glance.path = lambda image_id: os.path.join(self.files, image_id)
        self.glance.images[image_id]['locations'] = [
            {'url': f'file://{self.files}/{image_id}', 'metadata': {}}]
        return image_id

    def test_its_files_are_cloned(self):
        image_id = self.add_raw()
        self.assert_right_bytes(self.boot(image_id, self.small))
        self.assertEqual([], self.glance.downloads)
        self.assertEqual(1, len(self.snaps()))
        self.assert_storage_is_consistent()

    def test_a_file_elsewhere_is_not(self):
        image_id = self.add_raw()
        for uri in (f'file://{self.files}/../files/{image_id}',
                    f'file://{self.files}/sub/{image_id}',
                    f'file:///etc/{image_id}', 'file:///etc/shadow',
                    f'file://host{self.files}/{image_id}'):
            self.assertRaises(
                errors.GpfsError, self.storage().images.opened(
                    uri, image_id).__enter__)


class DeletionTest(MastersTestCase):
    """Images and instances go in any order, and nothing stays behind."""

    def setUp(self):
        super().setUp()
        self.useFixture(refusing.Unlink(self.storage().driver))

    def run_pass(self, host='node1'):
        self.age_masters()
        super().run_pass(host)

    def test_the_image_first(self):
        image_id = self.add_raw()
        server = self.boot(image_id, self.small)
        self.glance.delete(None, image_id)
        self.assertEqual([], os.listdir(self.glance.store.room('images')))
        self.assert_right_bytes(server)
        self.run_pass()
        self.assert_right_bytes(server)
        self.delete_server(server)
        self.run_pass()
        self.assertEqual([], self.masters())
        self.assert_storage_is_consistent()

    def test_the_instance_first(self):
        image_id = self.add_raw()
        self.delete_server(self.boot(image_id, self.small))
        for _ in range(2):
            self.run_pass()
            self.assertEqual(1, len(self.masters()))
        self.assertEqual(self.guest_sees, self.glance.data(image_id))
        self.assertNotIn('stays', self.log())
        self.assert_right_bytes(self.boot(image_id, 'small', host='node2'))
        self.assertEqual(1, len(self.snaps()))
        self.glance.delete(None, image_id)
        self.delete_server(self.api.get_servers()[0])
        self.run_pass()
        self.assertEqual([], self.masters())
        self.assert_storage_is_consistent()

    def test_a_host_that_dies_before_the_master_is_published(self):
        image_id = self.add_raw()
        storage = self.storage('node1')
        with mock.patch.object(storage.masters._incoming, 'publish',
                               autospec=True, side_effect=_Death):
            with mock.patch('nova_gpfs.incoming.remove_room', autospec=True):
                self.assertRaises(
                    _Death, self.computes['node1'].driver.cache_image,
                    self.context, image_id)
        self.assertEqual(1, len(os.listdir(
            os.path.join(self.home, 'incoming'))))
        self.assert_right_bytes(self.boot(image_id, self.small))
        self.assertEqual([], self.glance.downloads)
        self.sweep()
        self.assertNotIn('could not be removed', self._warnings())
        self.assertEqual(self.guest_sees, self.glance.data(image_id))
        self.glance.delete(None, image_id)
        self.delete_server(self.api.get_servers()[0])
        self.run_pass()
        self.sweep()
        self.assert_storage_is_consistent()

    def sweep(self):
        """Sweep as if all rooms had been left long ago."""
        rooms = self.storage().masters._incoming
        with mock.patch.object(rooms, '_leftover_age', 0):
            rooms.sweep()

    def _warnings(self):
        return '\n'.join(line for line in self.log().splitlines()
                         if 'WARNING' in line)


class _Death(BaseException):
    """The process ends here."""


class PlacementIsAnywhereTest(MastersTestCase):

    def test_the_master_is_where_glance_has_put_the_blocks(self):
        image_id = self.add_raw()
        path = self.glance.path(image_id)
        self.storage().driver.place(path, model.Placement(pool='fast'))
        self.boot(image_id, self.small)
        (_name, master), = self.storage().masters.all()
        self.assertEqual('fast', master.placement.pool)
