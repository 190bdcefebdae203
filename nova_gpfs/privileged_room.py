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

"""A directory of root's, in which commands that root runs make new files.

GPFS gives a new file the mode of its source and the owner of who runs the
command (IBM documentation, mmclone command), and nobody has written what it
does where a symbolic link has the name that is to be made. So a file is made
where no other user can put a name or run a program, loses what would let it
run as another user, and only then gets the name that was asked for.

There is one such room for each host, below a directory that nova-compute may
own: ``_gpfs_making/<host>``. What a daemon that was killed has left in it, the
next one removes. A clone parent among it stays until its last clone has gone,
since GPFS refuses before that.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import os
import socket
import stat
import time
import uuid

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import pinned
from nova_gpfs import renaming
from nova_gpfs import walk

LOG = logging.getLogger(__name__)

DIRECTORY = '_gpfs_making'

_MODE = 0o700
_ENTER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
# Opens what a command has made, and nothing that it waits for.
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DISK_MODE = 0o644
_SET_ID = stat.S_ISUID | stat.S_ISGID
# A mere name, see ``privsep``.
_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE = (os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
         | os.O_CLOEXEC)


@dataclasses.dataclass(frozen=True)
class Owner:
    """Whose a new file becomes; user 0 lets it be root's."""

    uid: int
    gid: int


class Draft:
    """A file that a command is to make, and the name that it gets then."""

    def __init__(self, room: int, place: str, directory: int, target: str,
                 owner: Owner | None) -> None:
        """``place`` is the path of the room, ``directory`` the target's."""
        #: The open directory that it is made in.
        self.room = room
        self._directory = directory
        self._target = target
        self._owner = owner
        self._name = f'{os.path.basename(target)[:150]}.{uuid.uuid4().hex}'
        self._is_published = False
        #: Names of the file, one of which the command gets.
        self.pinned = pinned.name(room, self._name)
        self.path = os.path.join(place, self._name)

    def publish(self) -> None:
        """Give the file, if there is one, its owner and its own name.

        :raises errors.AlreadyExists: there is something of that name
        :raises errors.NotPermitted: it is no regular file
        :raises OSError: GPFS refused it
        """
        try:
            file = os.open(self._name, _LOOK, dir_fd=self.room)
        except FileNotFoundError:
            return
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise errors.NotPermitted(
                    f'what was made for {self._target} is no regular file')
            _give(file, found, self._owner)
        finally:
            os.close(file)
        with _absent(self._target) as name:
            renaming.to_free_name(
                self._name, name, source_directory=self.room,
                target_directory=self._directory)
        self._is_published = True

    def forget(self) -> None:
        """Remove a clone that has not got its own name."""
        if self._owner is not None and not self._is_published:
            _remove(self.room, self._name)


def require_absent(directory: int, path: str) -> None:
    """Refuse a path whose directory, open here, has that name already.

    :raises errors.AlreadyExists: there is something of that name
    """
    with _absent(path) as name:
        renaming.require_free(name, directory)


@contextlib.contextmanager
def _absent(path: str) -> Iterator[str]:
    """Give the name of a file; that it is taken is an error of ours."""
    try:
        yield os.path.basename(path)
    except FileExistsError:
        raise errors.AlreadyExists(path) from None


def runs_as_another(found: os.stat_result) -> bool:
    """Whether a file, run as a program, has its owner's or group's rights."""
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & _SET_ID)


def _give(file: int, found: os.stat_result, owner: Owner | None) -> None:
    """Give a file to its owner; whose GPFS has made it is not documented."""
    if owner is None or owner.uid == 0:
        if runs_as_another(found):
            _set_mode(file, found, found.st_mode & 0o777)
        return
    _set_mode(file, found, _DISK_MODE)
    os.fchown(file, owner.uid, owner.gid)


def _set_mode(file: int, found: os.stat_result, mode: int) -> None:
    """Change a mode, which is for the owner alone, without CAP_FOWNER."""
    if found.st_uid != os.geteuid():
        os.fchown(file, os.geteuid(), os.getegid())
    os.fchmod(file, mode)


