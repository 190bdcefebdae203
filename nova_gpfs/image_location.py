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

"""How an image record says where its data are on GPFS.

``gpfs://<cluster id>/<file system>/<fileset>/<image id>``. No path: whoever
may write to an image record could name any file with one. Which directory of
the fileset holds images is in the configuration of each side, and below it
the name of a file is the image's UUID.
"""

from __future__ import annotations

import dataclasses
from urllib import parse
import uuid

from nova_gpfs import errors
from nova_gpfs import location

SCHEME = 'gpfs'


@dataclasses.dataclass(frozen=True)
class ImageLocation:
    """Where the data of an image are."""

    cluster_id: str
    file_system: str
    fileset: str
    image_id: str

    @property
    def uri(self) -> str:
        return _join(*dataclasses.astuple(self))

    def is_in(self, place: location.Location) -> bool:
        """Whether it names just this cluster, file system and fileset."""
        return (self.cluster_id, self.file_system, self.fileset) == (
            place.cluster_id, place.file_system, place.fileset)


def at(place: location.Location, image_id: str) -> ImageLocation:
    """Return the location of an image in a place.

    :raises errors.InvalidName: the image's id is no UUID
    """
    return ImageLocation(place.cluster_id, place.file_system, place.fileset,
                         _uuid(image_id))


def prefix(place: location.Location) -> str:
    """Return what the locations of all images in a place begin with."""
    return _join(place.cluster_id, place.file_system, place.fileset, '')


def _join(*parts: str) -> str:
    return f'{SCHEME}://' + '/'.join(
        parse.quote(part, safe='') for part in parts)


def parse_uri(uri: str) -> ImageLocation:
    """Return what a URI says; it is somebody else's text.

    :raises errors.InvalidName: it is no location of ours, or not in the one
        form that ``uri`` has
    """
    scheme, separator, rest = uri.partition('://')
    parts = [parse.unquote(part) for part in rest.split('/')]
    if (scheme, separator) != (SCHEME, '://') or len(parts) != 4:
        raise errors.InvalidName(f'{shown(uri)} is no location on GPFS')
    cluster_id, file_system, fileset, image_id = parts
    found = ImageLocation(cluster_id, file_system, fileset, _uuid(image_id))
    if not all(parts) or found.uri != uri:
        raise errors.InvalidName(f'{shown(uri)} is no location on GPFS')
    return found


def shown(uri: str) -> str:
    """Return a location as it may be logged: who may use it is left out.

    Locations of other stores have a user and a password before the host.
    """
    scheme, separator, rest = uri.partition('://')
    host = rest.rpartition('@')[2]
    return f'{scheme if separator else ""}{separator}{host}'[:200]


def _uuid(text: str) -> str:
    """Return a UUID in the only form that names a file of an image."""
    try:
        known: str | None = str(uuid.UUID(text))
    except ValueError:
        known = None
    if known != text:
        raise errors.InvalidName(f'{text!r:.100} is not the UUID of an image')
    return text
