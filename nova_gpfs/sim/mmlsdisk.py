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

"""mmlsdisk: the disks of a file system."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import output

NEEDS_DAEMON = True

_USAGE = 'Device [-d DiskName[;DiskName...]] [-e] [-L] [-Y]'
# The newest header recorded (mmoxi).
_COLUMNS = ('nsdName:driverType:sectorSize:failureGroup:metadata:data:status:'
            'availability:diskID:storagePool:remarks:numQuorumDisks:'
            'readQuorumValue:writeQuorumValue:diskSizeKB:diskUID:'
            'thinDiskType:replicaType')


def run(call: calls.Call) -> None:
    """Print all disks, or those that are named."""
    found, rest = calls.options(call, '-e -L -M -m -Y', '-d', _USAGE)
    if len(rest) != 1:
        raise calls.Refusal('usage', usage=_USAGE)
    system = filesystems.named(call.state, rest[0])
    disks = call.state.rows(
        'SELECT name, failure_group, metadata, data, status, availability, '
        'id, pool, size, volume FROM nsd WHERE fs = ? ORDER BY id',
        system.name)
    if '-d' in found:
        wanted = found['-d'].split(';')
        disks = [disk for disk in disks if disk[0] in wanted]
    if not disks:
        call.err.append('No disks were found')
        return
    if '-Y' in found:
        call.say(output.header('mmlsdisk', _COLUMNS))
    else:
        call.say('disk         failure holds    holds',
                 'name           group metadata data  status availability '
                 'pool')
    for disk in disks:
        call.say(_parsable(disk) if '-Y' in found else _human(disk))


def _parsable(disk: Disk) -> str:
    name, group, metadata, data, status, state, number, pool, size, uid = disk
    return output.row(
        'mmlsdisk', name, 'nsd', 512, group, output.yes(metadata).title(),
        output.yes(data).title(), status, state, number, pool, '', 3, 2, 2,
        size >> 10, uid, '', '')


def _human(disk: Disk) -> str:
    name, group, metadata, data, status, state, _number, pool = disk[:8]
    return (f'{name:<12} {group:>7} {output.yes(metadata):<8} '
            f'{output.yes(data):<5} {status:<6} {state:<12} {pool}')


TYPE_CHECKING = False
if TYPE_CHECKING:
    Disk = tuple[str, str, int, int, str, str, int, str, int, str]
