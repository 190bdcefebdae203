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


"""What stat(2) says of a path, and which of our errors that is."""

from __future__ import annotations

from collections.abc import Iterable
import errno
import os
import stat

from nova_gpfs import errors
from nova_gpfs import model

# What the kernel says of a file on a file system whose daemon is gone (IBM
# documentation, "GPFS daemon went down", "Quorum loss").
_GONE = (errno.ESTALE, errno.ENODEV, errno.ENOTCONN)


def status(path: str) -> os.stat_result:
    """Return the status of a file; a symbolic link is not followed.

    :raises errors.NoSuchFile: nothing is there
    :raises errors.NotMounted: the file system is gone
    :raises errors.NotPermitted: this user may not look
    """
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise errors.NoSuchFile(path) from None
    except PermissionError as error:
        raise errors.NotPermitted(path) from error
    except OSError as error:
        if error.errno in _GONE:
            raise errors.NotMounted(f'{path}: {error.strerror}') from error
        raise


def share(path: str, mode: int, group: int = -1) -> None:
    """Give a new file of this user's a mode, and a group if one is named.

    The file is opened first: who may write to its directory can put a link
    in its place at any moment.

    :raises errors.NotPermitted: it is not such a file
    :raises PermissionError: this user is not in that group
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                       | os.O_CLOEXEC)
    except OSError as error:
        raise errors.NotPermitted(str(error)) from error
    try:
        found = os.fstat(file)
        if not (stat.S_ISREG(found.st_mode) and found.st_nlink == 1
                and found.st_uid == os.geteuid()):
            raise errors.NotPermitted(f'{path} is not what was made there')
        if group != -1:
            os.fchown(file, -1, group)
        if stat.S_IMODE(found.st_mode) != mode:
            os.fchmod(file, mode)
    finally:
        os.close(file)


def exists(path: str) -> bool:
    """Whether anything is there; raises what ``status`` raises otherwise."""
    try:
        status(path)
    except errors.NoSuchFile:
        return False
    return True


def require_absent(path: str) -> None:
    """Refuse a path at which anything is.

    :raises errors.AlreadyExists: something is there
    """
    if exists(path):
        raise errors.AlreadyExists(path)


def is_file(path: str, size: int) -> bool:
    """Whether a regular file of that size in bytes can be seen there."""
    try:
        found = status(path)
    except errors.GpfsError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def may_read(paths: Iterable[str]) -> bool:
    """Whether this user may read all files of these that there are.

    A clone parent that the privileged daemon has made is root's.
    """
    return all(os.access(path, os.R_OK) or not os.path.lexists(path)
               for path in paths)


def file_system_of(path: str,
                   known: Iterable[model.FileSystem]) -> str | None:
    """Return the name of that of these file systems which a path is on."""
    return covering(os.path.realpath(path), known)


def covering(real: str, known: Iterable[model.FileSystem]) -> str | None:
    """Do the same for a path that has no symbolic links."""
    mounts = {os.path.realpath(one.mount_point): one.name for one in known}
    below = [point for point in mounts
             if os.path.commonpath((point, real)) == point]
    return mounts[max(below, key=len)] if below else None
