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


"""mmlsfileset -Y: filesets."""

from __future__ import annotations

import dataclasses

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs.mm import ytable
from nova_gpfs import model


@dataclasses.dataclass(frozen=True)
class List(base.Query[tuple[model.Fileset, ...]]):
    """Ask for the filesets of a file system.

    An ordinary user is told of the filesets that it owns, and otherwise
    that there are none (output published in the repository dirscape).
    """

    device: fields.Name

    program = 'mmlsfileset'
    failures = (
        *faults.STATES,
        *faults.NO_SUCH_FILE_SYSTEM,
        (r'No filesets found owned by this user', errors.NotPermitted),
    )

    def arguments(self) -> tuple[str, ...]:
        return self.device, '-Y'

    def parse(self, stdout: str) -> tuple[model.Fileset, ...]:
        return tuple(_fileset(row)
                     for row in ytable.rows(stdout, self.program))


def _fileset(row: ytable.Row) -> model.Fileset:
    linked = row.text('status') == 'Linked'
    return model.Fileset(
        name=row.text('filesetName'),
        id=row.number('id'),
        path=row.text('path') if linked else '',
        linked=linked,
        inode_space=row.number('inodeSpace'),
        owns_inode_space=row.text('isInodeSpaceOwner') == '1',
        chmod=row.get('permChangeFlag'))
