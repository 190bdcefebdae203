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

"""mmlsquota: the quota of a fileset; block figures are KiB."""

from __future__ import annotations

from nova_gpfs.sim import accounting
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import output

NEEDS_DAEMON = True

_USAGE = '[-j Fileset] [--block-size Unit] [-Y] [Device]'
_COLUMNS = ('filesystemName:quotaType:id:name:blockUsage:blockQuota:'
            'blockLimit:blockInDoubt:blockGrace:filesUsage:filesQuota:'
            'filesLimit:filesInDoubt:filesGrace:remarks:quota:defQuota:fid:'
            'filesetname')


def run(call: calls.Call) -> None:
    """Print a fileset's quota; no rows where a user's was asked for."""
    found, rest = calls.options(call, '-Y -v', '-j -u -g --block-size',
                                _USAGE)
    if len(rest) > 1:
        raise calls.Refusal('usage', usage=_USAGE)
    systems = ([filesystems.named(call.state, rest[0])] if rest
               else filesystems.all_of(call.state))
    systems = [one for one in systems if 'fileset' in one.quotas]
    if not systems:
        raise calls.Refusal('quota.off')
    rows = _filesets(call, systems, found['-j']) if '-j' in found else []
    if '-Y' in found:
        call.say(output.header('mmlsquota', _COLUMNS))
    else:
        call.say('Filesystem type         blocks      quota      limit')
    for system, fileset in rows:
        _print(call, system, fileset, '-Y' in found)


def _filesets(call: calls.Call, systems: list[filesystems.FileSystem],
              name: str) -> list[tuple[filesystems.FileSystem, Fileset]]:
    rows = [(system, row) for system in systems for row in call.state.rows(
        'SELECT id, name, soft, hard FROM fileset WHERE fs = ? AND name = ?',
        system.name, name)]
    if not rows:
        raise calls.Refusal('quota.fileset', fileset=name)
    return rows


def _print(call: calls.Call, system: filesystems.FileSystem,
           fileset: Fileset, parsable: bool) -> None:
    number, name, soft, hard = fileset
    usage = accounting.of(call.state, system, name)
    kib = usage.data >> 10, soft >> 10, hard >> 10
    if parsable:
        call.say(output.row(
            'mmlsquota', system.name, 'FILESET', number, name, *kib, 0,
            'none', usage.files, 0, 0, 0, 'none',
            'e' if soft or hard else 'i', 'on', 'off', '', ''))
    else:
        call.say(f'{system.name:<10} FILESET {kib[0]:>10} {kib[1]:>10} '
                 f'{kib[2]:>10}')


TYPE_CHECKING = False
if TYPE_CHECKING:
    Fileset = tuple[int, str, int, int]
