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

"""What the simulator claims about GPFS, each with its source.

Messages and switches carry their sources where they are defined; formats and
rules are listed here. ``nova-gpfs-sim claims`` prints all of it.
"""

from __future__ import annotations

from nova_gpfs.sim import messages
from nova_gpfs.sim import switches

UNRECORDED = messages.UNRECORDED

_CINDER = 'openstack/cinder, cinder/tests/unit/volume/drivers/test_gpfs.py'
_EXPORTER = 'treydock/gpfs_exporter, collectors/*_test.go'
_MMOXI = 'idiv-biodiversity/mmoxi, src/*-example.in'
_ANSIBLE = ('IBM/ibm-spectrum-scale-install-infra, '
            'ibm_spectrumscale_utils.py')
_IBM = 'IBM documentation, '
_SPACE = _IBM + 'File clones and disk space management (5.2.3)'
_FPO = _IBM + 'File Placement Optimizer (5.0.0)'
_LOCALITY = _IBM + 'Data locality restore (4.2.2)'
_DISTRIBUTING = _IBM + 'Distributing data across a cluster (5.2.3)'
_RESTRIPE = _IBM + 'mmrestripefile command (5.0.4)'
_DECLONE = _IBM + 'gpfs_declone() subroutine (6.0.1)'
_MMCLONE = _IBM + 'mmclone command (6.0.1)'
_CHATTR = _IBM + 'mmchattr command (5.0.4)'
_FCNTL = 'gpfs_fcntl.h (IBM, in noobaa-core src/native/fs)'

FORMATS = {
    'mmclone show': _IBM + 'Listing file clones (5.2.3); ' + _CINDER,
    'mmlsattr -L': 'NeSI support documentation; gpfsug-tools '
                   'policy/immutability.md',
    'mmlsattr': UNRECORDED,
    'mmlsattr -L, several files': UNRECORDED,
    'mmlsattr -L, flags of waiting blocks': UNRECORDED,
    'mmchattr': UNRECORDED,
    'mmgetstate -Y': _CINDER + '; ' + _MMOXI,
    'mmgetstate -Y, counts of a node that is not up': UNRECORDED,
    'mmgetstate': UNRECORDED,
    'mmlscluster -Y': _ANSIBLE,
    'mmlscluster': UNRECORDED,
    'mmlsconfig -Y': _CINDER,
    'mmlsconfig': UNRECORDED,
    'mmlsfs -Y': _ANSIBLE + '; ' + _CINDER,
    'mmlsfs': UNRECORDED,
    'mmlspool': _EXPORTER + '; ' + _MMOXI,
    'mmlspool -L': UNRECORDED + '; printed like mmlspool here',
    'mmlsfileset -Y': _EXPORTER + '; ' + _MMOXI,
    'mmlsfileset': UNRECORDED,
    'mmlsdisk -Y': _EXPORTER + '; ' + _MMOXI,
    'mmlsdisk': UNRECORDED,
    'mmlsquota -Y': 'dirscape, tests/test_quota_gpfs.py; ' + _EXPORTER,
    'mmlsquota -Y -j':
        'header: dirscape, tests/test_quota_gpfs.py (mmlsquota); rows of '
        'filesets: ' + _EXPORTER + ' (mmrepquota)',
    'mmlsquota': UNRECORDED,
    'mmdf -Y': _EXPORTER + '; ' + _MMOXI,
    'mmdf': UNRECORDED,
    'mmlsmount -Y, rows':
        UNRECORDED + '; a policy launcher script of unknown origin reads '
        'its columns',
    'mmlsmount -Y, header': UNRECORDED,
    'mmlsmount -L':
        UNRECORDED + '; seen in terminal output of unknown origin',
    'mmlsnsd -Y': _ANSIBLE,
    'mmlsnsd': UNRECORDED,
    'mmlsnode': UNRECORDED,
    'mmlsnode -Y': UNRECORDED,
    'mmrestripefile -z': 'NeSI support documentation',
    'mmrestripefile, other options': UNRECORDED,
    'percent-encoding': _IBM + 'mmclidecode command (6.0.1)',
}

