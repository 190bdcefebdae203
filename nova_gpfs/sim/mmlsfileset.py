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

"""mmlsfileset: the filesets of a file system."""

from __future__ import annotations

import os

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import mount
from nova_gpfs.sim import output

NEEDS_DAEMON = True

_USAGE = 'Device {Fileset[,Fileset...] | all} [-L] [-d] [-i] [-Y]'
# Header of 4.2 and 5.0 with the columns that 5.2 appended (gpfs_exporter,
# mmoxi).
_COLUMNS = (
    'filesystemName:filesetName:id:rootInode:status:path:parentId:created:'
    'inodes:dataInKB:comment:filesetMode:afmTarget:afmState:afmMode:'
    'afmFileLookupRefreshInterval:afmFileOpenRefreshInterval:'
    'afmDirLookupRefreshInterval:afmDirOpenRefreshInterval:afmAsyncDelay:'
    'afmNeedsRecovery:afmExpirationTimeout:afmRPO:afmLastPSnapId:inodeSpace:'
    'isInodeSpaceOwner:maxInodes:allocInodes:inodeSpaceMask:'
    'afmShowHomeSnapshots:afmNumReadThreads:reserved:afmReadBufferSize:'
    'afmWriteBufferSize:afmReadSparseThreshold:afmParallelReadChunkSize:'
    'afmParallelReadThreshold:snapId:afmNumFlushThreads:afmPrefetchThreshold:'
    'afmEnableAutoEviction:permChangeFlag:afmParallelWriteThreshold:'
    'freeInodes:afmNeedsResync:afmParallelWriteChunkSize:afmNumWriteThreads:'
    'afmPrimaryID:afmDRState:afmAssociatedPrimaryId:afmDIO:afmGatewayNode:'
    'afmIOFlags:afmVerifyDmapi:afmSkipHomeACL:afmSkipHomeMtimeNsec:'
    'afmForceCtimeChange:afmSkipResyncRecovery:afmSkipConflictQDrop:'
    'afmRefreshAsync:afmParallelMounts:afmRefreshOnce:afmSkipHomeCtimeNsec:'
    'afmReaddirOnce:afmResyncVer2:afmSnapUncachedRead:afmFastCreate:'
    'afmObjectXattr:afmObjectVHB:afmObjectNoDirectoryObj:afmSkipHomeRefresh:'
    'afmObjectGCS:afmObjectUserKeys:afmWriteOnClose:afmObjectSSL:'
    'afmObjectACL:afmMUPromoted:afmMUAutoRemove:afmObjFastReaddir:'
    'afmObjectBlkIO:preventSnapshotRestore:permInheritFlag:afmIOFlags2:'
    'afmRemoteUpdate:falStatus')
_INODES = 1048576


def run(call: calls.Call) -> None:
    """Print all filesets or those that are named."""
    found, rest = calls.options(call, '-L -d -i -Y', '', _USAGE)
    if not rest or len(rest) > 2:
        raise calls.Refusal('usage', usage=_USAGE)
    system = filesystems.named(call.state, rest[0])
    _require_root(call)
    filesets = call.state.rows(
        'SELECT name, id, path, linked, parent, inode_space, owns_space, '
        'comment, created FROM fileset WHERE fs = ? ORDER BY id', system.name)
    if len(rest) > 1 and rest[1] != 'all':
        wanted = rest[1].split(',')
        for name in wanted:
            if name not in {fileset[0] for fileset in filesets}:
                raise calls.Refusal('fileset.unknown', fileset=name)
        filesets = [one for one in filesets if one[0] in wanted]
    (_parsable if '-Y' in found else _human)(call, system, filesets)


def _require_root(call: calls.Call) -> None:
    """Refuse an ordinary user, who is told that no fileset is his."""
    if call.is_root() or call.switch('nonroot_lists') == 'allow':
        return
    import pwd
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    raise calls.Refusal('fileset.not_root', user=user)


def _parsable(call: calls.Call, system: filesystems.FileSystem,
              filesets: list[Row]) -> None:
    call.say(output.header('mmlsfileset', _COLUMNS))
    names = _COLUMNS.split(':')
    for fileset in filesets:
        values = dict.fromkeys(names, '-')
        values.update(_values(call, system, fileset))
        call.say(output.row('mmlsfileset', *(values[name] for name in names)))


def _values(call: calls.Call, system: filesystems.FileSystem,
            fileset: Row) -> dict[str, str]:
    name, number, path, linked, parent, space, owner, comment, made = fileset
    root = (mount.point(call, system) + '/' + path).rstrip('/')
    owned = str(_INODES if owner else 0)
    return {
        'filesystemName': system.name, 'filesetName': name,
        'id': str(number), 'rootInode': str(3 + number * 524288),
        'status': 'Linked' if linked else 'Unlinked',
        'path': output.encode(root) if linked else '%2D%2D',
        'parentId': '--' if parent is None else str(parent),
        'created': output.encode(output.date(made)),
        'comment': output.encode(comment), 'filesetMode': 'off',
        'inodeSpace': str(space), 'isInodeSpaceOwner': str(owner),
        'maxInodes': owned, 'allocInodes': owned, 'freeInodes': owned,
        'inodeSpaceMask': '66846720', 'snapId': '0',
        'permChangeFlag': 'chmodAndSetacl', 'preventSnapshotRestore': 'no',
        'permInheritFlag': 'inheritAclOnly', 'falStatus': 'default'}


def _human(call: calls.Call, system: filesystems.FileSystem,
           filesets: list[Row]) -> None:
    call.say(f"Filesets in file system '{system.name}':",
             'Name                     Status    Path')
    for fileset in filesets:
        root = (mount.point(call, system) + '/' + fileset[2]).rstrip('/')
        status, path = ('Linked', root) if fileset[3] else ('Unlinked', '--')
        call.say(f'{fileset[0]:<24} {status:<9} {path}')


TYPE_CHECKING = False
if TYPE_CHECKING:
    Row = tuple[str, int, str, int, int | None, int, int, str, int]
