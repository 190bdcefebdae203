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

"""What mm commands say when they fail: every text with its source.

``source`` is that of the text, ``code_source`` that of the exit code;
UNRECORDED means that nobody whose work could be read has written it down;
what is known nevertheless may follow after a semicolon.
"""

from __future__ import annotations

UNRECORDED = 'UNRECORDED'

_EXAMINE = ('{command}: Command failed. Examine previous error messages to '
            'determine cause.')
_DAEMON = 'Failed to connect to file system daemon: No such process\n'

_FORMAT = 'text after StratusLab GPFSBackend, "mmclone: Read-only file system"'
_HDR = 'gpfs.h (IBM, in noobaa-core src/native/fs)'
_RAPIDU = 'terminal output in the rapidu repository'
# The catalogue has the wording; how a command prints it is not recorded.
_CATALOGUE = UNRECORDED + '; wording: IBM documentation, message '
_FCNTL = 'gpfs_fcntl.h (IBM), errReason '


class Message:
    """What is written on stderr, and the exit code that goes with it."""

    __slots__ = ('text', 'code', 'source', 'code_source')

    def __init__(self, text: str, code: int, source: str = UNRECORDED,
                 code_source: str = UNRECORDED) -> None:
        self.text = text
        self.code = code
        self.source = source
        self.code_source = code_source


def _strerror(reason: str, code: int, call: str,
              source: str = UNRECORDED) -> Message:
    """Return a message in the one format of mmclone that is recorded."""
    return Message('mmclone: ' + reason, code, source, f'{_HDR} {call}')


CLONE = {
    'clone.sealed': Message(
        'mmclone: Read-only file system', 30,
        'StratusLab GPFSBackend (production code)'),
    'clone.missing': _strerror('No such file or directory', 2,
                               'gpfs_clone_snap ENOENT'),
    'clone.exists': _strerror('File exists', 17, 'gpfs_clone_copy EEXIST'),
    'clone.open': _strerror('Device or resource busy', 16,
                            'gpfs_clone_snap EBUSY'),
    'clone.hard_links': _strerror('Operation not permitted', 1,
                                  'gpfs_clone_snap EPERM'),
    'clone.not_regular': _strerror('Invalid argument', 22,
                                   'gpfs_clone_snap EINVAL'),
    'clone.not_gpfs': _strerror('Invalid argument', 22,
                                'gpfs_clone_snap EINVAL'),
    'clone.directory': _strerror('Is a directory', 21,
                                 'gpfs_clone_copy EISDIR'),
    'clone.not_parent': _strerror('Operation not permitted', 1,
                                  'gpfs_clone_copy EPERM'),
    'clone.other_fs': _strerror('Invalid cross-device link', 18,
                                'gpfs_clone_copy EXDEV'),
    'clone.other_fileset': Message('mmclone: Invalid cross-device link', 18),
    'clone.not_clone': _strerror('Operation not permitted', 1,
                                 'gpfs_clone_split EPERM'),
    'clone.has_children': Message('mmclone: Operation not permitted', 1),
    'clone.denied': _strerror('Permission denied', 13,
                              'gpfs_clone_copy EACCES'),
    'clone.not_root': Message('mmclone: Operation not permitted', 1),
    'clone.no_space': _strerror('No space left on device', 28,
                                'gpfs_clone_copy ENOSPC'),
    'clone.quota': Message('mmclone: Disk quota exceeded', 122),
    'clone.unsupported': _strerror('Wrong medium type', 124,
                                   'gpfs_clone_snap EMEDIUMTYPE'),
    'clone.other': _strerror('{reason}', 5, 'errno list'),
    'clone.usage': Message(
        'mmclone: Incorrect or missing arguments.\nUsage:\n'
        '  mmclone snap SourceFile [CloneParentFile]\n'
        '  mmclone copy CloneParentFile TargetFile\n'
        '  mmclone split Filename [Filename...]\n'
        '  mmclone redirect Filename [Filename...]\n'
        '  mmclone show Filename [Filename...]', 1),
}

