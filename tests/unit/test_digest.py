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

import hashlib
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


class StatedTest(DigestTest):
    """Digests that somebody else has computed, of all bytes."""

    def path(self, *parts, size=None):
        self.of(*parts, size=size)
        return os.path.join(self.directory, 'file')

    def test_a_file_is_compared_by_the_algorithm_that_is_stated(self):
        path = self.path((MIB + 5, b'x'), (4 * MIB, b'y'), size=6 * MIB + 7)
        with open(path, 'rb') as f:
            content = f.read()
        for algorithm in ('sha256', 'sha512', 'sha3_384', 'blake2b'):
            stated = digest.stated(
                algorithm, hashlib.new(algorithm, content).hexdigest())
            self.assertTrue(digest.is_known(stated))
            self.assertTrue(digest.same(path, stated))
            with open(path, 'r+b') as f:
                f.seek(3 * MIB)
                f.write(b'z')
            self.assertFalse(digest.same(path, stated))
            with open(path, 'r+b') as f:
                f.write(content)

    def test_our_own_kind_is_compared_as_well(self):
        path = self.path((MIB, b'x'))
        recorded = digest.of_file(path)
        self.assertTrue(digest.same(path, recorded))
        self.assertFalse(digest.same(self.path((MIB, b'y')), recorded))

    def test_what_proves_nothing_is_no_digest(self):
        right = hashlib.sha256().hexdigest()
        for algorithm, value in (
                ('md5', hashlib.md5(usedforsecurity=False).hexdigest()),
                ('sha1', hashlib.sha1(usedforsecurity=False).hexdigest()),
                ('shake_256', right), ('crc32', right), (None, right),
                ('sha256', None), ('sha256', ''), ('sha256', right[1:]),
                ('sha512', right), ('sha256', right[1:] + 'g'),
                ('sha256', right + '\n')):
            self.assertEqual('', digest.stated(algorithm, value))
        self.assertEqual('sha256:' + right,
                         digest.stated('sha256', right.upper()))

    def test_kinds_of_a_later_release_are_not_known(self):
        self.assertFalse(digest.is_known('sha9:00'))
        self.assertFalse(digest.is_known(''))
