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

"""Never write below an unmounted GPFS.

An unmounted file system looks like an empty local directory, and everything
written there fills the root disk and is lost when GPFS comes back (Cinder
bugs 1242511, 1249411, 1246779). So the directory carries a marker that says
what file system it belongs to, and the marker is looked at before every
write: one stat, because a file that is still the same inode on the same
device needs no second look.
"""

from __future__ import annotations

import errno
import os

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import identity
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import location

DIRECTORY_MODE = 0o700


class MountGuard:
    """Knows which file system instances_path must be on."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout) -> None:
        self._driver = driver
        self._layout = layout
        self._verified: tuple[int, int] | None = None
        self._where: location.Location | None = None
        #: Set while the file system does not answer. Whoever looks at it
        #: then waits with it, and cannot be ended.
        self.silence: errors.TimedOut | None = None

    def establish(self) -> location.Location:
        """Find out the file system, mark it if nobody has, remember it.

        Called once when nova-compute starts. "Already done" means that the
        marker names just this file system and fileset.

        :raises errors.WrongFileSystem: the marker names another one
        :raises errors.NotGpfs, errors.NotReady, errors.NotMounted: as it is
        """
        here = location.locate(self._driver, self._layout.instances_path)
        for directory in self._layout.directories:
            _make_directory(directory)
        if not os.path.lexists(self._layout.identity):
            identity.publish(self._layout.identity, here)
        self._verify(here)
        return here

    def check(self) -> None:
        """Return if instances_path is the file system it was; else raise.

        :raises errors.NotMounted: the marker is gone or cannot be read
        :raises errors.WrongFileSystem: another file system stands there
        :raises errors.TimedOut: it is known not to answer; it is left alone
        """
        if self.silence is not None:
            raise errors.TimedOut(self.silence.argv, self.silence.seconds)
        if self._marker() != self._verified:
            self._verify(location.locate(self._driver,
                                         self._layout.instances_path))

    def where(self) -> location.Location:
        """Return where instances_path lies; raises as ``check`` does."""
        self.check()
        assert self._where is not None
        return self._where

    def _marker(self) -> tuple[int, int]:
        try:
            status = os.stat(self._layout.identity)
        except OSError as error:
            raise self._not_mounted(error) from error
        return status.st_dev, status.st_ino

    def _verify(self, here: location.Location) -> None:
        seen = self._marker()
        marked = self._read_marker()
        if marked != here:
            raise identity.mismatch(self._layout.identity, marked, here)
        self._verified, self._where = seen, here

    def _read_marker(self) -> location.Location:
        try:
            return identity.read(self._layout.identity)
        except OSError as error:
            raise self._not_mounted(error) from error

    def _not_mounted(self, error: OSError) -> errors.GpfsError:
        what = f'{self._layout.identity}: {error.strerror}'
        if error.errno in (errno.EACCES, errno.EPERM):
            return errors.NotPermitted(
                f'{what}, for user {os.geteuid()}; the user of nova-compute '
                'must have the same number on all hosts')
        return errors.NotMounted(what)


def _make_directory(path: str) -> None:
    """Make one directory, never its parents; an existing one will do."""
    try:
        os.mkdir(path, DIRECTORY_MODE)
    except FileExistsError:
        if os.path.islink(path) or not os.path.isdir(path):
            raise errors.Misconfigured(f'{path} is not a directory') from None
    except PermissionError:
        raise errors.NotPermitted(
            f'user {os.geteuid()} cannot make {path}') from None
