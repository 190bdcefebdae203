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

"""Behaviour that nobody has confirmed: one named switch for each question.

The first alternative is the default. The product must work with a switch in
any position; ``nova-gpfs-sim switch DIR set NAME VALUE`` moves it.
"""

from __future__ import annotations

from nova_gpfs.sim import store

UNRECORDED = 'UNRECORDED'

_SPACE = 'IBM documentation, File clones and disk space management (5.2.3)'
_HEADER = 'gpfs.h (IBM), gpfs_clone_snap'


class Switch:
    """A question, its possible answers and what is known about them."""

    __slots__ = ('question', 'alternatives', 'source')

    def __init__(self, question: str, alternatives: str,
                 source: str = UNRECORDED) -> None:
        self.question = question
        self.alternatives = tuple(alternatives.split())
        self.source = source

    @property
    def default(self) -> str:
        """The answer of a new cluster."""
        return self.alternatives[0]


SWITCHES = {
    'exit_code_on_failure': Switch(
        'Exit code of a command that reports a failure',
        'errno zero one'),
    'clone_across_filesets': Switch(
        'Clone whose parent lies in another fileset (Cinder forbids it, the '
        'header speaks of file systems only)',
        'refuse allow'),
    'snap_of_open_file': Switch(
        'Two-name snap of a file that is open for writing (Cinder does it '
        'with attached volumes; the header lists EBUSY)',
        'allow refuse'),
    'split_parent_with_children': Switch(
        'Split or redirect of a clone that is itself a parent',
        'refuse allow'),
    'split_of_plain_file': Switch(
        'Split or redirect of a file that is not a clone',
        'refuse ignore', 'gpfs.h (IBM), gpfs_clone_split: EPERM'),
    'declone_of_plain_file': Switch(
        'gpfs_declone of a file that is not a clone: there are no more '
        'blocks, or EPERM, which is documented for what is no regular file',
        'ignore refuse'),
    'parent_link_count': Switch(
        'Link count of a clone parent: one more than its clones (read off one '
        'sample), or that of a plain file',
        'counts plain'),
    'unlink_parent_with_children': Switch(
        'errno of unlinking a clone parent that has clones, and of replacing '
        'it by a rename',
        'EROFS EPERM EBUSY', UNRECORDED + '; Ceph\'s notes on NSFS say '
        'EROFS of a clone parent'),
    'unlink_childless_parent': Switch(
        'Unlinking a clone parent that has no clones, or the errno of that',
        'allow EROFS', UNRECORDED + "; Cinder's gpfs driver relies on it"),
    'write_to_parent': Switch(
        'errno of opening a clone parent for writing, of truncating it and '
        'of changing its extended attributes',
        'EROFS EPERM EACCES', UNRECORDED + '; mmclone calls it read-only'),
    'link_to_parent': Switch(
        'Hard link to a clone parent: its errno, or allowed (the link count '
        'is used to count the clones)',
        'EROFS EPERM allow'),
    'rename_across_filesets': Switch(
        'Rename or hard link into another fileset: its errno, or allowed',
        'EXDEV allow'),
    'file_access_daemon_down': Switch(
        'errno of file access while the daemon of the node is down',
        'ENODEV ESTALE', 'IBM documentation, GPFS daemon went down (5.2.0)'),
    'file_access_expelled': Switch(
        'errno of file access on a node that was expelled',
        'ESTALE ENODEV'),
    'open_without_quorum': Switch(
        'errno of a new open while there is no quorum',
        'ENODEV ENOENT', 'IBM documentation, Quorum loss (6.0.1)'),
    'locks_across_nodes': Switch(
        'Locks of fcntl(2), of processes and of open file descriptions: other '
        'nodes see them, or not (where nodes have FUSE mounts of their own)',
        'across local', UNRECORDED + "; Ceph's notes on NSFS say that they do "
        'not span nodes'),
    'several_files': Switch(
        'Split, redirect, show, mmchattr or mmlsattr of several files, one '
        'of which fails',
        'continue stop'),
    'nonroot_mmclone': Switch(
        'mmclone by a user who is not root (read access to the source is '
        'documented, the security section was not readable)',
        'allow refuse', _SPACE),
    'names_below_proc': Switch(
        'A file that is named to mmclone or mmchattr as /proc/PID/fd/N (the '
        'kernel follows such a link to the open file; a command may read it '
        'as text, and go to the path that it had, or not take it)',
        'follow text refuse'),
    'nonroot_lists': Switch(
        'mmlsfileset by a user who is not root (refused where it is '
        'recorded)',
        'refuse allow', 'dirscape, discover/attribute and quota/gpfs.py'),
    'superuser': Switch(
        'Who counts as root: the owner of the cluster directory as well, so '
        'that the simulator can be used without root, or uid 0 alone',
        'owner root', 'the simulator itself'),
    'copy_mode': Switch(
        'Mode of a clone: that of its parent less the umask, 0666 less the '
        'umask, or 0600 (Cinder always sets it afterwards)',
        'parent umask private'),
    'snap_mode': Switch(
        'Mode of the parent that a two-name snap makes',
        'source umask', 'IBM documentation, Listing file clones (5.2.3), '
        'sample output'),
    'clone_placement': Switch(
        'Pool and replicas that a clone and a snapped parent start with: '
        'those of the source, or the defaults of the file system',
        'source defaults'),
    'clone_affinity': Switch(
        'Write affinity that a clone and a snapped parent start with: that of '
        'the source, or none (extended attributes are not inherited; whether '
        'this is one is not known)',
        'source none', 'IBM documentation, Creating a file clone (5.2.0)'),
    'depth_two': Switch(
        'Replicas after the first one with write affinity depth 2: the same '
        'failure groups for the whole file, or all in turn',
        'together spread'),
    'affinity_flag': Switch(
        'Flag of a file whose blocks lie otherwise than its write affinity '
        'says: none, or illplaced (gpfs.h has a bit for it)',
        'none illplaced'),
    'moved_blocks': Switch(
        'Blocks that mmchattr -P or mmrestripefile -p brings to a pool with '
        'write affinity: laid out like new blocks, or spread over its failure '
        'groups',
        'anew spread'),
    'relocating_node': Switch(
        'Node whose failure group mmrestripefile -l takes where the file has '
        'none of its own: the one it runs on, or the one that writes the file',
        'caller writer'),
    'relocate_moves_pools': Switch(
        'mmrestripefile -l on blocks that mmchattr -I defer has left in '
        'another pool: they stay there, or move as well',
        'no yes'),
    'restripe_output': Switch(
        'What mmrestripefile prints when all went well with another option '
        'than -z: as recorded of -z, or nothing',
        'scan silent'),
    'pool_change': Switch(
        'mmchattr -P by a user who is not root',
        'root anyone', 'gpfs_fcntl.h (IBM), gpfsSetStoragePool_t'),
    'move_now': Switch(
        'mmchattr without -I: move blocks at once or leave that for later',
        'yes defer'),
    'replicas_beyond_failure_groups': Switch(
        'More replicas than the pool has failure groups (depends on strict '
        'replication at the site)',
        'refuse warn', 'IBM documentation, Using replication in a storage '
        'pool (6.0.1): a warning or an error'),
    'write_affinity_elsewhere': Switch(
        'Write affinity on a file whose pool does not allow it',
        'refuse ignore', 'IBM documentation, FPO settings (5.0.0): no effect'),
    'fill_check': Switch(
        'When snap and copy look for space: where the fileset has a limit, '
        'always (pools too), or never',
        'limits all off'),
    'copy_over_quota': Switch(
        'Copy in a fileset whose block limit is reached (a fresh clone owns '
        'no blocks; the header lists ENOSPC and not EDQUOT)',
        'refuse allow'),
}


class UnknownSwitch(Exception):
    """There is no switch of that name, or no such position."""


def value(state: store.Store, name: str) -> str:
    """Return the position of a switch."""
    rows = state.rows('SELECT value FROM switch WHERE name = ?', name)
    return str(rows[0][0]) if rows else SWITCHES[name].default


def put(state: store.Store, name: str, position: str) -> None:
    """Move a switch; UnknownSwitch when that cannot be."""
    if name not in SWITCHES:
        raise UnknownSwitch(f'no switch {name}')
    if position not in SWITCHES[name].alternatives:
        choices = ', '.join(SWITCHES[name].alternatives)
        raise UnknownSwitch(f'{name} can be: {choices}')
    with state.change():
        state.execute('INSERT OR REPLACE INTO switch VALUES (?, ?)',
                      name, position)
