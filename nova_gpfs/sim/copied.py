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

"""Blocks that are known to be a clone's own, whatever they hold.

gpfs_declone copies them from an ancestor. They hold what the ancestor's do,
so a comparison of contents would not tell that they are the clone's own. Of
those that were written by way of a FUSE mount it need not tell.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import files
    from nova_gpfs.sim import store


def of(state: store.Store, file: files.File) -> bytes:
    """Return the blocks that were copied to a file: a byte each, 1 or 0."""
    rows = state.rows('SELECT blocks FROM copied WHERE file = ?', file.id)
    return rows[0][0] if rows else b''


def number(state: store.Store, file: files.File) -> int:
    """Return how many blocks gpfs_declone has copied for a file, ever."""
    rows = state.rows('SELECT number FROM copied WHERE file = ?', file.id)
    return int(rows[0][0]) if rows else 0


def add(state: store.Store, file: files.File, indexes: list[int]) -> None:
    """Count blocks that are copied to a file, and note that it has them."""
    _put(state, file, _both(of(state, file), _blocks(indexes)),
         number(state, file) + len(indexes))


def write(state: store.Store, file: files.File, indexes: list[int]) -> None:
    """Note that a file has blocks because somebody has written to them."""
    _put(state, file, _both(of(state, file), _blocks(indexes)),
         number(state, file))


def _blocks(indexes: list[int]) -> bytes:
    new = bytearray(max(indexes) + 1)
    for index in indexes:
        new[index] = 1
    return bytes(new)


def hand_down(state: store.Store, child: files.File,
              parent: files.File) -> None:
    """Let a new parent have what its clone has had."""
    blocks = of(state, child)
    if blocks:
        _put(state, parent, blocks, 0)
        _put(state, child, b'', number(state, child))


def hand_up(state: store.Store, parent: files.File,
            child: files.File) -> None:
    """Let a clone that leaves its parent have what the parent has had."""
    blocks = of(state, parent)
    if blocks and child.parent is not None:
        _put(state, child, _both(blocks, of(state, child)),
             number(state, child))


def _both(one: bytes, other: bytes) -> bytes:
    size = max(len(one), len(other))
    return bytes(map(max, one.ljust(size, b'\0'), other.ljust(size, b'\0')))


def _put(state: store.Store, file: files.File, blocks: bytes,
         count: int) -> None:
    state.execute('INSERT OR REPLACE INTO copied (file, blocks, number) '
                  'VALUES (?, ?, ?)', file.id, blocks, count)
