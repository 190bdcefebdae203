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

"""Which masters of an image are called otherwise than their image.

The name of a placed master says how it is placed, and nobody can count up all
placements. To list all masters for that would cost more for each image that
the cluster gets. So the names of placed masters lie beside, in a directory of
their image, as empty files; an image that GPFS has placed needs none.

A name is there before its master is. It is an offer: what it leads to is
looked at, and where one is missing an image is fetched once more.
"""

from __future__ import annotations

import contextlib
import os

from nova_gpfs import guard as mount_guard
from nova_gpfs import incoming
from nova_gpfs import layout as gpfs_layout


class PlacedNames:
    """The names of placed masters of one instances_path."""

    def __init__(self, layout: gpfs_layout.Layout,
                 leftover_age: float) -> None:
        """``leftover_age`` is in seconds."""
        self._layout = layout
        self._leftover_age = leftover_age

    def of(self, key: str) -> list[str]:
        """Return the names of the placed masters of an image, sorted."""
        return _listed(self._layout.placed_names(key))

    def add(self, key: str, name: str) -> None:
        """Bring the name of a master of an image to disk.

        A name that is there counts as new from now on.
        """
        room = self._layout.placed_names(key)
        while True:
            # An older release has not made the first one. No more than these
            # two: nothing is to be made below an unmounted file system.
            for directory in (self._layout.placed, room):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory, mount_guard.DIRECTORY_MODE)
            # Who sweeps may remove it before it has a name.
            with contextlib.suppress(FileNotFoundError):
                incoming.touch(os.path.join(room, name))
                incoming.flush(room)
                incoming.flush(self._layout.placed)
                return

    def sweep(self) -> None:
        """Remove names without a master that are older than leftover_age.

        A master that is leaving may come back, and keeps its name.
        """
        leaving = {name.rpartition('.')[0]
                   for name in os.listdir(self._layout.leaving)}
        for key in _listed(self._layout.placed):
            room = self._layout.placed_names(key)
            for name in self.of(key):
                path = os.path.join(room, name)
                if (name not in leaving
                        and not os.path.lexists(self._layout.master(name))
                        and not incoming.is_younger(path,
                                                    self._leftover_age)):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
            # One with names stays.
            with contextlib.suppress(OSError):
                os.rmdir(room)


def _listed(directory: str) -> list[str]:
    """Return the names in a directory, none if an older release made none."""
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
