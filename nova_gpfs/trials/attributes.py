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

"""Trials of what clones and parents begin with: owner, mode, placement."""

from __future__ import annotations

import os
import stat

from nova_gpfs import errors
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmrestripefile
from nova_gpfs import model
from nova_gpfs.trials import base

_CREATING = 'IBM documentation, Creating a file clone (5.2.0)'
_REPLICAS = ('IBM documentation, Using replication in a storage pool '
             '(6.0.1): a warning or an error')
# A mode that no umask makes of 0666.
_MODE = 0o640
# Any user but root and the one who makes the trial.
_NOBODY = 65534
_PART = 65536


def _mode_answer(path: str, kept: str) -> base.Seen:
    found = os.lstat(path)
    mode = stat.S_IMODE(found.st_mode)
    answer = {_MODE: kept, 0o644: 'umask', 0o600: 'private'}
    owner = 'this user' if found.st_uid == os.geteuid() else (
        f'user {found.st_uid}')
    return base.Seen(answer.get(mode, 'else'),
                     f'mode {mode:04o}, of {owner}')


def copy_mode(room: base.Room) -> base.Seen:
    """Look at the mode of a clone of a file with mode 0640."""
    parent, disk = room.parent(mode=_MODE), room.at('disk')
    why = base.run(room, mmclone.Copy(parent, disk))
    if not os.path.lexists(disk):
        raise base.Skip(f'there is no clone: {why}')
    return _mode_answer(disk, 'parent')


def snap_mode(room: base.Room) -> base.Seen:
    """Look at the mode of the parent of a file with mode 0640."""
    room.driver.snapshot(room.file(mode=_MODE), room.at('parent'))
    return _mode_answer(room.at('parent'), 'source')


def clone_owner(room: base.Room) -> base.Seen:
    """Let root clone another user's file, and look whose the clone is."""
    parent, disk = room.parent(), room.at('disk')
    if os.geteuid() == 0:
        os.chown(parent, _NOBODY, -1)
    owner = os.lstat(parent).st_uid
    why = base.run(room, mmclone.Copy(parent, disk))
    if not os.path.lexists(disk):
        raise base.Skip(f'there is no clone: {why}')
    found = os.lstat(disk).st_uid
    if owner == found == os.geteuid() and not _runs_as_root(room):
        raise base.Skip('mmclone is run by the owner of the parent')
    return base.Seen('source' if found == owner else 'caller')


def _runs_as_root(room: base.Room) -> bool:
    """Whether a parent that mmclone makes is root's (documented)."""
    room.driver.snapshot(room.file(), room.at('by-caller'))
    return os.lstat(room.at('by-caller')).st_uid == 0


def clone_placement(room: base.Room) -> base.Seen:
    """Clone a parent that lies otherwise than new files do."""
    path = room.file('image')
    usual = _place_elsewhere(room, path)
    room.driver.seal(path)
    return _inherited(room, path, room.clone(path), usual)


def snap_placement(room: base.Room) -> base.Seen:
    """Make a parent of a disk that lies otherwise than new files do."""
    path, parent = room.file('disk'), room.at('parent')
    usual = _place_elsewhere(room, path)
    room.driver.snapshot(path, parent)
    return _inherited(room, path, parent, usual)


def _place_elsewhere(room: base.Room, path: str) -> model.FileAttributes:
    """Give a file another pool or other replicas; return what it had."""
    usual = room.driver.attributes(path)
    pools = [pool.name for pool in _data_pools(room)
             if pool.name != usual.pool]
    if pools:
        room.driver.place(path, model.Placement(pool=pools[0]))
    elif (usual.data_replicas or 1) > 1:
        room.driver.place(path, model.Placement(data_replicas=1))
    elif ((usual.max_data_replicas or 1) > 1
            and _failure_groups(room, usual.pool) > 1):
        room.driver.place(path, model.Placement(data_replicas=2))
    else:
        raise base.Skip('there is one pool for data, and one replica')
    return usual


def _inherited(room: base.Room, source: str, made: str,
               usual: model.FileAttributes) -> base.Seen:
    has = [(one.pool, one.data_replicas) for one in (
        room.driver.attributes(made), room.driver.attributes(source), usual)]
    answer = ('source' if has[0] == has[1]
              else 'defaults' if has[0] == has[2] else 'else')
    return base.Seen(answer, 'pool {}, data replicas {}'.format(*has[0]))


