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

"""Blocks and limits of files on a FUSE mount.

A clone pays for the blocks that were written to it, whole file-system
blocks, and its parent for the rest (IBM documentation, File clones and disk
space management). The mount sees every write, so these blocks are recorded,
also those that hold afterwards what they held before.
"""

from __future__ import annotations

import errno
import os

from nova_gpfs.sim import accounting
from nova_gpfs.sim import blocks
from nova_gpfs.sim import copied
from nova_gpfs.sim import data
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import files
    from nova_gpfs.sim import store

_SECTOR = 512


class Space:
    """The blocks of one file system."""

    def __init__(self, state: store.Store,
                 system: filesystems.FileSystem) -> None:
        self._state = state
        self._system = system

    def sectors(self, path: str, status: os.stat_result,
                file: files.File | None) -> int:
        """Return st_blocks: what a file pays for, replicas included."""
        if not status.st_blocks:
            return 0
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            held = self._held(handle, status.st_size)
        finally:
            os.close(handle)
        if file is not None and file.parent is not None:
            mine = copied.of(self._state, file)
            held = {index for index in held
                    if index < len(mine) and mine[index]}
        replicas = (self._system.default_data if file is None
                    else file.data_replicas)
        return sum(self._takes(index, status.st_size)
                   for index in held) * replicas // _SECTOR

    def _held(self, handle: int, size: int) -> set[int]:
        """Return the blocks of a file that hold data, its parent's too."""
        step = self._system.block_size
        return {index for start, end in data.extents(handle, size)
                for index in range(start // step, (end - 1) // step + 1)}

    def _takes(self, index: int, size: int) -> int:
        """Return the bytes of a block, the last one's in fragments."""
        step = self._system.block_size
        count = min(size - index * step, step)
        return -(-count // blocks.FRAGMENT) * blocks.FRAGMENT

    def new(self, handle: int, file: files.File | None, offset: int,
            count: int) -> list[int]:
        """Return the blocks that a write is going to allocate."""
        step = self._system.block_size
        wanted = range(offset // step, (offset + count - 1) // step + 1)
        if file is not None and file.parent is not None:
            mine = copied.of(self._state, file)
            return [index for index in wanted
                    if index >= len(mine) or not mine[index]]
        held = self._held(handle, os.fstat(handle).st_size)
        return [index for index in wanted if index not in held]

    def require_room(self, path: str, file: files.File | None, number: int,
                     node: str) -> None:
        """Refuse so many blocks where the disks or a quota are full."""
        inside = os.path.relpath(path, self._system.data)
        fileset = filesystems.fileset_of(self._state, self._system, inside)
        for kind, value in (('no-space', errno.ENOSPC),
                            ('quota', errno.EDQUOT)):
            if filesystems.condition(self._state, kind, self._system.name,
                                     node, fileset):
                raise OSError(value, os.strerror(value))
        replicas = (self._system.default_data if file is None
                    else file.data_replicas)
        more = number * self._system.block_size * replicas
        how = switches.value(self._state, 'fill_check')
        if how != 'off':
            self._require_quota(fileset, more)
        if how == 'all':
            self._require_space(file, more)

    def _require_quota(self, fileset: str, more: int) -> None:
        """Refuse to go beyond the hard block limit of a fileset."""
        rows = self._state.rows(
            'SELECT hard FROM fileset WHERE fs = ? AND name = ?',
            self._system.name, fileset)
        hard = rows[0][0] if 'fileset' in self._system.quotas else 0
        if hard and accounting.of(self._state, self._system,
                                  fileset).data + more > hard:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    def _require_space(self, file: files.File | None, more: int) -> None:
        """Refuse to put more on the disks of a pool than they hold."""
        pool = (filesystems.default_pool(self._state, self._system)
                if file is None else file.pool)
        used = accounting.of(self._state, self._system).pools.get(pool, 0)
        sizes = accounting.pool_sizes(self._state, self._system.name)
        if used + more > sizes.get(pool, (0, 0))[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def keep(self, file: files.File | None, indexes: list[int]) -> None:
        """Let blocks be a clone's own from now on."""
        if file is not None and file.parent is not None:
            with self._state.change():
                copied.write(self._state, file, indexes)
