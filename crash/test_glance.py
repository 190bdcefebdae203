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
"""Glance itself, killed at each step: its images are whole, or nobody's."""

import contextlib
import os

import requests

from crash import case
from crash import effects
from crash import glance_killed
from crash import lists
from tests.functional import test_glance_store

MIB = test_glance_store.MIB
HOSTS = ('node1', 'node2')


class GlanceTestCase(test_glance_store.GlanceTestCase):
    """``act`` is one request of a user or of Nova, ``go_on`` what follows."""

    def setUp(self):
        super().setUp()
        self.data = os.urandom(MIB) + bytes(MIB) + b'end'
        self.kept = self.glance.add(b'kept')

    def make_glance(self):
        return glance_killed.GlanceService(
            self.stores(), self.gpfs, {
                os.path.realpath(self.directory): ''}, 'fast')

    def crash_everywhere(self, operation):
        """Kill Glance at each of its effects, and go on each time."""
        before = glance_killed.State(self.glance, self.gpfs,
                                     os.path.join(self.top, 'before'))
        self.glance.start_with_order()
        self.act()
        found = self.glance.order.seen
        lists.require(self, operation, found)
        for position, when in case.chosen(operation, found):
            with glance_killed.saying(f'killed {when} {position}: '
                                      f'{effects.steps(found)[position]}'):
                before.put_back()
                self.glance.start_with_order(position, when)
                self.act_and_die(position == len(found))
                self.go_on_as(HOSTS[position % len(HOSTS)])

    def act_and_die(self, at_the_end):
        # What Glance does in the background need not end a request, and an
        # answer may be cut.
        with contextlib.suppress(requests.RequestException):
            self.act()
        if not at_the_end:
            self.assertTrue(self.glance.order.is_done)
        self.glance.kill()

    def go_on_as(self, host):
        self.glance.start_as(host)
        self.go_on()
        self.assertEqual(b'kept', self.glance.download(self.kept))
        self.sweep()
        self.assert_consistent()

    def assert_done(self, image_id):
        """An image that is active has all its data; return if it is."""
        if self.glance.image(image_id)['status'] != 'active':
            return False
        self.assertEqual(self.data, self.glance.download(image_id))
        return True

    def sweep(self):
        """Let all files be old, and do what the administrator does."""
        for room, _directories, names in os.walk(self.directory):
            for name in names:
                os.utime(os.path.join(room, name), (0, 0))
        ids = os.path.join(self.top, 'ids')
        with open(ids, 'w') as file:
            file.write('\n'.join(self.glance.images()))
        self.glance.run_module(
            'nova_gpfs.cmd.nova_gpfs_glance', 'sweep', '--known-images', ids,
            '--config-file', self.glance.conf)


class UploadTest(GlanceTestCase):

    def setUp(self):
        super().setUp()
        self.image_id = self.glance.create()

    def act(self):
        self.glance.upload(self.image_id, self.data)

    def go_on(self):
        self.assert_done(self.image_id)
        # Users delete what was not acknowledged, and try once more.
        self.glance.delete(self.image_id)
        again = self.glance.add(self.data)
        self.sweep()
        self.assertTrue(self.assert_done(again))

    def test_an_upload(self):
        self.crash_everywhere('upload to Glance')


class DeleteTest(GlanceTestCase):

    def setUp(self):
        super().setUp()
        self.image_id = self.glance.add(self.data)

    def act(self):
        self.glance.delete(self.image_id)

    def go_on(self):
        if self.image_id in self.glance.images():
            self.glance.delete(self.image_id)
        self.assertNotIn(self.image_id, self.glance.images())

    def test_the_deletion_of_an_image(self):
        self.crash_everywhere('deletion in Glance')


class RegistrationTest(GlanceTestCase):
    """Nova has cloned a disk into the store, and says so."""

    def setUp(self):
        super().setUp()
        self.image_id = self.glance.create()
        self.uri = self.location(self.kept).replace(self.kept, self.image_id)
        self.clone(self.image_id)

    def clone(self, image_id):
        with open(self.files.snapshot(image_id), 'wb') as file:
            file.write(self.data)

    def act(self):
        self.glance.add_location(self.image_id, self.uri)
        self.glance.wait_for(self.image_id, status='active')
        self.glance.order.wait_for_quiet()

    def go_on(self):
        self.assert_done(self.image_id)
        self.glance.delete(self.image_id)
        again = self.glance.create()
        self.clone(again)
        self.glance.add_location(again, self.uri.replace(self.image_id,
                                                         again))
        self.glance.wait_for(again, status='active')
        self.sweep()
        self.assertTrue(self.assert_done(again))
        self.glance.delete(again)

    def test_a_location_that_nova_adds(self):
        self.crash_everywhere('location for Glance')
