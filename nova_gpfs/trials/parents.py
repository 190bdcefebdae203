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

"""Trials of what GPFS keeps from clone parents, and what it does not."""

from __future__ import annotations

import os

from nova_gpfs.trials import base

_CINDER = 'the Cinder GPFS driver relies on it'
_READ_ONLY = ('mmclone says "Read-only file system" of a parent; errno is '
              'not documented')
_LISTING = ('IBM documentation, Listing file clones (5.2.3), one sample of '
            'ls -ils')


def unlink_childless_parent(room: base.Room) -> base.Seen:
    """Remove a parent that never had a clone."""
    return base.allowed(base.refusal(os.unlink, room.parent()))


def unlink_parent_with_children(room: base.Room) -> base.Seen:
    """Remove a parent that has a clone, and look at the clone."""
    parent = room.parent()
    disk = room.clone(parent)
    seen = base.allowed(base.refusal(os.unlink, parent))
    if seen.answer == 'refuse' and not base.is_intact(disk):
        return base.Seen('damage', seen.detail)
    return seen


def replace_parent_with_children(room: base.Room) -> base.Seen:
    """Rename a file to the name of a parent that has a clone."""
    parent = room.parent()
    room.clone(parent)
    return base.allowed(base.refusal(os.rename, room.file(), parent))


def write_parent(room: base.Room) -> base.Seen:
    """Open a parent for writing; nothing is written."""
    return base.allowed(base.refusal(_open_for_writing, room.parent()))


