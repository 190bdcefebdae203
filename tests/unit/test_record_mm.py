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
import subprocess

import fixtures

from tests.unit import test_run

TOOL = pathlib.Path(__file__).parents[2] / 'tools' / 'record-mm'


class TestRecordMm(test_run.ProgramsTestCase):

    def setUp(self):
        super().setUp()
        self.data = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def record(self, *arguments):
        return subprocess.run(
            [TOOL, *arguments], capture_output=True, text=True,
            env={'PATH': '/usr/bin:/bin', 'MM_PATH': self.mm_path,
                 'RECORD_MM_DIR': str(self.data)})

    def stored(self):
        return {path.name: path.read_text()
                for path in self.data.glob('*/*')}

    def test_what_a_command_says_is_stored_as_it_is(self):
        self.program('mmclone', '''
            printf 'one  \\n\\ntwo'; echo "$LC_ALL $2" >&2; exit 22
        ''')
        done = self.record('5.2/mmclone-show-x', 'mmclone', 'show', '/a b')
        self.assertEqual(22, done.returncode)
        self.assertEqual(
            {'mmclone-show-x.txt': 'one  \n\ntwo',
             'mmclone-show-x.stderr.txt': 'C /a b\n',
             'mmclone-show-x.call': 'mmclone\nshow\n/a b\nexit code 22\n'},
            self.stored())
        for name in ('5.2/mmclone-show-x.txt',
                     '5.2/mmclone-show-x.stderr.txt'):
            self.assertIn(f'   * - {name}\n     - REAL\n', done.stdout)

    def test_silence_leaves_no_empty_file(self):
        self.program('mmchattr', 'exit 0')
        self.assertEqual(0, self.record('5.2/mmchattr-x', 'mmchattr', '/a')
                         .returncode)
        self.assertEqual(['mmchattr-x.call'], list(self.stored()))

    def test_nothing_is_overwritten(self):
        self.program('mmlsfs', 'echo "$1"')
        self.record('5.2/mmlsfs-x', 'mmlsfs', 'first')
        before = self.stored()
        self.assertNotEqual(0, self.record('5.2/mmlsfs-x', 'mmlsfs', 'again')
                            .returncode)
        self.assertEqual(before, self.stored())

    def test_only_mm_commands_and_their_own_names_are_taken(self):
        self.program('mmlsfs', 'echo')
        for arguments in (
                (), ('5.2/mmlsfs-x',), ('5.2/mmlsfs-x', 'sh', '-c', 'id'),
                ('5.2/mmlspool-x', 'mmlsfs'), ('mmlsfs-x', 'mmlsfs'),
                ('../../mmlsfs-x', 'mmlsfs'), ('/tmp/mmlsfs-x', 'mmlsfs'),
                ('a/b/mmlsfs-x', 'mmlsfs'), ('5.2/mm/../sh-x', 'mm/../sh'),
                ('5.2/mmgone-x', 'mmgone')):
            self.assertNotIn(self.record(*arguments).returncode, (0, 22))
        self.assertEqual({}, self.stored())
