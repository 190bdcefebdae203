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

"""mmdf: free space, in KiB."""

from __future__ import annotations

from nova_gpfs.sim import accounting
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import output

NEEDS_DAEMON = True

_USAGE = 'Device [-P PoolName] [-d | -F | -m] [-Y]'
# After gpfs_exporter and mmoxi.
_SPACE = 'freeBlocks:freeBlocksPct:freeFragments:freeFragmentsPct'
_HEADERS = {
    'nsd': 'nsdName:storagePool:diskSize:failureGroup:metadata:data:'
           + _SPACE + ':diskAvailableForAlloc',
    'poolTotal': 'poolName:poolSize:' + _SPACE + ':maxDiskSize',
    'data': 'totalData:' + _SPACE,
    'metadata': 'totalMetadata:' + _SPACE,
    'fsTotal': 'fsSize:' + _SPACE,
    'inode': 'usedInodes:freeInodes:allocatedInodes:maxInodes',
}
_INODES = 1048576


def run(call: calls.Call) -> None:
    """Print disks, pools and the sum."""
    found, rest = calls.options(call, '-d -F -m -Y', '-P --block-size',
                                _USAGE)
    if len(rest) != 1:
        raise calls.Refusal('usage', usage=_USAGE)
    system = filesystems.named(call.state, rest[0])
    usage = accounting.of(call.state, system)
    if '-Y' not in found:
        _human(call, system, usage)
        return
    for subtype, columns in _HEADERS.items():
        call.say(output.header('mmdf', columns, subtype))
    pools = [name for (name,) in call.state.rows(
        'SELECT name FROM pool WHERE fs = ? ORDER BY id', system.name)]
    for pool in pools:
        _pool(call, system.name, pool, usage.pools.get(pool, 0))
    total = sum(size for (size,) in call.state.rows(
        'SELECT size FROM nsd WHERE fs = ?', system.name))
    call.say(_row('data', '', total >> 10, _free(total, usage.data)),
             _row('fsTotal', '', total >> 10, _free(total, usage.data)),
             output.row('mmdf', usage.files, _INODES - usage.files, _INODES,
                        _INODES, subtype='inode'))


def _pool(call: calls.Call, fs: str, pool: str, used: int) -> None:
    """Print a pool; its use is spread evenly over the disks for data."""
    disks = call.state.rows(
        'SELECT name, size, failure_group, metadata, data FROM nsd '
        'WHERE fs = ? AND pool = ? ORDER BY id', fs, pool)
    takers = sum(disk[4] for disk in disks)
    for name, size, group, metadata, data in disks:
        share = used // takers if data else 0
        call.say(output.row(
            'mmdf', name, pool, size >> 10, group,
            output.yes(metadata).title(), output.yes(data).title(),
            *_free(size, share), '', subtype='nsd'))
    total = sum(disk[1] for disk in disks)
    most = max((disk[1] for disk in disks), default=0)
    call.say(output.row('mmdf', pool, total >> 10, *_free(total, used),
                        most >> 10, subtype='poolTotal'))


def _free(total: int, used: int) -> tuple[int, int, int, int]:
    free = max(total - used, 0)
    return free >> 10, free * 100 // total if total else 0, 0, 0


def _row(subtype: str, name: str, total: int, free: tuple[int, ...]) -> str:
    fields = [name] if name else []
    return output.row('mmdf', *fields, total, *free, subtype=subtype)


def _human(call: calls.Call, system: filesystems.FileSystem,
           usage: accounting.Usage) -> None:
    call.say('disk                disk size  failure  in pool',
             'name                    in KB    group')
    for name, size, group, pool in call.state.rows(
            'SELECT name, size, failure_group, pool FROM nsd WHERE fs = ? '
            'ORDER BY id', system.name):
        call.say(f'{name:<16} {size >> 10:>12} {group:>8}  {pool}')
    call.say(f'used: {usage.data >> 10} KB in {usage.files} files')
