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
"""Masters and new disks: nobody sees half of one."""

import dataclasses
import os

from crash import case
from tests.functional import cloud
from tests.functional import contents


class SpawnTestCase(case.CrashTestCase):

    def setUp(self):
        super().setUp()
        data, _guest = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        raw = contents.of(os.path.join(self.directory, 'image.raw'))
        self.expected = dataclasses.replace(
            raw.grown(1024 * cloud.MIB), format=self.disk_format)
        self.specs = {}

    def assert_complete(self, instance):
        """A disk that has its name has all that it should have."""
        if os.path.exists(self.disk(instance)):
            self.assertEqual(self.expected, self.content(instance))

    def go_on(self, host):
        driver = self.go_on_as(host)
        self.boot_and_delete(driver, host)

    def boot_and_delete(self, driver, host):
        """Boot another instance of the image, and have nothing left of it."""
        other = self.instance(self.image, host, **self.specs)
        self.spawn(other, driver)
        self.assertEqual(self.expected, self.content(other))
        self.sweep(driver)
        self.assertEqual(self.expected, self.content(other))
        self.assert_nothing_is_left(other)
        self.destroy(other, driver)
        self.sweep(driver)
        self.assert_nothing_is_left()


class SpawnTest(SpawnTestCase):

    def go_on(self, host):
        self.assert_complete(self.crashed)
        driver = self.go_on_as(host)
        # Nova puts what was being built into ERROR, and users delete it.
        self.destroy(self.crashed, self.drivers['node1'])
        self.boot_and_delete(driver, host)

    def test_of_an_image_that_nobody_has_fetched(self):
        self.crashed = self.instance(self.image)
        self.crash_everywhere(
            'spawn', lambda: self.spawn(self.crashed), self.go_on)

    def test_in_a_pool_where_the_image_is_not_yet(self):
        self.specs = {'extra_specs': {'gpfs:pool': 'fast'}}
        first = self.instance(self.image)
        self.spawn(first)
        self.destroy(first, self.drivers['node1'])
        self.crashed = self.instance(self.image, **self.specs)
        self.crash_everywhere(
            'spawn in another pool', lambda: self.spawn(self.crashed),
            self.go_on)


class PrefetchTest(SpawnTestCase):

    def test_caching_an_image_before_anybody_needs_it(self):
        self.crash_everywhere(
            'prefetch', lambda: self.drivers['node1'].cache_image(
                self.context, self.image), self.go_on)


class CachePassTest(SpawnTestCase):

    def test_removing_a_master_that_nobody_needs(self):
        self.drivers['node1'].cache_image(self.context, self.image)
        self.crash_everywhere(
            'cache pass', lambda: self.sweep(self.drivers['node1']),
            self.go_on)


class DeleteTest(SpawnTestCase):

    def go_on(self, host):
        driver = self.go_on_as(host)
        # Nova goes on deleting when nova-compute starts.
        self.destroy(self.deleted, self.drivers['node1'])
        self.boot_and_delete(driver, host)

    def test_deleting_an_instance(self):
        self.deleted = self.instance(self.image)
        self.spawn(self.deleted)
        self.write(self.deleted)
        self.crash_everywhere(
            'delete', lambda: self.destroy(self.deleted,
                                           self.drivers['node1']),
            self.go_on)


class SnapshotTest(SpawnTestCase):

    def setUp(self):
        super().setUp()
        self.guest = self.instance(self.image)
        self.spawn(self.guest)
        self.wrote = self.write(self.guest)
        self.snapshot_id = self.glance.add('snapshot', b'', 'raw')

    def snapshot(self):
        self.drivers['node1'].snapshot(
            self.context, self.guest, self.snapshot_id,
            lambda **states: None)

    def go_on(self, host):
        self.assertEqual(self.wrote, self.content(self.guest))
        if host == 'node1':
            self.drivers['node1'] = self.go_on_as(host)
        self.be('node1')
        self.snapshot()
        uploaded = os.path.join(self.directory, 'uploaded')
        with open(uploaded, 'wb') as file:
            file.write(self.glance.data(self.snapshot_id))
        self.assertEqual(self.wrote, contents.of(uploaded, self.disk_format))
        self.destroy(self.guest, self.drivers['node1'])
        self.be(host)
        self.boot_and_delete(self.drivers[host], host)

    def test_snapshot_of_a_guest_that_runs(self):
        self.crash_everywhere('snapshot', self.snapshot, self.go_on)
