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

"""What the header of a qcow2 file says; qemu-img is not needed for that."""

from __future__ import annotations

import os
import struct

# docs/interop/qcow2.txt of QEMU: magic, version, where the name of the
# backing file stands, and its length.
_HEADER = struct.Struct('>4sIQI')
_MAGIC = b'QFI\xfb'
_LONGEST_NAME = 1023


def backing_file(path: str) -> bytes:
    """Return the name of the backing file, b'' if there is none.

    Whatever is not qcow2 has none. A guest can write such a header to its
    raw disk, so the answer counts for a disk that is known to be qcow2.

    :raises OSError: the file cannot be read
    """
    with open(path, 'rb') as disk:
        header = disk.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return b''
        magic, _version, offset, length = _HEADER.unpack(header)
        if magic != _MAGIC or not offset or length > _LONGEST_NAME:
            return b''
        # No file system lets a reader go where no file of it can reach.
        if offset >= os.fstat(disk.fileno()).st_size:
            return b''
        disk.seek(offset)
        return disk.read(length)
