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

"""Which images lie where their files can be cloned into instances_path.

A location is somebody else's text: what it names must be in this cluster, in
the file system and fileset of instances_path, and be the file of just the
image that has the location, in a directory that nova.conf allows.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import os
import time
from urllib import parse

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import image_location
from nova_gpfs import image_store
from nova_gpfs import location

_MOST_TOLD = 1000
# Seconds from one question about an image to the next.
_PAUSE = 600


class ImageAccess:
    """Images that lie beside one instances_path.

    ``store`` is that of Glance's store ``gpfs``, None where there is none;
    ``directories`` are those of its store ``file``.
    """

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 guard: mount_guard.MountGuard,
                 store: image_store.ImageStore | None = None,
                 directories: Sequence[str] = ()) -> None:
        self._driver = driver
        self._guard = guard
        self._seen: dict[str, tuple[int, int]] = {}
        self._told: collections.OrderedDict[tuple[str, str], None] = (
            collections.OrderedDict())
        self.store = store
        self.directories = tuple(directories)

    @property
    def is_on(self) -> bool:
        """Whether nova.conf names any directory of images."""
        return bool(self.store or self.directories)

    def is_news(self, image_id: str, what: str) -> bool:
        """Whether this has not been said of this image.

        Of very many images, the first ones are forgotten.
        """
        is_new = (image_id, what) not in self._told
        self._told[image_id, what] = None
        while len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
        return is_new

    def is_time_to_ask(self, image_id: str) -> bool:
        """Whether Glance has not been asked of an image for some minutes."""
        return self.is_on and self.is_news(
            image_id, f'asked, {int(time.time() // _PAUSE)}')

    @contextlib.contextmanager
    def opened(self, uri: str,
               image_id: str) -> Iterator[image_store.StoredImage]:
        """Open the file that a location of an image names.

        :raises errors.InvalidName: the location is none that can be used
        :raises errors.CannotClone: it is somewhere else
        :raises errors.NoSuchFile: there is no such file
        :raises errors.NotPermitted: it is no file that this user may read
        :raises errors.GpfsError: it cannot be told
        """
        scheme = uri.partition('://')[0] if '://' in uri else ''
        if scheme == image_location.SCHEME and self.store:
            found = self._in_store(self.store, uri, image_id)
        elif scheme == 'file' and self.directories:
            found = self._in_directory(uri, image_id)
        else:
            raise errors.CannotClone(
                f'a location that begins with {scheme!r:.20} is not cloned')
        try:
            if found.names != 1:
                raise errors.NotPermitted(
                    f'{found.path} has {found.names} names')
            yield found
        finally:
            os.close(found.descriptor)

    def require_here(self, directory: str) -> location.Location:
        """Return where a directory is, which is where instances_path is.

        Costs no command where that has been seen of this directory.

        :raises errors.CannotClone: it is in another fileset or file system
        :raises errors.NoSuchFile: it is not there
        """
        home = self._guard.where()
        try:
            found = os.stat(directory)
        except OSError as error:
            raise errors.NoSuchFile(
                f'{directory}: {error.strerror}') from error
        if self._seen.get(directory) != (found.st_dev, found.st_ino):
            if location.locate(self._driver, directory) != home:
                raise errors.CannotClone(
                    f'{directory} is not in the file system and fileset of '
                    'instances_path')
            self._seen[directory] = found.st_dev, found.st_ino
        return home

    def _in_store(self, store: image_store.ImageStore, uri: str,
                  image_id: str) -> image_store.StoredImage:
        named = image_location.parse_uri(uri)
        if not named.is_in(self.require_here(store.directory)):
            raise errors.CannotClone(
                f'{image_location.shown(uri)} is in another cluster, file '
                'system or fileset')
        _require_same(named.image_id, image_id, uri)
        return image_store.open_image(store, image_id)

    def _in_directory(self, uri: str,
                      image_id: str) -> image_store.StoredImage:
        path = parse.unquote(uri.removeprefix('file://'))
        directory, name = os.path.split(path)
        if directory not in self.directories:
            raise errors.CannotClone(
                f'{image_location.shown(uri)} is in no directory of [gpfs] '
                'image_file_directories')
        _require_same(name, image_id, uri)
        self.require_here(directory)
        found = image_store.open_file(directory, name)
        if found is None:
            raise errors.NoSuchFile(path)
        return found


def _require_same(named: str, image_id: str, uri: str) -> None:
    """Refuse the file of another image, which its owner may not show.

    :raises errors.InvalidName: it is that of another image
    """
    if named != image_id:
        raise errors.InvalidName(
            f'{image_location.shown(uri)} is a location of image '
            f'{image_id!r:.100}')
