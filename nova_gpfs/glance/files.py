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

"""Files of images: written where nobody looks, then given their name.

``link`` gives the name, since it never takes one from another file, as
``rename`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import errno
import os
import socket
import stat
import uuid

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import image_store

LOG = logging.getLogger(__name__)

_CREATE = (os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
           | os.O_CLOEXEC)


class Draft:
    """The file of an image that is being written."""

    def __init__(self, rooms: image_store.Rooms,
                 store: image_store.ImageStore, image_id: str,
                 mode: int) -> None:
        """:raises OSError: the file cannot be made"""
        self.image_id = image_id
        self.name = f'{image_id}.{socket.gethostname()}.{uuid.uuid4().hex}'
        self.path = os.path.join(store.room(image_store.INCOMING), self.name)
        self._rooms = rooms
        self.descriptor = os.open(self.name, _CREATE, 0o600,
                                  dir_fd=rooms.incoming)
        os.fchmod(self.descriptor, mode)

    def publish(self, sync: bool) -> None:
        """Give the file its name.

        :param sync: return when file and name are on disk
        :raises FileExistsError: there is such an image; it is left alone
        :raises OSError: what was written or the name cannot be kept
        """
        if sync:
            os.fsync(self.descriptor)
        self._close()
        os.link(self.name, self.image_id, src_dir_fd=self._rooms.incoming,
                dst_dir_fd=self._rooms.images, follow_symlinks=False)
        try:
            os.unlink(self.name, dir_fd=self._rooms.incoming)
            if sync:
                os.fsync(self._rooms.images)
        except BaseException:
            os.unlink(self.image_id, dir_fd=self._rooms.images)
            raise

    def discard(self) -> None:
        """Remove what has not got its name; "already done" if it has."""
        self._close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self._rooms.incoming)

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextlib.contextmanager
def draft(rooms: image_store.Rooms, store: image_store.ImageStore,
          image_id: str, mode: int) -> Iterator[Draft]:
    """Make a file for an image; without ``publish`` nothing is left of it.

    :raises OSError: the file cannot be made
    """
    made = Draft(rooms, store, image_id, mode)
    try:
        yield made
    finally:
        try:
            made.discard()
        except OSError as error:
            LOG.warning('%(path)s is left for the sweep: %(error)s',
                        {'path': made.path, 'error': error})


def is_stored(rooms: image_store.Rooms, image_id: str) -> bool:
    """Whether anything has the name of an image."""
    for room in (rooms.images, rooms.snapshots):
        with contextlib.suppress(FileNotFoundError):
            os.stat(image_id, dir_fd=room, follow_symlinks=False)
            return True
    return False


def open_image(rooms: image_store.Rooms, store: image_store.ImageStore,
               driver: gpfs_driver.GpfsDriver, image_id: str
               ) -> image_store.StoredImage:
    """Open the file of an image; the caller closes it.

    :raises errors.NoSuchFile: the store has no such image
    :raises errors.NotPermitted: it is no ordinary file of one name, or this
        user may not read it
    :raises errors.NotMounted: the file system does not answer
    """
    for room, path in _places(rooms, store, image_id):
        found = image_store.open_at(room, path)
        if found is None:
            continue
        try:
            _require_one_name(found.names, path, driver)
        except BaseException:
            os.close(found.descriptor)
            raise
        return found
    raise errors.NoSuchFile(f'{store.directory} has no image {image_id}')


def remove(rooms: image_store.Rooms, store: image_store.ImageStore,
           driver: gpfs_driver.GpfsDriver, image_id: str) -> bool:
    """Take the name of an image away, and its data when nothing needs them.

    A clone parent that has clones cannot be unlinked, by an errno that is not
    documented. It can be renamed (the Cinder GPFS driver depends on it), so
    it is thrown away and removed by a later sweep.

    Returns whether the data are gone, too.

    :raises errors.NoSuchFile: the store has no such image
    :raises errors.NotPermitted: it is no ordinary file of one name, or this
        user may not remove it
    :raises errors.NotMounted: the file system does not answer
    """
    for room, path in _places(rooms, store, image_id):
        try:
            found = os.stat(image_id, dir_fd=room, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                raise errors.NotPermitted(f'{path} is not a regular file')
            _require_one_name(found.st_nlink, path, driver)
            return _unlink_or_throw_away(rooms, room, image_id)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise image_store.refusal(error, path) from error
    raise errors.NoSuchFile(f'{store.directory} has no image {image_id}')


def _unlink_or_throw_away(rooms: image_store.Rooms, room: int,
                          image_id: str) -> bool:
    try:
        os.unlink(image_id, dir_fd=room)
        return True
    except FileNotFoundError:
        raise
    except OSError as error:
        os.rename(image_id, f'{image_id}.{uuid.uuid4().hex}',
                  src_dir_fd=room, dst_dir_fd=rooms.trash)
        LOG.info('The data of image %(image)s stay until their last clone '
                 'goes: %(why)s', {'image': image_id, 'why': error.strerror})
        return False


def _places(rooms: image_store.Rooms, store: image_store.ImageStore,
            image_id: str) -> tuple[tuple[int, str], ...]:
    return ((rooms.images, store.image(image_id)),
            (rooms.snapshots, store.snapshot(image_id)))


def _require_one_name(names: int, path: str,
                      driver: gpfs_driver.GpfsDriver) -> None:
    """Refuse a file that may be another one's by a hard link.

    GPFS counts the clones of a parent among its links (IBM documentation,
    "Listing file clones").
    """
    if names != 1 and not driver.clone_info(path).is_parent:
        raise errors.NotPermitted(f'{path} has {names} names (hard links)')


def is_full(error: OSError) -> bool:
    """Whether there is no room: disks, a quota or the size of a file."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
