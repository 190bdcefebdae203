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

"""mmlsfs: the attributes of file systems."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import mount
from nova_gpfs.sim import output

NEEDS_DAEMON = True

_USAGE = '{Device | all | all_local} [Option...] [-Y]'
_VERSIONS = ('filesystemVersion', 'filesystemVersionLocal',
             'filesystemVersionManager', 'filesystemVersionOriginal')
_HIGHEST = 'filesystemHighestSupported'
# Which rows an option asks for. Cinder's driver uses -V, -T and --encryption;
# the other letters are those of the attributes in mmcrfs and mmchfs.
_ROWS = {
    '-V': (*_VERSIONS, _HIGHEST), '-T': ('defaultMountPoint',),
    '--encryption': ('encryption',), '-B': ('blockSize',),
    '-f': ('minFragmentSize',), '-i': ('inodeSize',),
    '-m': ('defaultMetadataReplicas',), '-M': ('maxMetadataReplicas',),
    '-r': ('defaultDataReplicas',), '-R': ('maxDataReplicas',),
    '-Q': ('quotasAccountingEnabled', 'quotasEnforced',
           'defaultQuotasEnabled'),
    '-K': ('strictReplication',), '-D': ('fileLockingSemantics',),
    '-P': ('storagePools',), '-d': ('disks',),
    '-A': ('automaticMountOption',), '--filesetdf': ('filesetdfEnabled',),
    '--create-time': ('create-time',),
}


def run(call: calls.Call) -> None:
    """Print the attributes that were asked for, all by default."""
    found, devices = calls.options(call, '-Y ' + ' '.join(_ROWS), '', _USAGE)
    if len(devices) != 1:
        raise calls.Refusal('usage', usage=_USAGE)
    wanted = [name for option in found if option in _ROWS
              for name in _ROWS[option]]
    if devices[0] in ('all', 'all_local'):
        systems = filesystems.all_of(call.state)
    else:
        systems = [filesystems.named(call.state, devices[0])]
    if '-Y' in found:
        call.say(output.header('mmlsfs',
                               'deviceName:fieldName:data:remarks'))
    for system in systems:
        _print(call, system, wanted, '-Y' in found)


def _print(call: calls.Call, system: filesystems.FileSystem,
           wanted: list[str], parsable: bool) -> None:
    for name, value in attributes(call, system):
        if wanted and name not in wanted:
            continue
        if parsable:
            call.say(output.row('mmlsfs', system.name, name, value, ''))
        else:
            call.say(f'{system.name:<10} {name:<28} {value}')


def attributes(call: calls.Call, system: filesystems.FileSystem
               ) -> list[tuple[str, object]]:
    """Return the rows in the order that IBM's Ansible roles recorded."""
    quotas = system.quotas or 'none'
    return [
        ('minFragmentSize', 8192), ('inodeSize', 4096),
        ('indirectBlockSize', 32768),
        ('defaultMetadataReplicas', system.default_metadata),
        ('maxMetadataReplicas', system.max_metadata),
        ('defaultDataReplicas', system.default_data),
        ('maxDataReplicas', system.max_data),
        ('blockAllocationType', 'scatter'), ('fileLockingSemantics', 'nfs4'),
        ('ACLSemantics', 'nfs4'), ('numNodes', 32),
        ('blockSize', system.block_size),
        ('quotasAccountingEnabled', quotas), ('quotasEnforced', quotas),
        ('defaultQuotasEnabled', 'none'), ('perfilesetQuotas', 'No'),
        ('filesetdfEnabled', 'No'),
        *((name, system.version) for name in _VERSIONS),
        (_HIGHEST, system.highest_version),
        ('create-time', output.encode(output.date(system.created))),
        ('DMAPIEnabled', 'No'), ('logfileSize', 33554432),
        ('exactMtime', 'Yes'), ('suppressAtime', 'relatime'),
        ('strictReplication', system.strict), ('fastEAenabled', 'Yes'),
        ('encryption', 'No'), ('maxNumberOfInodes', 513024),
        ('maxSnapshotId', 0), ('UID', output.encode(system.uid)),
        ('logReplicas', 0), ('is4KAligned', 'Yes'),
        ('rapidRepairEnabled', 'Yes'), ('write-cache-threshold', 0),
        ('subblocksPerFullBlock', system.block_size // 8192),
        ('storagePools', ';'.join(_names(call, system, 'pool'))),
        ('file-audit-log', 'No'), ('maintenance-mode', 'No'),
        ('disks', ';'.join(_names(call, system, 'nsd'))),
        ('automaticMountOption', 'yes'), ('additionalMountOptions', 'none'),
        ('defaultMountPoint', output.encode(mount.point(call, system))),
    ]


def _names(call: calls.Call, system: filesystems.FileSystem, table: str
           ) -> list[str]:
    return [name for (name,) in call.state.rows(
        f'SELECT name FROM {table} WHERE fs = ? ORDER BY id', system.name)]
