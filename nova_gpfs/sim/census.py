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

"""Which of the recorded files exist, found by looking at all of them.

Deletions and renames happen behind the simulator's back, so whatever depends
on them is looked up when it is asked for.
"""

from __future__ import annotations

import os

from nova_gpfs.sim import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import allocation
    from nova_gpfs.sim import filesystems
    from nova_gpfs.sim import store


class Census:
    """The records of a file system and the paths they were found at."""

    def __init__(self, state: store.Store,
                 system: filesystems.FileSystem) -> None:
        self.system = system
        self._state = state
        self._allocation: allocation.Allocation | None = None
        self.files: dict[int, files.File] = {}
        self.paths: dict[int, str] = {}
        self.strangers: dict[str, int] = {}
        self._by_inode: dict[int, list[files.File]] = {}
        for row in state.rows('SELECT * FROM file WHERE fs = ? '
                              'ORDER BY id DESC', system.name):
            file = files.File(row)
            self.files[row[0]] = file
            self._by_inode.setdefault(file.ino, []).append(file)
        self._look(system.data)

    @property
    def allocation(self) -> allocation.Allocation:
        """The disks that the blocks of the files are put on."""
        if self._allocation is None:
            from nova_gpfs.sim import allocation
            self._allocation = allocation.Allocation(self._state,
                                                     self.system.name)
        return self._allocation

    def _look(self, directory: str) -> None:
        """Look through a directory, which may be deleted meanwhile."""
        try:
            with os.scandir(directory) as entries:
                found = sorted(entries, key=_name)
        except FileNotFoundError:
            return
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                self._look(entry.path)
            elif entry.is_file(follow_symlinks=False):
                self._meet(entry.path, entry.inode())

    def _meet(self, path: str, ino: int) -> None:
        known = self._by_inode.get(ino, [])
        tag = files.read_tag(path) if known else ''
        for file in known:
            if file.id is not None and file.tag in ('', tag):
                self.paths.setdefault(file.id, path)
                return
        self.strangers[path] = ino

    def at(self, state: store.Store, path: str, inside: str) -> files.File:
        """Return the record of a path, one with defaults if it has none."""
        for number, where in self.paths.items():
            if where == path:
                return self.files[number]
        return files.fresh(state, self.system, inside, os.stat(path).st_ino)

    def children(self, number: int) -> list[files.File]:
        """Return the living children of a record."""
        return [file for file in self.files.values()
                if file.parent == number and file.id in self.paths]


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def has_children(state: store.Store, system: filesystems.FileSystem,
                 number: int) -> bool:
    """Whether a clone parent still has children that exist."""
    if not state.rows('SELECT 1 FROM file WHERE parent = ?', number):
        return False
    return bool(Census(state, system).children(number))
