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

"""Where masters are made before anybody can see them.

A master is made in a *room*, a directory of its own below ``incoming/``, and
published by renaming the whole room. POSIX lets rename() replace a directory
only while that is empty, so the first host to publish wins, nobody can
overwrite what is published, and this holds even where file locks do not reach
across hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import errno
import os
import shutil
import socket
import stat
import time
import uuid

from oslo_log import log as logging

from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout

LOG = logging.getLogger(__name__)

# In the time after which something is left over, it is looked for so often.
_SWEEPS = 24


class Incoming:
    """The rooms of one instances_path."""

    def __init__(self, layout: gpfs_layout.Layout,
                 leftover_age: float) -> None:
        self._layout = layout
        self._leftover_age = leftover_age

    @contextlib.contextmanager
    def room(self, key: str) -> Iterator[str]:
        """Make a directory that nobody else uses; gone when left."""
        name = f'{key}.{socket.gethostname()}.{uuid.uuid4().hex}'
        room = os.path.join(self._layout.incoming, name)
        os.mkdir(room, mount_guard.DIRECTORY_MODE)
        try:
            yield room
        finally:
            remove_room(room)

    def signs(self, key: str) -> frozenset[tuple[object, ...]]:
        """Return what changes while a master is made, here or elsewhere.

        No clock counts in it, only that something is not what it was.

        :param key: with which the names of its rooms begin
        """
        return frozenset(
            sign for name in os.listdir(self._layout.incoming)
            if name.startswith(key)
            for sign in _signs(os.path.join(self._layout.incoming, name)))

    def publish(self, room: str, target: str) -> bool:
        """Give a room its final name; False if another host was first."""
        try:
            os.rename(room, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        flush(os.path.dirname(target))
        return True

    def sweep_in_turn(self) -> list[str]:
        """Sweep, unless some host has done so lately.

        Five hundred hosts that make a master each would look at the rooms of
        all the others. Two may both sweep, which costs them work and nothing
        else.
        """
        return (self.sweep() if is_turn(self._layout.swept,
                                        self._leftover_age) else [])

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
            LOG.log(_level(room), 'Removing the unfinished master %s', room)
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
        return remove_room(grave)


def is_younger(path: str, age: float) -> bool:
    """Whether a file was touched less than ``age`` seconds ago.

    It goes by the clock of this host, so nothing may depend on it but how
    often something is done. Where the file is of another time, past or yet
    to come, it counts as old.
    """
    try:
        return abs(time.time() - os.stat(path).st_mtime) < age
    except FileNotFoundError:
        return False


def is_turn(path: str, leftover_age: float) -> bool:
    """Whether to look for what is left over, as no host has done so lately.

    Two may both be told so.

    :param path: a file that is touched by who is told so
    :param leftover_age: seconds
    """
    if is_younger(path, leftover_age / _SWEEPS):
        return False
    touch(path)
    return True


def touch(path: str) -> None:
    """Give a file the time that a write would give it now.

    An empty file is made where there is none.
    """
    try:
        os.utime(path, follow_symlinks=False)
    except FileNotFoundError:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
                         | os.O_CLOEXEC, 0o644))


def flush(path: str) -> None:
    """Bring a file or directory to disk, as its owner may read it."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _last_change(room: str) -> float:
    """Return when anything in a room was last written; now if it is gone."""
    newest = 0.0
    for path in (room, *_entries(room)):
        try:
            newest = max(newest, os.lstat(path).st_mtime)
        except FileNotFoundError:
            continue
    return newest or time.time()


def _signs(room: str) -> Iterator[tuple[object, ...]]:
    for path in (room, *_entries(room)):
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(path)
            yield path, found.st_size, found.st_blocks, found.st_mtime_ns


def _entries(room: str) -> list[str]:
    try:
        return [os.path.join(room, name) for name in os.listdir(room)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _level(room: str) -> int:
    """Return how loudly a room is spoken of.

    A clone parent of an image in Glance's store stays as long as that image,
    which is no news at each sweep. Its clones count as names.
    """
    for path in _entries(room):
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(path)
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                return logging.DEBUG
    return logging.WARNING


def remove_room(room: str) -> bool:
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
        LOG.log(_level(room), 'The unfinished master %s could not be removed; '
                'it is tried again later', room)
        return False
    return True
