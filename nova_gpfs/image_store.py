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

"""The directory in which Glance keeps images on GPFS.

::

    <directory>/identity.json         what file system this is
               /images/<image id>     what Glance has written
               /snapshots/<image id>  what Nova has cloned for Glance
               /incoming/             what Glance is still writing
               /trash/                sealed files of deleted images

Glance's user owns all of it. Nova's user reads ``images`` and writes
``snapshots``, by a common group. Files are ordinary ones: Nova makes clone
parents of them under other names, so they can be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import os
import stat

from nova_gpfs import errors

IDENTITY = 'identity.json'
IMAGES = 'images'
SNAPSHOTS = 'snapshots'
INCOMING = 'incoming'
TRASH = 'trash'
DIRECTORIES = (IMAGES, SNAPSHOTS, INCOMING, TRASH)

# ELOOP and ENOTDIR: a part is a symbolic link (open(2), O_NOFOLLOW).
_REFUSALS = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR)
_DIRECTORY = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
# One whose names can be listed and which can be brought to disk.
_ROOM = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclasses.dataclass(frozen=True)
class ImageStore:
    """Paths below one directory of images; nothing is read or written."""

    directory: str

    @property
    def identity(self) -> str:
        return os.path.join(self.directory, IDENTITY)

    def image(self, image_id: str) -> str:
        return os.path.join(self.directory, IMAGES, image_id)

    def snapshot(self, image_id: str) -> str:
        return os.path.join(self.directory, SNAPSHOTS, image_id)

    def room(self, kind: str) -> str:
        return os.path.join(self.directory, kind)


@dataclasses.dataclass(frozen=True)
class Rooms:
    """The directories of a store, opened; what is done with them stays there.

    Descriptors, for ``dir_fd``. Whatever happens to the paths meanwhile, an
    unmount too, they lead to the file system that they were opened on.
    """

    top: int
    images: int
    snapshots: int
    incoming: int
    trash: int


@contextlib.contextmanager
def rooms(store: ImageStore) -> Iterator[Rooms]:
    """Open the directories of a store, following no link below its own path.

    :raises errors.NotMounted: they are not there, or nothing answers
    :raises errors.NotPermitted: one is a link, or this user may not look
    """
    opened: list[int] = []
    try:
        # The path of the store itself is the operator's and may hold links.
        opened.append(_opened(store.directory, _ROOM & ~os.O_NOFOLLOW))
        for kind in DIRECTORIES:
            opened.append(_opened(kind, _ROOM, opened[0],
                                  store.room(kind)))
        yield Rooms(*opened)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _opened(name: str, flags: int, within: int | None = None,
            path: str = '') -> int:
    try:
        return os.open(name, flags, dir_fd=within)
    except OSError as error:
        raise refusal(error, path or name) from error


def refusal(error: OSError, path: str) -> errors.GpfsError:
    """Return which of our errors a failure to open something is."""
    failure = (errors.NotPermitted if error.errno in _REFUSALS
               else errors.NotMounted)
    return failure(f'{path}: {error.strerror}')


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """The file of an image, opened for reading; the caller closes it.

    ``names`` is its st_nlink. A clone parent counts its clones there (IBM
    documentation, "Listing file clones", sample), so more than one means a
    hard link only if the file is no clone parent.
    """

    path: str
    descriptor: int
    size: int
    names: int


def directory(option: str) -> str:
    """Return the path of a directory that an option names, in one form."""
    return os.path.abspath(option)


def from_option(option: str | None) -> ImageStore | None:
    """Return the store that ``[gpfs] image_store`` names, None for none."""
    return ImageStore(directory(option)) if option else None


def open_image(store: ImageStore, image_id: str) -> StoredImage:
    """Open the file of an image, following no link below the directory.

    :param image_id: a UUID, see ``image_location``
    :raises errors.NoSuchFile: the store has no such image
    :raises errors.NotPermitted: the file is of another kind, or this user
        may not read it
    :raises errors.NotMounted: the file system does not answer
    """
    for kind in (IMAGES, SNAPSHOTS):
        found = open_file(store.room(kind), image_id)
        if found is not None:
            return found
    raise errors.NoSuchFile(f'{store.directory} has no image {image_id}')


def open_file(room: str, image_id: str) -> StoredImage | None:
    """Open the file of an image in a directory, None if there is none.

    The directory may be no symbolic link, and the file neither; the way to
    the directory is the operator's.

    :raises errors.NotPermitted, errors.NotMounted: as ``open_image`` does
    """
    try:
        directory = os.open(room, _DIRECTORY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(error, room) from error
    try:
        return open_at(directory, os.path.join(room, image_id))
    finally:
        os.close(directory)


def open_at(directory: int, path: str) -> StoredImage | None:
    """Open the file of an image in an open directory, None if there is none.

    :param path: for messages, and for its last part
    :raises errors.NotPermitted, errors.NotMounted: as ``open_image`` does
    """
    try:
        descriptor = os.open(os.path.basename(path), _READ, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(error, path) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise errors.NotPermitted(f'{path} is not a regular file')
    return StoredImage(path, descriptor, found.st_size, found.st_nlink)
