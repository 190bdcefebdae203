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

"""Take a disk off everything that it hangs on, slowly if that is wanted.

The blocks that the disk shares are copied part by part. A part that is copied
stays copied and is passed over by the next run, so a run that breaks off at
any point needs no record to go on later, and the disk is what it was all the
time. In the end GPFS is told that the disk hangs on nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import time

from nova_gpfs import errors
from nova_gpfs import lookup
from nova_gpfs import model
from nova_gpfs import storage as gpfs_storage

MIB = 1 << 20

# As much is copied between two looks at the disk, when nothing is throttled.
_LARGEST_PART = 64 * MIB

#: Called before each change; raises what speaks against it.
Check = Callable[[], None]
#: Told how far it has come, and the size of the disk; in bytes.
Tell = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Flat:
    """A disk that hangs on nothing any more.

    ``parents`` are the clone parents that have gone with it, and
    ``in_one_piece`` says why it was not detached in parts, '' if it was.
    """

    parents: tuple[str, ...] = ()
    in_one_piece: str = ''


class Pace:
    """Keeps to a number of bytes per second; None is no limit."""

    def __init__(self, rate: float | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self.rate = rate
        self._clock = clock
        self._sleep = sleep

    def blocks(self, size: int) -> int:
        """Return how many blocks of a size, in bytes, make one part.

        That is what is copied in about a second, and never nothing.
        """
        part = min(self.rate or _LARGEST_PART, _LARGEST_PART)
        return max(1, int(part) // size)

    def keep(self, copy: Callable[[], int]) -> None:
        """Copy something and wait until the bytes it returns may be copied."""
        started = self._clock()
        count = copy()
        if self.rate:
            ahead = started + count / self.rate - self._clock()
            if ahead > 0:
                self._sleep(ahead)


class Flattener:
    """Flattens one disk after the other at a common pace."""

    def __init__(self, storage: gpfs_storage.Storage, pace: Pace) -> None:
        self._storage = storage
        self._pace = pace

    def flatten(self, owner: str, path: str, check: Check,
                tell: Tell) -> Flat:
        """Take a disk off its master and all of its parents.

        "Already done" means that the disk is no clone. Where GPFS cannot
        copy in parts, all is copied by one ``mmclone split``, at no pace.

        :param owner: the instance's UUID
        :raises errors.NoSpace: full; the disk is intact, and what was copied
            counts when it is tried again
        :raises errors.GpfsError: the same holds
        """
        reason = self._copy(path, check, tell)
        return Flat(tuple(self._storage.flatten(owner, path)), reason)

    def detach(self, path: str, check: Check, tell: Tell) -> str:
        """Take a file that is no instance's disk off all of its ancestors.

        Returns why it was not done in parts, '' if it was; raises as
        ``flatten`` does.
        """
        reason = self._copy(path, check, tell)
        self._storage.driver.detach(path, model.Ancestors.ALL)
        return reason

    def _copy(self, path: str, check: Check, tell: Tell) -> str:
        reason = ''
        try:
            self._in_parts(path, check, tell)
        except errors.LibraryUnusable as error:
            reason = str(error)
        check()
        return reason

    def _in_parts(self, path: str, check: Check, tell: Tell) -> None:
        part = _Part(self._storage, path, self._pace)
        while not part.is_last:
            check()
            self._storage.guard.check()
            self._pace.keep(part.copy)
            tell(part.reached, part.size)


class _Part:
    """The part of a disk that is copied next."""

    def __init__(self, storage: gpfs_storage.Storage, path: str,
                 pace: Pace) -> None:
        self._driver = storage.driver
        self._path = path
        self._block = storage.driver.file_system(
            storage.guard.where().file_system).block_size
        self._blocks = pace.blocks(self._block)
        self._next: int | None = 0
        self.size = lookup.status(path).st_size

    @property
    def is_last(self) -> bool:
        return self._next is None

    @property
    def reached(self) -> int:
        return self.size if self._next is None else self._next

    def copy(self) -> int:
        """Copy a part and return how many bytes that were at the most.

        How many of the blocks were shared, GPFS does not say.
        """
        before = self.reached
        self._next = self._driver.detach_part(self._path, self._blocks,
                                              before)
        return min(self._blocks * self._block, max(0, self.reached - before))
