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


"""The image that disks are made from, and what stands in for Glance."""

import os
import random
import threading

MIB = 2 ** 20


def write(path, size, data):
    """Write a raw image: random data evenly spread, holes between.

    The first MiB is a hole, so that nothing finds a format or a file system
    in it. The data are the same in every run.
    """
    pieces = data // MIB
    stride = (size - MIB) // max(pieces, 1) // 4096 * 4096
    source = random.Random(0)  # noqa: S311
    with open(path, 'xb') as image:
        image.truncate(size)
        for number in range(pieces):
            image.seek(MIB + number * stride)
            image.write(source.randbytes(MIB))
    return path


class Download:
    """A fetch function like Nova's; counts how often it is called.

    It writes the data of the image and leaves the holes, as qemu-img convert
    does when Nova has downloaded a qcow2 image. Reading and writing it by
    hand keeps file systems from sharing blocks with the image.
    """

    def __init__(self, path):
        self.path = path
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, context, target, image_id, trusted_certs=None):
        with self._lock:
            self.calls += 1
        with open(self.path, 'rb') as source, open(target, 'wb') as copy:
            size = os.fstat(source.fileno()).st_size
            copy.truncate(size)
            for start, end in _data(source.fileno(), size):
                source.seek(start)
                copy.seek(start)
                while start < end:
                    start += copy.write(source.read(min(MIB, end - start)))


def _data(handle, size):
    """Yield start and end of each stretch that holds data."""
    end = 0
    while end < size:
        try:
            start = os.lseek(handle, end, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            return
        end = os.lseek(handle, start, os.SEEK_HOLE)
        yield start, end
