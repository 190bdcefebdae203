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

"""The real Glance over our store: everything by its HTTP API."""

import concurrent.futures
import itertools
import json
import os
import subprocess
import sys
import threading

import fixtures
from oslotest import base

from nova_gpfs.glance import sparse
from nova_gpfs import image_location
from nova_gpfs import image_store
from nova_gpfs.sim import cluster as sim_cluster
from tests import face
from tests.functional import glance_service

MIB = 2 ** 20


class GlanceTestCase(base.BaseTestCase):
    """``self.glance`` runs with a store on GPFS and one beside it."""

    options: dict[str, str] = {}

    def setUp(self):
        super().setUp()
        self.top = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(self.top, 'gpfs'))
        face.put_on(self.gpfs, self.addCleanup)
        self.directory = os.path.join(self.gpfs.mount_point('fs0'), 'glance')
        os.mkdir(self.directory)
        self.files = image_store.ImageStore(self.directory)
        self.glance = self.useFixture(self.make_glance())

    def make_glance(self):
        return glance_service.GlanceService(self.stores())

    def stores(self):
        plain = os.path.join(self.top, 'plain')
        fast = glance_service.gpfs_store(self.gpfs, self.directory, 'node1',
                                         **self.options)
        return {'fast': fast, 'plain': {
            'type': 'file', 'filesystem_store_datadir': plain}}

    def entries(self, kind):
        return sorted(os.listdir(self.files.room(kind)))

    def location(self, image_id):
        return self.glance.locations(image_id)[0]['url']

    def wait_for_draft(self):
        waiting = threading.Event()
        for _attempt in range(1200):
            if any(os.stat(os.path.join(self.files.room('incoming'),
                                        name)).st_size
                   for name in self.entries('incoming')):
                return
            waiting.wait(0.1)
        self.fail('nothing is written')

    def assert_consistent(self):
        """No orphan, nothing lost: a file for each image of the store."""
        known = self.glance.images()
        self.assertEqual(sorted(known), self.entries('images'))
        self.assertEqual([], self.entries('incoming'))
        self.assertEqual([], self.entries('trash'))
        self.assertEqual([], self.gpfs.check())


class UploadTest(GlanceTestCase):

    def test_images_come_and_go_and_are_what_they_were(self):
        raw = os.urandom(MIB) + bytes(8 * MIB) + b'end'
        qcow2 = self._as_qcow2(raw)
        first = self.glance.add(raw)
        second = self.glance.add(iter([qcow2[:70], qcow2[70:]]), 'qcow2')
        self._compare(first, raw)
        self._parts(first, raw)
        self.assertEqual(qcow2, self.glance.download(second))
        self.assertEqual(image_location.parse_uri(self.location(first))
                         .image_id, first)
        self.glance.delete(second)
        self.assert_consistent()
        self.glance.delete(first)
        self.glance.request('GET', f'/v2/images/{first}', expect=404)
        self.assert_consistent()

    def _as_qcow2(self, raw):
        paths = [os.path.join(self.top, name) for name in ('raw', 'qcow2')]
        with open(paths[0], 'wb') as f:
            f.write(raw)
        subprocess.run(['qemu-img', 'convert', '-O', 'qcow2', *paths],
                       check=True, capture_output=True)
        with open(paths[1], 'rb') as f:
            return f.read()

    def _compare(self, image_id, data):
        self.assertEqual(data, self.glance.download(image_id))
        record = self.glance.image(image_id)
        self.assertEqual(('active', len(data)),
                         (record['status'], record['size']))
        found = os.stat(self.files.image(image_id))
        self.assertLessEqual(found.st_blocks * 512, MIB + sparse.GRAIN)

    def _parts(self, image_id, data):
        for part, expected in (
                ('bytes=0-9', data[:10]), ('bytes=-4', data[-4:]),
                (f'bytes={MIB - 5}-{MIB + 5}', data[MIB - 5:MIB + 6]),
                (f'bytes={len(data) - 1}-', data[-1:])):
            self.assertEqual(expected, self.glance.download(
                image_id, headers={'Range': part}, expect=206))

    def test_an_upload_of_another_size_than_said_leaves_nothing(self):
        image_id = self.glance.create()
        with self.glance.begin_upload(image_id, b'x' * 5 * MIB, 9 * MIB):
            self.wait_for_draft()
        self.glance.wait_for(image_id, status='queued')
        self.assertEqual([], self.entries('images'))
        self.assertEqual([], self.entries('incoming'))
        self.glance.upload(image_id, b'data')
        self.assertEqual(b'data', self.glance.download(image_id))

    def test_many_at_once_do_not_mix(self):
        blobs = {number: os.urandom(200000 + number)
                 for number in range(8)}

        def one(number):
            image_id = self.glance.add(blobs[number])
            self.assertEqual(blobs[number], self.glance.download(image_id))
            if number % 2:
                self.glance.delete(image_id)
                return None
            return image_id
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            kept = [each for each in pool.map(one, blobs) if each]
        self.assertEqual(sorted(kept), self.entries('images'))
        self.assert_consistent()


