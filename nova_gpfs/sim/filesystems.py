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

"""File systems of the cluster: where a path lies, and in which fileset."""

from __future__ import annotations

import os

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store

# Drafts of files live beside the data, out of the users' sight.
DRAFTS = '.drafts-'
# So do the hard links that count the clones of a parent.
LINKS = '.links-'
# And what is written at a mount point where nothing is mounted.
BELOW = '.below-'

# In the text of a link to an open file, after a path that is gone (proc(5)).
_UNLINKED = ' (deleted)'


class FileSystem:
    """A row of the state's table; sizes in bytes, ``data`` a real path."""

    __slots__ = ('name', 'mount_name', 'data', 'mounted', 'block_size',
                 'version', 'default_data', 'max_data', 'default_metadata',
                 'max_metadata', 'quotas', 'strict', 'uid', 'created',
                 'highest_version')

    name: str
    mount_name: str
    data: str
    mounted: int
    block_size: int
    version: str
    default_data: int
    max_data: int
    default_metadata: int
    max_metadata: int
    quotas: str
    strict: str
    uid: str
    created: int
    highest_version: str

    def __init__(self, row: tuple[object, ...]) -> None:
        for name, value in zip(self.__slots__, row):
            setattr(self, name, value)

    @property
    def drafts(self) -> str:
        """The directory of files that are not finished."""
        head, tail = os.path.split(self.data)
        return os.path.join(head, DRAFTS + tail)

    @property
    def links(self) -> str:
        """The directory of links that count clones."""
        head, tail = os.path.split(self.data)
        return os.path.join(head, LINKS + tail)


def below(state: store.Store, system: FileSystem, node: str) -> str:
    """Return the local directory that a mount hides from a node."""
    return os.path.join(state.directory, 'gpfs',
                        f'{BELOW}{system.mount_name}-{node}')


def all_of(state: store.Store) -> list[FileSystem]:
    """Return the file systems by name."""
    return [FileSystem(row)
            for row in state.rows('SELECT * FROM fs ORDER BY name')]


def named(state: store.Store, device: str) -> FileSystem:
    """Return a file system by device name, ``fs0`` or ``/dev/fs0``."""
    name = device.removeprefix('/dev/')
    rows = state.rows('SELECT * FROM fs WHERE name = ?', name)
    if not rows:
        raise calls.Refusal('fs.unknown', fs=device)
    return FileSystem(rows[0])


def real_path(state: store.Store, path: str) -> str:
    """Return the path without symbolic links; the last part may be absent.

    That of a file on a FUSE mount is where it lies behind the mount.
    """
    found = os.path.realpath(os.path.abspath(path))
    if (path.startswith('/proc/') and found.endswith(_UNLINKED)
            and switches.value(state, 'names_below_proc') == 'follow'):
        found = _other_name(path, found)
    if not found.startswith(state.directory + '/'):
        return found
    parts = found[len(state.directory) + 1:].split('/')
    if parts[0] == 'nodes':
        parts = parts[2:]
    if len(parts) > 1 and parts[0] == 'gpfs':
        for system in all_of(state):
            if system.mounted and system.mount_name == parts[1]:
                return os.path.join(system.data, *parts[2:])
    return found


def _other_name(link: str, text: str) -> str:
    """Return a path of an open file whose own one is gone, if it is there.

    The kernel tells its inode (proc(5), fdinfo); a FUSE server would be asked
    for the attributes by the name that is gone.
    """
    directory = os.path.dirname(text)
    try:
        with open(link.replace('/fd/', '/fdinfo/')) as file:
            inode = dict(line.split(None, 1) for line in file)['ino:']
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if os.lstat(path).st_ino == int(inode):
                return path
    except (KeyError, OSError):
        pass
    return text


def may_be_named(call: calls.Call, path: str) -> bool:
    """Whether commands take a file by this name."""
    return (not path.startswith('/proc/')
            or call.switch('names_below_proc') != 'refuse')


def locate(state: store.Store, path: str) -> tuple[FileSystem, str] | None:
    """Return the file system of a real path and the path within it."""
    for system in all_of(state):
        if path == system.data:
            return system, ''
        if path.startswith(system.data + '/'):
            return system, path[len(system.data) + 1:]
    return None


def fileset_of(state: store.Store, system: FileSystem, inside: str) -> str:
    """Return the fileset that a path within a file system belongs to."""
    best, length = 'root', -1
    for name, path in state.rows(
            'SELECT name, path FROM fileset WHERE fs = ? AND linked = 1',
            system.name):
        holds = not path or inside == path or inside.startswith(path + '/')
        if holds and len(path) > length:
            best, length = name, len(path)
    return best


def default_pool(state: store.Store, system: FileSystem) -> str:
    """Return the pool of new files: system if it takes data, else the first.

    There are no placement policies in the simulator.
    """
    rows = state.rows(
        'SELECT DISTINCT pool.name FROM pool JOIN nsd ON nsd.fs = pool.fs '
        'AND nsd.pool = pool.name WHERE pool.fs = ? AND nsd.data = 1 '
        'ORDER BY pool.id', system.name)
    return str(rows[0][0]) if rows else 'system'


def condition(state: store.Store, kind: str, fs: str, node: str = '',
              fileset: str = '') -> bool:
    """Whether an injected condition holds here (empty means everywhere)."""
    return bool(state.rows(
        "SELECT 1 FROM condition WHERE kind = ? AND fs IN (?, '') "
        "AND node IN (?, '') AND fileset IN (?, '')", kind, fs, node,
        fileset))


def require_mounted(call: calls.Call, system: FileSystem) -> None:
    """Refuse when the file system cannot be used from this node."""
    if condition(call.state, 'stale', system.name, call.node):
        raise calls.Refusal('fs.stale')
    if not system.mounted or condition(
            call.state, 'not-mounted', system.name, call.node):
        raise calls.Refusal('fs.not_mounted', fs=system.name)
