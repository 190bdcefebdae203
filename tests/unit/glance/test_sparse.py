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

import itertools
import os

import fixtures
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from oslotest import base

from nova_gpfs.glance import sparse
from nova_gpfs.sim import data as extents

GRAIN = sparse.GRAIN

#: Runs of data that begin and end anywhere, and runs of zeros.
RUNS = st.lists(st.tuples(st.sampled_from([b'\0', b'a', b'\0\0\0b']),
                          st.integers(0, 3 * GRAIN)), max_size=6)
PIECES = st.lists(st.integers(5000, 3 * GRAIN), min_size=1, max_size=8)


def joined(runs):
    return b''.join((pattern * (length // len(pattern) + 1))[:length]
                    for pattern, length in runs)


def cut(data, sizes):
    """Cut data into pieces of these sizes, again and again."""
    offset = 0
    for size in itertools.cycle(sizes):
        if offset >= len(data):
            break
        yield data[offset:offset + size]
        offset += size


class SparseWriterTest(base.BaseTestCase):

    def written(self, pieces, sparsely=True):
        """Write pieces to a new file; return its path and size."""
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'file')
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            writer = sparse.SparseWriter(descriptor, sparsely)
            for piece in pieces:
                writer.write(piece)
            return path, writer.finish()
        finally:
            os.close(descriptor)

    @settings(deadline=None, max_examples=40)
    @given(RUNS, PIECES, st.booleans())
    def test_a_file_holds_what_came_however_it_was_cut(self, runs, sizes,
                                                       sparsely):
        data = joined(runs)
        path, size = self.written(cut(data, sizes), sparsely)
        with open(path, 'rb') as f:
            self.assertEqual(data, f.read())
        self.assertEqual(len(data), size)

    @settings(deadline=None, max_examples=25)
    @given(st.lists(st.booleans(), min_size=1, max_size=12), PIECES)
    def test_every_grain_of_zeros_is_a_hole_however_it_was_cut(self, grains,
                                                               sizes):
        data = b''.join(bytes(GRAIN) if hole else b'x' * GRAIN
                        for hole in grains)
        path, _size = self.written(cut(data, sizes))
        # Not st_blocks: ext4 charges a file for where its pieces are as well.
        with open(path, 'rb') as file:
            self.assertEqual(
                [number for number, hole in enumerate(grains) if not hole],
                [at // GRAIN for start, end in extents.extents(
                    file.fileno(), len(data))
                 for at in range(start, end, GRAIN)])

    def test_without_thin_provisioning_there_is_no_hole(self):
        path, _size = self.written([bytes(4 * GRAIN)], sparsely=False)
        self.assertEqual(4 * GRAIN, os.stat(path).st_blocks * 512)

    def test_zeros_show_that_somebody_writes(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'file')
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        self.addCleanup(os.close, descriptor)
        writer = sparse.SparseWriter(descriptor)
        writer.write(bytes(GRAIN))
        os.utime(path, (0, 0))
        writer.write(bytes(GRAIN))
        self.assertNotEqual(0, os.stat(path).st_mtime)
