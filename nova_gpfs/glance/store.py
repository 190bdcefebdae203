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

"""The store driver ``gpfs`` of glance_store.

A location says which image of which fileset it is and never a path, see
``nova_gpfs.image_location``. So a record that somebody has forged leads at
most to another image of the same store.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
from typing import Any

from glance_store import capabilities
from glance_store.common import utils as store_hashes
from glance_store import driver as store_driver
from glance_store import exceptions
from glance_store import location as store_location
from oslo_log import log as logging

from nova_gpfs import conf_image_store
from nova_gpfs import errors
from nova_gpfs.glance import access
from nova_gpfs.glance import files
from nova_gpfs.glance import guard as store_guard
from nova_gpfs.glance import sparse
from nova_gpfs.glance import sweeping
from nova_gpfs import image_location
from nova_gpfs import image_store
from nova_gpfs import location as gpfs_location

LOG = logging.getLogger(__name__)

_RANDOM_READ = (capabilities.BitMasks.READ_RANDOM
                | capabilities.BitMasks.WRITE_ACCESS
                | capabilities.BitMasks.DRIVER_REUSABLE)


class StoreLocation(store_location.StoreLocation):
    """Where an image is; ``place`` is an ``image_location``."""

    def process_specs(self) -> None:
        self.place = self.specs['place']

    def get_uri(self) -> str:
        return str(self.place.uri)

    def parse_uri(self, uri: str) -> None:
        """:raises exceptions.BadStoreUri: it is no location of ours"""
        try:
            self.place = image_location.parse_uri(uri)
        except errors.InvalidName as error:
            LOG.info('%s', error)
            raise exceptions.BadStoreUri(uri=uri) from None


class Store(store_driver.Store):
    """Keeps images in a directory on GPFS; see ``image_store``."""

    _CAPABILITIES = _RANDOM_READ
    OPTIONS = conf_image_store.OPTIONS

    def get_schemes(self) -> tuple[str, ...]:
        return (image_location.SCHEME,)

    def configure_add(self) -> None:
        """Find out where the store is, and whether it can be written to.

        :raises exceptions.BadStoreConfiguration: it cannot
        """
        try:
            self._configure()
            where = self._guard.establish()
            self._url_prefix = image_location.prefix(where)
            self._require_own_fileset()
            self._try_out()
        except errors.GpfsError as error:
            raise self._unusable(access.says(error)) from error
        except OSError as error:
            raise self._unusable(str(error)) from error

    def _configure(self) -> None:
        name = self.backend_group or 'glance_store'
        self._settings = conf_image_store.settings(name, self._options(name))
        # Glance shows these two of the stores that it knows.
        self.chunk_size = self._settings.chunk_size
        self.thin_provisioning = self._settings.sparse
        self.READ_CHUNKSIZE = self.WRITE_CHUNKSIZE = self.chunk_size
        self._gpfs = access.driver(self.conf, self._settings.privileged)
        self._store = image_store.ImageStore(self._settings.directory)
        self._guard = store_guard.StoreGuard(self._gpfs, self._store)

    def _options(self, name: str) -> Any:
        """Return what has the options; newer releases share defaults."""
        shared = getattr(store_driver, 'BackendGroupConfiguration', None)
        if shared is None or self.backend_group is None:
            return self.conf[name]
        return shared(self.OPTIONS, name, conf=self.conf)

    def _unusable(self, reason: str) -> exceptions.BadStoreConfiguration:
        return exceptions.BadStoreConfiguration(store_name='gpfs',
                                                reason=reason)

    def _require_own_fileset(self) -> None:
        """Refuse a second store of a fileset: locations would name both."""
        known = store_location.SCHEME_TO_CLS_BACKEND_MAP.get(
            image_location.SCHEME, {})
        for name, entry in known.items():
            if (self.backend_group not in (None, name)
                    and entry['store'].url_prefix == self.url_prefix):
                raise errors.Misconfigured(
                    f'stores {name} and {self.backend_group} are in one '
                    'fileset')

    def _try_out(self) -> None:
        """Make a file as those of images are made, and remove it."""
        with self._guard.rooms() as rooms, files.draft(
                rooms, self._store, 'probe', self._settings.file_mode) as made:
            self._gpfs.place(made.path, self._settings.placement)

    @capabilities.check
    def get(self, location: Any, offset: int = 0,
            chunk_size: int | None = None, context: Any = None
            ) -> tuple[Reader, int]:
        """Return what yields the data of an image, and how many bytes.

        :param offset: where to begin, in bytes
        :param chunk_size: how many bytes; all that follow by default
        :raises exceptions.NotFound: the store has no such image
        :raises exceptions.RemoteServiceUnavailable: GPFS is not there
        """
        found = self._open(location)
        left = max(0, found.size - offset)
        size = left if chunk_size is None else min(chunk_size, left)
        return (Reader(found.descriptor, offset, size, self.READ_CHUNKSIZE),
                chunk_size or found.size)

    def get_size(self, location: Any, context: Any = None) -> int:
        """Return the size of an image in bytes; raises as ``get``."""
        found = self._open(location)
        os.close(found.descriptor)
        return found.size

    def _open(self, location: Any) -> image_store.StoredImage:
        with _reading(location), self._guard.rooms() as rooms:
            image_id = _of(self._guard.where, location)
            return files.open_image(rooms, self._store, self._gpfs, image_id)

    @store_driver.back_compat_add
    @capabilities.check
    def add(self, image_id: str, image_file: Any, image_size: int,
            hashing_algo: str, context: Any = None, verifier: Any = None
            ) -> tuple[str, int, str, str, dict[str, str]]:
        """Write an image; it has its name when all of it is written.

        :param image_size: in bytes; 0 if it is not known
        :returns: location, bytes, MD5 sum, digest by ``hashing_algo`` and
            what Glance keeps with the location
        :raises exceptions.Duplicate: the store has such an image
        :raises exceptions.StorageFull: disks or a quota are full
        :raises exceptions.StorageWriteDenied: GPFS is not there, or this user
            may not write
        :raises exceptions.Invalid: it is no ``image_size`` bytes
        """
        sums = _Sums(hashing_algo, verifier)
        with _writing(image_id), self._guard.rooms() as rooms:
            place = image_location.at(self._guard.where, str(image_id))
            if files.is_stored(rooms, place.image_id):
                raise exceptions.Duplicate(image=place.image_id)
            with files.draft(rooms, self._store, place.image_id,
                             self._settings.file_mode) as made:
                self._gpfs.place(made.path, self._settings.placement)
                size = self._write(made, image_file, image_size or 0, sums)
                made.publish(self._settings.fsync)
            self._sweep(rooms)
        metadata = {'store': self.backend_group} if self.backend_group else {}
        return place.uri, size, sums.checksum, sums.digest, metadata

    def _write(self, made: files.Draft, image_file: Any, expected: int,
               sums: _Sums) -> int:
        writer = sparse.SparseWriter(made.descriptor, self._settings.sparse)
        size = 0
        for piece in store_hashes.chunkreadable(image_file,
                                                self.WRITE_CHUNKSIZE):
            size += len(piece)
            if expected and size > expected:
                break
            sums.update(piece)
            writer.write(piece)
        if expected and size != expected:
            raise exceptions.Invalid(
                f'{expected} bytes were said, and {size} came'
                f'{" at least" if size > expected else ""}')
        return writer.finish()

    @capabilities.check
    def delete(self, location: Any, context: Any = None) -> None:
        """Remove an image; its data go when no clone needs them.

        :raises exceptions.NotFound: the store has no such image
        :raises exceptions.Forbidden: it cannot be removed
        """
        with _deleting(location), self._guard.rooms() as rooms:
            image_id = _of(self._guard.where, location)
            files.remove(rooms, self._store, self._gpfs, image_id)
            self._sweep(rooms)

    def sweep(self) -> sweeping.Swept:
        """Remove all that could not be removed before.

        :raises errors.GpfsError: the store is not there
        """
        with self._guard.rooms() as rooms:
            return sweeping.sweep(rooms, self._settings.leftover_age)

    def _sweep(self, rooms: image_store.Rooms) -> None:
        """Sweep a little, whoever's leftovers it is."""
        try:
            sweeping.sweep(rooms, self._settings.leftover_age,
                           sweeping.PORTION)
        except OSError as error:
            LOG.warning('%(directory)s could not be swept: %(error)s',
                        {'directory': self._store.directory, 'error': error})


