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

"""Notes of snapshots that are to be split, which any host may have written."""

import os
import uuid

import fixtures
from oslotest import base

from nova_gpfs import layout
from nova_gpfs import pending_splits


class PendingSplitsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.layout = layout.Layout(self.useFixture(fixtures.TempDir()).path)
        os.makedirs(self.layout.splits)
        self.notes = pending_splits.PendingSplits(self.layout)
        self.image_id = str(uuid.uuid4())
        self.path = os.path.join(self.layout.splits, self.image_id)

    def test_what_is_noted_is_told_until_it_is_removed(self):
        parent = os.path.join(self.layout.parents, 'owner', 'disk')
        self.notes.add(self.image_id, parent)
        self.notes.add(self.image_id)
        self.assertEqual([(self.image_id, parent)], list(self.notes.all()))
        self.notes.remove(self.image_id)
        self.notes.remove(self.image_id)
        self.assertEqual([], list(self.notes.all()))

    def test_a_parent_elsewhere_is_not_believed(self):
        for parent in ('../x', 'owner/..', 'a/b/c', '/etc/passwd', 'x', '.'):
            with open(self.path, 'w') as note:
                note.write(f'{{"parent": "{parent}"}}')
            self.assertEqual([(self.image_id, '')], list(self.notes.all()))

    def test_a_note_that_is_no_file_is_neither_followed_nor_waited_for(self):
        for make in (os.mkfifo, lambda path: os.symlink('/etc/passwd', path)):
            make(self.path)
            self.assertEqual([(self.image_id, '')], list(self.notes.all()))
            os.unlink(self.path)

    def test_what_is_not_the_id_of_an_image_is_passed_over(self):
        for name in ('x', '.hidden', '-rf'):
            os.mkdir(os.path.join(self.layout.splits, name))
        self.assertEqual([], list(self.notes.all()))
