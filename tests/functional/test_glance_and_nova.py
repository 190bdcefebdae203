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

"""The real Glance and Nova on one simulated GPFS: which bytes move.

Glance is a process of its own with our store; Nova's own client talks to it.
"""

import concurrent.futures
import functools
import hashlib
import itertools
import os
import unittest

import fixtures
from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from nova.image import glance as nova_glance

from nova_gpfs import image_store
from tests.functional import cloud
from tests.functional import shared_store
from tests import refusing

try:
    from tests.functional import glance_service
except ImportError:
    glance_service = None

MIB = cloud.MIB


class LosingSession(session.Session):
    """Loses the first answer to a request that registers a location."""

    lost = 0

    def request(self, *args, **kwargs):
        answer = super().request(*args, **kwargs)
        if 'gpfs://' in str(kwargs.get('data')) and not LosingSession.lost:
            LosingSession.lost += 1
            raise keystone_exceptions.ConnectFailure('The answer is lost')
        return answer


class Glance(fixtures.Fixture):
    """The process, with what the cloud of the tests asks of its Glance.

    ``downloads`` and ``uploads`` list the images whose data Nova has fetched
    from its API or sent to it.
    """

    session = session.Session

    def __init__(self, stores, directory, default=''):
        super().__init__()
        self._stores = stores
        self._default = default
        self.store = image_store.ImageStore(directory)
        self.downloads = []
        self.uploads = []

    def _setUp(self):
        self.service = self.useFixture(
            glance_service.GlanceService(self._stores, self._default))
        self.useFixture(fixtures.MonkeyPatch(
            'nova.image.glance._session_and_auth', self._session_and_auth))
        cloud.CONF.set_override('api_servers', [self.service.url], 'glance')
        self.addCleanup(cloud.CONF.clear_override, 'api_servers', 'glance')
        self._count('download', self.downloads)
        self._count('_upload_data', self.uploads)

    def _count(self, name, counted):
        owner = nova_glance.GlanceImageServiceV2
        original = getattr(owner, name)

        def call(service, context, image_id, *args, **kwargs):
            counted.append(image_id)
            return original(service, context, image_id, *args, **kwargs)

        self.useFixture(fixtures.MonkeyPatch(
            f'nova.image.glance.GlanceImageServiceV2.{name}', call))

    def _session_and_auth(self, _context):
        """Speak as Nova does: for a user, and as a service."""
        return (self.session(additional_headers={
            'X-Service-Token': glance_service.SERVICE}),
            token_endpoint.Token(self.service.url, glance_service.ADMIN))

    def add(self, name, data, disk_format, **properties):
        return self.service.add(data, disk_format, name=name, **properties)

    def data(self, image_id):
        return self.service.download(image_id)

    def delete(self, image_id):
        self.service.delete(image_id)


