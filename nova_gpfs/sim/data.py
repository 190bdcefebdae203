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

"""The bytes of files: shared where the file system can, else copied sparse.
"""

from __future__ import annotations

import errno
import fcntl
import os

FICLONE = 0x40049409
_CHUNK = 1 << 24
_CANNOT_SHARE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY,
                 errno.ENOSYS)


def clone(source: int, target: int) -> None:
    """Give an empty file the content of another, both open.

    Sharing blocks is one step; a copy is not, so a source that is written to
    meanwhile may come out mixed.
    """
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT_SHARE:
            raise
        copy(source, target)


def copy(source: int, target: int) -> None:
    """Copy data and keep holes."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    for start, end in extents(source, size):
        while start < end:
            done = _copy_range(source, target, start, end - start)
            if not done:
                return
            start += done


def _copy_range(source: int, target: int, start: int, count: int) -> int:
    """Copy some bytes at the same offset and return how many."""
    try:
        return os.copy_file_range(source, target, min(count, _CHUNK * 8),
                                  start, start)
    except OSError as error:
        if error.errno not in _CANNOT_SHARE:
            raise
    return os.pwrite(target, os.pread(source, min(count, _CHUNK), start),
                     start)


def extents(file: int, size: int) -> list[tuple[int, int]]:
    """Return start and end of each stretch that holds data."""
    found = []
    start = 0
    while start < size:
        try:
            start = os.lseek(file, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        found.append((start, end))
        start = end
    return found
