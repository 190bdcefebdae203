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
twice is published once (see ``incoming``).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import time
from typing import TypeVar

from oslo_concurrency import lockutils

from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout

T = TypeVar('T')

# Seconds between two looks at what another host does: at first, how much
# longer each time, and at most.
_FIRST_PAUSE, _LONGER, _LONGEST_PAUSE = 0.05, 1.5, 2.0


class Turns:
    """The locks below one instances_path."""

    def __init__(self, layout: gpfs_layout.Layout,
                 guard: mount_guard.MountGuard) -> None:
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
    def turn(self, key: str, find: Callable[[], T | None]
             ) -> Iterator[T | None]:
        """Wait for this host's turn, or for what another host makes of it.

        Gives what ``find`` returns; None if it is this host's turn to make
        it. Who finds it need not wait for the lock. oslo.concurrency would
        ask for that ten times a second, which is too much for one file that
        a thousand hosts wait for while an image is fetched. Of the callers
        of a process one asks. Raises as ``alone`` does.
        """
        with lockutils.lock(f'nova-gpfs-turn-{key}'):
            for pause in _pauses():
                with self.alone(key) as alone:
                    found = find()
                    if alone or found is not None:
                        yield found
                        return
                time.sleep(pause)


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(_LONGER * pause, _LONGEST_PAUSE)
