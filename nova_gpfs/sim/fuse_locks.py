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

"""Locks of fcntl(2) in a FUSE mount of the simulated file system.

The kernel keeps the locks of a mount in that mount, unless the file system
serves them. Here they are: as locks of open file descriptions on files of the
cluster's own, one for each inode, or one for each inode and node where locks
do not reach across nodes. With its server all locks of a node go.

What is in doubt, a switch says: IBM documentation has nothing of locks between
nodes, and Ceph's notes on NSFS say that they do not span nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import os
import struct

from nova_gpfs.sim import store
from nova_gpfs.sim import switches

# struct flock on Linux with 64 bits: type, whence, start, length, process.
_FLOCK = struct.Struct('hhqqi0q')
#: type, whence, start and length of a lock
Range = tuple[int, int, int, int]


class Locks:
    """The locks of one node, or of a mount that is no node's ('')."""

    def __init__(self, state: store.Store, node: str) -> None:
        self._state = state
        self._node = node
        self._directory = os.path.join(state.directory, 'locks')
        # By file and owner, which is a process or an open file description.
        self._files: dict[tuple[str, int], int] = {}
        self._through: dict[int, set[tuple[str, int]]] = {}

    def put(self, handle: int, owner: int, wanted: Range) -> None:
        """Take a lock or give it back, at once (F_SETLK).

        :raises OSError: EAGAIN where another owner has it
        """
        name = (self._path(handle), owner)
        if name not in self._files and wanted[0] == fcntl.F_UNLCK:
            return
        self._through.setdefault(handle, set()).add(name)
        if name not in self._files:
            self._files[name] = _open(name[0])
        fcntl.fcntl(self._files[name], fcntl.F_OFD_SETLK,
                    _FLOCK.pack(*wanted, 0))

    def ask(self, handle: int, owner: int, wanted: Range) -> Range:
        """Return what is in the way of a lock (F_GETLK).

        Its type is F_UNLCK where nothing is.
        """
        path = self._path(handle)
        file = self._files.get((path, owner))
        asked = _open(path) if file is None else file
        try:
            found = _FLOCK.unpack(fcntl.fcntl(
                asked, fcntl.F_OFD_GETLK, _FLOCK.pack(*wanted, 0)))
        finally:
            if file is None:
                os.close(asked)
        return found[0], found[1], found[2], found[3]

    def release(self, handle: int) -> None:
        """Give back what was taken through an open file that is closed.

        The kernel does that for processes, each time that one closes a file;
        of open file descriptions it tells nothing but that they end.
        """
        for name in self._through.pop(handle, ()):
            file = self._files.pop(name, None)
            if file is not None:
                os.close(file)

    def _path(self, handle: int) -> str:
        """Return the file that has the locks of an open file."""
        reach = switches.value(self._state, 'locks_across_nodes')
        name = str(os.fstat(handle).st_ino)
        if reach == 'local':
            name += f'-{self._node}'
        return os.path.join(self._directory, name)


def _open(path: str) -> int:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def nobody_waits(command: int) -> Iterator[None]:
    """Refuse to wait for a lock: one thread serves all who might let it go.

    :raises OSError: ENOLCK where somebody has it and F_SETLKW was called
    """
    try:
        yield
    except BlockingIOError:
        if command != fcntl.F_SETLKW:
            raise
        raise OSError(errno.ENOLCK, 'F_SETLKW does not wait here') from None
