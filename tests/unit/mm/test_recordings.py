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


import re

from oslotest import base

from tests.unit.mm import recordings


class TestRecordings(base.BaseTestCase):

    def test_each_has_a_source_and_each_source_has_a_recording(self):
        listed = re.findall(r'^   \* - (\S+\.txt)$',
                            (recordings.DATA / 'SOURCES.rst').read_text(),
                            re.MULTILINE)
        stored = [str(path.relative_to(recordings.DATA))
                  for path in recordings.DATA.glob('*/*.txt')]
        self.assertEqual(sorted(stored), sorted(listed))

    def test_each_says_whether_it_is_real(self):
        text = (recordings.DATA / 'SOURCES.rst').read_text()
        rows = re.findall(r'^   \* - \S+\.txt\n     - (.*)\n     - \S', text,
                          re.MULTILINE)
        self.assertEqual(len(list(recordings.DATA.glob('*/*.txt'))), len(rows))
        self.assertEqual({'REAL', 'FIXTURE'}, set(rows))
