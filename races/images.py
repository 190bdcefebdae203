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
"""Images whose bytes say which image they are, and disks that say whose."""

import dataclasses
import hashlib
import io
import uuid

from tests.functional import contents

MIB = 2 ** 20
#: What a guest sees; the image is smaller.
DISK_SIZE = 3 * MIB
# Where a guest writes: beside what came with the image, and over it.
OFFSETS = (16 * contents.CHUNK, 64 * contents.CHUNK, 2 * MIB + MIB // 2)


@dataclasses.dataclass(frozen=True)
class Image:
    """An image of Glance, known by its number."""

    number: int

    @property
    def id(self):
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f'image {self.number}'))

    @property
    def key(self):
        """How masters of it are called, by Nova's name for it in a cache."""
        return hashlib.sha1(self.id.encode(),
                            usedforsecurity=False).hexdigest()

    @property
    def content(self):
        """What a master of it holds."""
        text = f'image {self.number} '.encode()
        piece = (text * contents.CHUNK)[:contents.CHUNK]
        return contents.Content(2 * MIB, {
            at * contents.CHUNK: piece
            for at in (0, 1, 64, 255, 256 + self.number % 200)})

    def data(self):
        """Return its bytes, as Glance sends them."""
        content = self.content
        data = io.BytesIO(bytes(content.size))
        for offset, piece in content.chunks.items():
            data.seek(offset)
            data.write(piece)
        return data.getvalue()


def disk(image, written):
    """Return what the disk of an instance holds.

    :param written: [(offset, text)], what its guest wrote, in turn
    """
    content = image.content.grown(DISK_SIZE)
    for offset, text in written:
        content = content.written(offset, text.encode())
    return content
