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

"""A file is renamed to a free name, or not at all."""

import ctypes
import errno
import os
import pathlib
import types
from unittest import mock

import fixtures
from oslotest import base

from nova_gpfs import renaming


class RenamingTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.rooms = []
        for _room in range(2):
            room = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
            file = os.open(room, os.O_PATH)
            self.addCleanup(os.close, file)
            self.rooms.append((room, file))
        (self.rooms[0][0] / 'new').write_text('new')

    def rename(self):
        (_room, source), (_other, target) = self.rooms
        renaming.to_free_name('new', 'name', source_directory=source,
                              target_directory=target)

    def target(self):
        return self.rooms[1][0] / 'name'

    def assertRenamed(self):
        self.rename()
        self.assertEqual('new', self.target().read_text())
        self.assertEqual([], os.listdir(self.rooms[0][0]))

    def assertRefused(self):
        """Whatever has the name stays."""
        self.target().write_text('old')
        self.assertRaises(FileExistsError, self.rename)
        self.assertEqual('old', self.target().read_text())
        self.target().unlink()
        self.target().symlink_to('nowhere')
        self.assertRaises(FileExistsError, self.rename)
        self.target().unlink()
        self.target().mkdir()
        self.assertRaises(FileExistsError, self.rename)
        self.target().rmdir()
        self.assertEqual(['new'], os.listdir(self.rooms[0][0]))

    def refuse_flags(self, number):
        """Let the file system know no flags, as an old one does."""
        def renameat2(*_arguments):
            ctypes.set_errno(number)
            return -1

        self.have_library(types.SimpleNamespace(renameat2=renameat2))

    def have_library(self, library):
        self.useFixture(fixtures.MonkeyPatch(
            'ctypes.CDLL', lambda _path, use_errno: library))

    def test_the_kernel_looks(self):
        with mock.patch('os.rename', side_effect=AssertionError), \
                mock.patch('os.lstat', side_effect=AssertionError):
            self.rename()
        self.target().rename(self.rooms[0][0] / 'new')
        self.assertRefused()

    def test_where_flags_are_not_taken_we_do(self):
        for number in (errno.EINVAL, errno.ENOSYS):
            self.refuse_flags(number)
            self.assertRefused()
            self.assertRenamed()
            self.target().rename(self.rooms[0][0] / 'new')

    def test_where_the_c_library_has_no_such_call_we_do(self):
        self.have_library(types.SimpleNamespace())
        self.assertRefused()
        self.assertRenamed()

    def test_another_failure_is_one(self):
        self.refuse_flags(errno.ENOSPC)
        error = self.assertRaises(OSError, self.rename)
        self.assertEqual(errno.ENOSPC, error.errno)
        self.assertFalse(self.target().exists())
