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

"""Decide how a disk comes to be; values in, values out, no I/O.

The table, by what there is:

====================  ==========================================
disk is there         grow it, if it is smaller than asked
master is too large   refuse: a disk is never shrunk
otherwise             clone the master, then grow the clone
====================  ==========================================
"""

from __future__ import annotations

import dataclasses

RAW = 'raw'
QCOW2 = 'qcow2'


@dataclasses.dataclass(frozen=True)
class MasterInfo:
    """What is known of a master since it was sealed; sizes in bytes.

    ``virtual_size`` is what a guest sees. ``bare_file_system`` says that a
    raw image is an ext file system without a partition table, which Nova
    grows together with the disk.
    """

    format: str
    virtual_size: int
    image_id: str = ''
    bare_file_system: bool = False


@dataclasses.dataclass(frozen=True)
class Clone:
    """Make the disk as a clone of its master."""


@dataclasses.dataclass(frozen=True)
class Grow:
    """Make the disk ``size`` bytes long, and the file system in it too."""

    size: int
    format: str
    with_file_system: bool


@dataclasses.dataclass(frozen=True)
class TooSmall:
    """Refuse: the image needs ``needed`` bytes and ``size`` were asked for."""

    needed: int
    size: int


Step = Clone | Grow | TooSmall


def new_disk(master: MasterInfo, size: int | None) -> tuple[Step, ...]:
    """Return the steps that make a disk; ``size`` None or 0 means as is."""
    if not size or size == master.virtual_size:
        return (Clone(),)
    if size < master.virtual_size:
        return (TooSmall(master.virtual_size, size),)
    return (Clone(), Grow(size, master.format, master.bare_file_system))


def existing_disk(disk_format: str, disk_size: int,
                  size: int | None) -> tuple[Step, ...]:
    """Return the steps for a disk that is there: it may only grow.

    Whether a file system fills a raw disk is not known here (the guest may
    have made one), so growing looks for one.
    """
    if not size or size <= disk_size:
        return ()
    return (Grow(size, disk_format, disk_format == RAW),)