class StoresTest(GlanceTestCase):

    def test_images_move_between_the_stores(self):
        data = os.urandom(300000)
        image_id = self.glance.add(data, store='plain')
        self.assertEqual([], self.entries('images'))
        self.glance.request(
            'POST', f'/v2/images/{image_id}/import', expect=202,
            json={'method': {'name': 'copy-image'}, 'stores': ['fast']})
        self.glance.wait_for(image_id, stores='plain,fast',
                             os_glance_import_task=None)
        self.glance.request(
            'DELETE', f'/v2/stores/plain/{image_id}', expect=204)
        self.assertEqual('fast', self.glance.image(image_id)['stores'])
        self.assertEqual(data, self.glance.download(image_id))
        self.assert_consistent()

    def test_a_file_that_nova_has_cloned_becomes_an_image(self):
        image_id = self.glance.create()
        data = os.urandom(MIB)
        with open(self.files.snapshot(image_id), 'wb') as f:
            f.write(data)
        uri = self._uri(image_id)
        self.glance.add_location(image_id, uri)
        record = self.glance.wait_for(image_id, status='active')
        self.assertEqual(MIB, record['size'])
        self.assertEqual([{'url': uri, 'metadata': {'store': 'fast'}}],
                         self.glance.locations(image_id))
        self.assertEqual(data, self.glance.download(image_id))
        self.glance.delete(image_id)
        self.assertEqual([], self.entries('snapshots'))

    def _uri(self, image_id):
        other = self.glance.add(b'x')
        uri = self.location(other).replace(other, image_id)
        self.glance.delete(other)
        return uri

    def test_by_the_older_api_as_well(self):
        image_id = self.glance.create()
        with open(self.files.snapshot(image_id), 'wb') as f:
            f.write(b'data')
        self._patch_location(image_id, self._uri(image_id))
        self.assertEqual(b'data', self.glance.download(image_id))

    def _patch_location(self, image_id, uri, **how):
        return self.glance.patch(image_id, {
            'op': 'add', 'path': '/locations/-',
            'value': {'url': uri, 'metadata': {}}}, **how)

    def test_a_location_that_leads_elsewhere_is_refused(self):
        image_id = self.glance.create()
        good = self._uri(image_id)
        secret = os.path.join(self.top, 'secret')
        with open(secret, 'w') as f:
            f.write('secret')
        os.symlink(secret, self.files.snapshot(image_id))
        for uri in (good, good.replace('/fs0/', '/fs1/'),
                    good.replace('/root/', '/other/'),
                    'gpfs://1' + good[len('gpfs://1'):],
                    'gpfs:///etc/passwd', f'file://{secret}'):
            self._patch_location(image_id, uri, expect=400)
        self.assertEqual('queued', self.glance.image(image_id)['status'])


class OrderTest(GlanceTestCase):

    def test_images_and_clones_go_in_every_order(self):
        data = os.urandom(MIB)
        for order in itertools.permutations(('image', 'disk', 'parent')):
            image_id = self.glance.add(data)
            disk = self._clone(image_id)
            for what in order:
                self._remove(what, image_id, disk)
                if os.path.exists(disk):
                    self._assert_holds(disk, data)
        self.assert_consistent()

    def _clone(self, image_id):
        """Make a disk of an image's file as Nova does."""
        parent = os.path.join(self.files.directory, 'parent')
        disk = os.path.join(self.files.directory, 'disk')
        self.run_mm('mmclone', 'snap', self.files.image(image_id), parent)
        self.run_mm('mmclone', 'copy', parent, disk)
        return disk

    def _remove(self, what, image_id, disk):
        if what == 'image':
            self.glance.delete(image_id)
        elif what == 'disk':
            os.unlink(disk)
        else:
            # As GPFS does it: the name stays while there are clones.
            os.rename(os.path.join(os.path.dirname(disk), 'parent'),
                      os.path.join(self.gpfs.mount_point('fs0'),
                                   f'gone.{image_id}'))

    def _assert_holds(self, path, data):
        with open(path, 'rb') as f:
            self.assertEqual(data, f.read())

    def run_mm(self, program, *words):
        subprocess.run([os.path.join(self.gpfs.bin_dir(), program), *words],
                       check=True, capture_output=True)


