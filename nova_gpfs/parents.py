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

"""Clone parents of single instances: how a disk is had twice.

A parent is what a disk was at one moment, read-only. The disk itself stays
a writable file and becomes a clone of it (IBM documentation, Listing file
clones), and so does every further disk that is made from it. Parents lie in
``parents/<instance>/``, never in an instance's directory, so that removing
that directory meets nothing that GPFS does not let go.

A parent goes when its last clone has gone. GPFS refuses before that, and that
is what keeps a parent that somebody needs, whatever is concluded here.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import os
import time
import uuid

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import model
from nova_gpfs import policy

LOG = logging.getLogger(__name__)

#: What Nova puts behind the name of an instance's directory.
_SUFFIXES = ('', '_resize', '_del')


class Parents:
    """The clone parents of the instances of one instances_path."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout, guard: mount_guard.MountGuard, *,
                 max_depth: int, leftover_age: float) -> None:
        self._driver = driver
        self._layout = layout
        self._guard = guard
        self.max_depth = max_depth
        self._leftover_age = leftover_age

    def make(self, owner: str, source: str,
             placement: model.Placement = model.Placement()) -> str:
        """Seal what a closed disk is now and return the parent's path.

        The disk stays as it was, as a clone of the parent. Costs three mm
        commands and copies nothing, unless the disk has max_depth ancestors.

        :param owner: the instance's UUID
        :param placement: what the disk was given; one command more
        :raises errors.FileBusy: somebody has the disk open
        """
        self._guard.check()
        self._keep_shallow(source)
        parent = self._name(owner, source)
        self._driver.snapshot(source, parent)
        self._keep_in_place(parent, placement)
        return parent

    def make_of_open(self, owner: str, source: str,
                     still: contextlib.AbstractContextManager[None],
                     placement: model.Placement = model.Placement(),
                     times_as_deep: int = 1) -> tuple[str, int]:
        """Seal what a disk is while somebody has it open.

        Returns the parent's path, and how many ancestors a clone of it has
        at the most.

        An open disk is not taken off its ancestors: whether GPFS does that
        to an open file is not documented. For this form of snap neither
        (IBM documentation, mmclone command), so it may be refused.

        :param still: a context in which nothing is written to the disk
        :param times_as_deep: how many times max_depth ancestors it may have
        :raises errors.CannotClone: it has so many ancestors
        :raises errors.FileBusy: GPFS does not do this to an open file
        """
        self._guard.check()
        most = times_as_deep * self.max_depth
        info = self._driver.clone_info(source)
        if self._is_deeper(owner, info, most - 1):
            raise errors.CannotClone(
                f'{source} has {most} ancestors and is open')
        parent = self._name(owner, source)
        try:
            with still:
                self._driver.snapshot(source, parent)
        except BaseException:
            self._leave(owner)
            raise
        self._keep_in_place(parent, placement)
        return parent, (info.depth or 0) + 1

    def reader(self, parent: str) -> str:
        """Return a path by which this user can read what a parent holds.

        The parent belongs to who ran mmclone, and its mode is not
        documented. Where this user may not read it, it is a clone beside
        the parent, which the next ``tidy`` removes.
        """
        if os.access(parent, os.R_OK):
            return parent
        clone = f'{parent}.{uuid.uuid4().hex}'
        self._driver.clone(parent, clone)
        return clone

    def _name(self, owner: str, source: str) -> str:
        """Return a new name for a parent of a disk."""
        room = self._layout.parents_of(owner)
        os.makedirs(room, mount_guard.DIRECTORY_MODE, exist_ok=True)
        return os.path.join(
            room, f'{os.path.basename(source)}.{uuid.uuid4().hex}')

    def _keep_in_place(self, parent: str, placement: model.Placement) -> None:
        """Give a parent the pool and replicas of the disk it was made of.

        Its blocks lie there already. With what attributes the file begins is
        not documented; with others the next mmrestripefs would move them.
        """
        try:
            self._driver.place(parent, policy.of_master(placement))
        except errors.GpfsError as error:
            LOG.warning('%(parent)s may be moved to where its disk is not '
                        'meant to be: %(error)s',
                        {'parent': parent, 'error': error})

    def _leave(self, owner: str) -> None:
        """Remove the directory of an owner who has no parent."""
        with contextlib.suppress(OSError):
            os.rmdir(self._layout.parents_of(owner))

    def is_deeper(self, owner: str, path: str, than: int) -> bool:
        """Whether a file has more ancestors, of which some are the owner's.

        GPFS does not lower the depth of a file whose ancestor is split (IBM
        documentation, mmclone command), so where it says a high one the
        parents of the owner are counted.
        """
        return self._is_deeper(owner, self._driver.clone_info(path), than)

    def _is_deeper(self, owner: str, info: model.CloneInfo,
                   than: int) -> bool:
        if (info.depth or 0) <= than:
            return False
        parents = self._of(owner)
        count = 0
        while info.parent_inode in parents:
            count += 1
            info = self._driver.clone_info(parents[info.parent_inode])
        above = 0 if info.parent_inode is None else info.depth or 0
        return count + above > than

    def _keep_shallow(self, source: str) -> None:
        """Take a disk with many ancestors off the nearest of them.

        That copies what the guest wrote between the last two moves. Where it
        fails the chain grows, which is slow and not wrong. After a time-out
        GPFS may still be working on the file, so it is left alone.

        :raises errors.TimedOut: it takes longer than [gpfs] copy_timeout
        """
        if (self._driver.clone_info(source).depth or 0) < self.max_depth:
            return
        try:
            self._driver.detach(source, model.Ancestors.PARENT)
        except errors.TimedOut:
            raise
        except errors.GpfsError as error:
            LOG.warning('Disk %(disk)s keeps more than %(depth)d ancestors: '
                        '%(error)s', {'disk': source, 'error': error,
                                      'depth': self.max_depth})

    def tidy(self, owner: str, directories: Iterable[str]) -> list[str]:
        """Remove the parents that no disk in these directories hangs on.

        Returns what was removed. Costs one mmclone show for each disk and
        for each parent that is needed; no command where there is no parent.

        :raises errors.GpfsError: it cannot be told; all parents are kept
        """
        parents = self._of(owner)
        if not parents:
            return []
        needed = self._needed(parents, list(_disks(directories)))
        return self._remove(owner, [path for inode, path in parents.items()
                                    if inode not in needed])

    def forget(self, owner: str) -> list[str]:
        """Remove all parents of an instance whose disks are gone."""
        return self._remove(owner, list(self._of(owner).values()))

    def sweep(self) -> list[str]:
        """Remove the parents of instances that have no directory any more.

        A host that dies while it deletes an instance may leave them. They
        go once nothing has happened to them for ``leftover_age`` seconds.
        Costs no command.
        """
        removed = []
        for owner in sorted(os.listdir(self._layout.parents)):
            if self._is_abandoned(owner):
                removed += self.forget(owner)
        return removed

    def of(self, owner: str) -> list[str]:
        """Return the paths of an instance's parents."""
        return sorted(self._of(owner).values())

    def _of(self, owner: str) -> dict[int, str]:
        """Return the paths of an instance's parents by inode number."""
        try:
            with os.scandir(self._layout.parents_of(owner)) as entries:
                return {entry.inode(): entry.path for entry in entries}
        except FileNotFoundError:
            return {}

    def _needed(self, parents: dict[int, str], disks: list[str]) -> set[int]:
        needed: set[int] = set()
        while disks and len(needed) < len(parents):
            inode = self._driver.clone_info(disks.pop()).parent_inode
            if inode in parents and inode not in needed:
                needed.add(inode)
                disks.append(parents[inode])
        return needed

    def _remove(self, owner: str, paths: list[str]) -> list[str]:
        """Remove parents, a clone of another one before that other one."""
        removed: list[str] = []
        while True:
            gone = [path for path in paths if _unlink(path)]
            removed += gone
            paths = [path for path in paths if path not in gone]
            if not paths or not gone:
                break
        for path in paths:
            LOG.debug('%s stays: GPFS does not let it go', path)
        self._leave(owner)
        return removed

    def _is_abandoned(self, owner: str) -> bool:
        """Whether an instance has no directory, and that for a while.

        Nova renames the directory to and from ``_resize``, so the names are
        looked at twice.
        """
        with contextlib.suppress(FileNotFoundError):
            changed = os.stat(self._layout.parents_of(owner)).st_mtime
            top = os.path.join(self._layout.instances_path, owner)
            return (time.time() - changed >= self._leftover_age
                    and not any(os.path.lexists(top + suffix)
                                for suffix in _SUFFIXES * 2))
        return False


def _disks(directories: Iterable[str]) -> Iterator[str]:
    """Yield the files that may be clones, in directories that exist."""
    for directory in directories:
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            continue
        yield from (os.path.join(directory, name) for name in sorted(names)
                    if name.startswith('disk') and name != 'disk.info')


def _unlink(path: str) -> bool:
    """Remove a parent; False while GPFS refuses, as it has clones."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        LOG.debug('%s: %s', path, error.strerror)
        return False
    return True
