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

import subprocess
import sys

from oslotest import base

from nova_gpfs.cmd import printing


class TextTest(base.BaseTestCase):

    def printed(self, **document):
        return '\n'.join(printing.lines(document)).splitlines()

    def test_rows_are_aligned_and_empty_columns_left_out(self):
        self.assertEqual(
            ['name    the pool  roles',
             'silver  -         a b',
             'x       fast      -'],
            self.printed(rows=[
                {'name': 'silver', 'the_pool': None, 'roles': ['a', 'b'],
                 'never': ''},
                {'name': 'x', 'the_pool': 'fast', 'roles': []}]))

    def test_sentences_and_commands_stand_below_their_row(self):
        self.assertEqual(
            ['a', '1', '    Why this', '    Why that', '    A note',
             "    b 'c d'", '2'],
            self.printed(rows=[
                {'a': 1, 'why': ['Why this', 'Why that'], 'note': 'A note',
                 'commands': [('b', 'c d')]}, {'a': 2, 'why': []}]))

    def test_rows_may_have_different_columns(self):
        self.assertEqual(['a  b', '1  -', '-  0'],
                         self.printed(rows=[{'a': 1}, {'b': 0}]))

    def test_commands_are_printed_as_a_shell_would_take_them(self):
        self.assertEqual(
            ['command', "mmchattr --x '1;2'"],
            self.printed(rows=[{'command': ('mmchattr', '--x', '1;2')}]))

    def test_sections_have_headings_where_there_are_several(self):
        self.assertEqual(
            ['one:', 'a', '1', '', 'two:', '(none)', '', '3 ok, 0 drift'],
            self.printed(one=[{'a': 1}], two=[],
                         summary={'ok': 3, 'drift': 0}))


class PipeTest(base.BaseTestCase):

    def test_nobody_may_read_to_the_end(self):
        code = ('from nova_gpfs.cmd import printing\n'
                'printing.show({"rows": [{"a": "x" * 99}] * 9999}, "text")')
        done = subprocess.run(
            ['bash', '-c', 'set -o pipefail; "$0" -c "$1" | head -1',
             sys.executable, code], capture_output=True, text=True)
        self.assertEqual((0, 'a\n', ''),
                         (done.returncode, done.stdout, done.stderr))