class CrashTest(GlanceTestCase):
    """Glance is killed; what it leaves is swept, and nothing else."""

    options = {'gpfs_store_leftover_age': '600'}

    def _sweep(self, *words):
        return self._run('sweep', *words)

    def _status(self):
        return self._run('status')

    def _run(self, command, *words):
        return json.loads(self.glance.run_module(
            'nova_gpfs.cmd.nova_gpfs_glance', command, '--format', 'json',
            '--config-file', self.glance.conf, *words))['stores'][0]

    def _age(self, path):
        os.utime(path, (0, 0))

    def test_in_the_midst_of_an_upload(self):
        kept = self.glance.add(b'kept')
        image_id = self.glance.create()
        with self.glance.begin_upload(image_id, b'x' * 5 * MIB, 20 * MIB):
            self.wait_for_draft()
            self.glance.kill()
        [left] = self.entries('incoming')
        self.assertEqual([], self._sweep()['removed'])
        self._age(os.path.join(self.files.room('incoming'), left))
        self.assertEqual([left], [each['name'] for each
                                  in self._sweep()['removed']])
        self.glance.start()
        self.glance.delete(image_id)
        self.assertEqual(b'kept', self.glance.download(kept))
        self.assert_consistent()

    def test_after_the_file_got_its_name(self):
        kept = self.glance.add(b'kept')
        lost = self.glance.create()
        with open(self.files.image(lost), 'w') as f:
            f.write('written, but no location recorded')
        self.glance.kill()
        self.glance.start()
        self.glance.delete(lost)
        for image_id in (kept, lost):
            self._age(self.files.image(image_id))
        ids = os.path.join(self.top, 'ids')
        with open(ids, 'w') as f:
            f.write('\n'.join(self.glance.images()))
        self.assertEqual([], self._sweep()['removed'])
        self.assertRaises(AssertionError, self._sweep, '--known-images',
                          '/dev/null')
        would = self._sweep('--known-images', ids, '--dry-run')
        self.assertEqual([lost], [each['name'] for each
                                  in would['would_be_removed']])
        self.assertEqual(2, self._status()['images'])
        self.assertEqual([lost], [each['name'] for each in self._sweep(
            '--known-images', ids)['removed']])
        self.assertEqual(b'kept', self.glance.download(kept))
        self.assert_consistent()


class UnmountTest(GlanceTestCase):

    def test_nothing_is_written_below_an_unmounted_file_system(self):
        image_id = self.glance.add(b'data')
        refused = self.glance.create()
        self.gpfs.unmount('fs0')
        answer = self.glance.upload(refused, b'data', expect=503)
        self.assertIn('mmmount', answer.text)
        self.glance.delete(image_id, expect=403)
        self.assertEqual([], os.listdir(self.gpfs.mount_point('fs0')))
        self.gpfs.mount('fs0')
        self.assertEqual(b'data', self.glance.download(image_id))
        self.glance.upload(refused, b'later')
        self.glance.delete(image_id)
        self.assertEqual([refused], self.entries('images'))

    def test_a_glance_that_starts_without_it_adds_nothing(self):
        image_id = self.glance.create()
        self.glance.stop()
        self.gpfs.unmount('fs0')
        self.glance.start()
        self.glance.upload(image_id, b'data', expect=410)
        self.assertEqual([], os.listdir(self.gpfs.mount_point('fs0')))


class PlacedTest(GlanceTestCase):
    """A store with a placement of its own, given by the privileged daemon."""

    def stores(self):
        stores = super().stores()
        stores['fast'].update({
            'gpfs_store_privileged': 'True', 'gpfs_store_pool': 'fast',
            'gpfs_store_data_replicas': '2',
            'nova_gpfs_privileged': {'helper_command': ' '.join((
                sys.executable, glance_service.script('privsep-helper'),
                '--config-file', '%(conf)s'))}})
        stores['fast']['gpfs']['rootless_commands'] = 'mmlsattr'
        return stores

    def test_every_block_is_where_the_store_is_to_be(self):
        image_id = self.glance.add(os.urandom(3 * MIB))
        self.assertEqual({('fast', 2)}, {
            (block.pool, block.replicas) for block
            in self.gpfs.blocks(self.files.image(image_id))})
        self.glance.delete(image_id)
        self.assert_consistent()

    def test_a_placement_that_cannot_be_granted_is_told_at_the_start(self):
        image_id = self.glance.create()
        self.glance.stop()
        self.glance.stores['fast']['gpfs_store_pool'] = 'none'
        self.glance.configure()
        self.glance.start()
        self.glance.upload(image_id, b'data', expect=410)
        with open(self.glance.log) as log:
            self.assertIn('No such storage pool: none', log.read())


class RootlessTest(GlanceTestCase):
    """A Glance that may run mmlsattr alone, after nova-gpfs-glance init."""

    def stores(self):
        stores = super().stores()
        stores['fast']['gpfs']['rootless_commands'] = 'mmlsattr'
        return stores

    def test_a_store_needs_no_other_command_once_it_is_set_up(self):
        image_id = self.glance.create()
        self.glance.upload(image_id, b'data', expect=410)
        with open(self.glance.log) as log:
            self.assertIn('nova-gpfs-glance init', log.read())
        self.assertEqual([], os.listdir(self.directory))
        self.glance.run_module(
            'nova_gpfs.cmd.nova_gpfs_glance', 'init',
            '--config-file', self.glance.conf)
        self.glance.stop()
        before = len(self.gpfs.calls())
        self.glance.start()
        self.glance.upload(image_id, b'data')
        self.glance.delete(image_id)
        self.assertEqual({'mmlsattr'}, {
            os.path.basename(call['argv'][0])
            for call in self.gpfs.calls()[before:]})
        self.assert_consistent()
