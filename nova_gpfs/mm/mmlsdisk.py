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


"""mmlsdisk -Y: the disks of a file system."""

from __future__ import annotations

import dataclasses

from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs.mm import ytable
from nova_gpfs import model


@dataclasses.dataclass(frozen=True)
class List(base.Query[tuple[model.Disk, ...]]):
    """Ask for the disks of a file system."""

    device: fields.Name

    program = 'mmlsdisk'
    failures = (*faults.STATES, *faults.NO_SUCH_FILE_SYSTEM)

    def arguments(self) -> tuple[str, ...]:
        return self.device, '-Y'

    def parse(self, stdout: str) -> tuple[model.Disk, ...]:
        return tuple(_disk(row) for row in ytable.rows(stdout, self.program))


def _disk(row: ytable.Row) -> model.Disk:
    size = row.get('diskSizeKB')
    return model.Disk(
        name=row.text('nsdName'),
        failure_group=row.text('failureGroup'),
        pool=row.text('storagePool'),
        holds_data=row.text('data').lower() == 'yes',
        holds_metadata=row.text('metadata').lower() == 'yes',
        status=row.text('status'),
        availability=row.text('availability'),
        size=ytable.to_number(size, 'diskSizeKB') * 1024 if size else None)
