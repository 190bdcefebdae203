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

import pathlib

import testtools

from nova_gpfs.sim import claims
from nova_gpfs.sim import messages

PAGE = pathlib.Path(__file__).parents[3].joinpath(
    'doc', 'source', 'contributor', 'simulator.rst')


class ClaimsTest(testtools.TestCase):

    def test_the_page_has_the_tables_as_they_are_now(self):
        self.assertTrue(
            PAGE.read_text().endswith('\n\n' + claims.rst() + '\n'),
            'the tables are printed by "nova-gpfs-sim claims --rst"')

    def test_nothing_is_claimed_without_a_source_or_saying_so(self):
        for kind, claim, source in claims.table():
            self.assertGreater(len(source), 3, (kind, claim))

    def test_the_recorded_texts_are_said_word_by_word(self):
        for key, text in (
                ('clone.sealed', 'mmclone: Read-only file system'),
                ('quota.off', 'No quota enabled file system found.\n')):
            self.assertTrue(messages.MESSAGES[key].text.startswith(text))
            self.assertNotEqual(messages.UNRECORDED,
                                messages.MESSAGES[key].source)

    def test_counts_add_up(self):
        total = sum(known + unknown
                    for _kind, known, unknown in claims.summary())
        self.assertEqual(len(claims.table()), total)