class Rooms:
    """The rooms of this daemon, by the directories that they are in."""

    def __init__(self, left_age: Callable[[], float]) -> None:
        """``left_age`` says after how many seconds a file counts as left."""
        self._left_age = left_age
        # When somebody looked what was there, in seconds, and what it was.
        self._left: dict[str, tuple[float, frozenset[str]]] = {}
        # What this daemon has closed, by device and inode number.
        self._closed: set[tuple[int, int]] = set()

    @contextlib.contextmanager
    def draft(self, base: str, directory: int, target: str,
              owner: Owner | None) -> Iterator[Draft]:
        """Give what a command makes a file by, instead of its path.

        :param base: the directory that the room of this host is in
        :param directory: the open one that ``target`` is in
        :param owner: whose the file becomes, with mode 0644; None for a
            clone parent, which stays root's as it is
        :raises errors.NotPermitted: the room is not root's alone
        :raises errors.NotMounted: the file system does not answer
        :raises OSError: the room cannot be made
        """
        with self._entered(base) as (place, room):
            draft = Draft(room, place, directory, target, owner)
            try:
                yield draft
            finally:
                draft.forget()

    @contextlib.contextmanager
    def sample(self, base: str) -> Iterator[tuple[str, str]]:
        """Give the path of an empty file, and a name that leads to it.

        The file was opened under another path, which is gone: a program that
        reads the name as text is told of that one (proc(5), "(deleted)").
        Raises as ``draft`` does.
        """
        with (self._entered(base) as (place, room),
              contextlib.ExitStack() as stack):
            first, second = (f'sample.{uuid.uuid4().hex}'
                             for _name in range(2))
            os.close(os.open(first, _MAKE, 0o600, dir_fd=room))
            file = os.open(first, _NAME, dir_fd=room)
            stack.callback(os.close, file)
            stack.callback(_remove, room, second)
            try:
                os.link(first, second, src_dir_fd=room, dst_dir_fd=room,
                        follow_symlinks=False)
            finally:
                os.unlink(first, dir_fd=room)
            yield os.path.join(place, second), pinned.name(file)

    @contextlib.contextmanager
    def _entered(self, base: str) -> Iterator[tuple[str, int]]:
        """Open the room of this host; give its path and it."""
        host = layout.master_key(socket.gethostname())
        place = os.path.join(base, DIRECTORY, host)
        room = self._enter(base, host)
        try:
            self._clean(place, room)
            yield place, room
        finally:
            os.close(room)

    def _clean(self, place: str, room: int) -> None:
        """Remove what was there so long ago that no command makes it."""
        now = time.monotonic()
        seen, left = self._left.get(place, (now, None))
        if left is not None and now < seen + self._left_age():
            return
        there = frozenset(os.listdir(room))
        self._left[place] = now, there
        for name in there & (left or frozenset()):
            if _remove(room, name):
                LOG.info('%(place)s/%(name)s was left over and is removed',
                         {'place': place, 'name': name})

    def _enter(self, base: str, host: str) -> int:
        """Open the room of a host; the caller closes it."""
        with walk.to(base, DIRECTORY) as (directory, name):
            hosts = self._open(directory, name)
        try:
            return self._open(hosts, host)
        finally:
            os.close(hosts)

    def _open(self, directory: int, name: str) -> int:
        """Open a directory of root's alone; it is made if there is none."""
        try:
            opened = _look(directory, name)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, _MODE, dir_fd=directory)
            opened = _look(directory, name)
        try:
            if (os.fstat(opened).st_dev != os.fstat(directory).st_dev
                    or not self._is_ours(opened)):
                raise errors.NotPermitted(_not_ours(name))
        except BaseException:
            os.close(opened)
            raise
        return opened

    def _is_ours(self, directory: int) -> bool:
        """Whether nobody but root can enter a directory.

        An ACL that it has from the one in which it was made would let others
        in. So this daemon gives it its mode once more, whoever has made it,
        which limits what an ACL grants (acl(5)) or takes its place (see
        ``privileged_closing``).
        """
        found = os.fstat(directory)
        if found.st_uid != os.geteuid():
            return False
        if (found.st_dev, found.st_ino) not in self._closed:
            os.fchmod(directory, _MODE)
            self._closed.add((found.st_dev, found.st_ino))
        return not stat.S_IMODE(os.fstat(directory).st_mode) & 0o077


def _look(directory: int, name: str) -> int:
    try:
        return os.open(name, _ENTER, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise errors.NotPermitted(_not_ours(name)) from None
        raise


def _not_ours(name: str) -> str:
    return (f'{name} is no directory of mode 0700 that belongs to root; '
            'remove it, and it is made anew')


def _remove(room: int, name: str) -> bool:
    """Remove a file if that can be; GPFS keeps a parent that has clones."""
    try:
        os.unlink(name, dir_fd=room)
    except OSError:
        return False
    return True
