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

"""The backing file that a header names, as qemu-img has written it."""

import os
import struct
import subprocess

import fixtures
from hypothesis import given
from hypothesis import strategies
from oslotest import base

from nova_gpfs import qcow2


class BackingFileTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(directory, 'disk')
        self.base = os.path.join(directory, 'base')
        with open(self.base, 'wb') as base_file:
            base_file.truncate(2 ** 20)

    def create(self, *options):
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', *options,
                        self.path], check=True)

    def write(self, data):
        with open(self.path, 'wb') as disk:
            disk.write(data)

    def test_the_name_is_that_of_the_header(self):
        self.create('-F', 'raw', '-b', self.base)
        self.assertEqual(os.fsencode(self.base),
                         qcow2.backing_file(self.path))

    def test_a_disk_without_one_has_none(self):
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', self.path,
                        '1M'], check=True)
        self.assertEqual(b'', qcow2.backing_file(self.path))

    def test_what_is_not_qcow2_has_none(self):
        for data in (b'', b'short', bytes(1024),
                     struct.pack('>4sIQI', b'QFJ\xfb', 3, 20, 4) + b'name'):
            self.write(data)
            self.assertEqual(b'', qcow2.backing_file(self.path))

    def test_a_header_that_makes_no_sense_names_none(self):
        for offset, length in ((2 ** 63, 4), (2 ** 64 - 1, 4), (20, 1024),
                               (2 ** 40, 4), (2 ** 62, 4)):
            self.write(struct.pack('>4sIQI', b'QFI\xfb', 3, offset, length))
            self.assertEqual(b'', qcow2.backing_file(self.path))

    def test_a_file_that_cannot_be_read_is_not_taken_for_one_without(self):
        self.assertRaises(OSError, qcow2.backing_file, self.path)

    @given(strategies.binary(min_size=1), strategies.integers(0, 2 ** 64 - 1),
           strategies.integers(0, 2 ** 32 - 1))
    def test_any_file_names_a_part_of_itself_or_nothing(self, rest, offset,
                                                        length):
        for where, how_long in (
                (offset, length), (20 + offset % 64, length % 64)):
            data = struct.pack('>4sIQI', b'QFI\xfb', 3, where,
                               how_long) + rest
            self.write(data)
            self.assertIn(qcow2.backing_file(self.path), data)
