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

"""Which inode holds each block of a file, and where its replicas lie.

Nothing records this while guests write. A clone owns the blocks in which it
differs from its parent, so the contents are compared when somebody asks; and
those that gpfs_declone has copied. GPFS copies a whole file-system block as
soon as one byte of it changes (IBM documentation, File clones and disk space
management); a block written with what it held before is the one case that
looks shared here and is not there.
For the same reason nobody knows which node wrote a block: it is taken to be
the file's writer, unless the block was there when another node became that.
"""

from __future__ import annotations

import os

from nova_gpfs.sim import census as censuses
from nova_gpfs.sim import copied
from nova_gpfs.sim import data
from nova_gpfs.sim import files
from nova_gpfs.sim import layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store

# minFragmentSize of every recorded mmlsfs with blocks of at most 4 MiB.
FRAGMENT = 8192


class Block:
    """A block of a file.

    ``size`` is what one replica of it takes; ``failure_groups`` are those of
    its replicas, the first one's first.
    """

    __slots__ = ('index', 'inode', 'pool', 'replicas', 'size',
                 'failure_groups')

    def __init__(self, index: int, inode: int, pool: str, replicas: int,
                 size: int, failure_groups: list[str]) -> None:
        self.index = index
        self.inode = inode
        self.pool = pool
        self.replicas = replicas
        self.size = size
        self.failure_groups = failure_groups


class Content:
    """A file that is being looked through block by block."""

    def __init__(self, path: str, file: files.File, block_size: int) -> None:
        self.file = file
        self.block_size = block_size
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self.data = {
            index for start, end in data.extents(self.fd, self.size)
            for index in range(start // block_size,
                               (end - 1) // block_size + 1)}
        self.layers: list[layers.Layer] = []
        self.copied = b''

    def read(self, index: int) -> bytes:
        """Return a block, what lies beyond the end as zeros."""
        found = os.pread(self.fd, self.block_size, index * self.block_size)
        return found.ljust(self.block_size, b'\0')

    def takes(self, index: int) -> int:
        """Return how many bytes one replica of a block takes."""
        count = min(self.size - index * self.block_size, self.block_size)
        return -(-count // FRAGMENT) * FRAGMENT

    def was_given(self, index: int) -> bool:
        """Whether a block is this file's own, whatever it holds."""
        return index < len(self.copied) and bool(self.copied[index])

    def placed(self, index: int) -> layers.Layer:
        """Return how a block lies that this file holds."""
        for layer in self.layers:
            if layer.holds(index):
                return layer
        return layers.usual(self.file)


class Chain:
    """A file and its ancestors, open for looking."""

    def __init__(self, state: store.Store, census: censuses.Census,
                 file: files.File, path: str) -> None:
        size = census.system.block_size
        self.members = [Content(path, file, size)]
        while file.parent is not None and file.parent in census.paths:
            path, file = census.paths[file.parent], census.files[file.parent]
            self.members.append(Content(path, file, size))
        for member in self.members:
            member.layers = layers.of(state, member.file)
            member.copied = copied.of(state, member.file)
        self._allocation = census.allocation

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *error: object) -> None:
        for member in self.members:
            os.close(member.fd)

    def blocks(self) -> list[Block]:
        """Return the blocks that hold data, by index."""
        found = []
        first = self.members[0]
        count = -(-first.size // first.block_size)
        for index in range(count):
            holder = self._holder(index)
            if holder is not None:
                found.append(self._block(index, holder))
        return found

    def _block(self, index: int, holder: Content) -> Block:
        lies = holder.placed(index)
        return Block(index, holder.file.ino, lies.pool, lies.replicas,
                     holder.takes(index), self._allocation.groups(
                         lies.pool, lies.replicas, index, lies.node,
                         lies.affinity))

    def _holder(self, index: int) -> Content | None:
        """Return who holds a block: the eldest that has it unchanged."""
        holder = self.members[0]
        if index not in holder.data:
            return None
        mine = b''
        for elder in self.members[1:]:
            if holder.was_given(index) or index not in elder.data:
                break
            mine = mine or holder.read(index)
            if elder.read(index) != mine:
                break
            holder = elder
        return holder


def of_file(state: store.Store, census: censuses.Census, file: files.File,
            path: str) -> list[Block]:
    """Return the blocks of a file that hold data."""
    with Chain(state, census, file, path) as chain:
        return chain.blocks()


def owned(state: store.Store, found: files.Found) -> bytes:
    """Return which blocks a file holds itself: a byte each, 1 or 0."""
    census = censuses.Census(state, found.system)
    mine = {block.index
            for block in of_file(state, census, found.file, found.path)
            if block.inode == found.file.ino}
    return bytes(index in mine for index in range(max(mine, default=-1) + 1))
