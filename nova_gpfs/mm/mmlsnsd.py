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


"""mmlsnsd -Y: which nodes serve the disks of a file system."""

from __future__ import annotations

import dataclasses

from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs.mm import ytable


@dataclasses.dataclass(frozen=True)
class List(base.Query[dict[str, tuple[str, ...]]]):
    """Ask for the NSD servers of each disk of a file system, by its name.

    A disk without a server list is attached to every node that mounts the
    file system (IBM documentation, mmchnsd command). How nodes are called in
    the list differs: published recordings have host names with and without
    a domain.
    """

    device: fields.Name

    program = 'mmlsnsd'
    failures = (*faults.STATES, *faults.NO_SUCH_FILE_SYSTEM)

    def arguments(self) -> tuple[str, ...]:
        # Without -X or -M, which ask every node and are slow.
        return '-f', self.device, '-Y'

    def parse(self, stdout: str) -> dict[str, tuple[str, ...]]:
        return {row.text('diskName'): _servers(row.text('serverList'))
                for row in ytable.rows(stdout, self.program, 'nsd')}


def _servers(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(',') if name)
