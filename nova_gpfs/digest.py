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


"""What a file holds, in one line.

The digest is SHA-256 over each mebibyte of the file that holds anything but
zeros, its offset (eight bytes, most significant first) before it, and the
size of the file (eight bytes) in the end. Holes are zeros: they are not read,
and a file has the same digest whether its zeros are holes or blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
import errno
import hashlib
import os
import time

_CHUNK = 2 ** 20
_ZEROS = bytes(_CHUNK)
_KIND = 'mebibytes-sha256:'


def of_file(path: str) -> str:
    """Return the digest of a file; raises OSError.

    Reads what is no hole. Other green threads get their turn meanwhile.
    """
    found = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        for offset in _offsets(handle, size):
            chunk = _read(handle, offset)
            if chunk != _ZEROS[:len(chunk)]:
                found.update(offset.to_bytes(8, 'big'))
                found.update(chunk)
            time.sleep(0)
    finally:
        os.close(handle)
    found.update(size.to_bytes(8, 'big'))
    return _KIND + found.hexdigest()


def _read(handle: int, offset: int) -> bytes:
    """Return a chunk, shorter only at the end of the file."""
    parts = []
    wanted = _CHUNK
    while wanted and (part := os.pread(handle, wanted,
                                       offset + _CHUNK - wanted)):
        parts.append(part)
        wanted -= len(part)
    return b''.join(parts)


def _offsets(handle: int, size: int) -> Iterator[int]:
    """Yield the offset of each chunk in which there are blocks, once."""
    offset = 0
    while offset < size:
        start, end = _extent(handle, offset, size)
        offset = max(offset, start - start % _CHUNK)
        while offset < end:
            yield offset
            offset += _CHUNK


def _extent(handle: int, offset: int, size: int) -> tuple[int, int]:
    """Return where blocks begin and end; all of the rest if unknown."""
    try:
        start = os.lseek(handle, offset, os.SEEK_DATA)
        return start, os.lseek(handle, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size, size
        if error.errno != errno.EINVAL:
            raise
        return offset, size