def _open_for_writing(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def truncate_parent(room: base.Room) -> base.Seen:
    """Cut a parent off."""
    return base.allowed(base.refusal(os.truncate, room.parent(), 0))


def link_parent(room: base.Room) -> base.Seen:
    """Give a parent a second name."""
    return base.allowed(base.refusal(os.link, room.parent(),
                                     room.at('second')))


def rename_parent(room: base.Room) -> base.Seen:
    """Give a parent another name, in another directory."""
    os.mkdir(room.at('there'))
    return base.allowed(base.refusal(os.rename, room.parent(),
                                     room.at(os.path.join('there', 'disk'))))


def _directory_with_parent(room: base.Room, name: str) -> str:
    directory = room.at(name)
    os.mkdir(directory)
    room.parent(os.path.join(name, 'image'))
    return directory


def rename_directory_of_parent(room: base.Room) -> base.Seen:
    """Publish a parent as a master is published, and clone it."""
    made, published = _directory_with_parent(room, 'made'), room.at('master')
    why = base.refusal(os.rename, made, published)
    if why:
        return base.Seen('refuse', why)
    disk = room.clone(os.path.join(published, 'image'))
    return base.Seen('allow' if base.is_intact(disk) else 'damage')


def publish_over_another(room: base.Room) -> base.Seen:
    """Rename a directory to the name of one that is not empty."""
    first = _directory_with_parent(room, 'first')
    second = _directory_with_parent(room, 'second')
    return base.allowed(base.refusal(os.rename, second, first))


def link_clone(room: base.Room) -> base.Seen:
    """Name a clone as a finished disk is named: link(), then unlink()."""
    disk, target = room.clone(room.parent()), room.at('target')
    why = base.refusal(os.link, disk, target)
    if not why:
        os.unlink(disk)
        why = '' if base.is_intact(target) else 'it holds something else'
    return base.allowed(why)


def link_count(room: base.Room) -> base.Seen:
    """Read the link count of a parent with two clones, then with one."""
    parent = room.parent()
    counts = []
    for name in ('disk', 'disk.swap'):
        room.clone(parent, name)
    counts.append(os.lstat(parent).st_nlink)
    os.unlink(room.at('disk'))
    room.driver.clone_info(parent)
    counts.append(os.lstat(parent).st_nlink)
    answer = {(3, 2): 'counts', (1, 1): 'plain'}.get(
        (counts[0], counts[1]), 'else')
    return base.Seen(answer, 'with two clones {}, with one {}'.format(
        *counts))


_KEPT = base.Verdict(base.WORKS, 'GPFS itself keeps what is needed')
_UNUSED = base.Verdict(base.WORKS, 'not used by the product')
_LOST = base.Verdict(
    base.WRONG, 'nothing but the link count and the locks between hosts '
    'keeps a master that has disks',
    'Do not use images_type = gpfs here; send the record to the developers '
    'of nova-gpfs and to IBM.')
_BY_MODES = base.Verdict(
    base.DEGRADED, 'modes and owners alone protect masters from being '
    'written to; "nova-gpfs cache verify" finds a changed one',
    'Let nobody but the user of nova-compute write below _gpfs.')

TRIALS = (
    base.Trial(
        'unlink-childless-parent', 'May a parent without clones be removed?',
        unlink_childless_parent, {
            'allow': base.Verdict(base.WORKS, 'masters that nobody needs '
                                  'are removed'),
            'refuse': base.Verdict(
                base.DEGRADED, 'masters and parents stay when nobody needs '
                'them any more, and take space',
                'Send the record to the developers of nova-gpfs; leave '
                'remove_unused_base_images off meanwhile.')},
        'unlink_childless_parent', _CINDER),
    base.Trial(
        'unlink-parent-with-children', 'Is a parent that has clones kept '
        'from being removed?', unlink_parent_with_children, {
            'refuse': _KEPT, 'allow': _LOST, 'damage': _LOST},
        'unlink_parent_with_children',
        f'{_CINDER}; errno is not documented'),
    base.Trial(
        'replace-parent-with-children', 'Is a parent that has clones kept '
        'from being replaced by rename()?', replace_parent_with_children, {
            'refuse': _KEPT,
            'allow': base.Verdict(
                base.DEGRADED, 'the product renames nothing to the name of '
                'a master', 'Let nobody but the user of nova-compute write '
                'below _gpfs.')}, 'unlink_parent_with_children'),
    base.Trial(
        'write-parent', 'Is a parent kept from being opened for writing?',
        write_parent, {'refuse': _KEPT, 'allow': _BY_MODES},
        'write_to_parent', _READ_ONLY),
    base.Trial(
        'truncate-parent', 'Is a parent kept from being truncated?',
        truncate_parent, {'refuse': _KEPT, 'allow': _BY_MODES},
        'write_to_parent', _READ_ONLY),
    base.Trial(
        'link-parent', 'May a parent have a second name?', link_parent,
        {'refuse': _UNUSED, 'allow': _UNUSED}, 'link_to_parent', _READ_ONLY),
    base.Trial(
        'rename-parent', 'May a parent be renamed?', rename_parent, {
            'allow': base.Verdict(base.WORKS, 'what root makes gets its name '
                                  'when nothing can be put in its place'),
            'refuse': base.Verdict(
                base.DEGRADED, 'no parent of a disk is made by root, so that '
                'nothing is snapshotted or resized',
                'Add mmclone to [gpfs] rootless_commands where '
                'user-runs-mmclone allows it.')},
        source='the Cinder GPFS driver renames one'),
    base.Trial(
        'rename-directory-of-parent', 'May a directory that holds a parent '
        'be renamed?', rename_directory_of_parent, {
            'allow': base.Verdict(base.WORKS, 'masters are published so'),
            'refuse': base.Verdict(
                base.WRONG, 'no master can be published, and no instance '
                'made', 'Do not use images_type = gpfs here; send the '
                'record to the developers of nova-gpfs.'),
            'damage': _LOST}),
    base.Trial(
        'publish-over-another', 'Does rename() leave a directory alone that '
        'is not empty?', publish_over_another, {
            'refuse': base.Verdict(base.WORKS, 'of two hosts that publish '
                                   'a master, the first wins'),
            'allow': _LOST},
        source='POSIX, rename()'),
    base.Trial(
        'link-clone', 'May a clone have a second name for a moment?',
        link_clone, {
            'allow': base.Verdict(base.WORKS, 'a finished disk gets its '
                                  'name by link(), which replaces nothing'),
            'refuse': base.Verdict(base.WORKS, 'a finished disk gets its '
                                   'name by rename() after a look')}),
    base.Trial(
        'link-count', 'Does the link count of a parent tell the number of '
        'its clones?', link_count, {
            'counts': base.Verdict(base.WORKS, '"cache list" shows the '
                                   'clones of each master'),
            'plain': base.Verdict(
                base.DEGRADED, '"cache list" shows no clones, and GPFS is '
                'asked to remove each old master, which it refuses while '
                'there are clones',
                'Nothing, as long as unlink-parent-with-children works.'),
            'else': base.Verdict(
                base.DEGRADED, 'the number of clones in "cache list" is not '
                'right', 'Send the record to the developers of '
                'nova-gpfs.')},
        'parent_link_count', _LISTING),
)