def _data_pools(room: base.Room) -> list[model.Pool]:
    return [pool for pool
            in room.driver.pools(room.bench.file_system.name)
            if pool.holds_data]


def _failure_groups(room: base.Room, pool: str) -> int:
    return len({disk.point_of_failure for disk
                in room.driver.disks(room.bench.file_system.name)
                if disk.pool == pool and disk.holds_data})


def pool_change(room: base.Room) -> base.Seen:
    """Let a user who is not root move a file to another pool."""
    if os.geteuid() == 0:
        raise base.Skip('root may; run it as the user of nova-compute')
    path = room.file()
    usual = room.driver.attributes(path).pool
    pools = [pool.name for pool in _data_pools(room) if pool.name != usual]
    if not pools:
        raise base.Skip('there is one pool for data')
    command = mmchattr.Change(path, pool=pools[0])
    why = base.refusal(lambda: command.outcome(room.bench.direct(command)))
    moved = room.driver.attributes(path).pool == pools[0]
    return base.Seen('anyone' if moved else 'root', why)


def too_many_replicas(room: base.Room) -> base.Seen:
    """Ask for more replicas than a pool has failure groups."""
    path = room.file()
    most = room.driver.attributes(path).max_data_replicas or 1
    for pool in _data_pools(room):
        groups = _failure_groups(room, pool.name)
        if 0 < groups < most:
            why = base.run(room, mmchattr.Change(path, pool.name,
                                                 groups + 1))
            has = room.driver.attributes(path).data_replicas
            return base.Seen('warn' if has == groups + 1 else 'refuse', why)
    raise base.Skip('every pool has as many failure groups as a file can '
                    'have replicas')


def write_affinity_elsewhere(room: base.Room) -> base.Seen:
    """Ask for write affinity in a pool that does not have it."""
    path = room.file()
    pool = room.driver.attributes(path).pool
    if pool in room.bench.write_affinity_pools:
        raise base.Skip(f'pool {pool} has write affinity')
    why = base.run(room, mmchattr.Change(path, write_affinity_depth=1))
    return base.Seen('refuse', why) if why else base.Seen('ignore')


def restripe_output(room: base.Room) -> base.Seen:
    """Read what mmrestripefile -l says when all goes well."""
    command = mmrestripefile.Relocate(room.file())
    result = room.bench.configured(command)
    said = ' '.join((result.stdout + result.stderr).split())[:300]
    if result.rc or result.stderr.strip():
        return base.Seen('fails', said)
    return base.Seen('scan' if said else 'silent', said)


def exit_code_on_failure(room: base.Room) -> base.Seen:
    """Let a command fail: a clone with the name of a file that exists."""
    parent, target = room.parent(), room.file()
    try:
        result = room.bench.configured(mmclone.Copy(parent, target))
    except errors.AlreadyExists:
        raise base.Skip('the privileged daemon looks before GPFS can fail; '
                        'run it as root') from None
    if not base.is_intact(target) or room.driver.clone_info(
            target).parent_inode is not None:
        return base.Seen('overwrites')
    answer = {0: 'zero', 1: 'one', 17: 'errno'}.get(result.rc, 'else')
    return base.Seen(answer, f'exit code {result.rc}: '
                     + ' '.join(result.stderr.split())[:300])


def holes(room: base.Room) -> base.Seen:
    """Look for data and holes of a clone (SEEK_DATA)."""
    path = room.at('image')
    block = max(room.bench.file_system.block_size, _PART)
    with open(path, 'xb') as image:
        for start in (0, 2 * block):
            image.seek(start)
            image.write(base.CONTENT[:_PART])
        image.truncate(3 * block)
    room.driver.seal(path)
    with open(room.clone(path), 'rb') as disk:
        extents = _extents(disk.fileno())
    covered = all(any(first <= start and start + _PART <= last
                      for first, last in extents)
                  for start in (0, 2 * block))
    detail = f'block size {block}, data at {extents}'
    if not covered:
        return base.Seen('data lost', detail)
    return base.Seen('no holes' if len(extents) == 1 else 'holes', detail)


