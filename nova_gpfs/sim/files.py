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

"""Files that the simulator knows: an inode number and a tag.

An inode number is given to another file after a deletion that the simulator
does not see, so a known file also carries its tag in an extended attribute.
Where it cannot be set (another user's file, a file system without user
attributes) the inode number alone must do.
"""

from __future__ import annotations

import os
import stat
import time

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store

TAG = 'user.nova_gpfs_sim'


class File:
    """A file; ``id`` is None while the state has no record of it.

    ``writer`` is the node that is taken to write to it, '' if unknown.
    """

    __slots__ = ('id', 'fs', 'ino', 'tag', 'path', 'fileset', 'parent',
                 'depth', 'sealed', 'size', 'mtime_ns', 'pool',
                 'data_replicas', 'max_data', 'metadata_replicas',
                 'max_metadata', 'write_affinity', 'immutable', 'created',
                 'writer')

    id: int | None
    fs: str
    ino: int
    tag: str
    path: str
    fileset: str
    parent: int | None
    depth: int | None
    sealed: int
    size: int | None
    mtime_ns: int | None
    pool: str
    data_replicas: int
    max_data: int
    metadata_replicas: int
    max_metadata: int
    write_affinity: str
    immutable: int
    created: int
    writer: str

    def __init__(self, row: tuple[object, ...]) -> None:
        for name, value in zip(self.__slots__, row):
            setattr(self, name, value)

    def save(self, state: store.Store) -> None:
        """Write the record; a new one gets its id."""
        values = [getattr(self, name) for name in self.__slots__]
        marks = ', '.join('?' * len(values))
        new = state.execute(
            f'INSERT OR REPLACE INTO file VALUES ({marks})', *values)
        self.id = self.id or new

    def seal(self, status: os.stat_result) -> None:
        """Make the record one of a clone parent, unchanged from now on."""
        self.sealed = 1
        self.depth = self.depth or 0
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns


def read_tag(path: str | int) -> str:
    """Return the tag of a file, '' if it has none."""
    try:
        return os.getxattr(path, TAG).decode()
    except OSError:
        return ''


def write_tag(path: str | int) -> str:
    """Give a file a new tag and return it, '' where that cannot be."""
    tag = os.urandom(8).hex()
    try:
        os.setxattr(path, TAG, tag.encode())
    except OSError:
        return ''
    return tag


def recorded(state: store.Store, fs: str, ino: int, tag: str) -> File | None:
    """Return the record of a file, None for one that nobody touched."""
    for row in state.rows('SELECT * FROM file WHERE fs = ? AND ino = ? '
                          'ORDER BY id DESC', fs, ino):
        found = File(row)
        if found.tag in ('', tag):
            return found
    return None


def by_id(state: store.Store, number: int) -> File:
    """Return a record by its id."""
    return File(state.rows('SELECT * FROM file WHERE id = ?', number)[0])


def fresh(state: store.Store, system: filesystems.FileSystem, inside: str,
          ino: int) -> File:
    """Return a record, not saved, with the file system's defaults."""
    return File((
        None, system.name, ino, '', inside,
        filesystems.fileset_of(state, system, inside), None, None, 0, None,
        None, filesystems.default_pool(state, system), system.default_data,
        system.max_data, system.default_metadata, system.max_metadata, '', 0,
        int(time.time()), ''))


class Found:
    """A file that a command was given: where it is and its record."""

    __slots__ = ('path', 'system', 'inside', 'status', 'file')

    def __init__(self, path: str, system: filesystems.FileSystem, inside: str,
                 status: os.stat_result, file: File) -> None:
        self.path = path
        self.system = system
        self.inside = inside
        self.status = status
        self.file = file

    def adopt(self, state: store.Store) -> None:
        """See to it that the state has a record that says where it is."""
        if not self.file.tag:
            self.file.tag = write_tag(self.path)
        self.file.path = self.inside
        self.file.save(state)

    @property
    def is_regular(self) -> bool:
        """Whether this is a regular file."""
        return stat.S_ISREG(self.status.st_mode)


def find(call: calls.Call, path: str, family: str,
         real: str | None = None) -> Found:
    """Look a file up.

    ``family`` is 'clone' or 'chattr', whose messages are used to refuse.
    """
    if not filesystems.may_be_named(call, path):
        raise calls.Refusal(f'{family}.not_gpfs', path=path)
    if real is None:
        real = filesystems.real_path(call.state, path)
    path = real
    place = filesystems.locate(call.state, path)
    try:
        status = os.stat(path, follow_symlinks=False)
    except PermissionError:
        raise calls.Refusal(f'{family}.denied', path=path) from None
    except OSError:
        raise calls.Refusal(f'{family}.missing', path=path) from None
    if place is None:
        raise calls.Refusal(f'{family}.not_gpfs', path=path)
    filesystems.require_mounted(call, place[0])
    found = look(call.state, *place, path, status)
    if not found.file.tag and not _is_still(path, status):
        # A name leads GPFS to one file, and never to the name of one and the
        # attributes of none.
        raise calls.Refusal(f'{family}.missing', path=path)
    return found


def _is_still(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), status)
    except OSError:
        return False


def look(state: store.Store, system: filesystems.FileSystem, inside: str,
         path: str, status: os.stat_result) -> Found:
    """Return a file that is there, with its record or a fresh one."""
    file = recorded(state, system.name, status.st_ino, read_tag(path))
    if file is None:
        file = fresh(state, system, inside, status.st_ino)
        file.created = int(status.st_ctime)
    return Found(path, system, inside, status, file)
