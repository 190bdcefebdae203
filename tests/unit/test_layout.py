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

"""Names of the plug-in's own files."""

import os

import hypothesis
from hypothesis import strategies
from oslotest import base

from nova_gpfs import layout


class MasterKeyTest(base.BaseTestCase):

    def test_a_sha1_name_of_nova_stays_as_it_is(self):
        name = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'
        self.assertEqual(name, layout.master_key(name))

    def test_parts_are_joined_and_empty_ones_left_out(self):
        self.assertEqual('ephemeral_1_default_ephemeral0',
                         layout.master_key('ephemeral_1_default', None,
                                           'ephemeral0'))

    def test_nothing_usable_is_refused(self):
        for hopeless in ('', '..', '/', '-', './.'):
            self.assertRaises(ValueError, layout.master_key, hopeless)

    @hypothesis.given(strategies.text(max_size=400))
    def test_a_key_never_leaves_its_directory(self, text):
        try:
            key = layout.master_key(text)
        except ValueError:
            return
        self.assertEqual(key, os.path.basename(key))
        self.assertNotIn(key[0], '.-')
        self.assertTrue(key.isascii() and key.isprintable())
        path = layout.Layout('/gpfs/fs0/instances').master(key)
        self.assertEqual(path, os.path.normpath(path))


class LayoutTest(base.BaseTestCase):

    def test_everything_lies_below_instances_path_parents_first(self):
        paths = layout.Layout('/gpfs/fs0/instances')
        made = {'/gpfs/fs0/instances'}
        for directory in paths.directories:
            self.assertIn(os.path.dirname(directory), made)
            made.add(directory)
        self.assertIn(os.path.dirname(paths.identity), made)
