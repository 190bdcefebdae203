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
import json
import os
import socket
import time
from typing import Any, TypeVar

from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_gpfs import digest
from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import incoming
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import model
from nova_gpfs import plan

LOG = logging.getLogger(__name__)

IMAGE = 'image'
INFO = 'info.json'
#: Written to whenever the master is known to be needed (see ``collection``).
USED = 'used'

#: Writes the image to the path it is given and returns what it made.
T = TypeVar('T')

#: Where GPFS puts it.
ANYWHERE = model.Placement()

Fill = Callable[[str], plan.MasterInfo]
Copy = Callable[[str, str], None]


@dataclasses.dataclass(frozen=True)
class Master:
    """A sealed image that disks are cloned from.

    ``base`` is the key of its image, which masters of other placements share.
    ``placement`` is where its blocks were when it was sealed, and ``digest``
    what it held then (see ``digest``), '' where that was not recorded.
    """

    path: str
    info: plan.MasterInfo
    base: str = ''
    placement: model.Placement = ANYWHERE
    digest: str = ''

    @property
    def directory(self) -> str:
        return os.path.dirname(self.path)

    def covers(self, wanted: model.Placement) -> bool:
        """Whether its blocks lie as is wanted."""
        return all(getattr(wanted, name) in (None, value) for name, value
                   in dataclasses.asdict(self.placement).items())


