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

"""Trials of what mmclone does."""

from __future__ import annotations

import os

from nova_gpfs import errors
from nova_gpfs.mm import mmclone
from nova_gpfs import model
from nova_gpfs import probe
from nova_gpfs.trials import base

_MMCLONE = 'IBM documentation, mmclone command'
_GPFS_H = 'gpfs.h (IBM)'
_DEEPEST = 20
# Bytes; the smallest inode has 512 of them, and an attribute or two in it.
_SMALL = 100


def clone(room: base.Room) -> base.Seen:
    """Seal, clone, and write to the clone."""
    try:
        probe.try_clone_in(room.driver, room.path)
    except errors.ClonesNotSupported as error:
        return base.Seen('differs', str(error))
    return base.Seen('works')


def small_file(room: base.Room) -> base.Seen:
    """Seal and clone a file that may be kept in its inode."""
    path, disk = room.at('image'), room.at('disk')
    with open(path, 'xb') as image:
        image.write(base.CONTENT[:_SMALL])
        image.flush()
        os.fsync(image.fileno())
    why = base.refusal(room.driver.seal, path) or base.refusal(
        room.driver.clone, path, disk)
    if why:
        return base.Seen('refuse', why)
    for name in (path, disk):
        with open(name, 'rb') as file:
            if file.read() != base.CONTENT[:_SMALL]:
                return base.Seen('damage', name)
    return base.Seen('allow')


def snap_of_open_file(room: base.Room) -> base.Seen:
    """Make a parent of a file that somebody has open, then write on."""
    path, parent = room.file('disk'), room.at('parent')
    with open(path, 'r+b') as disk:
        disk.write(base.CONTENT[:1])
        disk.flush()
        why = base.refusal(room.driver.snapshot, path, parent)
        if why:
            return base.Seen('refuse', why)
        disk.seek(0)
        disk.write(b'later')
        disk.flush()
        os.fsync(disk.fileno())
    return base.Seen('allow' if base.is_intact(parent) else 'leaks')


def clone_across_filesets(room: base.Room) -> base.Seen:
    """Clone a parent into a directory of another fileset."""
    if not room.bench.elsewhere:
        raise base.Skip('name a directory in another fileset of the same '
                        'file system with --other-fileset')
    target = os.path.join(room.bench.elsewhere, 'disk')
    parent = room.parent()
    for path in (parent, room.bench.elsewhere):
        found = room.driver.attributes(path).fileset
        if path != parent and found == room.bench.fileset:
            raise base.Skip(f'{path} is in fileset {found} as well')
    why = base.refusal(room.driver.clone, parent, target)
    if not why:
        os.unlink(target)
    return base.allowed(why)


def split_parent_with_children(room: base.Room) -> base.Seen:
    """Split a parent that is a clone itself and has a clone."""
    disk = room.clone(room.parent())
    parent = room.at('parent')
    room.driver.snapshot(disk, parent)
    why = base.run(room, mmclone.Split(parent))
    if room.driver.clone_info(parent).parent_inode is not None:
        return base.Seen('refuse', why)
    well = base.is_intact(disk) and base.is_intact(parent)
    return base.Seen('allow' if well else 'damage', why)


def split_of_plain_file(room: base.Room) -> base.Seen:
    """Split a file that is no clone."""
    why = base.run(room, mmclone.Split(room.file()))
    return base.Seen('refuse', why) if why else base.Seen('ignore')


def declone(room: base.Room) -> base.Seen:
    """Copy the blocks that a clone shares by gpfs_declone()."""
    disk = room.clone(room.parent())
    try:
        at: int | None = 0
        while at is not None:
            at = room.driver.detach_part(disk, 16, at)
    except errors.LibraryUnusable as error:
        return base.Seen('absent', str(error))
    return base.Seen('works' if base.is_intact(disk) else 'damage')


def declone_of_plain_file(room: base.Room) -> base.Seen:
    """Call gpfs_declone() for a file that is no clone."""
    path = room.file()
    try:
        room.bench.library.declone(path, 1, 0)
    except errors.LibraryUnusable as error:
        raise base.Skip(str(error)) from error
    except errors.NotPermitted as error:
        return base.Seen('refuse', str(error.__cause__ or error))
    return base.Seen('ignore')


def clone_depth(room: base.Room) -> base.Seen:
    """Put as many parents on each other as the product may."""
    wanted = min(room.bench.max_clone_depth, _DEEPEST)
    disk = room.file('disk')
    for depth in range(1, wanted + 1):
        why = base.refusal(room.driver.snapshot, disk,
                           room.at(f'parent{depth}'))
        if why:
            return base.Seen('stops', f'at {depth} ancestors: {why}')
    if not base.is_intact(disk):
        return base.Seen('damage', f'with {wanted} ancestors')
    return base.Seen('works', f'{wanted} ancestors')


def detach(room: base.Room) -> base.Seen:
    """Take a clone off its parent, then remove the parent."""
    parent = room.parent()
    disk = room.clone(parent)
    room.driver.detach(disk, model.Ancestors.ALL)
    why = base.refusal(os.unlink, parent)
    if not base.is_intact(disk):
        return base.Seen('damage')
    return base.Seen('hangs on', why) if why else base.Seen('works')


