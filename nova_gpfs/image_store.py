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

    <directory>/images/<image id>     what Glance has written
               /snapshots/<image id>  what Nova has cloned for Glance
               /incoming/             what Glance is still writing
               /trash/                sealed files of deleted images

Glance's user owns all of it. Nova's user reads ``images`` and writes
``snapshots``, by a common group. Files are ordinary ones: Nova makes clone
parents of them under other names, so they can be deleted at any time.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import stat

from nova_gpfs import errors

IMAGES = 'images'
SNAPSHOTS = 'snapshots'
INCOMING = 'incoming'
TRASH = 'trash'
DIRECTORIES = (IMAGES, SNAPSHOTS, INCOMING, TRASH)

# ELOOP and ENOTDIR: a part is a symbolic link (open(2), O_NOFOLLOW).
_REFUSALS = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR)
_DIRECTORY = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclasses.dataclass(frozen=True)
class ImageStore:
    """Paths below one directory of images; nothing is read or written."""

    directory: str

    def image(self, image_id: str) -> str:
        return os.path.join(self.directory, IMAGES, image_id)

    def snapshot(self, image_id: str) -> str:
        return os.path.join(self.directory, SNAPSHOTS, image_id)

    def room(self, kind: str) -> str:
        return os.path.join(self.directory, kind)


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


def open_image(store: ImageStore, image_id: str) -> StoredImage:
    """Open the file of an image, following no link below the directory.

    :param image_id: a UUID, see ``image_location``
    :raises errors.NoSuchFile: the store has no such image
    :raises errors.NotPermitted: the file is of another kind, or this user
        may not read it
    :raises errors.NotMounted: the file system does not answer
    """
    for kind in (IMAGES, SNAPSHOTS):
        found = _open(store, kind, image_id)
        if found is not None:
            return found
    raise errors.NoSuchFile(f'{store.directory} has no image {image_id}')


def _open(store: ImageStore, kind: str, image_id: str) -> StoredImage | None:
    path = os.path.join(store.room(kind), image_id)
    try:
        directory = os.open(store.room(kind), _DIRECTORY)
        try:
            descriptor = os.open(image_id, _READ, dir_fd=directory)
        finally:
            os.close(directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        failure = (errors.NotPermitted if error.errno in _REFUSALS
                   else errors.NotMounted)
        raise failure(f'{path}: {error.strerror}') from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise errors.NotPermitted(f'{path} is not a regular file')
    return StoredImage(path, descriptor, found.st_size, found.st_nlink)