@unittest.skipIf(glance_service is None, 'there is no Glance')
class GlanceTestCase(shared_store.SharedStoreTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(refusing.Unlink(self.storage().driver))
        self.qcow2, self.guest_sees = cloud.qcow2_image(self.directory)
        self.own = self.flavor('own', root_gb=0)

    def make_glance(self):
        return Glance({'gpfs': glance_service.gpfs_store(
            self.gpfs, self.store_directory)}, self.store_directory)

    def disk(self, server):
        return self.instance_file(server, 'disk')

    def snapshot(self, server):
        image_id = self.api.post_server_action(
            server['id'], {'createImage': {'name': 'snap'}})['image_id']
        self.wait_for_no_task(server)
        return image_id

    def assert_nothing_moved(self):
        self.assertEqual([], self.glance.downloads)
        self.assertEqual([], self.glance.uploads)
        self.assertEqual(0, self.storage().copies)

    def assert_nothing_is_left(self):
        """Nor is it in Glance's store, once hosts have had their passes."""
        for kind in ('images', 'snapshots'):
            self.assertEqual([], os.listdir(self.glance.store.room(kind)))
        # What hangs on another goes in an earlier pass.
        for _ in range(4):
            self.age_masters()
            for owner in os.listdir(os.path.join(self.home, 'parents')):
                os.utime(os.path.join(self.home, 'parents', owner), (0, 0))
            self.run_pass()
        self.assertEqual([], self.masters())
        self.assertEqual([], os.listdir(os.path.join(self.home, 'parents')))
        self.assert_storage_is_consistent()


class ZeroCopyTest(GlanceTestCase):

    def test_raw_image_to_disk_to_image_to_disk_without_moving_a_byte(self):
        image_id = self.glance.add('raw', self.guest_sees, 'raw')
        first = self.boot(image_id, self.own, host='node1')
        self.assertEqual(self.guest_sees, cloud.read(self.disk(first)))
        (_name, master), = self.storage().masters.all()
        self.assertEqual(
            'sha512:' + hashlib.sha512(self.guest_sees).hexdigest(),
            master.digest)
        with open(self.disk(first), 'r+b') as disk:
            disk.seek(7 * MIB)
            disk.write(b'WRITTEN BY THE GUEST')
        holds = cloud.read(self.disk(first))
        snap = self.snapshot(first)
        record = self.glance.service.wait_for(snap, status='active')
        self.assertEqual(('raw', len(holds)),
                         (record['disk_format'], record['size']))
        self.assertEqual([snap], os.listdir(
            self.glance.store.room('snapshots')))
        self.assertEqual(holds, self.glance.data(snap))
        second = self.boot(snap, self.own, host='node2')
        self.assertEqual(holds, cloud.read(self.disk(second)))
        self.assert_nothing_moved()
        self.assertEqual(self.guest_sees, self.glance.data(image_id))
        self._delete_all(image_id, first, snap, second, holds)

    def _delete_all(self, image_id, first, snap, second, holds):
        """Delete what others hang on first."""
        self.glance.delete(snap)
        self.delete_server(first)
        self.glance.delete(image_id)
        self.assertEqual(holds, cloud.read(self.disk(second)))
        self.assertEqual([], self.gpfs.check())
        self.delete_server(second)
        self.assert_nothing_is_left()

    def test_a_qcow2_image_is_converted_where_it_lies(self):
        image_id = self.glance.add('qcow2', self.qcow2, 'qcow2')
        server = self.boot(image_id, self.own)
        self.assertEqual(self.guest_sees, cloud.read(self.disk(server)))
        self.assert_nothing_moved()
        self.assertEqual(self.qcow2, self.glance.data(image_id))

    def test_an_image_that_is_deleted_while_its_instance_runs(self):
        image_id = self.glance.add('raw', self.guest_sees, 'raw')
        server = self.boot(image_id, self.own)
        self.glance.delete(image_id)
        self.assertEqual(self.guest_sees, cloud.read(self.disk(server)))
        snap = self.snapshot(server)
        self.glance.service.wait_for(snap, status='active')
        self.assertEqual(self.guest_sees, self.glance.data(snap))
        self.assert_nothing_moved()


class EveryOrderTest(GlanceTestCase):
    """An image, an instance, its snapshot and an instance of that."""

    at_once = 3

    def _make(self):
        """Return {what reads a part: what it holds} and what deletes it."""
        image_id = self.glance.add('raw', os.urandom(MIB), 'raw')
        first = self.boot(image_id, 'own', host='node1')
        self._write(first, b'first')
        snap = self.snapshot(first)
        self.glance.service.wait_for(snap, status='active')
        self._write(first, b'later')
        second = self.boot(snap, 'own', host='node2')
        self._write(second, b'second')
        return [(functools.partial(read, part), read(part),
                 functools.partial(delete, part)) for part, read, delete in (
            (image_id, self.glance.data, self.glance.delete),
            (first, self._holds, self.delete_server),
            (snap, self.glance.data, self.glance.delete),
            (second, self._holds, self.delete_server))]

    def _holds(self, server):
        return cloud.read(self.disk(server))

    def _write(self, server, text):
        with open(self.disk(server), 'r+b') as disk:
            disk.seek(MIB // 2 + len(text))
            disk.write(text)

    def _delete_in(self, order):
        parts = self._make()
        self.assertEqual(4, len({holds for _read, holds, _delete in parts}))
        left = list(order)
        for number in order:
            parts[number][2]()
            left.remove(number)
            for other in left:
                read, holds, _delete = parts[other]
                self.assertEqual(holds, read(), (order, number, other))

    def _delete_first(self, number):
        others = sorted({0, 1, 2, 3} - {number})
        orders = [(number, *each) for each in itertools.permutations(others)]
        with concurrent.futures.ThreadPoolExecutor(self.at_once) as pool:
            list(pool.map(self._delete_in, orders))
        self.assert_nothing_moved()
        self.assert_nothing_is_left()

    def test_the_image_goes_first(self):
        self._delete_first(0)

    def test_the_first_instance_goes_first(self):
        self._delete_first(1)

    def test_the_snapshot_goes_first(self):
        self._delete_first(2)

    def test_the_second_instance_goes_first(self):
        self._delete_first(3)


class LargeTest(GlanceTestCase):

    def make_glance(self):
        # It would read ten gibibytes of zeros for their digest.
        return Glance({'gpfs': glance_service.gpfs_store(
            self.gpfs, self.store_directory)}, self.store_directory,
            'do_secure_hash = False')

    def test_ten_sparse_gibibytes_take_no_more_than_ten(self):
        size = 10 * 2 ** 30
        server = self.boot(self.glance.add(
            'raw', os.urandom(MIB), 'raw'), 'own', host='node1')
        with open(self.disk(server), 'r+b') as disk:
            disk.seek(size - 7)
            disk.write(b'THE END')
        before = self.read_bytes()
        snap = self.snapshot(server)
        record = self.glance.service.wait_for(snap, status='active')
        self.assertEqual(size, record['size'])
        second = self.boot(snap, 'own', host='node2')
        self.assertLess(self.read_bytes() - before, 64 * MIB)
        self.assert_nothing_moved()
        for path in (self.glance.store.snapshot(snap), self.disk(second)):
            found = os.stat(path)
            self.assertEqual(size, found.st_size)
            self.assertLess(found.st_blocks * 512, 64 * MIB)
            cloud.qemu_img('compare', '-f', 'raw', '-F', 'raw', path,
                           self.disk(server))


class ManyAtOnceTest(GlanceTestCase):
    """Users who upload images, boot from them and delete them."""

    users = 4

    def one(self, number):
        """Return a server, what it is to have, and if its image is left."""
        data = os.urandom(MIB + number * 4096)
        image_id = self.glance.add(str(number), data, 'raw')
        server = self.boot(image_id, 'own', host=self.hosts[number % 2])
        if number < self.users / 2:
            self.glance.delete(image_id)
            return server, data, None
        return server, data, image_id

    def test_each_has_the_own_bytes(self):
        with concurrent.futures.ThreadPoolExecutor(self.users) as pool:
            made = list(pool.map(self.one, range(self.users)))
        for server, data, image_id in made:
            self.assertEqual(data, cloud.read(self.disk(server)))
            if image_id:
                self.assertEqual(data, self.glance.data(image_id))
        self.assertEqual(
            sorted(image_id for _server, _data, image_id in made if image_id),
            sorted(os.listdir(self.glance.store.room('images'))))
        self.assert_nothing_moved()
        self.assert_storage_is_consistent()


class LostAnswerTest(GlanceTestCase):

    def make_glance(self):
        self.useFixture(fixtures.MonkeyPatch(
            f'{__name__}.LosingSession.lost', 0))
        glance = super().make_glance()
        glance.session = LosingSession
        return glance

    def test_what_glance_has_registered_is_the_snapshot(self):
        server = self.boot(self.glance.add(
            'image', os.urandom(MIB), 'raw'), 'own')
        before = cloud.read(self.disk(server))
        snap = self.snapshot(server)
        self.assertEqual(1, LosingSession.lost)
        self.assertEqual(before, self.glance.data(snap))
        self.assert_nothing_moved()


class WithoutLocationsTest(GlanceTestCase):
    """Glance tells nobody but services where images are."""

    def test_the_services_own_request_is_answered(self):
        service = self.glance.service
        service.stop()
        with open(service.conf) as f:
            text = f.read()
        for name in ('show_multiple_locations', 'show_image_direct_url'):
            text = text.replace(f'{name} = True', f'{name} = False')
        with open(service.conf, 'w') as f:
            f.write(text)
        service.start()
        image_id = self.glance.add('raw', self.guest_sees, 'raw')
        self.assertNotIn('locations', service.image(image_id))
        self.assertNotIn('direct_url', service.image(image_id))
        server = self.boot(image_id, self.own)
        self.assertEqual(self.guest_sees, cloud.read(self.disk(server)))
        self.assert_nothing_moved()


class OtherStoreTest(GlanceTestCase):
    """Nova has a store of which this Glance knows nothing."""

    def make_glance(self):
        files = os.path.join(self.directory, 'files')
        os.mkdir(files)
        return Glance({'file': {'type': 'file',
                                'filesystem_store_datadir': files}},
                      self.store_directory)

    def test_glance_refuses_the_location_and_gets_an_upload(self):
        image_id = self.glance.add('raw', self.guest_sees, 'raw')
        server = self.boot(image_id, self.own)
        self.assertEqual([image_id], self.glance.downloads)
        snap = self.snapshot(server)
        self.glance.service.wait_for(snap, status='active')
        self.assertEqual([snap], self.glance.uploads)
        self.assertEqual(self.guest_sees, self.glance.data(snap))
        self.assertEqual([], os.listdir(self.glance.store.room('snapshots')))
        self.assertIn('Glance refuses gpfs://', self.log())


class FileStoreTest(shared_store.FileStoreMixin, GlanceTestCase):

    def make_glance(self):
        return Glance({'file': {'type': 'file',
                                'filesystem_store_datadir': self.files}},
                      self.store_directory)

    def test_its_files_are_cloned(self):
        image_id = self.glance.add('raw', self.guest_sees, 'raw')
        server = self.boot(image_id, self.own)
        self.assertEqual(self.guest_sees, cloud.read(self.disk(server)))
        self.assertEqual([], self.glance.downloads)
        self.glance.delete(image_id)
        self.assertEqual([], os.listdir(self.files))
        self.assertEqual(self.guest_sees, cloud.read(self.disk(server)))