_DAMAGE = base.Verdict(
    base.WRONG, 'a disk would lose data',
    'Do not use images_type = gpfs here; send the record to the developers '
    'of nova-gpfs and to IBM.')

TRIALS = (
    base.Trial(
        'clone', 'Is a clone an independent copy of a sealed file?', clone, {
            'works': base.Verdict(base.WORKS, 'disks are clones of masters'),
            'differs': _DAMAGE},
        source=_MMCLONE),
    base.Trial(
        'small-file', 'May a file of 100 bytes, which can lie in its inode, '
        'be cloned?', small_file, {
            'allow': base.Verdict(base.WORKS, 'the size of an image does not '
                                  'matter'),
            'refuse': base.Verdict(
                base.DEGRADED, 'an image that is so small boots no instance',
                'Send the record to the developers of nova-gpfs.'),
            'damage': _DAMAGE},
        source='IBM documentation, Use of disk storage and file structure '
        '(5.2.3): data in the inode; of clones it says nothing'),
    base.Trial(
        'snap-of-open-file', 'May a file that is open for writing get a '
        'parent (mmclone snap with two names)?', snap_of_open_file, {
            'allow': base.Verdict(
                base.WORKS, 'snapshots of running instances are clones'),
            'refuse': base.Verdict(
                base.DEGRADED, 'snapshots of running instances copy what '
                'Nova would copy; others are clones',
                'Stop an instance before the snapshot where it is large.'),
            'leaks': _DAMAGE},
        'snap_of_open_file',
        f'{_GPFS_H}, gpfs_clone_snap lists EBUSY; the Cinder GPFS driver '
        'does it with attached volumes'),
    base.Trial(
        'clone-across-filesets', 'May a clone lie in another fileset than '
        'its parent?', clone_across_filesets, {
            'refuse': base.Verdict(
                base.WORKS, 'all of instances_path has to be in one fileset, '
                'which is looked at when nova-compute starts'),
            'allow': base.Verdict(
                base.WORKS, 'not used: all of instances_path has to be in '
                'one fileset')},
        'clone_across_filesets',
        f'{_GPFS_H}, gpfs_clone_copy: same file system; the Cinder GPFS '
        'driver wants the same fileset'),
    base.Trial(
        'split-parent-with-children', 'May a clone that is a parent itself '
        'be split while it has clones?', split_parent_with_children, {
            'refuse': base.Verdict(
                base.WORKS, 'not asked of a parent: disks are split, and '
                'parents go with their last clone'),
            'allow': base.Verdict(base.WORKS, 'not asked of a parent'),
            'damage': _DAMAGE},
        'split_parent_with_children'),
    base.Trial(
        'split-of-plain-file', 'What does mmclone split do to a file that '
        'is no clone?', split_of_plain_file, {
            'refuse': base.Verdict(base.WORKS, 'it is looked at first'),
            'ignore': base.Verdict(base.WORKS, 'it is looked at first')},
        'split_of_plain_file', f'{_GPFS_H}, gpfs_clone_split: EPERM'),
    base.Trial(
        'detach', 'Does a clone that was split keep its data and let its '
        'parent go?', detach, {
            'works': base.Verdict(base.WORKS, 'flatten and a resize to '
                                  'another placement work'),
            'hangs on': base.Verdict(
                base.DEGRADED, 'parents stay after flatten',
                'Look at the removed parents in "nova-gpfs status".'),
            'damage': _DAMAGE},
        source=_MMCLONE),
    base.Trial(
        'declone', 'Does gpfs_declone() copy what a clone shares?', declone, {
            'works': base.Verdict(base.WORKS, 'flatten copies part by part'),
            'absent': base.Verdict(
                base.DEGRADED, 'flatten copies each disk in one mmclone '
                'split, without a rate and without progress',
                'Correct [gpfs] library, if flatten is wanted.'),
            'damage': _DAMAGE},
        source='IBM documentation, gpfs_declone() subroutine'),
    base.Trial(
        'declone-of-plain-file', 'What does gpfs_declone() say of a file '
        'that is no clone?', declone_of_plain_file, {
            'ignore': base.Verdict(base.WORKS, 'such a disk is passed over'),
            'refuse': base.Verdict(base.WORKS, 'the refusal is looked into, '
                                   'and such a disk passed over')},
        'declone_of_plain_file', f'{_GPFS_H}, gpfs_declone'),
    base.Trial(
        'clone-depth', 'Can a disk have as many ancestors as [gpfs] '
        'max_clone_depth allows?', clone_depth, {
            'works': base.Verdict(base.WORKS, 'a disk that was moved often '
                                  'is taken off the nearest parent then'),
            'stops': base.Verdict(
                base.WRONG, 'moves and snapshots of such a disk fail',
                'Set [gpfs] max_clone_depth to one less than where it '
                'stops.'),
            'damage': _DAMAGE},
        source='No limit is documented'),
)