RULES = {
    'A clone parent is not snapped again':
        'StratusLab GPFSBackend',
    'A clone parent with clones is not unlinked':
        "Cinder's gpfs driver",
    'A clone parent without clones can be unlinked':
        UNRECORDED + "; Cinder's gpfs driver relies on it",
    'A directory that holds a clone parent can be renamed':
        UNRECORDED + "; Cinder's gpfs driver renames a parent itself",
    'A clone parent is not truncated, written or linked':
        UNRECORDED + '; expected of a file that mmclone calls read-only',
    'The link count of a clone parent is one more than its clones':
        UNRECORDED + '; read off one sample in ' + _IBM
        + 'Listing file clones (5.2.3)',
    'A one-name snap makes the file itself the parent':
        _MMCLONE,
    'A one-name snap refuses a file that is open for writing':
        _MMCLONE,
    'A one-name snap refuses a file with hard links':
        _MMCLONE,
    'A two-name snap makes a new inode that takes the blocks; the source '
    'keeps its inode and becomes its clone':
        _IBM + 'Listing file clones (5.2.3), sample output; ' + _SPACE,
    'The caller owns the parent that a two-name snap makes':
        _SPACE,
    'The caller owns the clone that a copy makes': UNRECORDED,
    'A clone does not inherit extended attributes':
        _IBM + 'Creating a file clone (5.2.0)',
    'Only a clone parent can be copied': 'gpfs.h (IBM), gpfs_clone_copy EPERM',
    'A clone stays in the file system of its parent':
        'gpfs.h (IBM), gpfs_clone_copy EXDEV',
    'A clone stays in the fileset of its parent':
        "Cinder's gpfs driver",
    'An existing target is left alone':
        'gpfs.h (IBM), gpfs_clone_copy EEXIST',
    'Clones need file system format 12.00': "Cinder's gpfs driver",
    'split detaches a clone from all ancestors, redirect from the nearest':
        _MMCLONE,
    'gpfs_declone copies at most the given number of blocks, from the given '
    'offset on, and gives the offset of the next block, or -1 if there are '
    'no more': _DECLONE,
    'gpfs_declone copies the blocks of all ancestors, or of the parent alone':
        _DECLONE,
    'gpfs_declone needs a file that is open for writing': _DECLONE,
    'gpfs_declone passes over blocks that the clone has, and does not count '
    'them': UNRECORDED + '; read out of what it is for',
    'gpfs_declone leaves the clone a clone of its parent, with the depth that '
    'it had': UNRECORDED + '; gpfs_clone_split, which ends that, is '
    'to come after it',
    'The blocks that gpfs_declone copies lie like new ones': _SPACE,
    'gpfs_declone answers EINVAL to less than one block, a negative offset '
    'and another limit than the two of gpfs.h': UNRECORDED,
    'gpfs_declone answers EPERM to what is no regular file and EBADF to a '
    'file that is not on GPFS': _DECLONE,
    'gpfs_declone answers ENOSPC where mmclone does, EDQUOT at a quota':
        UNRECORDED + '; ENOSPC is documented, EDQUOT is not',
    'gpfs_declone answers ESTALE while the daemon is down or the file system '
    'is away': UNRECORDED,
    'Depth counts from the root of the tree and is not updated when an '
    'ancestor is split or redirected': _MMCLONE,
    'A clone owns the blocks in which it differs from its parent, whole '
    'file-system blocks': _SPACE,
    'The blocks of a snapped file are charged to the new parent': _SPACE,
    'Pool and replicas of a clone apply to the blocks that it owns': _SPACE,
    'Replicas are 1 to 3 and at most the maximum of the file': _CHATTR,
    'The maxima change on empty files without attributes only': _FCNTL,
    'A pool must exist and hold data': _FCNTL,
    'Blocks that mmchattr -I defer leaves behind stay in their pool':
        _IBM + 'mmchattr and data tiering (6.0.1)',
    'A block in the last part of a file takes fragments of 8 KiB':
        _ANSIBLE + ' (minFragmentSize)',
    'mmchattr is for the owner of the file and for root': UNRECORDED,
    'Replicas of a block lie in different failure groups':
        _IBM + 'Increased data availability (5.0.5)',
    'The blocks of a file go round the disks of its pool':
        _IBM + 'Block allocation map (5.2.3)',
    'The round begins with the first failure group in every file': UNRECORDED,
    'Write affinity has no effect in pools without allowWriteAffinity': _FPO,
    'Write affinity failure groups of a file come before depth and the node '
    'that writes': _LOCALITY,
    'A write affinity failure group is for one replica, and has * and ranges '
    'for the numbers of a failure group': UNRECORDED,
    'Depth 1 puts the first replica near the node that writes':
        _LOCALITY + '; ' + _IBM
        + 'Check the data locality (5.2.3), sample output',
    'Depth 0, and a node without disks, spread blocks evenly': _DISTRIBUTING,
    'Replicas for which there is no disk where they should be go elsewhere':
        _LOCALITY,
    'Blocks of one chunk, as many as the block group factor, lie alike': _FPO,
    'Write affinity is for new blocks; those that are there stay':
        _IBM + 'mmchpool command (6.0.1), which says it of pools',
    'The node of the last mmclone or mmchattr of a file, or the one that was '
    'noted, writes its new blocks': 'the simulator itself',
    'mmrestripefile -l relocates blocks, -p moves them to the pool of the '
    'file, -r restores replicas, -b rebalances and does what -r does':
        _RESTRIPE,
    'mmrestripefile -b breaks data locality and moves blocks to the pool':
        _DISTRIBUTING + ', of mmrestripefs; ' + _IBM
        + 'Restriping a GPFS file system (4.2.3), of mmrestripefs',
    'mmrestripefile leaves blocks alone that a clone reads through its parent':
        UNRECORDED,
    'mmrestripefile is for the owner of the file and for root': UNRECORDED,
    'New files go to the pool system, or to the first that takes data':
        UNRECORDED,
    'mmgetstate, mmlscluster, mmlsconfig, mmlsnsd and mmlsnode answer while '
    'the daemon is down': UNRECORDED,
    'An expelled node reports its daemon as down': UNRECORDED,
}


