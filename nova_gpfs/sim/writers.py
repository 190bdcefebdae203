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

"""Which node writes to a file.

Plain files do not tell. The node of the last mmclone or mmchattr of a file
is taken to write to it from then on, or the one that somebody has noted.
"""

from __future__ import annotations

from nova_gpfs.sim import files
from nova_gpfs.sim import layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store


def note(state: store.Store, found: files.Found, node: str) -> None:
    """Let a node write to a file from now on; its blocks stay in place."""
    owned = b'' if found.file.writer == node else at_stake(state, found)
    with state.change():
        if found.file.id is not None:
            found.file = files.by_id(state, found.file.id)
        found.adopt(state)
        layers.keep(state, found.file, owned)
        found.file.writer = node
        found.adopt(state)


def at_stake(state: store.Store, found: files.Found) -> bytes:
    """Return the blocks of a file to which it matters who has written them.

    A byte each, 1 or 0; without a pool that allows write affinity there is
    none. It takes reading the file and its clone parents.
    """
    if not allows_affinity(state, found.system.name, found.file.pool):
        return b''
    from nova_gpfs.sim import blocks
    return blocks.owned(state, found)


def allows_affinity(state: store.Store, fs: str, pool: str) -> bool:
    """Whether a pool has allowWriteAffinity."""
    return bool(state.rows(
        'SELECT 1 FROM pool WHERE fs = ? AND name = ? AND write_affinity',
        fs, pool))