class Reader:
    """Yields a part of a file in pieces; closed at the end, or by hand."""

    def __init__(self, descriptor: int, offset: int, size: int,
                 piece: int) -> None:
        # A file object, which closes the descriptor also when forgotten.
        self._file = os.fdopen(descriptor, 'rb', buffering=0)
        self._file.seek(offset)
        self._left = size
        self._piece = piece

    def __iter__(self) -> Iterator[bytes]:
        with self._file:
            while self._left > 0:
                data = self._file.read(min(self._piece, self._left))
                if not data:
                    break
                self._left -= len(data)
                yield data

    def close(self) -> None:
        self._file.close()


class _Sums:
    """What Glance records of the data."""

    def __init__(self, hashing_algo: str, verifier: Any) -> None:
        self._md5 = store_hashes.get_hasher('md5', False)
        self._hash = store_hashes.get_hasher(hashing_algo, False)
        self._sinks = [self._md5, self._hash]
        if verifier:
            self._sinks.append(verifier)

    def update(self, piece: bytes) -> None:
        for sink in self._sinks:
            sink.update(piece)

    @property
    def checksum(self) -> str:
        return str(self._md5.hexdigest())

    @property
    def digest(self) -> str:
        return str(self._hash.hexdigest())


def _of(where: gpfs_location.Location, location: Any) -> str:
    """Return the image's id if it is of this store.

    Where Glance knows no store of a location, it tries all of one scheme
    until one does not say that it has no such image.
    """
    place = location.store_location.place
    if not place.is_in(where):
        LOG.warning('%s is in another cluster, file system or fileset',
                    place.uri)
        raise exceptions.NotFound(image=place.uri)
    return str(place.image_id)


