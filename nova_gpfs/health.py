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

"""Whether the storage of a compute host is well, looked at from that host.

Some of it can only be seen by waiting: a file system that does not answer
holds whoever touches it, and a process that is held cannot be ended. So a
process of its own touches it first.
"""

from __future__ import annotations

import contextlib
import os

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import location
from nova_gpfs import run

_STAT = '/usr/bin/stat'


class Health:
    """Looks at the file system of the instances."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout, guard: mount_guard.MountGuard,
                 seconds: float) -> None:
        """``seconds`` is how long the file system may take to answer."""
        self._driver = driver
        self._layout = layout
        self._guard = guard
        self._touch = run.Alone((_STAT, layout.identity), seconds)

    def trouble(self) -> errors.GpfsError | None:
        """Return what is wrong, None if all is well.

        Takes one mm command while all is well.
        """
        try:
            self._look()
        except errors.GpfsError as error:
            return error
        except OSError as error:
            return errors.NotMounted(f'{self._layout.instances_path}: '
                                     f'{error.strerror}')
        return None

    def _look(self) -> None:
        self._require_an_answer()
        self._guard.check()
        require_writable(self._layout.instances_path)
        try:
            self._driver.attributes(self._layout.instances_path)
        except (errors.CommandFailed, errors.NotReady):
            # The state of the daemon says it better, if that is the reason.
            with contextlib.suppress(errors.CommandFailed):
                location.require_active(self._driver.cluster())
            raise

    def _require_an_answer(self) -> None:
        """Let the guard keep others away while there is no answer.

        :raises errors.TimedOut: there is none
        """
        try:
            # What the answer is, the guard finds out.
            self._touch()
        except errors.TimedOut as silence:
            self._guard.silence = silence
            raise
        self._guard.silence = None


def require_writable(path: str) -> None:
    """Raise ``errors.ReadOnly`` if the file system is mounted so."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise errors.ReadOnly(f'{path} lies on a file system that is mounted '
                              'read-only')
