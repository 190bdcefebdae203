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

"""Which snapshots in Glance's store are yet to be split, whoever does it.

There is a file for each, under the id of the image, with the name of the
clone parent that was made for it. It is written before Glance knows the
snapshot, and goes when the snapshot is split or gone. So it is all there when
the process that meant to do it has died.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import json
import os

from oslo_utils import uuidutils

from nova_gpfs import errors
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import record_file


class PendingSplits:
    """The snapshots of one instances_path that are to be split."""

    def __init__(self, layout: gpfs_layout.Layout) -> None:
        self._layout = layout

    def add(self, image_id: str, parent: str = '') -> None:
        """Note a snapshot; "already done" means that there is a note.

        :param image_id: a UUID
        :param parent: the path of the clone parent that was made for it
        :raises errors.NotMounted: it cannot be noted
        """
        name = os.path.relpath(parent, self._layout.parents) if parent else ''
        try:
            with record_file.new(self._path(image_id)) as note:
                json.dump({'version': 1, 'parent': name}, note)
        except FileExistsError:
            return
        except OSError as error:
            raise errors.NotMounted(
                f'{self._path(image_id)}: {error.strerror}') from error

    def remove(self, image_id: str) -> None:
        """Forget a snapshot; "already done" means that there is no note."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(image_id))

    def all(self) -> Iterator[tuple[str, str]]:
        """Yield each snapshot and the path of its parent, '' if not known.

        :raises OSError: they cannot be listed
        """
        for image_id in sorted(os.listdir(self._layout.splits)):
            if uuidutils.is_uuid_like(image_id):
                yield image_id, self._parent(image_id)

    def _parent(self, image_id: str) -> str:
        """Return what a note names, if it can be a parent of an instance."""
        try:
            note = record_file.read(self._path(image_id))
            parts = record_file.text(note.get('parent'), 'parent').split('/')
            record_file.names(dict.fromkeys(parts), 'parent')
        except (OSError, ValueError):
            return ''
        return (os.path.join(self._layout.parents, *parts)
                if len(parts) == 2 else '')

    def _path(self, image_id: str) -> str:
        return os.path.join(self._layout.splits, image_id)
