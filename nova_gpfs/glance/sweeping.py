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

"""Remove what Glance could not remove or did not finish."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Iterator
import contextlib
import dataclasses
import os
import random
import stat
import time

from nova_gpfs import image_store

#: How many files one upload or deletion looks at.
PORTION = 16


@dataclasses.dataclass(frozen=True)
class Leftover:
    """A file that is no image; size in bytes, age in seconds."""

    room: str
    name: str
    size: int
    age: float


@dataclasses.dataclass(frozen=True)
class Swept:
    """Files that were removed, and those that wait for their time."""

    removed: tuple[Leftover, ...]
    waiting: tuple[Leftover, ...]


def sweep(rooms: image_store.Rooms, leftover_age: float,
          at_most: int | None = None) -> Swept:
    """Remove thrown away files without clones, and abandoned uploads.

    What GPFS does not let go stays, whatever the reason. A file that somebody
    else removes meanwhile counts as removed.

    :param leftover_age: seconds after which an upload is abandoned
    :param at_most: look at so many files alone, chosen by chance so that
        none that has to wait is in the way of the others
    :raises OSError: the directories cannot be read
    """
    found = list(leftovers(rooms))
    if at_most is not None and len(found) > at_most:
        found = random.sample(found, at_most)
    removed: list[Leftover] = []
    waiting: list[Leftover] = []
    for each in found:
        due = each.room == image_store.TRASH or each.age >= leftover_age
        gone = due and _is_removed(_room(rooms, each.room), each.name)
        (removed if gone else waiting).append(each)
    return Swept(tuple(removed), tuple(waiting))


def unknown(rooms: image_store.Rooms, known: Container[str],
            age: float) -> tuple[Leftover, ...]:
    """Return the files of images that Glance does not know.

    A Glance or Nova that dies after a file got its name and before its record
    got the location leaves such a file.

    :param known: the ids of all images that Glance has
    :param age: leave files out that are younger, in seconds
    :raises OSError: the directories cannot be read
    """
    return tuple(each for each in images(rooms)
                 if each.age >= age and each.name not in known)


def leftovers(rooms: image_store.Rooms) -> Iterator[Leftover]:
    """Yield what is thrown away and what is being written."""
    yield from _files(rooms.trash, image_store.TRASH)
    yield from _files(rooms.incoming, image_store.INCOMING)


def images(rooms: image_store.Rooms) -> Iterator[Leftover]:
    """Yield the files of images."""
    yield from _files(rooms.images, image_store.IMAGES)
    yield from _files(rooms.snapshots, image_store.SNAPSHOTS)


def _room(rooms: image_store.Rooms, kind: str) -> int:
    return int(getattr(rooms, kind))


def _files(directory: int, kind: str) -> Iterator[Leftover]:
    now = time.time()
    for name in sorted(os.listdir(directory)):
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            # A directory or a device was put there by hand.
            if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
                yield Leftover(kind, name, found.st_blocks * 512,
                               now - found.st_mtime)


def _is_removed(directory: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