def _extents(file: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    at = 0
    while True:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            return found
        at = os.lseek(file, start, os.SEEK_HOLE)
        found.append((start, at))


_CORRECTED = base.Verdict(base.WORKS, 'the product sets owner and mode of '
                          'each clone itself')
_FITS = base.Verdict(base.WORKS, 'the product works with it')
_READER = base.Verdict(base.WORKS, 'a parent that nova-compute may not read '
                       'is read through a clone')
_PLACED = base.Verdict(base.WORKS, 'what a policy asks for is set on each '
                       'clone and parent, and looked at')
_SEEN = base.Verdict(base.WORKS, 'exit codes are not relied upon: the '
                     'result is looked at')

TRIALS = (
    base.Trial('copy-mode', 'Which mode has a clone?', copy_mode,
               dict.fromkeys(('parent', 'umask', 'private', 'else'),
                             _CORRECTED),
               'copy_mode', 'the Cinder GPFS driver always sets it'),
    base.Trial('snap-mode', 'Which mode has a parent that mmclone snap '
               'makes?', snap_mode,
               dict.fromkeys(('source', 'umask', 'private', 'else'),
                             _READER), 'snap_mode',
               'IBM documentation, Listing file clones (5.2.3), sample'),
    base.Trial('clone-owner', 'Who owns a clone?', clone_owner,
               {'caller': _CORRECTED, 'source': _CORRECTED},
               source='documented of parents alone: IBM documentation, File '
               'clones and disk space management (5.2.3)'),
    base.Trial('clone-placement', 'Which pool and replicas has a clone?',
               clone_placement,
               dict.fromkeys(('source', 'defaults', 'else'), _PLACED),
               'clone_placement'),
    base.Trial('snap-placement', 'Which pool and replicas has a parent that '
               'mmclone snap makes?', snap_placement,
               dict.fromkeys(('source', 'defaults', 'else'), _PLACED),
               'clone_placement'),
    base.Trial('pool-change', 'May a user who is not root move a file to '
               'another pool?', pool_change,
               {'root': _FITS, 'anyone': _FITS}, 'pool_change',
               'gpfs_fcntl.h (IBM), gpfsSetStoragePool_t'),
    base.Trial('too-many-replicas', 'Are more replicas than failure groups '
               'refused?', too_many_replicas, {
                   'refuse': base.Verdict(base.WORKS, 'such a policy is '
                                          'refused beforehand'),
                   'warn': base.Verdict(base.WORKS, 'such a policy is '
                                        'refused beforehand all the same')},
               'replicas_beyond_failure_groups', _REPLICAS),
    base.Trial('write-affinity-elsewhere', 'Is write affinity refused where '
               'the pool does not have it?', write_affinity_elsewhere,
               {'refuse': _FITS, 'ignore': base.Verdict(
                   base.WORKS, 'whether a disk has write affinity cannot be '
                   'seen; [gpfs] write_affinity_pools says where it is '
                   'granted')},
               'write_affinity_elsewhere',
               'IBM documentation, FPO settings (5.0.0): no effect'),
    base.Trial('restripe-output', 'What does mmrestripefile -l print when '
               'all went well?', restripe_output, {
                   'scan': _FITS, 'silent': _FITS,
                   'fails': base.Verdict(
                       base.DEGRADED, '[gpfs] relocate_blocks cannot work',
                       'Leave relocate_blocks off.')},
               'restripe_output'),
    base.Trial('exit-code-on-failure', 'Which exit code has a command that '
               'fails?', exit_code_on_failure, {
                   **dict.fromkeys(('errno', 'zero', 'one', 'else'), _SEEN),
                   'overwrites': base.Verdict(
                       base.WRONG, 'the product looks before, but a name '
                       'that is taken in that moment would be lost',
                       'Send the record to the developers of nova-gpfs and '
                       'to IBM.')},
               'exit_code_on_failure'),
    base.Trial('holes', 'Do SEEK_DATA and SEEK_HOLE tell the truth of a '
               'clone?', holes, {
                   'holes': base.Verdict(base.WORKS, 'copies and digests '
                                         'pass over holes'),
                   'no holes': base.Verdict(
                       base.DEGRADED, 'copies and digests read holes as '
                       'zeros, which takes longer', 'Nothing.'),
                   'data lost': base.Verdict(
                       base.WRONG, 'a copy of a clone would have zeros '
                       'where the parent has data',
                       'Set [gpfs] require_clone = True and record_digests '
                       '= False, and send the record to the developers of '
                       'nova-gpfs.')},
               source='not documented for clones'),
)
