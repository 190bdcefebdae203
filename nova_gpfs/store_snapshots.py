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

"""Files that Nova clones into the directory of Glance's store.

A file there is a clone of a clone parent of an instance's disk. GPFS keeps
that parent as long as the file is there, whatever becomes of the instance, so
Glance may remove the file at any time. From when Nova has registered it,
it is Glance's.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
import stat
import time

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import image_access
from nova_gpfs import image_location
from nova_gpfs import image_store
from nova_gpfs import location
from nova_gpfs import lookup
from nova_gpfs import model

LOG = logging.getLogger(__name__)

# Read by Glance, which has the group in common with Nova; see image_store.
_MODE = 0o640


class StoreSnapshots:
    """What Nova clones into the store beside one instances_path."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 images: image_access.ImageAccess) -> None:
        self._driver = driver
        self._images = images

    def require_room(self, image_id: str) -> location.Location:
        """Return where the store is, if a file can be made for an image.

        :raises errors.CannotClone: there is no store, or it is elsewhere
        :raises errors.NotPermitted: this user may not write there
        :raises errors.AlreadyExists: the image has a file
        """
        store = self._store()
        home = self._images.require_here(store.directory)
        image_location.at(home, image_id)
        room = store.room(image_store.SNAPSHOTS)
        if not os.access(room, os.W_OK | os.X_OK):
            raise errors.NotPermitted(
                f'user {os.geteuid()} cannot write to {room}')
        if os.path.lexists(store.snapshot(image_id)):
            raise errors.AlreadyExists(store.snapshot(image_id))
        return home

    def add(self, parent: str, image_id: str,
            placement: model.Placement = model.Placement()) -> str:
        """Clone a parent as the file of an image; return its location.

        The placement is for blocks that are written later, as when the file
        is detached from the parent.

        :raises errors.GpfsError: it cannot be; nothing is left
        """
        path = self._store().snapshot(image_id)
        home = self.require_room(image_id)
        try:
            self._driver.clone(parent, path)
            _share(path)
            self._driver.place(path, placement)
        except errors.AlreadyExists:
            raise
        except BaseException:
            # A command that is too late may have made the file.
            with contextlib.suppress(OSError):
                self.remove(image_id)
            raise
        return image_location.at(home, image_id).uri

    def remove(self, image_id: str) -> None:
        """Remove the file of an image that Glance does not know."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._store().snapshot(image_id))

    def path(self, image_id: str) -> str:
        return self._store().snapshot(image_id)

    def image_ids(self, age: float = 0.0) -> Iterator[str]:
        """Yield the images that have a file of this user's.

        :param age: seconds for which nothing has happened to the file
        """
        if self._images.store is None:
            return
        room = self._images.store.room(image_store.SNAPSHOTS)
        for name in sorted(os.listdir(room)):
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(os.path.join(room, name))
                if (stat.S_ISREG(found.st_mode)
                        and found.st_uid == os.geteuid()
                        and time.time() - found.st_ctime >= age):
                    yield name

    def _store(self) -> image_store.ImageStore:
        if self._images.store is None:
            raise errors.CannotClone('[gpfs] image_store is not set')
        return self._images.store


def _share(path: str) -> None:
    """Let the group of a directory read a file in it, and others not.

    Where this user is not in that group, Glance reads it as one of the
    others, who do not come through the directory otherwise.
    """
    room = os.stat(os.path.dirname(path))
    with contextlib.suppress(PermissionError):
        lookup.share(path, _MODE, room.st_gid)
