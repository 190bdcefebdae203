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

"""Blocks that stay where they are while the attributes of their file change.

A block is where the attributes of its file say, unless a layer says where it
has been left. The layers of a file have no block in common.
"""

from __future__ import annotations

from nova_gpfs.sim import allocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import files
    from nova_gpfs.sim import store


class Layer:
    """Blocks that lie alike; ``blocks`` has a byte for each, 1 or 0."""

    __slots__ = ('pool', 'replicas', 'node', 'affinity', 'blocks')

    def __init__(self, pool: str, replicas: int, node: str, affinity: str,
                 blocks: bytes = b'') -> None:
        self.pool = pool
        self.replicas = replicas
        self.node = node
        self.affinity = affinity
        self.blocks = blocks

    def holds(self, index: int) -> bool:
        """Whether a block is one of these."""
        return index < len(self.blocks) and bool(self.blocks[index])


def usual(file: files.File) -> Layer:
    """Return how those blocks of a file lie that no layer has."""
    return Layer(file.pool, file.data_replicas, file.writer,
                 file.write_affinity)


def of(state: store.Store, file: files.File) -> list[Layer]:
    """Return the layers of a file."""
    return [Layer(*row) for row in state.rows(
        'SELECT pool, replicas, node, affinity, blocks FROM layer '
        'WHERE file = ? ORDER BY id', file.id)]


def keep(state: store.Store, file: files.File, owned: bytes,
         as_of: files.File | None = None) -> None:
    """Leave the blocks that a file owns where they are now.

    That is where another file's attributes say, if one is given.
    """
    known = of(state, file)
    blocks = bytes(
        mine and not any(layer.holds(index) for layer in known)
        for index, mine in enumerate(owned))
    if any(blocks):
        new = usual(as_of or file)
        state.execute(
            'INSERT INTO layer (file, pool, replicas, node, affinity, blocks)'
            ' VALUES (?, ?, ?, ?, ?, ?)', file.id, new.pool, new.replicas,
            new.node, new.affinity, blocks)


def replicate(state: store.Store, file: files.File) -> None:
    """Give every block as many replicas as its file asks for."""
    state.execute('UPDATE layer SET replicas = ? WHERE file = ?',
                  file.data_replicas, file.id)
    _tidy(state, file)


def move(state: store.Store, file: files.File, anew: bool) -> None:
    """Bring every block to the pool of its file.

    Those that move are laid out ``anew`` by the attributes of the file, or
    spread over the failure groups.
    """
    how = ((file.writer, file.write_affinity) if anew
           else ('', allocation.SPREAD))
    state.execute('UPDATE layer SET pool = ?, node = ?, affinity = ? '
                  'WHERE file = ? AND pool != ?', file.pool, *how, file.id,
                  file.pool)
    _tidy(state, file)


def relocate(state: store.Store, file: files.File, owned: bytes, node: str,
             affinity: str) -> None:
    """Lay every block out within its pool as if a node wrote it now."""
    keep(state, file, owned)
    state.execute('UPDATE layer SET node = ?, affinity = ? WHERE file = ?',
                  node, affinity, file.id)
    _tidy(state, file)


def _tidy(state: store.Store, file: files.File) -> None:
    """Forget layers that say what the attributes of the file say."""
    same = usual(file)
    state.execute('DELETE FROM layer WHERE file = ? AND pool = ? AND '
                  'replicas = ? AND node = ? AND affinity = ?', file.id,
                  same.pool, same.replicas, same.node, same.affinity)
