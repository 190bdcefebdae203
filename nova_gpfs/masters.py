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

"""Sealed master images: made once per cluster, visible only when ready.

A master is a directory ``masters/<key>/`` that holds the sealed file
(``image``) and what is known of it (``info.json``), made in a room of its own
and published by renaming that (see ``incoming``). A file cannot be published
that way: rename() would replace it, and GPFS refuses hard links to clone
parents. The lock only saves work: one host fetches while the others wait.

Blocks that a disk reads through its master lie where the master's do, and
have its replicas (IBM documentation, "File clones and disk space
management"). So there is a master for each image and placement of its data.
The first one is fetched, the others are copied from it inside GPFS, hole by
hole; their attributes are set while they are empty, so that every block is
allocated by them.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import os
import time

from oslo_log import log as logging

from nova_gpfs import digest
from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import incoming
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import master_record
from nova_gpfs import model
from nova_gpfs import placed_names
from nova_gpfs import plan
from nova_gpfs import policy
from nova_gpfs import turns

LOG = logging.getLogger(__name__)

#: Where GPFS puts it.
ANYWHERE = model.Placement()

# How often a master is made that vanishes as soon as it is published, or that
# is copied from one that vanishes.
_ATTEMPTS = 3

#: Writes the image to the path it is given and returns what it made.
Fill = Callable[[str], plan.MasterInfo]
#: What is known of a file that is to be a master, and its digest.
Made = tuple[plan.MasterInfo, str]
#: Makes a clone parent at the path it is given; None if it cannot.
Clone = Callable[[str], Made | None]
Copy = Callable[[str, str], None]


class Masters:
    """The masters of one instances_path."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout,
                 guard: mount_guard.MountGuard, copy: Copy,
                 leftover_age: float, record_digests: bool = True,
                 lock_wait: float = turns.LONGEST_WAIT) -> None:
        """``copy`` copies a file into another, holes kept.

        :param lock_wait: seconds; see ``turns``
        """
        self._record_digests = record_digests
        self._driver = driver
        self._layout = layout
        self._guard = guard
        self._copy = copy
        self._turns = turns.Turns(layout, guard, lock_wait)
        self.only_one = self._turns.only_one
        self.alone = self._turns.alone
        self._incoming = incoming.Incoming(layout, leftover_age)
        self.sweep = self._incoming.sweep
        self._placed_names = placed_names.PlacedNames(layout, leftover_age)
        self.sweep_names = self._placed_names.sweep

    def find(self, key: str,
             wanted: model.Placement = ANYWHERE
             ) -> master_record.Master | None:
        """Return a master of an image that is ready, None if there is none.

        Where GPFS has put the image just as wanted by itself, it needs no
        second master.

        :raises errors.CloneParentInvalid: it is there and cannot be read
        """
        name = _key(key, wanted)
        master = self.named(name)
        if master is None:
            return self._plain_instead(key, wanted)
        if master.base != key or not master.covers(wanted):
            raise errors.CloneParentInvalid(
                f'{self._layout.master(name)} is of another image or '
                'placement')
        return master

    def _plain_instead(self, key: str,
                       wanted: model.Placement
                       ) -> master_record.Master | None:
        """Return the master that GPFS has placed, if it is as wanted."""
        plain = None
        if wanted != ANYWHERE:
            with contextlib.suppress(errors.CloneParentInvalid):
                plain = self.named(key)
        return plain if plain and plain.covers(wanted) else None

    def keys(self) -> list[str]:
        """Return the keys of all masters, placed ones too, for ``find``."""
        return sorted(os.listdir(self._layout.masters))

    def of_image(self, key: str) -> Iterator[master_record.Master]:
        """Yield all masters of an image, however they are placed."""
        for name in (key, *self._placed_names.of(key)):
            with contextlib.suppress(errors.CloneParentInvalid):
                master = self.named(name)
                if master is not None and master.base == key:
                    yield master

    def all(self) -> Iterator[tuple[str, master_record.Master]]:
        """Yield the masters that are ready, with their names."""
        for name in self.keys():
            try:
                master = self.named(name)
            except errors.CloneParentInvalid as error:
                LOG.warning('%s', error)
                continue
            if master is not None:
                yield name, master

    def named(self, name: str) -> master_record.Master | None:
        """Return the master in a directory of this name; raises as find()."""
        return master_record.read(self._layout.master(name), name)

    def ensure(self, key: str, fill: Fill,
               wanted: model.Placement = ANYWHERE,
               clone: Clone | None = None
               ) -> tuple[master_record.Master, bool]:
        """Return the master of an image, made now if nobody has.

        The flag tells whether this call made it. ``fill`` is called only if
        the image has no master of any placement, and once, unless another
        host removes the master just then; what it raises is passed on, and
        nothing is left behind. ``wanted`` is the
        placement of a master: pool and replicas, and write affinity where
        it is not to be shared by disks of another one.

        Before ``fill``, ``clone`` is asked for a clone parent. Its blocks
        lie where they are, so that is the master that GPFS has placed, of
        which another one is copied where it is wanted elsewhere.
        """
        master = self._find_for_use(key, wanted)
        if master is not None:
            return master, False
        with self._turns.turn(
                key, lambda: self._find_for_use(key, wanted),
                lambda: self._incoming.signs(key[:_KEPT])) as master:
            if master is not None:
                return master, False
            if clone is not None and next(self.of_image(key), None) is None:
                self._publish(key, key, clone, ANYWHERE)
                master = self.find(key, wanted)
            return (master, True) if master else self._make(key, fill, wanted)

    def _find_for_use(self, key: str, wanted: model.Placement
                      ) -> master_record.Master | None:
        master = self.find(key, wanted)
        if master is not None:
            master_record.touch(master.directory)
        return master

    def _make(self, key: str, fill: Fill,
              wanted: model.Placement) -> tuple[master_record.Master, bool]:
        def write(image: str) -> Made:
            info = self._filled(image, key, fill, wanted)
            self._guard.check()
            incoming.flush(image)
            self._driver.seal(image)
            return info, (digest.of_file(image) if self._record_digests
                          else '')

        name = _key(key, wanted)
        for _attempt in range(_ATTEMPTS):
            # A host that does not see our lock may find a master unused.
            try:
                made = self._publish(name, key, write, wanted)
            except _SiblingLeft as left:
                LOG.info('%s was removed meanwhile', left)
                continue
            master = self.named(name)
            if master is not None:
                return master, made
            LOG.info('%s was removed meanwhile', self._layout.master(name))
        raise errors.CloneParentInvalid(
            f'{self._layout.master(name)}, or what it was to be copied from, '
            f'vanished {_ATTEMPTS} times')

    def _publish(self, name: str, key: str, write: Clone,
                 wanted: model.Placement) -> bool:
        """Publish what ``write`` makes.

        False where it makes nothing, and where another host was first.
        """
        self._guard.check()
        self._incoming.sweep_in_turn()
        started = time.monotonic()
        with self._incoming.room(name) as room:
            image = os.path.join(room, master_record.IMAGE)
            written = write(image)
            if written is None:
                return False
            info, content = written
            master_record.write(room, name, master_record.Master(
                image, info, key, self._placement(image, wanted), content))
            if name != key:
                self._placed_names.add(key, name)
            made = self._incoming.publish(room, self._layout.master(name))
        LOG.info('Master image %(key)s %(what)s: %(format)s, %(size)d bytes, '
                 '%(seconds).1f s',
                 {'key': name, 'format': info.format,
                  'what': 'made and sealed' if made else 'came from another '
                  'host meanwhile', 'size': info.virtual_size,
                  'seconds': time.monotonic() - started})
        return made

    @contextlib.contextmanager
    def readable(self, path: str) -> Iterator[str]:
        """Give a path by which this user can read what a sealed file holds.

        A parent that the privileged daemon has made of another user's file
        is root's, and its mode is not documented. It is then read through a
        clone, which is this user's and goes in the end.
        """
        if os.access(path, os.R_OK):
            yield path
            return
        with self._incoming.room('reader') as room:
            clone = os.path.join(room, master_record.IMAGE)
            self._driver.clone(path, clone)
            yield clone

    def _filled(self, image: str, key: str, fill: Fill,
                wanted: model.Placement) -> plan.MasterInfo:
        """Write the image where it is wanted, from GPFS if it is there."""
        sibling = next(self.of_image(key), None)
        if sibling is None:
            self._try(image + '.try', wanted)
            info = fill(image)
            self._driver.place(image, wanted)
            if not policy.affinity(wanted).is_empty:
                self._driver.relocate(image)
        else:
            master_record.touch(sibling.directory)
            make_empty(self._driver, image, wanted)
            self._copy_of(sibling, image)
            info = sibling.info
            self._driver.place(image, wanted)
        return info

    def _copy_of(self, sibling: master_record.Master, image: str) -> None:
        try:
            with self.readable(sibling.path) as source:
                self._copy(source, image)
        except Exception as error:
            if may_have_left(sibling, error):
                raise _SiblingLeft(sibling.path) from error
            raise

    def _try(self, path: str, wanted: model.Placement) -> None:
        """See whether GPFS grants a placement, before an image is fetched."""
        if wanted != ANYWHERE:
            make_empty(self._driver, path, wanted)
            os.unlink(path)

    def _placement(self, image: str,
                   wanted: model.Placement) -> model.Placement:
        """Return where GPFS says that an image is.

        Write affinity, which no documented output tells, is as it was asked
        for.
        """
        found = self._driver.attributes(image)
        return dataclasses.replace(
            wanted, pool=found.pool, data_replicas=found.data_replicas,
            metadata_replicas=found.metadata_replicas)


class _SiblingLeft(Exception):
    """The master that another one was to be copied from is not there."""


def may_have_left(master: master_record.Master, error: Exception) -> bool:
    """Whether something failed because a master was gone for a moment."""
    return (isinstance(error, errors.NoSuchFile | errors.CloneParentInvalid)
            or not os.path.lexists(master.path))


def make_empty(driver: gpfs_driver.GpfsDriver, path: str,
               placement: model.Placement) -> None:
    """Make an empty file, whose blocks will be allocated by a placement.

    :raises errors.AlreadyExists: there is a file; it is left alone
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        raise errors.AlreadyExists(path) from None
    driver.place(path, placement)


# So much of a key is in the names of all masters of its image, whatever
# layout.master_key() makes of the rest.
_KEPT = 40


def _key(key: str, wanted: model.Placement) -> str:
    return gpfs_layout.placed_key(key, wanted)
