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

from tests.unit.sim import simulated


class MmlsattrTest(simulated.SimulatedTestCase):

    def test_the_long_form_has_the_recorded_labels_and_columns(self):
        path = self.write('a')
        lines = self.did('mmlsattr', '-L', path).splitlines()
        self.assertEqual(f'file name:            {path}', lines[0])
        self.assertEqual(
            ['metadata replication: 1 max 3', 'data replication:     1 max 3',
             'immutable:            no', 'appendOnly:           no',
             'flags:                ', 'storage pool name:    system',
             'fileset name:         nova', 'snapshot name:        '],
            lines[1:9])
        self.assertRegex(lines[9], r'^creation time:        \w{3} \w{3} ')
        self.assertEqual(['Misc attributes:      ARCHIVE',
                          'Encrypted:            no'], lines[10:])

    def test_a_directory_has_no_data_replication(self):
        shown = self.did('mmlsattr', '-L', self.directory)
        self.assertNotIn('data replication:  ', shown.replace('meta', ''))
        self.assertIn('Misc attributes:      DIRECTORY', shown)

    def test_the_fileset_is_that_of_the_path(self):
        for path, fileset in (('../x', 'root'), ('../other/x', 'other')):
            self.write(path)
            self.assertIn(f'fileset name:         {fileset}\n',
                          self.did('mmlsattr', '-L', path))

    def test_links_are_followed_unless_l_is_given(self):
        self.write('../other/x')
        os.symlink('../other/x', self.path('link'))
        self.assertIn('other', self.did('mmlsattr', '-L', 'link'))
        self.assertIn('nova', self.did('mmlsattr', '-L', '-l', 'link'))

    def test_what_is_missing_or_elsewhere_fails_with_its_errno(self):
        self.refused(2, 'mmlsattr: tslsattr failed. Error code 2.\n',
                     'mmlsattr', '-L', 'missing')
        self.refused(22, 'mmlsattr: tslsattr failed. Error code 22.\n',
                     'mmlsattr', '-L', '/etc')

    def test_several_files_are_all_shown(self):
        self.write('a')
        self.write('b')
        done = self.mm('mmlsattr', '-L', 'a', 'missing', 'b')
        self.assertEqual(2, done.returncode)
        self.assertEqual(2, done.stdout.count('file name:'))
