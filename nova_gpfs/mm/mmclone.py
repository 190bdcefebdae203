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


"""mmclone: file clones.

Synopsis: IBM documentation, mmclone command, the same in 4.2.0 to 6.0.1;
there is no ``-Y``. Errors: IBM's gpfs.h on gpfs_clone_snap, gpfs_clone_copy,
gpfs_declone and gpfs_clone_split, of which mmclone prints strerror().
"""

from __future__ import annotations

import dataclasses

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs.mm import ytable
from nova_gpfs import model

# EMEDIUMTYPE: "File system does not support clones"; ENOSYS: "Function not
# available"; EINVAL: "Not a regular file or not a GPFS file system".
FAULTS: faults.Table = (
    *faults.STATES,
    *faults.ERRNO,
    (r'Wrong medium type', errors.ClonesNotSupported),
    (r'Function not implemented', errors.ClonesNotSupported),
    (r'Invalid argument', errors.NotGpfs),
)


class _Clone(base.Effect):
    program = 'mmclone'
    failures = FAULTS


@dataclasses.dataclass(frozen=True)
class Seal(_Clone):
    """Make a file itself a clone parent (snap with one name)."""

    path: fields.Path

    def arguments(self) -> tuple[str, ...]:
        return 'snap', self.path


@dataclasses.dataclass(frozen=True)
class Snap(_Clone):
    """Make a clone parent of a file under a second name."""

    source: fields.Path
    parent: fields.Path

    def arguments(self) -> tuple[str, ...]:
        return 'snap', self.source, self.parent

    def changed(self) -> tuple[str, ...]:
        return (self.source,)

    def made(self) -> tuple[str, ...]:
        return (self.parent,)


@dataclasses.dataclass(frozen=True)
class Copy(_Clone):
    """Make a clone of a clone parent."""

    parent: fields.Path
    target: fields.Path

    def arguments(self) -> tuple[str, ...]:
        return 'copy', self.parent, self.target

    def changed(self) -> tuple[str, ...]:
        """Return nothing.

        A parent counts its clones as names: with two it has an st_nlink of 3
        in the example of IBM's documentation of mmclone.
        """
        return ()

    def made(self) -> tuple[str, ...]:
        return (self.target,)


@dataclasses.dataclass(frozen=True)
class Split(_Clone):
    """Copy what a clone shares with all its ancestors."""

    path: fields.Path

    @property
    def copies_data(self) -> bool:
        return True

    def arguments(self) -> tuple[str, ...]:
        return 'split', self.path


@dataclasses.dataclass(frozen=True)
class Redirect(_Clone):
    """Copy what a clone shares with its immediate parent."""

    path: fields.Path

    @property
    def copies_data(self) -> bool:
        return True

    def arguments(self) -> tuple[str, ...]:
        return 'redirect', self.path


@dataclasses.dataclass(frozen=True)
class Show(base.Query[model.CloneInfo]):
    """Ask for a file's place in a clone tree."""

    path: fields.Path

    program = 'mmclone'
    failures = FAULTS

    def arguments(self) -> tuple[str, ...]:
        return 'show', self.path

    def parse(self, stdout: str) -> model.CloneInfo:
        return parse_show(stdout, self.path)


def parse_show(stdout: str, name: str) -> model.CloneInfo:
    """Return the row of the file called ``name``.

        Parent  Depth   Parent inode   File name
        ------  -----  --------------  ---------
           yes      0                  base.img
            no      1          148488  test01.img

    The first three columns are blank for a file that is no clone, the third
    for a parent that is no clone itself. A long inode number pushes the name
    to the right, so the row is cut where its known name begins.

    :raises errors.OutputNotUnderstood: no such row, or of another form
    """
    lines = stdout.split('\n')
    dashes = [n for n, line in enumerate(lines) if line.startswith('------ ')]
    found = [line.removesuffix(name).split()
             for line in lines[dashes[0] + 1:] if line.endswith(' ' + name)
             ] if dashes else []
    if len(found) != 1:
        raise errors.OutputNotUnderstood(f'{stdout!r:.300} on {name!r}')
    return _info(found[0])


def _info(cells: list[str]) -> model.CloneInfo:
    if not cells:
        return model.CloneInfo()
    is_parent = cells[0] == 'yes'
    complete = (2, 3) if is_parent else (3,)
    if cells[0] not in ('yes', 'no') or len(cells) not in complete:
        raise errors.OutputNotUnderstood(f'mmclone show: {cells!r:.200}')
    depth = ytable.to_number(cells[1], 'Depth')
    inode = ytable.to_number(cells[2], 'inode') if cells[2:] else None
    return model.CloneInfo(is_parent, depth, inode)
