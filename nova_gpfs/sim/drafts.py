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

"""Files on their way: made under a hidden name, then given their own.

The state learns of the new file before the name appears, and the hidden name
goes last. So whoever finds a draft that nobody holds knows what its maker
did not get round to: with one link the name never appeared and the state is
put back; with two the file is complete.
"""

from __future__ import annotations

import fcntl
import os

from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store


class Draft:
    """A hidden file that this process holds a lock on."""

    def __init__(self, system: filesystems.FileSystem) -> None:
        self.path = ''
        self.fd = -1
        while self.fd < 0:
            self._make(system.drafts)
        self.tag = files.write_tag(self.fd)

    def _make(self, directory: str) -> None:
        """Make a file and lock it, unless a sweep has found it first."""
        self.path = os.path.join(directory, os.urandom(8).hex())
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL
                     | os.O_CLOEXEC, 0o600)
        if _lock(fd) and os.fstat(fd).st_nlink:
            self.fd = fd
        else:
            os.close(fd)

    def status(self) -> os.stat_result:
        """Return the status of the file."""
        return os.fstat(self.fd)

    def publish(self, target: str) -> None:
        """Give the file its name; FileExistsError if that is taken."""
        directory = os.stat(os.path.dirname(target))
        if directory.st_mode & 0o2000:
            os.fchown(self.fd, -1, directory.st_gid)
        os.link(self.path, target)

    def close(self) -> None:
        """Take the hidden name away and let go."""
        os.unlink(self.path)
        os.close(self.fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def undo(state: store.Store, file: files.File) -> None:
    """Take a file that never got its name out of the state."""
    state.execute('UPDATE layer SET file = (SELECT id FROM file WHERE '
                  'parent = ?) WHERE file = ?', file.id, file.id)
    state.execute('UPDATE file SET parent = ?, depth = CASE WHEN ? IS NULL '
                  'AND sealed = 0 THEN NULL ELSE depth - 1 END '
                  'WHERE parent = ?', file.parent, file.parent, file.id)
    state.execute('DELETE FROM file WHERE id = ?', file.id)


def leftovers(system: filesystems.FileSystem) -> list[str]:
    """Return the drafts that nobody holds."""
    return [path for path in _paths(system) if not _is_held(path)]


def inodes(system: filesystems.FileSystem) -> set[int]:
    """Return the inode numbers of the drafts."""
    found = set()
    for path in _paths(system):
        try:
            found.add(os.lstat(path).st_ino)
        except FileNotFoundError:
            continue
    return found


def sweep(state: store.Store, system: filesystems.FileSystem) -> None:
    """Finish or undo what killed processes have left."""
    if not _paths(system):
        return
    with state.change():
        for path in _paths(system):
            _settle(state, system, path)


def _paths(system: filesystems.FileSystem) -> list[str]:
    try:
        names = os.listdir(system.drafts)
    except OSError:
        return []
    return [os.path.join(system.drafts, name) for name in names]


def _settle(state: store.Store, system: filesystems.FileSystem,
            path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if _lock(fd):
            status = os.fstat(fd)
            file = files.recorded(state, system.name, status.st_ino,
                                  files.read_tag(fd))
            if file is not None and status.st_nlink == 1:
                undo(state, file)
            os.unlink(path)
    except OSError:
        pass
    finally:
        os.close(fd)


def _is_held(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return not _lock(fd)
    finally:
        os.close(fd)
