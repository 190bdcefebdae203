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
(``image``) and what is known of it (``info.json``). It is made in a room of
its own below ``incoming/`` and published by renaming the whole room. POSIX
lets rename() replace a directory only while that is empty, so the first host
to publish wins, nobody can overwrite a master that disks hang on, and this
holds even where file locks do not reach across hosts. (A file cannot be
published that way: rename() would replace it, and GPFS refuses hard links to
clone parents.)

The lock only saves work: one host fetches while the others wait.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import json
import os
import shutil
import socket
import time
from typing import Any
import uuid

from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import plan

LOG = logging.getLogger(__name__)

IMAGE = 'image'
INFO = 'info.json'

#: Writes the image to the path it is given and returns what it made.
Fill = Callable[[str], plan.MasterInfo]


@dataclasses.dataclass(frozen=True)
class Master:
    """A sealed image that disks are cloned from."""

    path: str
    info: plan.MasterInfo


class Masters:
    """The masters of one instances_path."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout,
                 guard: mount_guard.MountGuard, leftover_age: float) -> None:
        self._driver = driver
        self._layout = layout
        self._guard = guard
        self._leftover_age = leftover_age

    def find(self, key: str) -> Master | None:
        """Return a master that is ready, None if there is none.

        :raises errors.CloneParentInvalid: it is there and cannot be read
        """
        directory = self._layout.master(key)
        try:
            with open(os.path.join(directory, INFO), encoding='utf-8') as f:
                fields = json.load(f)
            return Master(os.path.join(directory, IMAGE),
                          _info(fields['info']))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.NotMounted(
                f'{directory}: {error.strerror}') from error
        except (ValueError, TypeError, KeyError) as error:
            raise errors.CloneParentInvalid(
                f'{directory} cannot be read ({error})') from error

    def ensure(self, key: str, fill: Fill) -> tuple[Master, bool]:
        """Return the master of this key, made now if nobody has.

        The flag tells whether this call made it. ``fill`` is called at most
        once; what it raises is passed on, and nothing is left behind.
        """
        master = self.find(key)
        if master is not None:
            return master, False
        with self._only_one(key):
            master = self.find(key)
            if master is not None:
                return master, False
            return self._make(key, fill)

    @contextlib.contextmanager
    def _only_one(self, key: str) -> Iterator[None]:
        self._guard.check()
        with lockutils.lock(key, lock_file_prefix='nova-gpfs', external=True,
                            lock_path=self._layout.locks):
            yield

    def _make(self, key: str, fill: Fill) -> tuple[Master, bool]:
        self._guard.check()
        self.sweep()
        started = time.monotonic()
        with self._room(key) as room:
            image = os.path.join(room, IMAGE)
            info = fill(image)
            self._guard.check()
            _flush(image)
            self._driver.seal(image)
            _write_info(room, key, info)
            made = self._publish(room, key)
        master = self.find(key)
        if master is None:
            raise errors.CloneParentInvalid(
                f'{self._layout.master(key)} vanished when it was published')
        LOG.info('Master image %(key)s %(what)s: %(format)s, %(size)d bytes, '
                 '%(seconds).1f s',
                 {'key': key, 'format': master.info.format,
                  'what': 'made and sealed' if made else 'came from another '
                  'host meanwhile', 'size': master.info.virtual_size,
                  'seconds': time.monotonic() - started})
        return master, made

    @contextlib.contextmanager
    def _room(self, key: str) -> Iterator[str]:
        """Make a directory that nobody else uses; gone when left."""
        name = f'{key}.{socket.gethostname()}.{uuid.uuid4().hex}'
        room = os.path.join(self._layout.incoming, name)
        os.mkdir(room, mount_guard.DIRECTORY_MODE)
        try:
            yield room
        finally:
            _remove_room(room)

    def _publish(self, room: str, key: str) -> bool:
        """Give the room its final name; False if another host was first."""
        try:
            os.rename(room, self._layout.master(key))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        _flush(self._layout.masters)
        return True

    def sweep(self) -> list[str]:
        """Remove rooms in which nothing has happened for ``leftover_age``.

        A host that dies while it makes a master leaves its room. Returns
        the names of those that were removed. A room that is still in use by
        a very slow host costs that host its work, and nothing else.
        """
        removed = []
        for name in sorted(os.listdir(self._layout.incoming)):
            room = os.path.join(self._layout.incoming, name)
            if time.time() - _last_change(room) < self._leftover_age:
                continue
            LOG.warning('Removing the unfinished master %s', room)
            if self._bury(room):
                removed.append(name)
        return removed

    def _bury(self, room: str) -> bool:
        """Remove another host's room; say whether it is gone.

        It is renamed first. Should its host publish it in this moment, then
        one of the two renames finds nothing, and what is removed is never
        the published master.
        """
        grave = os.path.join(self._layout.incoming,
                             f'dead.{uuid.uuid4().hex}')
        try:
            os.rename(room, grave)
        except FileNotFoundError:
            return True
        return _remove_room(grave)


def _info(fields: dict[str, Any]) -> plan.MasterInfo:
    """Return what is known; fields of a later release are passed over."""
    known = {field.name for field in dataclasses.fields(plan.MasterInfo)}
    return plan.MasterInfo(**{name: value for name, value in fields.items()
                              if name in known})


def _flush(path: str) -> None:
    """Bring a file or directory to disk, as its owner may read it."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_info(room: str, key: str, info: plan.MasterInfo) -> None:
    fields = {'version': 1, 'key': key, 'sealed_at': int(time.time()),
              'sealed_by': socket.gethostname(),
              'info': dataclasses.asdict(info)}
    with open(os.path.join(room, INFO), 'x', encoding='utf-8') as f:
        f.write(json.dumps(fields, indent=1) + '\n')
        f.flush()
        os.fsync(f.fileno())
    _flush(room)


def _last_change(room: str) -> float:
    """Return when anything in a room was last written; now if it is gone."""
    newest = 0.0
    for path in (room, *_entries(room)):
        try:
            newest = max(newest, os.lstat(path).st_mtime)
        except FileNotFoundError:
            continue
    return newest or time.time()


def _entries(room: str) -> list[str]:
    try:
        return [os.path.join(room, name) for name in os.listdir(room)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_room(room: str) -> bool:
    """Remove a room and say whether it is gone.

    A sealed file without clones can be unlinked (the Cinder GPFS driver
    depends on it). Should a cluster refuse, the room stays and is tried
    again by the next sweep.
    """
    if os.path.isdir(room) and not os.path.islink(room):
        shutil.rmtree(room, ignore_errors=True)
    elif os.path.lexists(room):
        with contextlib.suppress(OSError):
            os.unlink(room)
    if os.path.lexists(room):
        LOG.warning('The unfinished master %s could not be removed; it is '
                    'tried again later', room)
        return False
    return True
