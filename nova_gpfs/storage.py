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

"""One instances_path on GPFS: its guard, its masters, its disks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import errno
import os
import time
import uuid

from oslo_log import log as logging

from nova_gpfs import audit
from nova_gpfs import collection
from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import hosts
from nova_gpfs import image_access
from nova_gpfs import image_store
from nova_gpfs import incoming
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import master_record
from nova_gpfs import masters
from nova_gpfs import model
from nova_gpfs import parents
from nova_gpfs import pending_splits
from nova_gpfs import policy
from nova_gpfs import sealed
from nova_gpfs import store_snapshots
from nova_gpfs import trash
from nova_gpfs import turns
from nova_gpfs import whereabouts

LOG = logging.getLogger(__name__)

# What a file system answers that does not give files second names.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EROFS, errno.EMLINK,
             errno.ENOSYS, errno.EXDEV, errno.EINVAL)

# How often a master is looked for that vanishes before it is cloned.
_ATTEMPTS = 10

#: Copies a file to a path that does not exist, holes kept.
Copy = Callable[[str, str], None]


class Storage:
    """What a compute host does on its file system.

    ``clones`` and ``copies`` count the disks made since the process began,
    ``copied_snapshots`` the snapshots for which a disk was copied.
    """

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout, copy: Copy, *,
                 require_clone: bool, leftover_age: float,
                 max_clone_depth: int = 8, host_age: float = 600.0,
                 record_digests: bool = True,
                 lock_wait: float = turns.LONGEST_WAIT,
                 store: image_store.ImageStore | None = None,
                 image_directories: Sequence[str] = ()) -> None:
        self.driver = driver
        self.layout = layout
        self.copy = copy
        self.guard = mount_guard.MountGuard(driver, layout)
        self.masters = masters.Masters(driver, layout, self.guard, copy,
                                       leftover_age, record_digests,
                                       lock_wait)
        self.collection = collection.Collection(
            driver, layout, self.guard, self.masters, leftover_age)
        self.whereabouts = whereabouts.Whereabouts(layout, self.guard)
        self.parents = parents.Parents(driver, layout, self.guard,
                                       max_depth=max_clone_depth,
                                       leftover_age=leftover_age)
        self.images = image_access.ImageAccess(driver, self.guard, store,
                                               image_directories)
        self.snapshots = store_snapshots.StoreSnapshots(driver, self.images)
        self.pending_splits = pending_splits.PendingSplits(layout)
        self.hosts = hosts.Hosts(layout, self.guard, host_age)
        self.trash = trash.Trash(layout)
        self.clones = 0
        self.copies = 0
        self.copied_snapshots = 0
        self._require_clone = require_clone
        self._leftover_age = leftover_age

    def sweep(self) -> None:
        """Remove what was not finished, or could not be removed before.

        That is what hosts that died have left, and the parents of instances
        whose images in Glance's store are gone by now.
        """
        self.masters.sweep()
        self.parents.sweep()
        self.trash.sweep()

    def sweep_in_turn(self) -> None:
        """Sweep, unless some host that started has done so lately.

        A thousand hosts that start would look at all instances each. Two may
        both sweep, which costs them work and nothing else.
        """
        if incoming.is_turn(self.layout.cleared, self._leftover_age):
            self.sweep()

    @contextlib.contextmanager
    def new_disk(self, master: master_record.Master, target: str,
                 placement: model.Placement = masters.ANYWHERE
                 ) -> Iterator[str]:
        """Clone a master and give the path, a name that only we know.

        The placement is for blocks that are yet to be written; the others
        are where the master's are. The disk gets its own name, ``target``,
        when the block ends well, and is removed when it fails. So a disk
        that is there is complete, and what is undone or comes late, after a
        time-out, is never another's.

        :raises errors.AlreadyExists: there is a disk; it is left alone
        :raises errors.CannotClone: clones are required and impossible
        """
        with self._unnamed(target) as unnamed:
            self._clone_or_copy(master.path, unnamed, placement)
            yield unnamed

    @contextlib.contextmanager
    def new_disk_of(self, ensure: Callable[[], master_record.Master],
                    target: str,
                    placement: model.Placement = masters.ANYWHERE
                    ) -> Iterator[tuple[master_record.Master, str]]:
        """Do as ``new_disk`` with the master that ``ensure`` returns.

        Another host may remove a master that has no clones just when it is
        to be cloned. ``ensure`` is then called again.
        """
        with self._unnamed(target) as unnamed:
            for _attempt in range(_ATTEMPTS - 1):
                master = ensure()
                try:
                    self._clone_or_copy(master.path, unnamed, placement)
                    break
                except Exception as error:
                    if not (os.path.isdir(os.path.dirname(target))
                            and masters.may_have_left(master, error)):
                        raise
                    LOG.info('%s was removed meanwhile', master.path)
                    _remove(unnamed)
            else:
                master = ensure()
                self._clone_or_copy(master.path, unnamed, placement)
            yield master, unnamed

    @contextlib.contextmanager
    def new_file(self, target: str,
                 placement: model.Placement = masters.ANYWHERE
                 ) -> Iterator[str]:
        """Give a name to write to; the file is ``target`` in the end.

        With a placement, an empty file is there and must be written to.

        :raises errors.AlreadyExists: there is a file; it is left alone
        """
        with self._unnamed(target) as unnamed:
            if not placement.is_empty:
                masters.make_empty(self.driver, unnamed, placement)
            yield unnamed

    def double(self, owner: str, source: str, target: str,
               placement: model.Placement = masters.ANYWHERE) -> None:
        """Make a disk that is what another, closed one is now.

        Both are clones of a new parent then, which belongs to ``owner``, an
        instance's UUID. The placement is for blocks that are yet to be
        written to the new one, and is what the source was given.

        :raises errors.AlreadyExists: there is a disk; it is left alone
        :raises errors.FileBusy: somebody has the source open
        :raises errors.CannotClone: clones are required and impossible
        """
        with self._unnamed(target) as unnamed:
            try:
                parent = self.parents.make(owner, source, placement)
            except errors.CannotClone as reason:
                self._copy_instead(source, unnamed, placement, reason)
            else:
                self._clone_or_copy(parent, unnamed, placement)

    def move(self, path: str, had: model.Placement,
             wanted: model.Placement) -> None:
        """Give a disk that is there another placement, all of its blocks.

        A clone whose ancestors' blocks lie otherwise is detached from them,
        which copies the blocks that they share.

        :param had: what the disk was last given, empty if that is not known
        :raises errors.GpfsError: it is not, or not all of it, as wanted
        """
        self.move_own(path, wanted)
        if (policy.of_master(wanted) != policy.of_master(had)
                and self._shares_otherwise(path, had, wanted)):
            self.detach(path, wanted)

    def move_own(self, path: str, wanted: model.Placement) -> None:
        """Place the blocks that a disk does not share, and new ones."""
        self.guard.check()
        self.driver.place(path, wanted)

    def detach(self, path: str, wanted: model.Placement) -> None:
        """Copy the blocks that a disk shares, to where they are wanted."""
        self.driver.detach(path, model.Ancestors.ALL)
        self.driver.place(path, policy.of_master(wanted))

    def _shares_otherwise(self, path: str, had: model.Placement,
                          wanted: model.Placement) -> bool:
        """Whether blocks of ancestors lie otherwise, or may do so."""
        known = sealed.Sealed(self.driver, self.layout, self.masters)
        verdict = audit.disk(wanted, had, self.driver.attributes(path),
                             known.ancestors(path))
        return bool(verdict.shared or verdict.unknown)

    def flatten(self, owner: str, path: str) -> list[str]:
        """Take a closed disk off its master and all of its parents.

        Copies every block that the disk shares, in one ``mmclone split``,
        which tells no progress and may take as long as [gpfs] copy_timeout.
        Returns the parents that are gone for it. "Already done" means that
        the disk is no clone.

        :param owner: the instance's UUID
        :raises errors.NoSpace: the file system or pool is full
        :raises errors.TimedOut: GPFS may still be working on the disk
        """
        self.guard.check()
        self.driver.detach(path, model.Ancestors.ALL)
        top = os.path.dirname(path)
        return self.parents.tidy(owner, [top, f'{top}_resize'])

    @contextlib.contextmanager
    def _unnamed(self, target: str) -> Iterator[str]:
        """Give a name that only we know, and in the end the file its own.

        :raises errors.AlreadyExists: there is a file; it is left alone
        """
        self.guard.check()
        if os.path.lexists(target):
            raise errors.AlreadyExists(target)
        unnamed = f'{target}.{uuid.uuid4().hex}.new'
        with contextlib.ExitStack() as undo:
            undo.callback(_remove, unnamed)
            yield unnamed
            _name(unnamed, target)

    def _clone_or_copy(self, parent: str, target: str,
                       placement: model.Placement) -> None:
        started = time.monotonic()
        try:
            self.driver.clone(parent, target)
        except errors.CannotClone as reason:
            self._copy_instead(parent, target, placement, reason)
        else:
            self.driver.place(target, placement)
            self.clones += 1
            LOG.info('Disk %(disk)s cloned in %(ms).1f ms',
                     {'disk': target,
                      'ms': 1000 * (time.monotonic() - started)})

    def _copy_instead(self, source: str, target: str,
                      placement: model.Placement,
                      reason: errors.CannotClone) -> None:
        if self._require_clone:
            raise reason
        self.copies += 1
        LOG.warning('Disk %(disk)s is made by a full copy, not by a clone '
                    '(full copy number %(count)d of this process): '
                    '%(reason)s',
                    {'disk': target, 'count': self.copies, 'reason': reason})
        masters.make_empty(self.driver, target, placement)
        with self.masters.readable(source) as readable:
            self.copy(readable, target)


def _name(unnamed: str, target: str) -> None:
    """Give a finished file its name, without ever replacing a disk.

    link() does not replace. Whether GPFS lets a clone have a second name for
    a moment is not documented (only that clone parents may not), so there is
    a second way, rename() after a look: nobody but this host makes disks of
    this instance, which Nova locks.

    :raises errors.AlreadyExists: there is a file of that name
    """
    try:
        os.link(unnamed, target)
    except FileExistsError:
        raise errors.AlreadyExists(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise errors.AlreadyExists(target) from None
        os.rename(unnamed, target)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
