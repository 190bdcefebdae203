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


"""What a digest says of a file."""

import os

import fixtures
from oslotest import base

from nova_gpfs import digest

MIB = 2 ** 20


class DigestTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def of(self, *parts, size=None):
        """Return the digest of a file with bytes at offsets."""
        path = os.path.join(self.directory, 'file')
        with open(path, 'wb') as f:
            for offset, data in parts:
                f.seek(offset)
                f.write(data)
            if size is not None:
                f.truncate(size)
        return digest.of_file(path)

    def test_holes_and_zeros_are_the_same(self):
        self.assertEqual(self.of((5 * MIB, b'x'), size=9 * MIB), self.of(
            (0, bytes(9 * MIB)), (5 * MIB, b'x')))

    def test_every_byte_its_place_and_the_size_count(self):
        found = {self.of((0, b'x')), self.of((1, b'x')), self.of((0, b'y')),
                 self.of((MIB, b'x')), self.of((0, b'x'), size=2),
                 self.of((0, b'x'), (MIB, b'x')), self.of(size=0),
                 self.of(size=MIB), self.of((3 * MIB - 1, b'xy'))}
        self.assertEqual(9, len(found))

    def test_two_tebibytes_of_nothing_are_not_read(self):
        first = self.of((2 ** 40, b'x'), size=2 ** 41)
        self.assertNotEqual(first, self.of((2 ** 40, b'y'), size=2 ** 41))
