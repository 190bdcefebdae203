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

"""Never write an image below an unmounted GPFS, nor into another one.

Glance's user may run few of GPFS's commands. So the directory of a store
carries a file that says where it lies, made once with all that it takes to
find out, and what that user can see is compared with it: the file system in
the mount table and the fileset. Every operation then works on directories
that it holds open, so that an unmount in its midst leads nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import os

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import identity
from nova_gpfs import image_store
from nova_gpfs import location

LOG = logging.getLogger(__name__)

# The group, that of the store's directory, is one of Nova's user: it reads
# images and writes snapshots. What is made in a directory gets its group.
_MODES = {image_store.IMAGES: 0o2750, image_store.SNAPSHOTS: 0o2770,
          image_store.INCOMING: 0o2700, image_store.TRASH: 0o2700}


class StoreGuard:
    """Knows which file system and fileset a store must be in."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 store: image_store.ImageStore) -> None:
        self._driver = driver
        self._store = store
        self._verified: tuple[int, int, int] | None = None
        self._where: location.Location | None = None

    def establish(self, owner: int = -1) -> location.Location:
        """Make what the directory lacks, and find out where it is.

        "Already done" means that the identity names just this place.

        :param owner: number of the user whom made directories are given to;
            by default this one
        :raises errors.WrongFileSystem: the identity names another place
        :raises errors.Misconfigured: a part lies in another fileset
        :raises errors.NotPermitted: there is no identity, and this user may
            not run the commands that it takes to write one
        :raises errors.NotGpfs, errors.NotReady, errors.NotMounted: as it is
        """
        # Any user may ask this, and it finds a file system that is gone.
        self._driver.attributes(self._store.directory)
        if not os.path.lexists(self._store.identity):
            here = location.locate(self._driver, self._store.directory)
            _make_directories(self._store, owner)
            identity.publish(self._store.identity, here)
        self._verified = None
        with self.rooms():
            return self._require_one_fileset()

    @contextlib.contextmanager
    def rooms(self) -> Iterator[image_store.Rooms]:
        """Open the directories of the store, which is where it should be.

        :raises errors.NotMounted: the identity is gone or cannot be read
        :raises errors.NotPermitted: this user may not look
        :raises errors.WrongFileSystem: another file system stands there
        """
        with image_store.rooms(self._store) as rooms:
            seen = self._seen(rooms)
            if seen != self._verified:
                self._where = self._verify(rooms)
                self._verified = seen
            yield rooms

    @property
    def where(self) -> location.Location:
        """Return where the store was when its rooms were last opened."""
        assert self._where is not None
        return self._where

    def _seen(self, rooms: image_store.Rooms) -> tuple[int, int, int]:
        try:
            found = os.stat(image_store.IDENTITY, dir_fd=rooms.top,
                            follow_symlinks=False)
        except OSError as error:
            raise image_store.refusal(error, self._store.identity) from error
        # The number of an inode may be that of another file by now.
        return found.st_dev, found.st_ino, found.st_ctime_ns

    def _verify(self, rooms: image_store.Rooms) -> location.Location:
        try:
            marked = identity.read(image_store.IDENTITY, rooms.top)
        except OSError as error:
            raise image_store.refusal(error, self._store.identity) from error
        here = self._here(marked)
        if marked != here:
            raise identity.mismatch(self._store.identity, marked, here)
        return marked

    def _here(self, marked: location.Location) -> location.Location:
        """Return where the store is; as marked what cannot be found out."""
        try:
            return location.locate(self._driver, self._store.directory)
        except errors.NotPermitted as error:
            LOG.debug('Of where %(directory)s is, only the fileset and the '
                      'mount table are looked at: %(error)s',
                      {'directory': self._store.directory, 'error': error})
        fileset = self._driver.attributes(self._store.directory).fileset
        device = location.mounted_device(self._store.directory)
        return dataclasses.replace(marked, fileset=fileset,
                                   file_system=device or marked.file_system)

    def _require_one_fileset(self) -> location.Location:
        """Return where the store is; clones need all of it in one fileset."""
        for kind in image_store.DIRECTORIES:
            path = self._store.room(kind)
            fileset = self._driver.attributes(path).fileset
            if fileset != self.where.fileset:
                raise errors.Misconfigured(
                    f'{path} is in fileset {fileset}, and the store in '
                    f'{self.where.fileset}')
        return self.where


def _make_directories(store: image_store.ImageStore, owner: int) -> None:
    """Make the directories that are not there; others keep their modes."""
    group = os.stat(store.directory).st_gid
    for kind, mode in _MODES.items():
        path = store.room(kind)
        try:
            os.mkdir(path, 0o700)
            os.chown(path, owner, group)
            os.chmod(path, mode)
        except FileExistsError:
            continue
        except PermissionError:
            raise errors.NotPermitted(
                f'user {os.geteuid()} cannot make {path} for group '
                f'{group}') from None
