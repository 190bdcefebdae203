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

"""Write data that comes in pieces to a file, zeros as holes."""

from __future__ import annotations

import os

#: What is a hole or not, in bytes: no file system allocates less than a
#: page, and reading the holes of a file costs a call for each.
GRAIN = 64 * 1024

_ZEROS = bytes(GRAIN)


class SparseWriter:
    """Writes to an empty file from its beginning.

    A grain that holds zeros alone is left out, wherever the pieces begin and
    end. The caller closes the file.
    """

    def __init__(self, descriptor: int, sparse: bool = True) -> None:
        self._descriptor = descriptor
        self._sparse = sparse
        self._position = 0
        self._rest = b''

    def write(self, piece: bytes) -> None:
        """Write the next piece.

        :raises OSError: the file system does not take it
        """
        data = self._rest + piece if self._rest else bytes(piece)
        whole = len(data) - len(data) % GRAIN
        self._rest = data[whole:]
        self._write_grains(data, whole)

    def finish(self) -> int:
        """Write what is left; return the size of the file.

        :raises OSError: the file system does not take it
        """
        self._write_run(memoryview(self._rest))
        self._rest = b''
        os.ftruncate(self._descriptor, self._position)
        return self._position

    def _write_grains(self, data: bytes, end: int) -> None:
        begin = 0
        with memoryview(data) as view:
            for offset in range(0, end, GRAIN):
                if self._sparse and data.startswith(_ZEROS, offset):
                    self._write_run(view[begin:offset])
                    begin = offset + GRAIN
                    self._position += GRAIN
            self._write_run(view[begin:end])
        if begin == end:
            # Shows who looks for files that nobody writes that somebody does.
            os.ftruncate(self._descriptor, self._position)

    def _write_run(self, run: memoryview) -> None:
        while run:
            written = os.pwrite(self._descriptor, run, self._position)
            self._position += written
            run = run[written:]
