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

"""The rules of gpfs_declone (IBM documentation, the subroutine of that name).
"""

from __future__ import annotations

import errno

from nova_gpfs.sim import blocks
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import census as censuses
from nova_gpfs.sim import clones
from nova_gpfs.sim import copied
from nova_gpfs.sim import files
from nova_gpfs.sim import layers
from nova_gpfs.sim import limits
from nova_gpfs.sim import writers

# Constants of gpfs.h (IBM).
CLONE_ALL = 0
CLONE_PARENT_ONLY = 1
#: What the offset becomes when there are no more blocks.
NO_MORE = -1


def declone(call: calls.Call, path: str, limit: int, most: int,
            offset: int) -> int:
    """Copy at most ``most`` blocks to a clone; return the next offset.

    Blocks before ``offset`` are left alone, and so are those that the clone
    has already.

    :raises OSError: with the errno of the subroutine, and so are refusals
    """
    found = _clone(call, path, limit, most, offset)
    if found.file.parent is None:
        if call.switch('declone_of_plain_file') == 'refuse':
            raise OSError(errno.EPERM, 'not a clone')
        return NO_MORE
    limits.require_room(call, found.system, found.path)
    first = offset // found.system.block_size
    shared = [index for index in _shared(call, found, limit)
              if index >= first]
    _give(call, found, shared[:most])
    if len(shared) <= most:
        return NO_MORE
    return (shared[most - 1] + 1) * found.system.block_size


def _clone(call: calls.Call, path: str, limit: int, most: int,
           offset: int) -> files.Found:
    if limit not in (CLONE_ALL, CLONE_PARENT_ONLY) or most < 1 or offset < 0:
        raise OSError(errno.EINVAL, 'no such limit, count or offset')
    found = files.find(call, path, 'clone')
    if not found.is_regular:
        raise OSError(errno.EPERM, 'not a regular file')
    if found.file.sealed:
        raise calls.Refusal('clone.sealed')
    return found


def _shared(call: calls.Call, found: files.Found, limit: int) -> list[int]:
    """Return the indexes of the blocks that are to be copied."""
    census = censuses.Census(call.state, found.system)
    mine = found.file
    parent = census.files[mine.parent or 0]
    return [block.index for block in
            blocks.of_file(call.state, census, mine, found.path)
            if block.inode != mine.ino
            and (limit == CLONE_ALL or block.inode == parent.ino)]


def _give(call: calls.Call, found: files.Found, indexes: list[int]) -> None:
    """Let a clone have blocks, which lie as if this node wrote them now."""
    if not indexes:
        return
    owned = writers.at_stake(call.state, found)
    with call.state.change():
        file = found.file = clones.again(call, found)
        layers.keep(call.state, file, owned)
        file.writer = call.node
        found.adopt(call.state)
        copied.add(call.state, file, indexes)
