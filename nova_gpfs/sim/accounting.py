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

"""Space: who owns which blocks, per pool and per fileset.

As GPFS counts (IBM documentation, File clones and disk space management): a
clone pays for the blocks in which it differs from its parent, the parent for
the rest, and replicas multiply both.
"""

from __future__ import annotations

import os

from nova_gpfs.sim import blocks
from nova_gpfs.sim import census as censuses
from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store


class Usage:
    """Bytes on disk, replicas included.

    ``full_copies`` is what the same files would take if every clone were a
    copy of its own.
    """

    __slots__ = ('files', 'data', 'full_copies', 'pools')

    def __init__(self) -> None:
        self.files = 0
        self.data = 0
        self.full_copies = 0
        self.pools: dict[str, int] = {}

    def add(self, file: files.File, found: list[blocks.Block]) -> None:
        """Count a file and the blocks that it holds itself."""
        self.files += 1
        for block in found:
            self.full_copies += block.size * file.data_replicas
            if block.inode == file.ino:
                size = block.size * block.replicas
                self.data += size
                self.pools[block.pool] = self.pools.get(block.pool, 0) + size


def of(state: store.Store, system: filesystems.FileSystem,
       fileset: str | None = None) -> Usage:
    """Return the use of a file system, or of one fileset of it."""
    census = censuses.Census(state, system)
    usage = Usage()
    for file, path in _everything(state, census):
        inside = os.path.relpath(path, system.data)
        home = filesystems.fileset_of(state, system, inside)
        if fileset in (None, home):
            try:
                usage.add(file, blocks.of_file(state, census, file, path))
            except FileNotFoundError:
                continue
    return usage


def _everything(state: store.Store, census: censuses.Census
                ) -> list[tuple[files.File, str]]:
    """Return all regular files, the unknown ones with default attributes."""
    found = [(census.files[number], path)
             for number, path in census.paths.items()]
    for path, ino in census.strangers.items():
        inside = os.path.relpath(path, census.system.data)
        found.append((files.fresh(state, census.system, inside, ino), path))
    return found


def pool_sizes(state: store.Store, fs: str) -> dict[str, tuple[int, int]]:
    """Return the bytes for data and for metadata of every pool."""
    return {pool: (data or 0, metadata or 0)
            for pool, data, metadata in state.rows(
                'SELECT pool, SUM(size * data), SUM(size * metadata) '
                'FROM nsd WHERE fs = ? GROUP BY pool', fs)}
