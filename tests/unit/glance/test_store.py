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

import errno
import hashlib
import os
import subprocess
from unittest import mock

from glance_store import exceptions
from glance_store import location as store_location
from glance_store.tests import base as store_base
from glance_store.tests.unit import test_store_capabilities
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from nova_gpfs.glance import sparse
from nova_gpfs.glance import store as gpfs_store
from nova_gpfs.glance import sweeping
from nova_gpfs import image_location
from nova_gpfs.sim import cluster as sim_cluster
from tests.unit.glance import stores

IMAGE = stores.IMAGE
OTHER = stores.OTHER


class CapabilitiesTest(
        store_base.StoreBaseTest,
        test_store_capabilities.TestStoreCapabilitiesChecking):
    """What glance_store asks of every driver."""

    def setUp(self):
        super().setUp()
        self.store = gpfs_store.Store(self.conf)

    def test_it_is_registered_by_its_scheme(self):
        self.register_store_schemes(self.store, 'gpfs')
        found = store_location.get_location_from_uri(
            f'gpfs://1/fs0/root/{IMAGE}', conf=self.conf)
        self.assertEqual(f'gpfs://1/fs0/root/{IMAGE}', found.get_store_uri())


class AddTest(stores.StoreTestCase):

    def test_an_image_is_what_was_written(self):
        data = os.urandom(300000)
        uri, size, checksum, digest, metadata = self.add(data)
        self.assertEqual(
            (len(data), hashlib.md5(data).hexdigest(),
             hashlib.sha256(data).hexdigest(), {}),
            (size, checksum, digest, metadata))
        self.assertEqual((data, len(data)), self.read(uri))
        self.assertEqual(len(data), self.store.get_size(self.at(uri)))

    def test_a_location_names_no_path(self):
        uri = self.add()[0]
        place = image_location.parse_uri(uri)
        self.assertEqual(('fs0', 'root', IMAGE), (
            place.file_system, place.fileset, place.image_id))
        self.assertTrue(uri.startswith(self.store.url_prefix))

    def test_the_size_need_not_be_known(self):
        for unknown in (0, None):
            uri = self.store.add(IMAGE, iter([b'ab', b'c']), unknown,
                                 'md5')[0]
            self.assertEqual((b'abc', 3), self.read(uri))
            self.store.delete(self.at(uri))

    def test_a_wrong_size_is_refused_and_undone(self):
        for size in (3, 5):
            self.assertRaises(exceptions.Invalid, self.add, b'data',
                              size=size)
        self.assert_empty()

    def test_a_signature_is_computed_of_all_data(self):
        verifier = mock.Mock(spec=['update'])
        self.store.add(IMAGE, iter([b'ab', bytes(sparse.GRAIN), b'c']), 0,
                       'md5', verifier=verifier)
        self.assertEqual(
            b'ab' + bytes(sparse.GRAIN) + b'c',
            b''.join(call.args[0] for call in verifier.update.mock_calls))

    def test_zeros_become_holes(self):
        hole = 8 * sparse.GRAIN
        uri = self.add(b'a' * sparse.GRAIN + bytes(hole))[0]
        self.assertEqual(sparse.GRAIN,
                         os.stat(self.files.image(IMAGE)).st_blocks * 512)
        self.assertEqual(sparse.GRAIN + hole,
                         self.store.get_size(self.at(uri)))

    def test_a_file_has_the_mode_that_is_configured_whatever_the_umask(self):
        self.addCleanup(os.umask, os.umask(0o077))
        self.add()
        self.assertEqual(
            0o100640, os.stat(self.files.image(IMAGE)).st_mode)

    def test_file_and_name_are_on_disk_before_the_image_is(self):
        synced = []
        with mock.patch('os.fsync', autospec=True,
                        side_effect=lambda fd: synced.append(
                            os.path.realpath(f'/proc/self/fd/{fd}'))):
            self.add()
        self.assertEqual(2, len(synced))
        top = os.path.realpath(self.directory)
        self.assertEqual(f'{top}/incoming', os.path.dirname(synced[0]))
        self.assertEqual(f'{top}/images', synced[1])

    def test_an_image_is_never_replaced(self):
        uri = self.add(b'first')[0]
        self.assertRaises(exceptions.Duplicate, self.add, b'second')
        self.assertEqual(b'first', self.read(uri)[0])
        self.assertEqual([], self.entries('incoming'))

    def test_nor_one_that_nova_has_cloned(self):
        with open(self.files.snapshot(IMAGE), 'w'):
            pass
        self.assertRaises(exceptions.Duplicate, self.add)

    def test_nor_one_that_another_glance_was_faster_with(self):
        def racing():
            yield b'sec'
            with open(self.files.image(IMAGE), 'w') as f:
                f.write('first')
            yield b'ond'
        self.assertRaises(exceptions.Duplicate, self.store.add, IMAGE,
                          racing(), 0, 'md5')
        with open(self.files.image(IMAGE)) as f:
            self.assertEqual('first', f.read())
        self.assertEqual([], self.entries('incoming'))

    def test_what_is_not_a_uuid_is_no_image(self):
        for name in ('../x', 'x', '', IMAGE.upper() + 'A'):
            self.assertRaises(exceptions.Invalid, self.add, image_id=name)
        self.assert_empty()

    def test_nobody_sees_an_image_before_all_of_it_is_written(self):
        seen = []

        def pieces():
            for _number in range(3):
                seen.extend(self.entries('images'))
                yield b'x' * sparse.GRAIN
        self.store.add(IMAGE, pieces(), 0, 'md5')
        self.assertEqual([], seen)

    def assert_empty(self):
        self.assertEqual([], self.entries('images'))
        self.assertEqual([], self.entries('incoming'))


