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

"""Let one host at a time work on the masters of an image, and others wait.

The lock only saves work: where it does not reach across hosts, what is made
twice is published once (see ``incoming``). So nobody waits without end for a
host that hangs and keeps its lock. Who has waited long enough passes it by,
and takes the next of a few locks in its place: of the thousand hosts that may
have waited one goes on, and not all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import time
from typing import cast, TypeVar

from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout

LOG = logging.getLogger(__name__)

T = TypeVar('T')

#: Seconds, where nothing else is said.
LONGEST_WAIT = 600.0

#: What tells whether anything happens in the place of whoever has a lock.
Signs = Callable[[], object]

# In which part of the longest wait who waits first looks for signs. Most
# masters are there before.
_FIRST_LOOK = 0.2

#: How many hosts that hang one waits for. Who has waited for so many takes no
#: lock at all.
LOCKS = 3

# Seconds between two looks at what another host does: at first, how much
# longer each time, and at most.
_FIRST_PAUSE, _LONGER, _LONGEST_PAUSE = 0.05, 1.5, 2.0


class Turns:
    """The locks below one instances_path."""

    def __init__(self, layout: gpfs_layout.Layout,
                 guard: mount_guard.MountGuard,
                 longest_wait: float) -> None:
        """``longest_wait`` is in seconds, for who has a lock and hangs."""
        self._longest_wait = longest_wait
        self._layout = layout
        self._guard = guard

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

    @contextlib.contextmanager
    def alone(self, key: str) -> Iterator[bool]:
        """Give whether nobody else works on a key; does not wait.

        :raises errors.NotMounted, errors.WrongFileSystem: as it is
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self.only_one(key, wait=False))
            except lockutils.AcquireLockFailedException:
                yield False
                return
            yield True

    @contextlib.contextmanager
    def turn(self, key: str, find: Callable[[], T | None],
             signs: Signs) -> Iterator[T | None]:
        """Wait for this host's turn, or for what another host makes of it.

        Gives what ``find`` returns; None if it is this host's turn to make
        it. Who finds it need not wait for the lock. oslo.concurrency would
        ask for that ten times a second, which is too much for one file that
        a thousand hosts wait for while an image is fetched. Of the callers
        of a process one asks. Raises as ``alone`` does.

        A lock is passed by once ``signs`` has returned the same twice, with
        ``longest_wait`` seconds in between. So nobody waits for longer than
        twice that for a host that hangs, and for ``LOCKS`` of them.
        """
        with lockutils.lock(f'nova-gpfs-turn-{key}'):
            for lock in _locks(key):
                with contextlib.ExitStack() as held:
                    found = self._wait(held, lock, find, signs)
                    if found is not _HANGS:
                        yield cast(T | None, found)
                        return
                LOG.warning(
                    'Whoever has the lock %(lock)s has done nothing for '
                    '%(wait)d seconds and is passed by. See whether a host '
                    'hangs; names in %(rooms)s tell which may.',
                    {'lock': lock, 'wait': self._longest_wait,
                     'rooms': self._layout.incoming})
            yield find()

    def _wait(self, held: contextlib.ExitStack, lock: str,
              find: Callable[[], T | None], signs: Signs) -> object:
        """Return what is found, None once a lock is held, or ``_HANGS``."""
        seen = None
        left = _FIRST_LOOK * self._longest_wait
        for pause in _pauses():
            alone = held.enter_context(self.alone(lock))
            found = find()
            if alone or found is not None:
                return found
            held.close()
            if left <= 0:
                before, seen, left = seen, signs(), self._longest_wait
                if seen == before:
                    break
            time.sleep(pause)
            left -= pause
        return _HANGS


_HANGS = object()


def _locks(key: str) -> Iterator[str]:
    """Yield the names of locks, of which each is for a host that hangs."""
    yield key
    for number in range(2, LOCKS + 1):
        yield f'{key}.{number}'


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(_LONGER * pause, _LONGEST_PAUSE)
