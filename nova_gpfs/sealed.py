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

"""The sealed files that disks have blocks from, each looked at only once.

They are the masters, and the parents that instances got when they were moved.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import os

from nova_gpfs import audit
from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import master_record
from nova_gpfs import masters as gpfs_masters
from nova_gpfs import model

Attributes = model.FileAttributes | errors.GpfsError


class Sealed:
    """Masters and parents of one instances_path, as they are at first."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout,
                 all_masters: gpfs_masters.Masters) -> None:
        self._masters = all_masters
        self._layout = layout
        self._driver = driver
        self._attributes = functools.cache(driver.attributes)
        self._parent = functools.cache(self._ask_parent)

    def masters(self) -> Iterator[tuple[str, model.Placement, Attributes]]:
        """Yield key, recorded placement and attributes of each master.

        An error stands for what cannot be found out.
        """
        for key in self._masters.keys():
            recorded = model.Placement()
            try:
                master = self._masters.named(key)
                if master is not None:
                    recorded = master.placement
                    yield key, recorded, self._attributes(master.path)
            except (errors.NotReady, errors.NotMounted):
                raise
            except errors.GpfsError as error:
                yield key, recorded, error

    def ancestors(self, path: str) -> tuple[audit.Ancestor, ...]:
        """Return from whom a disk may have blocks, nearest first.

        The last one has no placement where it is nothing that is known here.

        :raises errors.GpfsError: it cannot be told
        """
        try:
            return self._follow(path)
        except errors.NoSuchFile:
            # Another host may have taken the disk off an ancestor meanwhile,
            # which has gone then.
            vars(self).pop('_by_inode', None)
            return self._follow(path)

    def _follow(self, path: str) -> tuple[audit.Ancestor, ...]:
        found: list[audit.Ancestor] = []
        inode = self._ask_parent(path)
        while inode is not None:
            if inode not in self._by_inode:
                return (*found, audit.Ancestor(f'inode {inode}', None))
            known = self._by_inode[inode]
            found.append(audit.Ancestor(
                known.name, audit.placement(self._attributes(known.path)),
                known.is_own))
            inode = self._parent(known.path)
        return tuple(found)

    def _ask_parent(self, path: str) -> int | None:
        return self._driver.clone_info(path).parent_inode

    @functools.cached_property
    def _by_inode(self) -> dict[int, _File]:
        found = {}
        for file in (*self._master_files(), *self._parent_files()):
            with contextlib.suppress(FileNotFoundError):
                found[os.lstat(file.path).st_ino] = file
        return found

    def _master_files(self) -> Iterator[_File]:
        for key in self._masters.keys():
            path = os.path.join(self._layout.master(key), master_record.IMAGE)
            yield _File(f'master {key}', path)

    def _parent_files(self) -> Iterator[_File]:
        """Yield what instances have left when they were moved or copied."""
        for directory, _names, files in os.walk(self._layout.parents):
            owner = os.path.basename(directory)
            yield from (_File(f'parent {owner}/{name}',
                              os.path.join(directory, name), is_own=True)
                        for name in files)


@dataclasses.dataclass(frozen=True)
class _File:
    """A sealed file; ``is_own`` tells that it once was an instance's disk."""

    name: str
    path: str
    is_own: bool = False
