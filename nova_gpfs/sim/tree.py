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

"""The clone tree of a file system."""

from __future__ import annotations

import os

from nova_gpfs.sim import census as censuses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import files
    from nova_gpfs.sim import filesystems
    from nova_gpfs.sim import store


class Branch:
    """A file with the clones that hang on it; ``path`` is None if gone."""

    __slots__ = ('path', 'inode', 'is_parent', 'depth', 'children')

    def __init__(self, path: str | None, file: files.File) -> None:
        self.path = path
        self.inode = file.ino
        self.is_parent = bool(file.sealed)
        self.depth = file.depth
        self.children: list[Branch] = []

    def plain(self) -> dict[str, object]:
        """Return the branch as dictionaries and lists."""
        return {'path': self.path, 'inode': self.inode,
                'is_parent': self.is_parent, 'depth': self.depth,
                'children': [child.plain() for child in self.children]}

    def lines(self, indent: str = '') -> list[str]:
        """Return the branch as lines to read."""
        kind = ' (parent)' if self.is_parent else ''
        found = [f'{indent}{self.path or "(gone)"}  '
                 f'inode {self.inode}{kind}']
        for child in self.children:
            found += child.lines(indent + '  ')
        return found


def grow(state: store.Store, system: filesystems.FileSystem) -> list[Branch]:
    """Return the roots of the tree; files that are no clones are left out."""
    census = censuses.Census(state, system)
    branches: dict[int, Branch] = {}
    for number in sorted(census.files):
        file = census.files[number]
        if file.sealed or file.parent is not None:
            path = census.paths.get(number)
            inside = path and os.path.relpath(path, system.data)
            branches[number] = Branch(inside, file)
    roots: list[Branch] = []
    for number, branch in branches.items():
        parent = branches.get(census.files[number].parent or 0)
        (parent.children if parent else roots).append(branch)
    return _living(roots)


def _living(branches: list[Branch]) -> list[Branch]:
    """Return the branches that exist or on which something living hangs."""
    for branch in branches:
        branch.children = _living(branch.children)
    found = [branch for branch in branches if branch.path or branch.children]
    return sorted(found, key=_order)


def _order(branch: Branch) -> tuple[str, int]:
    return branch.path or '', branch.inode
