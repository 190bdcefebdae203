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
"""Glance gone at each request of nova-compute, which lives on."""

import os

from crash import case
from crash import lasting_glance
from crash import lists
from crash import snapshot
from crash import test_store


class GoneMixin:

    def without_glance(self, act, *gone):
        self.gone = lasting_glance.Gone(*gone)
        act()

    def be_gone_everywhere(self, operation, act, go_on):
        """Let Glance go away at each question and answer, and go on.

        Nova-compute fails or finds another way, and in any case it ends.
        """
        before = snapshot.Snapshot(self.gpfs, self.directory + '.before')
        self.addCleanup(before.forget)
        asked = os.path.join(self.directory, 'asked')
        self.run_alone(lambda: self.without_glance(act, asked))
        with open(asked) as file:
            found = file.read().splitlines()
        lists.require(self, operation, found)
        for position, when in case.chosen(operation, found):
            before.put_back()
            status, said = self.fork(lambda: self.without_glance(
                act, os.devnull, position))
            where = f'Glance gone {when} {position}: {found[position]}'
            self.assertIn('GlanceConnectionFailed', str(said), where)
            self.go_on_everywhere(where, go_on)


class MasterTest(GoneMixin, test_store.MasterTestCase):

    def test_of_a_file_that_glance_has(self):
        self.be_gone_everywhere(
            'spawn without a download, Glance gone',
            lambda: self.spawn(self.crashed), self.go_on)


class SnapshotTest(GoneMixin, test_store.SnapshotTestCase):

    def test_snapshot_into_the_store(self):
        self.be_gone_everywhere(
            'snapshot without an upload, Glance gone',
            lambda: self.snapshot(self.drivers['node1']), self.go_on)
