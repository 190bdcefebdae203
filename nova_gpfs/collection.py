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


"""Remove the masters that nobody needs.

Whether a master has clones, GPFS alone knows: whatever is concluded here, it
refuses to remove a parent that has some. A master that may go is taken out of
sight in one step, the rename of its directory, and then GPFS is asked by
unlinking the image. Where it refuses, the directory gets its name back. So a
host sees a whole master or none. One that begins to clone in between finds
the file gone and looks again; the lock of the image makes it wait for the
outcome, and without locks it makes another master.

The time at which a master was last known to be needed is that of a file
beside it. Times are compared with that of a file written now, so it is the
file system's clock that counts and not the one of this host.
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import os
import shutil
import uuid

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import incoming
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import master_record
from nova_gpfs import masters as gpfs_masters

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Ages:
    """For how many seconds a master stays that nobody needs.

    ``copy`` is for one of another placement than a master of the same image
    that stays: it can be made again inside GPFS.
    """

    original: float
    copy: float


@dataclasses.dataclass(frozen=True)
class Entry:
    """A master and what is known of its use.

    ``clones`` is the number that GPFS counts, 0 where it does not count.
    ``unused`` is for how many seconds it has not been needed, as far as is
    known. ``bytes`` is the space that it takes, without replicas.
    """

    name: str
    master: master_record.Master
    clones: int
    unused: float
    bytes: int

    @property
    def is_placed(self) -> bool:
        """Whether it is the master of one placement of its image."""
        return self.name != self.master.base


class Collection:
    """Looks after the masters of one instances_path."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout, guard: mount_guard.MountGuard,
                 masters: gpfs_masters.Masters, leftover_age: float) -> None:
        self._driver = driver
        self._layout = layout
        self._guard = guard
        self._masters = masters
        self._leftover_age = leftover_age

    def entries(self) -> Iterator[Entry]:
        """Yield all masters; one that vanishes meanwhile is left out.

        Costs one mmclone show for each. A master that has clones counts as
        needed now.

        :raises errors.GpfsError: it cannot be told
        """
        self._guard.check()
        for name, master in self._masters.all():
            with contextlib.suppress(FileNotFoundError, errors.NoSuchFile):
                yield self._entry(name, master)

    def _entry(self, name: str, master: master_record.Master) -> Entry:
        info = self._driver.clone_info(master.path)
        found = os.lstat(master.path)
        clones = found.st_nlink - 1
        if clones or not info.is_parent:
            master_record.touch(master.directory)
        return Entry(name, master, clones, self._unused(master.directory),
                     found.st_blocks * 512)

    def _unused(self, directory: str) -> float:
        """Return for how many seconds nobody has needed a master."""
        path = os.path.join(directory, master_record.USED)
        if not os.path.exists(path):
            master_record.touch(directory)
        return self._now() - os.stat(path).st_mtime

    def _now(self) -> float:
        incoming.touch(self._layout.clock)
        return os.stat(self._layout.clock).st_mtime

    def is_due(self, interval: float) -> bool:
        """Whether it is this host that collects, once in an interval.

        Two hosts may both be told so, which costs them work and nothing else.

        :param interval: seconds
        """
        self._guard.check()
        # Most hosts see it here, and need no lock and no time of the files.
        if incoming.is_younger(self._layout.collected, interval):
            return False
        with self._masters.alone('collection') as alone:
            if not alone:
                return False
            with contextlib.suppress(FileNotFoundError):
                last = os.stat(self._layout.collected).st_mtime
                if 0 <= self._now() - last < interval:
                    return False
            incoming.touch(self._layout.collected)
            return True

    def collect(self, ages: Ages, keep: Container[str] = (),
                dry_run: bool = False) -> list[Entry]:
        """Remove masters that nobody needs; return those that are gone.

        With ``dry_run``, return those that GPFS would be asked to remove.

        :param keep: images of which no master goes, by the key of the image
        :raises errors.GpfsError: it cannot be told; nothing more is removed
        """
        if not dry_run:
            self._guard.check()
            self._finish_leftovers()
        stay = list(self.entries())
        gone = []
        # Copies first: the master that they are made from is to outlast them.
        for entry in sorted(stay, key=lambda entry: not entry.is_placed):
            if entry.master.base in keep:
                master_record.touch(entry.master.directory)
            elif self._may_go(entry, ages, stay) and (
                    dry_run or self._remove(entry, ages, stay)):
                stay.remove(entry)
                gone.append(entry)
        if not dry_run:
            self._guard.check()
            self._masters.sweep_names()
        return gone

    @staticmethod
    def _may_go(entry: Entry, ages: Ages, stay: list[Entry]) -> bool:
        has_other = any(other.master.base == entry.master.base
                        for other in stay if other is not entry)
        is_copy = entry.is_placed and has_other
        return not entry.clones and entry.unused >= (
            ages.copy if is_copy else ages.original)

    def _remove(self, entry: Entry, ages: Ages, stay: list[Entry]) -> bool:
        """Remove a master unless it is needed; say whether it is gone."""
        with self._masters.alone(entry.master.base) as alone:
            grave = self._take_away(entry, ages, stay) if alone else ''
            return bool(grave) and self._finish(entry.name, grave)

    def _take_away(self, entry: Entry, ages: Ages, stay: list[Entry]) -> str:
        """Take a master out of sight; '' if it is needed or gone."""
        directory = entry.master.directory
        with contextlib.suppress(FileNotFoundError):
            now = dataclasses.replace(entry, unused=self._unused(directory))
            if self._may_go(now, ages, stay):
                self._guard.check()
                grave = os.path.join(self._layout.leaving,
                                     f'{entry.name}.{uuid.uuid4().hex}')
                # Its time says since when it lies there.
                os.utime(directory)
                os.rename(directory, grave)
                return grave
        return ''

    def _finish(self, name: str, grave: str) -> bool:
        """Remove what was taken out of sight, or bring it back."""
        try:
            os.unlink(os.path.join(grave, master_record.IMAGE))
        except FileNotFoundError:
            pass
        except OSError as error:
            LOG.info('Master image %(key)s stays: %(reason)s',
                     {'key': name, 'reason': error.strerror})
            self._bring_back(name, grave)
            return False
        shutil.rmtree(grave, ignore_errors=True)
        LOG.info('Master image %s was not needed and is removed', name)
        return True

    def _bring_back(self, name: str, grave: str) -> None:
        """Give a master its name again, unless there is another one now.

        Then it is a parent of its clones and nobody's master, and stays
        where it is until they are gone.
        """
        master_record.touch(grave)
        try:
            os.utime(grave)
            os.rename(grave, self._layout.master(name))
        except FileNotFoundError:
            LOG.info('Another host looks after the master image %s', name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            LOG.info('Master image %s has been made again meanwhile', name)

    def _finish_leftovers(self) -> None:
        """Go on where a host has died, or where clones have kept a parent."""
        for left in sorted(os.listdir(self._layout.leaving)):
            grave = os.path.join(self._layout.leaving, left)
            with contextlib.suppress(FileNotFoundError):
                age = self._now() - os.stat(grave).st_mtime
                if age >= self._leftover_age:
                    self._look_at(grave)
                    self._finish(left.rpartition('.')[0], grave)

    def _look_at(self, grave: str) -> None:
        """Let GPFS count the clones; it is asked before each removal."""
        with contextlib.suppress(errors.NoSuchFile):
            self._driver.clone_info(os.path.join(grave, master_record.IMAGE))
