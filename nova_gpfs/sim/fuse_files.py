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

"""System calls on a FUSE mount, passed on to the files behind it.

Each one asks the rules of GPFS first. libfuse gives a file that is unlinked
while it is open a hidden name until it is closed; here nobody sees that.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from nova_gpfs.sim import files
from nova_gpfs.sim import fuse_health
from nova_gpfs.sim import fuse_locks
from nova_gpfs.sim import fuse_rules
from nova_gpfs.sim import fuse_space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_gpfs.sim import filesystems
    from nova_gpfs.sim import store
    # uid, gid and process of a caller
    Caller = Callable[[], tuple[int, int, int]]

HIDDEN = '.fuse_hidden'
_NOREPLACE = 1
_NOW, _OMIT = (1 << 30) - 1, (1 << 30) - 2
# The kernel has followed links and says where to write.
_NOT_PASSED_ON = os.O_APPEND | os.O_DIRECT | os.O_NOFOLLOW
_STATUS = ('st_mode', 'st_nlink', 'st_uid', 'st_gid', 'st_size', 'st_ino',
           'st_rdev', 'st_blocks')
_STATVFS = ('f_bsize', 'f_frsize', 'f_blocks', 'f_bfree', 'f_bavail',
            'f_files', 'f_ffree', 'f_favail', 'f_namemax')


class Files:
    """The operations that mfusepy calls; failures are OSError."""

    use_ns = True

    def __init__(self, state: store.Store, system: filesystems.FileSystem,
                 node: str, caller: Caller) -> None:
        self._system = system
        self._caller = caller
        self._rules = fuse_rules.Rules(state, system)
        self._space = fuse_space.Space(state, system)
        self._health = fuse_health.Health(state, system.name, node)
        self._locks = fuse_locks.Locks(state, node)
        self._opened: dict[int, str] = {}

    def _at(self, path: str) -> str:
        """Return the path behind the mount; OSError on a sick node."""
        return self._health.root() + path.rstrip('/')

    def _require(self, handle: int) -> int:
        """Return a handle that can still be used; OSError otherwise."""
        self._health.require_open(self._opened[handle])
        return handle

    # Looking.

    def getattr(self, path: str, handle: int | None = None
                ) -> dict[str, int]:
        """Return what stat(2) does, times in nanoseconds."""
        real = self._at(path)
        status = os.lstat(real) if handle is None else os.fstat(handle)
        found = {name: getattr(status, name) for name in _STATUS}
        for name in ('st_atime', 'st_mtime', 'st_ctime'):
            found[name] = getattr(status, name + '_ns')
        found['st_blksize'] = self._system.block_size
        if stat.S_ISREG(status.st_mode):
            found['st_blocks'] = self._space.sectors(
                real, status, self._rules.record(real, status))
        if os.path.basename(path).startswith(HIDDEN):
            found['st_nlink'] -= 1
        return found

    def readdir(self, path: str, _handle: int
                ) -> list[tuple[str, dict[str, int], int]]:
        """Return names, inodes and kinds of what is in a directory."""
        found = [('.', os.lstat(self._at(path))),
                 ('..', os.lstat(self._at(os.path.dirname(path))))]
        with os.scandir(self._at(path)) as entries:
            found += [(entry.name, entry.stat(follow_symlinks=False))
                      for entry in entries
                      if not entry.name.startswith(HIDDEN)]
        return [(name, {'st_ino': status.st_ino, 'st_mode': status.st_mode},
                 0) for name, status in found]

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points."""
        return os.readlink(self._at(path))

    def statfs(self, path: str) -> dict[str, int]:
        """Return what statvfs(3) does, of the file system behind."""
        status = os.statvfs(self._at(path))
        return {name: getattr(status, name) for name in _STATVFS}

    def listxattr(self, path: str) -> list[str]:
        """Return the names of the extended attributes."""
        return [name for name in os.listxattr(self._at(path),
                                              follow_symlinks=False)
                if name != files.TAG]

    def getxattr(self, path: str, name: str) -> bytes:
        """Return an extended attribute."""
        _require_visible(name)
        return os.getxattr(self._at(path), name, follow_symlinks=False)

    # Names.

    def mkdir(self, path: str, mode: int) -> None:
        """Make a directory that the caller owns."""
        real = self._at(path)
        os.mkdir(real, mode)
        self._give_to_caller(real)

    def mknod(self, path: str, mode: int, device: int) -> None:
        """Make a file, pipe, socket or device that the caller owns."""
        real = self._at(path)
        os.mknod(real, mode, device)
        self._give_to_caller(real)

    def symlink(self, path: str, target: str) -> None:
        """Make a symbolic link that the caller owns."""
        real = self._at(path)
        os.symlink(target, real)
        self._give_to_caller(real)

    def _give_to_caller(self, real: str) -> None:
        """Set owner and group, unless the directory gives its own group."""
        user, group, _process = self._caller()
        if os.stat(os.path.dirname(real)).st_mode & 0o2000:
            group = -1
        os.chown(real, user, group, follow_symlinks=False)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        self._rules.unlink(self._at(path))

    def rmdir(self, path: str) -> None:
        """Remove a directory in which nothing is that somebody sees."""
        real = self._at(path)
        names = os.listdir(real)
        if all(name.startswith(HIDDEN) for name in names):
            for name in names:
                self._rules.unlink(os.path.join(real, name))
        os.rmdir(real)

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        """Rename, by renameat2(2) without a file to replace if so wanted."""
        if flags & ~_NOREPLACE:
            raise OSError(errno.EINVAL, 'no such renaming')
        target = self._at(new)
        if flags and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, 'exists', new)
        if os.path.basename(new).startswith(HIDDEN):
            self._rules.require_removable(self._at(old))
        self._rules.rename(self._at(old), target)

    def link(self, path: str, target: str) -> None:
        """Give the file ``target`` the name ``path`` as well."""
        self._rules.link(self._at(target), self._at(path))

    # Attributes.

    def chmod(self, path: str, mode: int) -> None:
        """Change the mode."""
        os.chmod(self._at(path), mode)

    def chown(self, path: str, user: int, group: int) -> None:
        """Change owner and group."""
        os.chown(self._at(path), user, group, follow_symlinks=False)

    def utimens(self, path: str, times: tuple[int, int] | None) -> None:
        """Change the times, given in nanoseconds."""
        real = self._at(path)
        status = os.lstat(real)
        wanted = times or (_NOW, _NOW)
        new = [old if time == _OMIT else time for time, old in zip(
            wanted, (status.st_atime_ns, status.st_mtime_ns))]
        if _NOW in new:
            import time
            new = [time.time_ns() if one == _NOW else one for one in new]
        os.utime(real, ns=(new[0], new[1]), follow_symlinks=False)

    def setxattr(self, path: str, name: str, value: bytes, flags: int,
                 *_position: int) -> None:
        """Set an extended attribute."""
        _require_visible(name)
        self._rules.require_writable(self._at(path))
        os.setxattr(self._at(path), name, value, flags,
                    follow_symlinks=False)

    def removexattr(self, path: str, name: str) -> None:
        """Remove an extended attribute."""
        _require_visible(name)
        self._rules.require_writable(self._at(path))
        os.removexattr(self._at(path), name, follow_symlinks=False)

    # Open files.

    def create(self, path: str, mode: int, flags: int) -> int:
        """Make a file that the caller owns and return its handle."""
        real = self._at(path)
        if os.path.lexists(real):
            return self.open(path, flags)
        handle = self._open(real, flags | os.O_CREAT, mode)
        self._give_to_caller(real)
        return handle

    def _open(self, real: str, flags: int, mode: int = 0) -> int:
        handle = os.open(real, flags & ~_NOT_PASSED_ON | os.O_CLOEXEC, mode)
        self._opened[handle] = self._health.outages()
        return handle

    def open(self, path: str, flags: int) -> int:
        """Return a handle of a file."""
        real = self._at(path)
        if flags & (os.O_ACCMODE | os.O_TRUNC):
            self._rules.require_writable(real)
        return self._open(real, flags)

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        """Read from a place."""
        return os.pread(self._require(handle), size, offset)

    def write(self, path: str, data: bytes, offset: int, handle: int) -> int:
        """Write to a place and return how much was written."""
        self._allocate(path, offset, len(data), handle)
        return os.pwrite(handle, data, offset)

    def _allocate(self, path: str, offset: int, count: int, handle: int
                  ) -> None:
        """See to it that a file has the blocks that are written to."""
        self._require(handle)
        real = self._at(path)
        file = self._rules.record(handle, os.fstat(handle))
        new = self._space.new(handle, file, offset, count)
        if new:
            self._space.require_room(real, file, len(new),
                                     self._health.node)
            self._space.keep(file, new)

    def truncate(self, path: str, length: int) -> None:
        """Change the size."""
        self._rules.require_writable(self._at(path))
        os.truncate(self._at(path), length)

    def fallocate(self, path: str, mode: int, offset: int, size: int,
                  handle: int) -> None:
        """Give a file blocks; no holes are made."""
        if mode:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        self._allocate(path, offset, size, handle)
        os.posix_fallocate(handle, offset, size)

    def lseek(self, handle: int, offset: int, whence: int) -> int:
        """Find data or a hole."""
        return os.lseek(self._require(handle), offset, whence)

    def flush(self, _path: str, handle: int) -> None:
        """Tell who closes a file whether it was lost."""
        self._require(handle)

    def fsync(self, _path: str, _data_only: int, handle: int) -> None:
        """Nothing more: a cluster does not outlive its machine."""
        self._require(handle)

    def fsyncdir(self, _path: str, _data_only: int, _handle: int) -> None:
        """Nothing, for the same reason."""

    def lock(self, handle: int, owner: int, command: int,
             wanted: fuse_locks.Range) -> fuse_locks.Range:
        """Ask for a lock, take it or give it back, as fcntl(2)."""
        if command == fcntl.F_GETLK:
            return self._locks.ask(self._require(handle), owner, wanted)
        if wanted[0] != fcntl.F_UNLCK:
            self._require(handle)
        with fuse_locks.nobody_waits(command):
            self._locks.put(handle, owner, wanted)
        return wanted

    def release(self, _path: str, handle: int) -> None:
        """Close a handle."""
        del self._opened[handle]
        self._locks.release(handle)
        os.close(handle)


def _require_visible(name: str) -> None:
    """Hide the attribute by which the simulator knows a file."""
    if name == files.TAG:
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
