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

"""mmlspool: the storage pools of a file system, as text (there is no -Y)."""

from __future__ import annotations

from nova_gpfs.sim import accounting
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import mount
from nova_gpfs.sim import output

NEEDS_DAEMON = True

_USAGE = 'Device {all | Pool[:Pool...]} [-L]'
# Column widths after the recordings in gpfs_exporter and mmoxi.
_TITLE = ('Name                    Id   BlkSize Data Meta Total Data in (KB)'
          '   Free Data in (KB)   Total Meta in (KB)    Free Meta in (KB)')


def run(call: calls.Call) -> None:
    """Print all pools or those that are named."""
    _found, rest = calls.options(call, '-L', '', _USAGE)
    if not rest or len(rest) > 2:
        raise calls.Refusal('usage', usage=_USAGE)
    system = filesystems.named(call.state, rest[0])
    pools = call.state.rows(
        'SELECT name, id, block_size FROM pool WHERE fs = ? ORDER BY id',
        system.name)
    if len(rest) > 1 and rest[1] != 'all':
        wanted = rest[1].split(':')
        for name in wanted:
            if name not in {pool[0] for pool in pools}:
                raise calls.Refusal('pool.unknown', pool=name)
        pools = [pool for pool in pools if pool[0] in wanted]
    call.say("Storage pools in file system at "
             f"'{mount.point(call, system)}':", _TITLE)
    used = accounting.of(call.state, system).pools
    sizes = accounting.pool_sizes(call.state, system.name)
    for name, number, block_size in pools:
        data, metadata = sizes.get(name, (0, 0))
        call.say(_line(name, number, block_size, data, metadata,
                       used.get(name, 0)))


def _line(name: str, number: int, block_size: int, data: int, metadata: int,
          used: int) -> str:
    size = (f'{block_size >> 20} MB' if block_size >= 1 << 21
            else f'{block_size >> 10} KB')
    return (f'{name:<20}{number:>6}{size:>10}{output.yes(data):>5}'
            f'{output.yes(metadata):>5}'
            + _space(data, max(data - used, 0)) + _space(metadata, metadata))


def _space(total: int, free: int) -> str:
    percent = free * 100 // total if total else 0
    return f'{total >> 10:>15}{free >> 10:>15} ({percent:>3}%)'
