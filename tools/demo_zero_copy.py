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

"""Show Nova and the real Glance on one simulated GPFS: nothing moves.

Glance is a process of its own with our store; Nova's own client talks to it.
"""

import os
import time

import demo_output
from tests.functional import cloud
from tests.functional import metering
from tests.functional import shared_store
from tests.functional import test_glance_and_nova

GIB = demo_output.GIB
MIB = demo_output.MIB
say = demo_output.say
size = demo_output.size


class ZeroCopyDemo(shared_store.SharedStoreTestCase):
    """An image, a disk, a snapshot and a disk of that; written as a test.

    What is said to have moved is counted: the bytes of the images that
    Nova's client of Glance has downloaded or uploaded, what programs have
    read from disks to copy it, and the blocks that are new on the simulated
    GPFS.
    """

    report: dict = {'steps': []}

    def setUp(self):
        demo_output.step('The real Glance, a process of its own, keeps its '
                         'images on GPFS')
        super().setUp()

    def make_glance(self):
        return test_glance_and_nova.Glance(
            {'gpfs': test_glance_and_nova.glance_service.gpfs_store(
                self.gpfs, self.store_directory)}, self.store_directory)

    def runTest(self):
        image = self._upload()
        flavor = self.flavor('demo', root_gb=1)
        self.meter = metering.Meter(self, self.gpfs)
        first = self._take('boot from the image', lambda: self.boot(
            image, flavor, host='node1'))
        self._write(first)
        snapshot = self._take('snapshot', lambda: self._snapshot(first))
        second = self._take('boot from the snapshot', lambda: self.boot(
            snapshot, flavor, host='node2'))
        self._show_steps()
        self._compare(image, first, snapshot, second)

    def _upload(self):
        path = cloud.partitioned_disk(
            os.path.join(self.directory, 'image'), size=256 * MIB,
            seed=os.urandom(4096))
        self.image = cloud.read(path)
        image = self.glance.add('demo', self.image, 'raw')
        say(f'  a user uploads a raw image to Glance: '
            f'{size(len(self.image))}, with all its bytes')
        return image

    def _disk(self, server):
        return self.instance_file(server, 'disk')

    def _write(self, server):
        """Let the guest write, which is not counted."""
        with open(self._disk(server), 'r+b') as disk:
            disk.seek(600 * MIB)
            disk.write(os.urandom(8 * MIB))
        self.meter.begin()

    def _snapshot(self, server):
        image = self.api.post_server_action(
            server['id'], {'createImage': {'name': 'snap'}})['image_id']
        self.wait_for_no_task(server)
        self.glance.service.wait_for(image, status='active')
        return image

    def _take(self, name, act):
        """Do one step and note what it took."""
        seen = len(self.glance.downloads), len(self.glance.uploads)
        began = time.monotonic()
        done = act()
        seconds = time.monotonic() - began
        costs = self.meter.costs()
        downloads = self.glance.downloads[seen[0]:]
        uploads = self.glance.uploads[seen[1]:]
        self.report['steps'].append({
            'step': name, 'seconds': round(seconds, 1),
            'downloads': len(downloads), 'uploads': len(uploads),
            'sent': sum(self.glance.service.image(each)['size']
                        for each in downloads + uploads),
            'read': costs.read, 'written': costs.written,
            'commands': costs.commands})
        return done

    def _show_steps(self):
        steps = self.report['steps']
        say()
        demo_output.rows(steps)
        moved = sum(step[how] for step in steps
                    for how in ('sent', 'read', 'written'))
        self.report['moved_bytes'] = moved
        say()
        say(f'  bytes moved: {moved}')
        self.assertEqual(0, moved)
        self.assertEqual(([], []),
                         (self.glance.downloads, self.glance.uploads))
        self.assertEqual(0, self.storage().copies)

    def _compare(self, image, first, snapshot, second):
        holds = cloud.read(self._disk(first))
        self.assertEqual(GIB, len(holds))
        self.assertEqual(self.image[:MIB], holds[:MIB])
        self.assertEqual(holds, self.glance.data(snapshot))
        self.assertEqual(holds, cloud.read(self._disk(second)))
        self.assertEqual(self.image, self.glance.data(image))
        self.assert_storage_is_consistent()
        say('  the first disk, the snapshot and the second disk hold the same '
            'bytes')
