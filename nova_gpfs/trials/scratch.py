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

"""The one directory that all trials work in, and how it goes again.

Its name says what it is, and a file in it which host made it. That host holds
a lock on the file for as long as the program runs; so the next run on the
same host sees whether its maker lives, and removes what a killed one has
left. One of another host counts as left when nothing has touched the file
for long: no lock between hosts is relied upon.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import fcntl
import os
import re
import shutil
import signal
import uuid

PREFIX = '_gpfs-check.'
_NAME = re.compile(re.escape(PREFIX) + '[0-9a-f]{32}')
_OWNER = 'made-by'
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# As many as a chain of clones can be long: each pass frees one parent.
_PASSES = 600


@dataclasses.dataclass
class Scratch:
    """A directory of trials that is in use.

    One that is out of reach is left as it is: to look at it could wait for
    ever, or find another file system.
    """

    path: str
    is_out_of_reach: bool = False

    def is_gone(self) -> bool:
        """Whether nothing is left of it."""
        return not self.is_out_of_reach and _is_gone(self.path)

    def touch(self) -> None:
        """Say that its maker lives, to other hosts."""
        os.utime(os.path.join(self.path, _OWNER))


@contextlib.contextmanager
def below(directory: str, host: str, left_age: float) -> Iterator[Scratch]:
    """Make a scratch directory, gone when left; remove what is left of old.

    It is removed on Ctrl-C as well, and no further signal interrupts that.
    What cannot be removed is there afterwards, see ``Scratch.is_gone``.

    :param host: the name of this host
    :param left_age: seconds without a sign of life from another host
    """
    path = os.path.join(directory, PREFIX + uuid.uuid4().hex)
    own, owner = Scratch(path), -1
    try:
        os.mkdir(path, 0o700)
        owner = _sign(path, host)
        sweep(directory, host, left_age, path)
        yield own
    finally:
        # What is open goes with this process: to close it may take for ever.
        if not own.is_out_of_reach:
            with _undisturbed():
                remove(path)
                if owner >= 0:
                    os.close(owner)


def _sign(path: str, host: str) -> int:
    """Write who has made a directory; the lock ends with this process."""
    owner = os.open(os.path.join(path, _OWNER),
                    os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    # First of all: who finds a name and no lock takes it for left.
    with contextlib.suppress(OSError):
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(owner, host.encode())
    return owner


def all_below(directory: str) -> list[str]:
    """Return the scratch directories below a directory, dead or alive."""
    with os.scandir(directory) as entries:
        return sorted(entry.path for entry in entries
                      if _NAME.fullmatch(entry.name)
                      and entry.is_dir(follow_symlinks=False))


def sweep(directory: str, host: str, left_age: float, own: str) -> list[str]:
    """Remove what killed runs have left; return what was removed."""
    now = os.stat(own).st_mtime
    return [path for path in all_below(directory)
            if path != own and _is_left(path, host, now, left_age)
            and remove(path)]


def _is_left(path: str, host: str, now: float, left_age: float) -> bool:
    """Whether the maker of a directory of this user's is gone."""
    with contextlib.suppress(OSError):
        if os.lstat(path).st_uid != os.geteuid():
            return False
        try:
            owner = os.open(os.path.join(path, _OWNER),
                            os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return now - os.stat(path).st_mtime >= left_age
        try:
            age = now - os.fstat(owner).st_mtime
            if os.read(owner, 300) == host.encode():
                return _is_free(owner, age >= left_age)
            return age >= left_age
        finally:
            os.close(owner)
    return False


def _is_free(owner: int, otherwise: bool) -> bool:
    """Whether nobody on this host holds the lock on an open file."""
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno != errno.EWOULDBLOCK and otherwise
    return True


def remove(path: str) -> bool:
    """Remove a scratch directory; say whether it is gone.

    GPFS lets a parent go after its last clone, so each pass may free files
    for the next one.
    """
    for _pass in range(_PASSES):
        before = _count(path)
        shutil.rmtree(path, ignore_errors=True)
        if _is_gone(path):
            return True
        if _count(path) >= before:
            break
    return False


def _is_gone(path: str) -> bool:
    """Whether a path is free; that its file system is away says nothing."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return os.path.isdir(os.path.dirname(path))
    except OSError:
        pass
    return False


def _count(path: str) -> int:
    return sum(1 + len(files) for _top, _directories, files in os.walk(path))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back that would end the program in the middle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let every signal that ends a program do what Ctrl-C does.

    Those that are ignored stay so: nohup does that, and the shell to what
    runs in the background.
    """
    before = {number: signal.signal(number, _interrupt)
              for number in _SIGNALS
              if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