class FailureTest(stores.StoreTestCase):

    def fails_with(self, expected, number):
        error = OSError(number, os.strerror(number))
        for call in ('os.pwrite', 'os.fsync', 'os.link', 'os.ftruncate'):
            with mock.patch(call, autospec=True, side_effect=error):
                raised = self.assertRaises(expected, self.add)
            self.assertIn(os.strerror(number), str(raised))
            self.assertEqual([], self.entries('images'), call)
            self.assertEqual([], self.entries('incoming'), call)

    def test_full_disks_and_quotas_are_full_storage(self):
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            self.fails_with(exceptions.StorageFull, number)

    def test_what_may_not_be_written_is_denied(self):
        self.fails_with(exceptions.StorageWriteDenied, errno.EACCES)

    def test_any_other_failure_is_undone_as_well(self):
        self.fails_with(OSError, errno.EIO)

    def test_a_name_is_taken_back_when_it_cannot_be_kept(self):
        calls = []

        def fsync(descriptor):
            calls.append(descriptor)
            if len(calls) == 2:
                raise OSError(5, 'Input/output error')
        with mock.patch('os.fsync', fsync):
            self.assertRaises(OSError, self.add)
        self.assertEqual([], self.entries('images'))
        self.assertEqual([], self.entries('incoming'))

    def test_a_stream_that_breaks_leaves_nothing(self):
        def breaking():
            yield b'x' * (2 * sparse.GRAIN)
            raise ConnectionResetError('gone')
        self.assertRaises(ConnectionResetError, self.store.add, IMAGE,
                          breaking(), 0, 'md5')
        self.assertEqual([], self.entries('images'))
        self.assertEqual([], self.entries('incoming'))

    def test_a_signature_that_fails_leaves_nothing(self):
        verifier = mock.Mock(spec=['update'])
        verifier.update.side_effect = ValueError
        self.assertRaises(ValueError, self.add, verifier=verifier)
        self.assertEqual([], self.entries('incoming'))


class FullDiskTest(stores.StoreTestCase):
    """A file system that is really full."""

    def make_cluster(self):
        if os.geteuid():
            self.skipTest('mounting a file system needs root')
        data = os.path.join(self.test_dir, 'tmpfs')
        os.mkdir(data)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs',
                        data], check=True, capture_output=True)
        self.addCleanup(subprocess.run, ['umount', '--lazy', data],
                        check=True)
        return sim_cluster.create(os.path.join(self.test_dir, 'gpfs'),
                                  data_dir=data)

    def test_what_does_not_fit_leaves_nothing_and_what_fits_is_taken(self):
        self.assertRaises(exceptions.StorageFull, self.add,
                          b'x' * (4 << 20))
        self.assertEqual([], self.entries('images'))
        self.assertEqual([], self.entries('incoming'))
        uri = self.add(b'y' * (1 << 20))[0]
        self.assertEqual(1 << 20, self.store.get_size(self.at(uri)))


class CrashTest(stores.StoreTestCase):
    """A process that is gone between two steps."""

    def die_at(self, call):
        """Add an image in a process that ends where it would do this."""
        child = os.fork()
        if not child:
            with mock.patch(call, side_effect=lambda *_args, **_how:
                            os._exit(9)):
                self.add(b'lost')
            os._exit(0)
        self.assertEqual(9, os.waitstatus_to_exitcode(
            os.waitpid(child, 0)[1]))

    def test_whatever_was_the_last_step_the_next_upload_works(self):
        for call in ('os.pwrite', 'os.fsync', 'os.link'):
            self.die_at(call)
            self.assertEqual([], self.entries('images'), call)
            uri = self.add(b'kept')[0]
            self.assertEqual(b'kept', self.read(uri)[0])
            self.store.delete(self.at(uri))
        self.sweep_old()
        self.assertEqual([], self.entries('incoming'))

    def test_an_image_with_both_names_is_whole_once_it_is_swept(self):
        self.die_at('os.unlink')
        self.assertEqual(1, len(self.entries('incoming')))
        uri = self.store.url_prefix + IMAGE
        self.assertRaises(exceptions.NotFound, self.store.get, self.at(uri))
        self.sweep_old()
        self.assertEqual([], self.entries('incoming'))
        self.assertEqual(b'lost', self.read(uri)[0])
        self.store.delete(self.at(uri))

    def sweep_old(self):
        for name in self.entries('incoming'):
            os.utime(os.path.join(self.files.room('incoming'), name), (0, 0))
        self.store.sweep()


