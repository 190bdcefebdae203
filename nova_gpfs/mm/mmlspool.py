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


"""mmlspool: storage pools. It has no ``-Y``; the text is a fixed table.

    Storage pools in file system at '/gpfs1':
    Name    Id   BlkSize Data Meta Total Data in (KB)   Free Data in (KB) ...
    system   0      8 MB   no  yes              0              0 (  0%) ...
"""

from __future__ import annotations

import dataclasses
import re

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs import model

_UNIT = {'B': 1, 'KB': 1024, 'MB': 1024 ** 2, 'GB': 1024 ** 3}
_HEADER = re.compile(r'Name +Id +BlkSize +Data +Meta +Total Data in \(KB\) +'
                     r'Free Data in \(KB\)')
_ROW = re.compile(r'(?P<name>\S+) +(?P<id>[0-9]{1,20}) +'
                  r'(?P<size>[0-9]{1,20}) +(?P<unit>[KMG]?B) +'
                  r'(?P<data>yes|no) +(?P<metadata>yes|no) +'
                  r'(?P<total>[0-9]{1,20}) +(?P<free>[0-9]{1,20})( .*)?')


@dataclasses.dataclass(frozen=True)
class List(base.Query[tuple[model.Pool, ...]]):
    """Ask for the pools of a file system."""

    device: fields.Name

    program = 'mmlspool'
    failures = (*faults.STATES, *faults.NO_SUCH_FILE_SYSTEM)

    def arguments(self) -> tuple[str, ...]:
        return (self.device,)

    def parse(self, stdout: str) -> tuple[model.Pool, ...]:
        lines = [line.strip() for line in stdout.split('\n') if line.strip()]
        headers = [n for n, line in enumerate(lines) if _HEADER.match(line)]
        if not headers:
            raise errors.OutputNotUnderstood(f'mmlspool: {stdout!r:.300}')
        return tuple(_pool(line) for line in lines[headers[0] + 1:])


def _pool(line: str) -> model.Pool:
    row = _ROW.fullmatch(line)
    if not row:
        raise errors.OutputNotUnderstood(f'mmlspool: {line!r:.200}')
    return model.Pool(
        name=row['name'], id=int(row['id']),
        block_size=int(row['size']) * _UNIT[row['unit']],
        holds_data=row['data'] == 'yes',
        holds_metadata=row['metadata'] == 'yes',
        total_data=int(row['total']) * 1024,
        free_data=int(row['free']) * 1024)
