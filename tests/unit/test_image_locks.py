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

"""Locks as QEMU takes them; they count between any two opened files."""

import fcntl
import os
import struct
import subprocess
import sys

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import image_locks

# As a guest's disk is locked: it is read, written to and resized, and nobody
# else may write to it or resize it.
GUEST = (100, 101, 103, 201, 203)


def lock(path, byte):
    """Lock a byte of a file as long as the returned file is open."""
    file = open(path, 'r+b')
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack(
        'hhqqi0q', fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))
    return file


class ImageLocksTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.disk = self.useFixture(fixtures.TempDir()).join('disk')
        with open(self.disk, 'wb') as disk:
            disk.write(b'data')

    def test_each_of_the_locks_alone_tells(self):
        for byte in GUEST:
            with lock(self.disk, byte):
                self.assertTrue(image_locks.is_locked(self.disk), byte)
            self.assertFalse(image_locks.is_locked(self.disk), byte)

    def test_a_locked_disk_is_refused(self):
        image_locks.require_closed(self.disk)
        with lock(self.disk, GUEST[0]):
            error = self.assertRaises(
                errors.FileBusy, image_locks.require_closed, self.disk)
        self.assertIn(self.disk, str(error))

    def test_locks_of_another_kind_do_not_count(self):
        for byte in (0, 99, 164, 199, 264):
            with lock(self.disk, byte):
                self.assertFalse(image_locks.is_locked(self.disk), byte)

    def test_locks_of_another_process_count(self):
        code = ('import fcntl, sys; f = open(sys.argv[1], "r+b"); '
                'fcntl.lockf(f, fcntl.LOCK_EX, 1, 201); '
                'print("locked", flush=True); sys.stdin.read()')
        with subprocess.Popen([sys.executable, '-c', code, self.disk],
                              stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            self.assertTrue(image_locks.is_locked(self.disk))
            process.stdin.close()

    def test_a_missing_disk_is_an_error_of_its_own(self):
        self.assertRaises(errors.NoSuchFile, image_locks.is_locked,
                          self.disk + 'x')
