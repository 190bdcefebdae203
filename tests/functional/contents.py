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

"""What disks hold, byte for byte, at the cost of their data alone."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import tempfile
from typing import BinaryIO

from nova_gpfs.sim import data

CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class Content:
    """The bytes of a disk; holes and zeros are the same.

    ``chunks`` has each piece of CHUNK bytes that is not all zeros, by its
    offset. Zeros at the end of a piece are left out. The bytes are those that
    a guest sees; ``format`` is how the file has them, raw or qcow2.
    """

    size: int
    chunks: dict[int, bytes]
    format: str = 'raw'

    def written(self, offset: int, piece: bytes) -> Content:
        """Return the content after a write of up to one aligned CHUNK."""
        assert offset % CHUNK == 0 and len(piece) <= CHUNK
        had = self.chunks.get(offset, b'').ljust(CHUNK, b'\0')
        now = (piece + had[len(piece):]).rstrip(b'\0')
        chunks = {at: each for at, each in self.chunks.items()
                  if at != offset}
        return dataclasses.replace(
            self, chunks={**chunks, **({offset: now} if now else {})})

    def grown(self, size: int) -> Content:
        """Return the content with zeros behind it, up to a size."""
        return dataclasses.replace(self, size=max(size, self.size))

    def write_to(self, path: str) -> None:
        """Write a new file."""
        with open(path, 'wb') as file:
            file.truncate(self.size)
            for offset, chunk in self.chunks.items():
                file.seek(offset)
                file.write(chunk)

    def __repr__(self) -> str:
        found = hashlib.sha256()
        for offset, chunk in sorted(self.chunks.items()):
            found.update(b'%d:' % offset + chunk)
        return (f'<{self.size} bytes in {self.format}, '
                f'{len(self.chunks)} chunks, '
                f'{found.hexdigest()[:8]}>')


def of(path: str, disk_format: str = 'raw') -> Content:
    """Return what a disk holds that is a file of this format."""
    if disk_format == 'raw':
        with open(path, 'rb') as file:
            return of_open(file)
    with tempfile.NamedTemporaryFile() as raw:
        _run('qemu-img', 'convert', '-f', disk_format, '-O', 'raw', path,
             raw.name)
        return dataclasses.replace(of(raw.name), format=disk_format)


def write(path: str, disk_format: str, offset: int, piece: bytes) -> None:
    """Write to a disk as its guest does."""
    if disk_format == 'raw':
        with open(path, 'r+b') as disk:
            disk.seek(offset)
            disk.write(piece)
        return
    with tempfile.NamedTemporaryFile() as source:
        source.write(piece)
        source.flush()
        _run('qemu-io', '-f', disk_format, '-c',
             f'write -s {source.name} {offset} {len(piece)}', path)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def of_open(file: BinaryIO) -> Content:
    """Return what an open file holds."""
    size = os.fstat(file.fileno()).st_size
    chunks = {}
    for start, end in data.extents(file.fileno(), size):
        for offset in range(start - start % CHUNK, end, CHUNK):
            chunk = os.pread(file.fileno(), CHUNK, offset).rstrip(b'\0')
            if chunk:
                chunks[offset] = chunk
    return Content(size, chunks)
