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


"""What a file holds, in one line: a kind, a colon and a number.

Our own kind is SHA-256 over each mebibyte of the file that holds anything but
zeros, its offset (eight bytes, most significant first) before it, and the
size of the file (eight bytes) in the end. Holes are zeros: they are not read,
and a file has the same digest whether its zeros are holes or blocks.

The other kinds are the names of hash algorithms: a digest of all bytes of the
file, which somebody else has computed, such as Glance.
"""

from __future__ import annotations

from collections.abc import Iterator
import errno
import hashlib
import os
import re
import time

_CHUNK = 2 ** 20
_ZEROS = bytes(_CHUNK)
_OWN = 'mebibytes-sha256'
#: Of which nobody is known to have found two contents with one digest.
_TRUSTED = ('sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_384', 'sha3_512',
            'blake2b', 'blake2s')


def stated(algorithm: str | None, value: str | None) -> str:
    """Return the digest that somebody else states, '' if it proves nothing.

    :param algorithm: its name in hashlib
    :param value: hexadecimal
    """
    if algorithm not in _TRUSTED or not value:
        return ''
    digits = 2 * hashlib.new(algorithm).digest_size
    whole = re.fullmatch(f'[0-9a-fA-F]{{{digits}}}', value)
    return f'{algorithm}:{value.lower()}' if whole else ''


def is_known(recorded: str) -> bool:
    """Whether a file can be compared with a digest."""
    return recorded.partition(':')[0] in (_OWN, *_TRUSTED)


def same(path: str, recorded: str) -> bool:
    """Whether a file has a digest that is known; raises OSError."""
    kind = recorded.partition(':')[0]
    return recorded == (of_file(path) if kind == _OWN
                        else _of_all_bytes(path, kind))


def of_file(path: str) -> str:
    """Return the digest of a file; raises OSError.

    Reads what is no hole. Other green threads get their turn meanwhile.
    """
    found = hashlib.sha256()
    size = 0
    for offset, chunk, size in _chunks(path):
        if chunk != _ZEROS[:len(chunk)]:
            found.update(offset.to_bytes(8, 'big'))
            found.update(chunk)
    found.update(size.to_bytes(8, 'big'))
    return f'{_OWN}:{found.hexdigest()}'


def _of_all_bytes(path: str, algorithm: str) -> str:
    """Return the digest of a file whose holes count as zeros."""
    found = hashlib.new(algorithm)
    reached = 0
    for offset, chunk, _size in _chunks(path):
        while reached < offset:
            found.update(_ZEROS[:offset - reached])
            reached += min(_CHUNK, offset - reached)
        found.update(chunk)
        reached += len(chunk)
    return f'{algorithm}:{found.hexdigest()}'


def _chunks(path: str) -> Iterator[tuple[int, bytes, int]]:
    """Yield offset, content and the size of the file, for what is no hole.

    In the end comes an empty one where the file ends.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        for offset in _offsets(handle, size):
            yield offset, _read(handle, offset), size
            time.sleep(0)
        yield size, b'', size
    finally:
        os.close(handle)


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
