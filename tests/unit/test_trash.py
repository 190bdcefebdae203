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

import os
import subprocess

import fixtures
from oslotest import base

from nova_gpfs import layout
from nova_gpfs import trash


class TrashTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        top = self.useFixture(fixtures.TempDir()).path
        self.layout = layout.Layout(top)
        os.makedirs(self.layout.trash)
        self.trash = trash.Trash(self.layout)
        self.directory = os.path.join(top, 'instance_resize')
        self.file = os.path.join(self.directory, 'sub', 'disk')
        os.makedirs(os.path.dirname(self.file))
        with open(self.file, 'w') as f:
            f.write('data')

    def _stubborn(self, path):
        """Have a file that cannot be removed."""
        done = subprocess.run(['chattr', '+i', path], capture_output=True)
        if done.returncode:
            self.skipTest('needs root and a file system with attributes')

    def _thaw(self, path):
        subprocess.run(['chattr', '-i', path], check=True)

    def test_a_directory_and_all_in_it_is_gone(self):
        self.trash.discard(self.directory)
        self.assertFalse(os.path.lexists(self.directory))
        self.assertEqual([], os.listdir(self.layout.trash))

    def test_nothing_is_nothing_to_do(self):
        self.trash.discard(self.directory + '_del')

    def test_a_name_is_free_although_not_all_can_be_removed(self):
        self._stubborn(self.file)
        self.trash.discard(self.directory)
        self.assertFalse(os.path.lexists(self.directory))
        (left,) = os.listdir(self.layout.trash)
        self.assertEqual([left], self.trash.sweep())
        self._thaw(os.path.join(self.layout.trash, left, 'sub', 'disk'))
        self.assertEqual([], self.trash.sweep())
        self.assertEqual([], os.listdir(self.layout.trash))

    def test_a_name_that_cannot_be_taken_away_keeps_everything(self):
        os.rmdir(self.layout.trash)
        self.assertRaises(OSError, self.trash.discard, self.directory)
        with open(self.file) as f:
            self.assertEqual('data', f.read())