@contextlib.contextmanager
def _reading(location: Any) -> Iterator[None]:
    try:
        yield
    except (errors.NoSuchFile, errors.NotPermitted) as error:
        LOG.warning('%s', access.says(error))
        raise exceptions.NotFound(
            image=location.store_location.get_uri()) from error
    except (errors.GpfsError, OSError) as error:
        raise exceptions.RemoteServiceUnavailable(_text(error)) from error


@contextlib.contextmanager
def _writing(image_id: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise exceptions.Duplicate(image=image_id) from error
    except errors.InvalidName as error:
        raise exceptions.Invalid(_text(error)) from error
    except (errors.NoSpace, errors.QuotaExceeded) as error:
        raise exceptions.StorageFull(_text(error)) from error
    except errors.GpfsError as error:
        raise exceptions.StorageWriteDenied(_text(error)) from error
    except PermissionError as error:
        raise exceptions.StorageWriteDenied(_text(error)) from error
    except OSError as error:
        if files.is_full(error):
            raise exceptions.StorageFull(_text(error)) from error
        raise


@contextlib.contextmanager
def _deleting(location: Any) -> Iterator[None]:
    try:
        yield
    except errors.NoSuchFile as error:
        raise exceptions.NotFound(
            image=location.store_location.get_uri()) from error
    except (errors.GpfsError, OSError) as error:
        raise exceptions.Forbidden(_text(error)) from error


def _text(error: Exception) -> str:
    return (access.says(error) if isinstance(error, errors.GpfsError)
            else str(error))
