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

"""nova-gpfs cache snapshots: what a dead nova-compute leaves in the store."""

import os
import time

from nova_gpfs import image_store
from tests.functional import test_policy_commands as commands
from tests.functional import test_prefetch_command

UNKNOWN = '11111111-2222-4333-8444-555555555555'


class SnapshotsCommandTest(commands.CommandsTestCase):

    environment = test_prefetch_command.PrefetchCommandTest.environment
    prefetch = test_prefetch_command.PrefetchCommandTest.prefetch

    def setUp(self):
        super().setUp()
        directory = os.path.join(os.path.dirname(self.instances_path),
                                 'glance')
        self.store = image_store.ImageStore(directory)
        for kind in image_store.DIRECTORIES:
            os.makedirs(self.store.room(kind))
        self.configure(gpfs=f'image_store = {directory}\n'
                       'leftover_age = 600')
        self.services = test_prefetch_command.Services()
        self.addCleanup(self.services.close)
        self.known = self.services.add(b'data')
        for image_id in (self.known, UNKNOWN):
            self.write(image_id)
        now = time.time
        self.patch_time(lambda: now() + 601)

    def patch_time(self, clock):
        patcher = self.useFixture(commands.fixtures.MonkeyPatch(
            'nova_gpfs.store_snapshots.time.time', clock))
        return patcher

    def write(self, image_id):
        with open(self.store.snapshot(image_id), 'w') as f:
            f.write('what a disk was')

    def argv(self, *words):
        argv = super().argv(*words)
        return argv[:argv.index('policy')] + ['cache', 'snapshots', *words]

    def left(self):
        return set(os.listdir(self.store.room('snapshots')))

    def test_a_file_that_no_image_needs_is_removed_on_request(self):
        code, out, err = self.prefetch()
        self.assertEqual((0, ''), (code, err))
        self.assertEqual([(UNKNOWN, 'would be removed')], [
            (row['image'], row['result']) for row in out['snapshots']])
        self.assertEqual({self.known, UNKNOWN}, self.left())
        code, out, err = self.prefetch('--remove')
        self.assertEqual('removed', out['snapshots'][0]['result'], err)
        self.assertEqual({self.known}, self.left())

    def test_a_file_of_these_minutes_is_kept(self):
        self.patch_time(time.monotonic)
        self.assertEqual((0, {'snapshots': []}), self.prefetch(
            '--remove')[:2])
        self.assertEqual({self.known, UNKNOWN}, self.left())

    def test_who_does_not_see_all_images_may_not(self):
        self.services.role = 'member'
        code, out, err = self.prefetch('--remove')
        self.assertEqual((2, None), (code, out))
        self.assertIn('this takes the role admin', err)
        self.assertEqual({self.known, UNKNOWN}, self.left())

    def test_a_file_of_another_user_is_not_novas(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to give a file away')
        os.chown(self.store.snapshot(UNKNOWN), 65534, 65534)
        self.prefetch('--remove')
        self.assertEqual({self.known, UNKNOWN}, self.left())
