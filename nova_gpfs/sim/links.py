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

"""The link count of a clone parent: its names and its clones.

A parent gets one hard link for each clone, in a directory beside the data
that nobody sees. Clones are deleted behind the simulator's back, so the links
of a parent are put right when mmclone show looks at it. Where the system does
not allow a link (a file of another user), the count stays too low.
"""

from __future__ import annotations

import os

from nova_gpfs.sim import census as censuses
from nova_gpfs.sim import drafts
from nova_gpfs.sim import switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import files
    from nova_gpfs.sim import filesystems
    from nova_gpfs.sim import store


def add(state: store.Store, system: filesystems.FileSystem, path: str,
        parent: int | None, child: int | None) -> None:
    """Count a new clone; ``path`` is any name of its parent.

    FileNotFoundError if the parent has gone.
    """
    if switches.value(state, 'parent_link_count') == 'counts':
        # A command that was killed may have left one.
        drop(system, parent, child)
        try:
            os.link(path, _link(system, parent, child))
        except PermissionError:
            pass


def drop(system: filesystems.FileSystem, parent: int | None,
         child: int | None) -> None:
    """Count a clone no more."""
    _unlink(_link(system, parent, child))


def hand_down(state: store.Store, system: filesystems.FileSystem,
              parent: files.File, child: files.File, path: str) -> None:
    """Let a new parent at ``path`` take the place of its clone."""
    if parent.parent is not None:
        _pass_on(state, system, parent.parent, child.id, parent.id)
        drop(system, parent.parent, child.id)
    add(state, system, path, parent.id, child.id)


def hand_up(state: store.Store, system: filesystems.FileSystem, parent: int,
            child: files.File) -> None:
    """Take a clone off its parent; the grandparent has it, if any."""
    if child.parent is not None:
        _pass_on(state, system, child.parent, parent, child.id)
    drop(system, parent, child.id)


def _pass_on(state: store.Store, system: filesystems.FileSystem,
             parent: int, counted: int | None, child: int | None) -> None:
    """Count a clone of a parent of which another clone is counted."""
    try:
        add(state, system, _link(system, parent, counted), parent, child)
    except FileNotFoundError:
        pass


def refresh(state: store.Store, system: filesystems.FileSystem, path: str,
            parent: int | None) -> None:
    """Put the links of a parent right, whatever was deleted meanwhile."""
    with state.change():
        wanted = set()
        if switches.value(state, 'parent_link_count') == 'counts':
            wanted = _living(state, system, parent or 0)
            if _children(system, parent) - wanted:
                # A file that is renamed while its directory is read may be
                # seen under neither name.
                wanted |= _living(state, system, parent or 0)
        for child in _children(system, parent) - wanted:
            drop(system, parent, child)
        for number in wanted - _children(system, parent):
            add(state, system, path, parent, number)
        _forget_the_dead(system)


def _living(state: store.Store, system: filesystems.FileSystem, parent: int
            ) -> set[int | None]:
    """Return the clones that exist, those that get their name just now too."""
    coming = drafts.inodes(system)
    census = censuses.Census(state, system)
    return {file.id for file in census.files.values()
            if file.parent == parent
            and (file.id in census.paths or file.ino in coming)}


def _link(system: filesystems.FileSystem, parent: int | None,
          child: int | None) -> str:
    return os.path.join(system.links, f'{parent}-{child}')


def _children(system: filesystems.FileSystem, parent: int | None
              ) -> set[int | None]:
    return {int(child) for number, _dash, child in
            (name.partition('-') for name in _names(system))
            if number == str(parent)}


def _forget_the_dead(system: filesystems.FileSystem) -> None:
    """Let go of files that have no name but the ones here."""
    by_inode: dict[int, list[str]] = {}
    counts: dict[int, int] = {}
    for name in _names(system):
        path = os.path.join(system.links, name)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        by_inode.setdefault(status.st_ino, []).append(path)
        counts[status.st_ino] = status.st_nlink
    for inode, paths in by_inode.items():
        if counts[inode] == len(paths):
            for path in paths:
                _unlink(path)


def _names(system: filesystems.FileSystem) -> list[str]:
    try:
        return os.listdir(system.links)
    except (FileNotFoundError, PermissionError):
        return []


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, PermissionError):
        pass