ATTRIBUTES = {
    'lsattr.failed': Message(
        'mmlsattr: tslsattr failed. Error code {code}.', 22,
        'dirscape, fixture of discover/attribute',
        'dirscape, fixture of discover/attribute'),
    'chattr.missing': Message(
        '{path}: No such file or directory\n' + _EXAMINE, 2),
    'chattr.denied': Message(
        '{path}: Permission denied\n' + _EXAMINE, 13),
    'chattr.not_gpfs': Message(
        '{path}: Not a GPFS file\n' + _EXAMINE, 22,
        code_source=_FCNTL + '26'),
    'chattr.pool': Message(
        '{path}: Invalid storage pool name {pool}\n' + _EXAMINE, 22,
        code_source=_FCNTL + '7'),
    'chattr.pool_no_data': Message(
        '{path}: File cannot be assigned to storage pool {pool}\n' + _EXAMINE,
        22, code_source=_FCNTL + '8'),
    'chattr.not_permitted': Message(
        '{path}: Operation not permitted\n' + _EXAMINE, 1,
        code_source=_FCNTL + '13'),
    'chattr.range': Message(
        '{path}: Invalid number of {what}: {number}. Valid range is 1 to '
        '{most}\n' + _EXAMINE, 22, code_source=_FCNTL + '1 to 4'),
    'chattr.failure_groups': Message(
        '{path}: Replication factor {number} exceeds the number of failure '
        'groups ({most})\n' + _EXAMINE, 22, code_source=_FCNTL + '6'),
    'chattr.failure_groups_warning': Message(
        '{path}: Attention: replication factor {number} exceeds the number '
        'of failure groups ({most})', 0),
    'chattr.not_empty': Message(
        '{path}: Maximum replication can only be changed on an empty file\n'
        + _EXAMINE, 22, code_source=_FCNTL + '5'),
    'chattr.has_attributes': Message(
        '{path}: Maximum replication cannot be changed on a file with '
        'extended attributes\n' + _EXAMINE, 22, code_source=_FCNTL + '25'),
    'chattr.affinity': Message(
        '{path}: Storage pool {pool} does not allow write affinity\n'
        + _EXAMINE, 22),
    'chattr.immutable': Message(
        '{path}: Read-only file system\n' + _EXAMINE, 30),
    'usage': Message(
        '{command}: Incorrect option or missing arguments.\nUsage: '
        '{command} {usage}', 1),
}

STATES = {
    'daemon.down': Message(
        _DAEMON + '{command}: GPFS is down on this node.\n' + _EXAMINE, 1,
        _RAPIDU),
    'daemon.no_quorum': Message(
        '{command}: 6027-725 The mmfsd daemon is not ready to handle commands '
        'yet. Waiting for quorum.\n' + _EXAMINE, 1,
        _CATALOGUE + '6027-725'),
    'cluster.none': Message(
        '{command}: This node does not belong to a GPFS cluster.\n'
        + _EXAMINE, 1,
        UNRECORDED + '; seen in terminal output of unknown origin'),
    'fs.not_mounted': Message(
        '{command}: 6027-602 ERROR: file system not mounted. Mount file '
        'system {fs} and retry command.\n' + _EXAMINE, 1,
        _CATALOGUE + '6027-602'),
    'fs.stale': Message('{command}: Stale file handle', 116),
    'fs.unknown': Message(
        '{command}: File system {fs} is not known to the GPFS cluster.\n'
        + _EXAMINE, 1, 'fs-py unit test; StoRM for mmlsquota',
        'fs-py unit test'),
}

LISTS = {
    'pool.unknown': Message(
        '{command}: Storage pool {pool} not found.\n' + _EXAMINE, 2,
        code_source="Cinder's gpfs driver: not 0"),
    'fileset.unknown': Message(
        'Fileset named {fileset} does not exist.\n' + _EXAMINE, 2,
        'fs-py unit test', "Cinder's and Manila's gpfs drivers; "
        'fs-py unit test (22)'),
    'fileset.not_root': Message(
        'No filesets found owned by this user {user}\n'
        '{command}: tslsfileset failed. Error code 2.\n' + _EXAMINE, 2,
        'dirscape, discover/attribute and quota/gpfs.py',
        'dirscape, discover/attribute; dirscape, quota/gpfs.py (0)'),
    'quota.fileset': Message(
        '{fileset}: no such fileset in quota enabled file systems\n'
        + _EXAMINE, 2, 'StoRM'),
    'quota.off': Message(
        'No quota enabled file system found.\n'
        '{command}: tslsquota  -Y  failed. Error code 22.\n' + _EXAMINE, 22,
        'dirscape, discover/quota', 'dirscape, discover/quota'),
}

MESSAGES = {**CLONE, **ATTRIBUTES, **STATES, **LISTS}