class Masters:
    """The masters of one instances_path."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout,
                 guard: mount_guard.MountGuard, copy: Copy,
                 leftover_age: float, record_digests: bool = True) -> None:
        """``copy`` copies a file into another, holes kept."""
        self._record_digests = record_digests
        self._driver = driver
        self._layout = layout
        self._guard = guard
        self._copy = copy
        self._incoming = incoming.Incoming(layout, leftover_age)
        self.sweep = self._incoming.sweep

    def find(self, key: str,
             wanted: model.Placement = ANYWHERE) -> Master | None:
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
                       wanted: model.Placement) -> Master | None:
        """Return the master that GPFS has placed, if it is as wanted."""
        plain = None
        if wanted != ANYWHERE:
            with contextlib.suppress(errors.CloneParentInvalid):
                plain = self.named(key)
        return plain if plain and plain.covers(wanted) else None

    def keys(self) -> list[str]:
        """Return the keys of all masters, placed ones too, for ``find``."""
        return sorted(os.listdir(self._layout.masters))

    def of_image(self, key: str) -> Iterator[Master]:
        """Yield all masters of an image, however they are placed."""
        for name in self.keys():
            if name.startswith(key[:_KEPT]):
                with contextlib.suppress(errors.CloneParentInvalid):
                    master = self.named(name)
                    if master is not None and master.base == key:
                        yield master

    def all(self) -> Iterator[tuple[str, Master]]:
        """Yield the masters that are ready, with their names."""
        for name in self.keys():
            try:
                master = self.named(name)
            except errors.CloneParentInvalid as error:
                LOG.warning('%s', error)
                continue
            if master is not None:
                yield name, master

    def named(self, name: str) -> Master | None:
        """Return the master in a directory of this name; raises as find()."""
        directory = self._layout.master(name)
        try:
            with open(os.path.join(directory, INFO), encoding='utf-8') as f:
                fields = json.load(f)
            return Master(os.path.join(directory, IMAGE),
                          _known(plan.MasterInfo, fields['info']),
                          fields.get('base', name),
                          _known(model.Placement,
                                 fields.get('placement', {})),
                          fields.get('digest', ''))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.NotMounted(
                f'{directory}: {error.strerror}') from error
        except (ValueError, TypeError, KeyError) as error:
            raise errors.CloneParentInvalid(
                f'{directory} cannot be read ({error})') from error

    def ensure(self, key: str, fill: Fill,
               wanted: model.Placement = ANYWHERE) -> tuple[Master, bool]:
        """Return the master of an image, made now if nobody has.

        The flag tells whether this call made it. ``fill`` is called at most
        once, and only if the image has no master of any placement; what it
        raises is passed on, and nothing is left behind. ``wanted`` is the
        placement of a master: pool and replicas.
        """
        master = self._find_for_use(key, wanted)
        if master is not None:
            return master, False
        with self.only_one(key):
            master = self._find_for_use(key, wanted)
            if master is not None:
                return master, False
            return self._make(key, fill, wanted)

    def _find_for_use(self, key: str, wanted: model.Placement
                      ) -> Master | None:
        master = self.find(key, wanted)
        if master is not None:
            touch(master.directory)
        return master

    @contextlib.contextmanager
    def only_one(self, key: str, wait: bool = True) -> Iterator[None]:
        """Let one host work on the masters of an image.

        :raises lockutils.AcquireLockFailedException: another one does, and
            this one does not want to wait
        """
        self._guard.check()
        with lockutils.lock(key, lock_file_prefix='nova-gpfs', external=True,
                            lock_path=self._layout.locks, blocking=wait):
            yield

    def _make(self, key: str, fill: Fill,
              wanted: model.Placement) -> tuple[Master, bool]:
        self._guard.check()
        self.sweep()
        started = time.monotonic()
        name = _key(key, wanted)
        with self._incoming.room(name) as room:
            image = os.path.join(room, IMAGE)
            info = self._filled(image, key, fill, wanted)
            self._guard.check()
            incoming.flush(image)
            self._driver.seal(image)
            _write_info(room, name, Master(
                image, info, key, self._placement(image),
                digest.of_file(image) if self._record_digests else ''))
            made = self._incoming.publish(room, self._layout.master(name))
        master = self.named(name)
        if master is None:
            raise errors.CloneParentInvalid(
                f'{self._layout.master(name)} vanished when it was published')
        LOG.info('Master image %(key)s %(what)s: %(format)s, %(size)d bytes, '
                 '%(seconds).1f s',
                 {'key': name, 'format': master.info.format,
                  'what': 'made and sealed' if made else 'came from another '
                  'host meanwhile', 'size': master.info.virtual_size,
                  'seconds': time.monotonic() - started})
        return master, made

    def _filled(self, image: str, key: str, fill: Fill,
                wanted: model.Placement) -> plan.MasterInfo:
        """Write the image where it is wanted, from GPFS if it is there."""
        sibling = next(self.of_image(key), None)
        if sibling is None:
            self._try(image + '.try', wanted)
            info = fill(image)
        else:
            touch(sibling.directory)
            make_empty(self._driver, image, wanted)
            self._copy(sibling.path, image)
            info = sibling.info
        self._driver.place(image, wanted)
        return info

    def _try(self, path: str, wanted: model.Placement) -> None:
        """See whether GPFS grants a placement, before an image is fetched."""
        if wanted != ANYWHERE:
            make_empty(self._driver, path, wanted)
            os.unlink(path)

    def _placement(self, image: str) -> model.Placement:
        found = self._driver.attributes(image)
        return model.Placement(found.pool, found.data_replicas,
                               found.metadata_replicas)


def touch(directory: str) -> None:
    """Note that a master is needed now.

    The master itself is read-only, so there is a file beside it. One that
    has just been removed, or a note that cannot be made, is no trouble: the
    worst that follows is that an image is fetched again.
    """
    with contextlib.suppress(OSError):
        incoming.touch(os.path.join(directory, USED))


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
    return gpfs_layout.placed_key(key, wanted.pool, wanted.data_replicas,
                                  wanted.metadata_replicas)


def _known(kind: type[T], fields: dict[str, Any]) -> T:
    """Return a value of fields; those of a later release are passed over."""
    names = {field.name for field in
             dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in fields.items()
                   if name in names})


def _write_info(room: str, key: str, master: Master) -> None:
    fields = {'version': 1, 'key': key, 'base': master.base,
              'sealed_at': int(time.time()),
              'sealed_by': socket.gethostname(),
              'placement': dataclasses.asdict(master.placement),
              'digest': master.digest,
              'info': dataclasses.asdict(master.info)}
    with open(os.path.join(room, INFO), 'x', encoding='utf-8') as f:
        f.write(json.dumps(fields, indent=1) + '\n')
        f.flush()
        os.fsync(f.fileno())
    touch(room)
    incoming.flush(room)
