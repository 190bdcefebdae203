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


import dataclasses
import os

from hypothesis import given
from hypothesis import strategies
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import mm
from nova_gpfs.mm import base as commands
from nova_gpfs.mm import fields
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlsfs


@dataclasses.dataclass(frozen=True)
class Loose(commands.Effect):
    program = 'mmloose'
    anything: str

    def arguments(self):
        return (self.anything,)


class TestKinds(base.BaseTestCase):

    def assertRefused(self, command, *values):
        self.assertRaises(errors.InvalidName, command, *values)

    def test_every_field_of_every_command_has_a_kind(self):
        for command in mm.COMMANDS.values():
            names = {field.name for field in dataclasses.fields(command)}
            self.assertEqual(names, set(fields.kinds(command)))

    def test_a_field_without_a_kind_makes_no_command(self):
        self.assertRaises(TypeError, Loose, 'x')

    def test_a_path_is_absolute_and_normalised(self):
        for path in ('', 'a', './a', '-rf', '/a/../b', '/a/./b', '/a//b',
                     '//a', '/a/', '/..'):
            self.assertRefused(mmclone.Seal, path)
        self.assertEqual('/a/b -c/ü', mmclone.Seal('/a/b -c/ü').path)

    def test_a_path_has_no_control_characters(self):
        for character in '\0\n\r\x1b\x7f':
            self.assertRefused(mmclone.Seal, f'/a{character}b')

    def test_a_path_has_nothing_that_cannot_be_printed(self):
        # Ends of lines, turned writing, no width, a half of a pair, and blanks
        # that look like the one of ASCII.
        for character in ('\x85\x9b\xa0\u2028\u2029\u202e\u2066\u200b\ufeff'
                          '\ud800'):
            self.assertRefused(mmclone.Seal, f'/a{character}b')
            self.assertRefused(mmclone.Copy, '/a', f'/b{character}')

    def test_a_name_that_is_no_utf_8_is_a_path(self):
        path = os.fsdecode(b'/a\xfe')
        self.assertEqual(('mmclone', 'snap', path), mmclone.Seal(path).argv())

    def test_what_is_left_to_the_quotes_of_gpfs_is_one_word_of_ours(self):
        for path in ('/a b', '/a ~', '/~a', '/a #b'):
            self.assertEqual(('mmclone', 'snap', path),
                             mmclone.Seal(path).argv())
        change = mmchattr.Change('/a', write_affinity_failure_group='1;*,[2]')
        self.assertIn('1;*,[2]', change.argv())

    def test_what_a_shell_runs_or_replaces_is_in_no_path_or_name(self):
        for character in '`$&|;<>(){}[]!*?"\'\\':
            self.assertRefused(mmclone.Seal, f'/a{character}b')
            self.assertRefused(mmclone.Copy, '/a', f'/b/{character}')
            self.assertRefused(mmlsfs.List, f'a{character}b')
            self.assertRefused(mmchattr.Change, '/a', f'{character}b')

    def test_a_path_is_text(self):
        for value in (None, 1, b'/a', ['/a'], ('/a',)):
            self.assertRefused(mmclone.Seal, value)

    def test_a_name_is_neither_option_nor_path_nor_more_than_one_word(self):
        for name in ('', '-a', '--all', 'a b', '/dev/fs0', 'a:b', 'a\tb',
                     'a\nb', 'x' * 256, None, 3):
            self.assertRefused(mmlsfs.List, name)
        self.assertEqual('fs-0.x_1', mmlsfs.List('fs-0.x_1').device)

    def test_replicas_are_whole_numbers_from_one_to_three(self):
        for number in (0, 4, -1, '2', 2.0, True):
            self.assertRefused(mmchattr.Change, '/a', None, number)
        for number in (1, 2, 3, None):
            mmchattr.Change('/a', data_replicas=number)

    def test_a_failure_group_is_a_list_of_numbers_and_wildcards(self):
        for group in ('1,1,1;2,1,1', '1,*,*', '1,[1-3],2'):
            mmchattr.Change('/a', write_affinity_failure_group=group)
        for group in ('-1', '$(id)', '1 2', 'a', '', '1;2\n'):
            self.assertRefused(mmchattr.Change, '/a', None, None, None, None,
                               None, group)

    @given(strategies.text())
    def test_what_makes_a_command_is_one_word_of_its_argv(self, text):
        try:
            command = mmclone.Copy('/parent', text)
        except errors.InvalidName:
            return
        self.assertEqual(('mmclone', 'copy', '/parent', text),
                         command.argv())
        self.assertTrue(text.startswith('/'))