class GetTest(stores.StoreTestCase):

    @settings(deadline=None, max_examples=30,
              suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def test_a_part_is_that_of_the_data(self, data):
        content = getattr(self, 'content', None) or os.urandom(20000)
        if not os.path.exists(self.files.image(IMAGE)):
            self.content = content
            self.add(content)
        offset = data.draw(st.integers(0, len(content) + 10))
        length = data.draw(st.none() | st.integers(1, len(content) + 10))
        self.store.READ_CHUNKSIZE = data.draw(st.integers(1000, 30000))
        end = None if length is None else offset + length
        uri = self.store.url_prefix + IMAGE
        found, size = self.read(uri, offset=offset, chunk_size=length)
        self.assertEqual(content[offset:end], found)
        self.assertEqual(length or len(content), size)

    def test_pieces_are_as_large_as_is_configured(self):
        self.store = self.new_store(gpfs_store_chunk_size=4096)
        self.store.configure()
        uri = self.add(b'x' * 10000)[0]
        pieces, _size = self.store.get(self.at(uri))
        self.assertEqual([4096, 4096, 1808], [len(each) for each in pieces])

    def test_a_snapshot_of_novas_is_an_image(self):
        with open(self.files.snapshot(IMAGE), 'wb') as f:
            f.write(b'snapshot')
        self.assertEqual((b'snapshot', 8),
                         self.read(self.store.url_prefix + IMAGE))

    def test_nothing_stays_open(self):
        uri = self.add()[0]
        before = os.listdir('/proc/self/fd')
        self.read(uri)
        self.store.get_size(self.at(uri))
        pieces, _size = self.store.get(self.at(uri))
        pieces.close()
        self.store.delete(self.at(uri))
        self.assertEqual(before, os.listdir('/proc/self/fd'))


class LocationTest(stores.StoreTestCase):

    def refused(self, uri, deletion=exceptions.NotFound):
        self.assertRaises(exceptions.NotFound, self.store.get, self.at(uri))
        self.assertRaises(exceptions.NotFound, self.store.get_size,
                          self.at(uri))
        self.assertRaises(deletion, self.store.delete, self.at(uri))

    def test_an_image_that_is_not_there_is_not_found(self):
        self.refused(self.store.url_prefix + IMAGE)

    def test_a_location_elsewhere_is_not_found(self):
        here = image_location.parse_uri(self.add()[0])
        for field in ('cluster_id', 'file_system', 'fileset'):
            fields = {**vars(here), field: 'other'}
            self.refused(image_location.ImageLocation(**fields).uri)
        self.assertEqual([IMAGE], self.entries('images'))

    def test_what_is_no_location_is_malformed(self):
        for uri in ('gpfs:///etc/passwd', 'file:///etc/passwd',
                    self.store.url_prefix + '../../etc/passwd',
                    self.store.url_prefix + '..%2Fidentity.json',
                    self.store.url_prefix + IMAGE + '/'):
            self.assertRaises(exceptions.BadStoreUri, self.at, uri)

    def test_a_symbolic_link_is_no_image(self):
        secret = self.secret()
        os.symlink(secret, self.files.image(IMAGE))
        self.refused(self.store.url_prefix + IMAGE, exceptions.Forbidden)
        self.assertTrue(os.path.lexists(self.files.image(IMAGE)))

    def test_a_hard_link_is_no_image(self):
        os.link(self.secret(), self.files.snapshot(IMAGE))
        self.refused(self.store.url_prefix + IMAGE, exceptions.Forbidden)

    def test_a_directory_or_a_pipe_is_no_image(self):
        os.mkdir(self.files.image(IMAGE))
        self.refused(self.store.url_prefix + IMAGE, exceptions.Forbidden)
        os.mkfifo(self.files.image(OTHER))
        self.refused(self.store.url_prefix + OTHER, exceptions.Forbidden)

    def test_a_directory_that_was_replaced_by_a_link_leads_nowhere(self):
        outside = os.path.join(self.test_dir, 'outside')
        os.mkdir(outside)
        with open(os.path.join(outside, IMAGE), 'w') as f:
            f.write('secret')
        for kind in ('images', 'incoming', 'snapshots', 'trash'):
            os.rename(self.files.room(kind), self.files.room('aside'))
            os.symlink(outside, self.files.room(kind))
            uri = self.store.url_prefix + IMAGE
            self.refused(uri, exceptions.Forbidden)
            self.assertRaises(exceptions.StorageWriteDenied, self.add,
                              image_id=OTHER)
            os.unlink(self.files.room(kind))
            os.rename(self.files.room('aside'), self.files.room(kind))
        self.assertEqual([IMAGE], os.listdir(outside))

    def secret(self):
        path = os.path.join(self.directory, 'secret')
        with open(path, 'w') as f:
            f.write('secret')
        return path


class DeleteTest(stores.StoreTestCase):

    def test_a_deleted_image_is_gone(self):
        uri = self.add()[0]
        self.store.delete(self.at(uri))
        self.assertEqual([], self.entries('images'))
        self.assertEqual([], self.entries('trash'))
        self.assertRaises(exceptions.NotFound, self.store.delete,
                          self.at(uri))

    def test_a_parent_is_an_image_and_loses_its_name_alone(self):
        uri = self.add(b'parent')[0]
        clone = self.make_parent(self.files.image(IMAGE))
        self.assertEqual((b'parent', 6), self.read(uri))
        with stores.gpfs_keeps_parents():
            self.store.delete(self.at(uri))
            self.assertRaises(exceptions.NotFound, self.store.get,
                              self.at(uri))
            self.assertEqual(1, len(self.entries('trash')))
            with open(clone, 'rb') as f:
                self.assertEqual(b'parent', f.read())
            self.assertEqual(1, len(self.store.sweep().waiting))
            os.unlink(clone)
            self.drop_link_of_clone()
            self.assertEqual(1, len(self.store.sweep().removed))
        self.assertEqual([], self.entries('trash'))

    def drop_link_of_clone(self):
        """Let the simulator notice that a clone has gone."""
        [name] = self.entries('trash')
        self.run_mm('mmclone', 'show',
                    os.path.join(self.files.room('trash'), name))

    def test_the_next_deletion_finishes_what_one_could_not(self):
        first = self.add()[0]
        second = self.add(image_id=OTHER)[0]
        clone = self.make_parent(self.files.image(IMAGE))
        with stores.gpfs_keeps_parents():
            self.store.delete(self.at(first))
            os.unlink(clone)
            self.drop_link_of_clone()
            self.store.delete(self.at(second))
        self.assertEqual([], self.entries('trash'))

    def test_what_cannot_be_renamed_either_keeps_its_name(self):
        uri = self.add()[0]
        error = OSError(30, 'Read-only file system')
        with mock.patch('os.unlink', autospec=True, side_effect=error), \
                mock.patch('os.rename', autospec=True, side_effect=error):
            self.assertRaises(exceptions.Forbidden, self.store.delete,
                              self.at(uri))
        self.assertEqual(b'data', self.read(uri)[0])


class SweepTest(stores.StoreTestCase):

    def leave(self, kind, name, age):
        path = os.path.join(self.files.room(kind), name)
        with open(path, 'w'):
            pass
        then = os.stat(path).st_mtime - age
        os.utime(path, (then, then))

    def test_an_upload_that_nobody_goes_on_with_is_removed(self):
        self.leave('incoming', 'old', 86401)
        self.leave('incoming', 'young', 86000)
        self.add()
        self.assertEqual(['young'], self.entries('incoming'))

    def test_images_are_never_swept(self):
        self.leave('images', IMAGE, 10 ** 8)
        self.leave('snapshots', OTHER, 10 ** 8)
        self.store.sweep()
        self.assertEqual([IMAGE], self.entries('images'))
        self.assertEqual([OTHER], self.entries('snapshots'))

    def test_an_upload_looks_at_a_few_files_alone(self):
        for number in range(2 * sweeping.PORTION):
            self.leave('trash', str(number), 0)
        self.add()
        self.assertEqual(sweeping.PORTION, len(self.entries('trash')))

    def test_a_sweep_that_fails_is_no_failure_of_the_image(self):
        with mock.patch('os.listdir', autospec=True,
                        side_effect=OSError(5, 'Input/output error')):
            self.add()
        self.assertEqual([IMAGE], self.entries('images'))

    def test_a_link_in_the_trash_leads_nowhere(self):
        outside = os.path.join(self.test_dir, 'outside')
        with open(outside, 'w'):
            pass
        os.symlink(outside, os.path.join(self.files.room('trash'), 'link'))
        self.store.sweep()
        self.assertTrue(os.path.exists(outside))
        self.assertEqual([], self.entries('trash'))