def table() -> list[tuple[str, str, str]]:
    """Return kind, claim and source of everything that is claimed."""
    rows = [('format', name, source) for name, source in FORMATS.items()]
    rows += [('rule', rule, source) for rule, source in RULES.items()]
    for key, message in messages.MESSAGES.items():
        rows.append(('text', key, message.source))
        rows.append(('exit code', f'{key}: {message.code}',
                     message.code_source))
    for name, switch in switches.SWITCHES.items():
        rows.append(('switch', f'{name} = {"|".join(switch.alternatives)}',
                     switch.source))
    return rows


def summary() -> list[tuple[str, int, int]]:
    """Return for each kind how many have a source and how many have none."""
    rows = table()
    kinds = dict.fromkeys(kind for kind, _claim, _source in rows)
    return [(kind,
             sum(row[0] == kind and is_sourced(row[2]) for row in rows),
             sum(row[0] == kind and not is_sourced(row[2]) for row in rows))
            for kind in kinds]


def is_sourced(source: str) -> bool:
    """Whether somebody recorded it; hints after UNRECORDED do not count."""
    return not source.startswith(UNRECORDED)


def rst() -> str:
    """Return the tables of the documentation page."""
    lines = _list_table(('Kind', 'Sourced', UNRECORDED),
                        [(kind, str(known), str(unknown))
                         for kind, known, unknown in summary()])
    lines += _list_table(('Kind', 'Claim', 'Source'),
                         [(kind, f'``{claim}``', source.replace('*', r'\*'))
                          for kind, claim, source in table()])
    lines += _list_table(('Switch', 'Question'),
                         [(f'``{name}``', switch.question)
                          for name, switch in switches.SWITCHES.items()])
    return '\n'.join(lines).rstrip()


def _list_table(header: tuple[str, ...], rows: list[tuple[str, ...]]
                ) -> list[str]:
    lines = ['.. list-table::', '   :header-rows: 1', '']
    for row in [header, *rows]:
        for index, cell in enumerate(row):
            lines.append(('   * - ' if not index else '     - ') + cell)
    return [*lines, '']
