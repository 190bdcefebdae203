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

"""The rules of file clones (IBM documentation, mmclone and File clones)."""

from __future__ import annotations

import errno
import os

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import census
from nova_gpfs.sim import data
from nova_gpfs.sim import drafts
from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import limits
from nova_gpfs.sim import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    Record = Callable[[drafts.Draft], files.File]

# Cinder's gpfs driver asks for file system format 12.00 or newer.
_OLDEST = 12.0
_ERRORS = {errno.ENOENT: 'missing', errno.EEXIST: 'exists',
           errno.EACCES: 'denied', errno.EPERM: 'denied',
           errno.ENOSPC: 'no_space', errno.EDQUOT: 'quota',
           errno.EISDIR: 'directory', errno.EROFS: 'sealed',
           errno.EXDEV: 'other_fs'}


def refusal(error: OSError) -> calls.Refusal:
    """Return mmclone's words for an error of the operating system."""
    key = _ERRORS.get(error.errno or 0)
    if key:
        return calls.Refusal('clone.' + key)
    return calls.Refusal('clone.other', error.errno, reason=error.strerror)


def source_of(call: calls.Call, path: str) -> files.Found:
    """Return a file that clone commands work on."""
    found = files.find(call, path, 'clone')
    if not found.is_regular:
        raise calls.Refusal('clone.not_regular')
    if float(found.system.version.split()[0]) < _OLDEST:
        raise calls.Refusal('clone.unsupported')
    return found


def target_of(call: calls.Call, path: str, source: files.Found) -> str:
    """Return the real path of a file to be made."""
    if not filesystems.may_be_named(call, path):
        raise calls.Refusal('clone.other_fs')
    directory = filesystems.real_path(call.state, os.path.dirname(path) or '.')
    target = os.path.join(directory, os.path.basename(path))
    if not os.path.isdir(directory):
        raise calls.Refusal('clone.missing')
    if os.path.isdir(target):
        raise calls.Refusal('clone.directory')
    if os.path.lexists(target):
        raise calls.Refusal('clone.exists')
    place = filesystems.locate(call.state, target)
    if place is None or place[0].name != source.system.name:
        raise calls.Refusal('clone.other_fs')
    fileset = filesystems.fileset_of(call.state, *place)
    home = filesystems.fileset_of(call.state, source.system, source.inside)
    if fileset != home and call.switch('clone_across_filesets') == 'refuse':
        raise calls.Refusal('clone.other_fileset')
    return target


def copy(call: calls.Call, parent_path: str, target_path: str) -> None:
    """Make a writable clone of a parent."""
    parent = source_of(call, parent_path)
    if not parent.file.sealed:
        raise calls.Refusal('clone.not_parent')
    target = target_of(call, target_path, parent)
    limits.require_room(call, parent.system, target)
    mode = {'parent': parent.status.st_mode & 0o7777 & ~_umask(),
            'umask': 0o666 & ~_umask(),
            'private': 0o600}[call.switch('copy_mode')]

    def record(draft: drafts.Draft) -> files.File:
        child = _offspring(call, parent, target, draft)
        child.writer = call.node
        child.parent = parent.file.id
        child.depth = (parent.file.depth or 0) + 1
        child.save(call.state)
        parent.adopt(call.state)
        # Before the clone has its name: who removes the parent sees it.
        links.add(call.state, parent.system, parent.path, child.parent,
                  child.id)
        return child

    _make(call, parent, target, mode, record)


def snap(call: calls.Call, source_path: str, target_path: str) -> None:
    """Make a read-only parent; the source becomes its child."""
    source = source_of(call, source_path)
    if source.file.sealed:
        raise calls.Refusal('clone.sealed')
    target = target_of(call, target_path, source)
    if call.switch('snap_of_open_file') == 'refuse':
        _hold(source.path)
    limits.require_room(call, source.system, target)
    mode = {'source': source.status.st_mode & 0o7777,
            'umask': 0o666 & ~_umask()}[call.switch('snap_mode')]

    from nova_gpfs.sim import copied
    from nova_gpfs.sim import layers
    owned = _owned(call, source)

    def record(draft: drafts.Draft) -> files.File:
        child = again(call, source)
        if child.sealed:
            raise calls.Refusal('clone.sealed')
        parent = _offspring(call, source, target, draft)
        parent.parent, parent.depth = child.parent, child.depth
        parent.seal(draft.status())
        parent.save(call.state)
        child.parent, child.depth = parent.id, (parent.depth or 0) + 1
        source.file = child
        source.adopt(call.state)
        call.state.execute('UPDATE layer SET file = ? WHERE file = ?',
                           parent.id, child.id)
        copied.hand_down(call.state, child, parent)
        layers.keep(call.state, parent, owned, as_of=child)
        child.writer = call.node
        child.save(call.state)
        return parent

    parent = _make(call, source, target, mode, record)
    links.hand_down(call.state, source.system, parent, source.file, target)


def _owned(call: calls.Call, source: files.Found) -> bytes:
    """Return the blocks that stay in place under another file's attributes.

    They become a new parent's, which may have others than the source has.
    """
    from nova_gpfs.sim import blocks
    from nova_gpfs.sim import writers
    if call.switch('clone_placement') == 'source':
        return writers.at_stake(call.state, source)
    return blocks.owned(call.state, source)


def snap_in_place(call: calls.Call, path: str) -> None:
    """Make a file itself a read-only parent."""
    source = source_of(call, path)
    if source.file.sealed:
        raise calls.Refusal('clone.sealed')
    if source.status.st_nlink > 1:
        raise calls.Refusal('clone.hard_links')
    lease = _hold(source.path)
    with call.state.change():
        source.file = again(call, source)
        if source.file.sealed:
            raise calls.Refusal('clone.sealed')
        source.file.seal(os.fstat(lease))
        source.adopt(call.state)
    os.close(lease)


def detach(call: calls.Call, path: str, everything: bool) -> None:
    """Take a clone off all its ancestors, or off its parent alone."""
    found = source_of(call, path)
    limits.require_room(call, found.system, found.path)
    from nova_gpfs.sim import copied
    from nova_gpfs.sim import layers
    from nova_gpfs.sim import writers
    owned = writers.at_stake(call.state, found)
    with call.state.change():
        file = found.file = again(call, found)
        if _may_detach(call, found):
            layers.keep(call.state, file, owned)
            file.writer = call.node
            parent = files.by_id(call.state, file.parent or 0)
            file.parent = None if everything else parent.parent
            file.depth = (file.depth or 1) - 1 if file.parent else None
            if file.sealed:
                file.depth = file.depth or 0
            found.adopt(call.state)
            copied.hand_up(call.state, parent, file)
            links.hand_up(call.state, found.system, parent.id or 0, file)


def _may_detach(call: calls.Call, found: files.Found) -> bool:
    file = found.file
    if file.id is None or file.parent is None:
        if call.switch('split_of_plain_file') == 'ignore':
            return False
        raise calls.Refusal('clone.not_clone')
    if call.switch('split_parent_with_children') == 'refuse' and (
            file.sealed and census.has_children(call.state, found.system,
                                                file.id)):
        raise calls.Refusal('clone.has_children')
    return True


def again(call: calls.Call, found: files.Found) -> files.File:
    """Read a record again now that nobody else changes it."""
    if found.file.id is not None:
        return files.by_id(call.state, found.file.id)
    return files.recorded(
        call.state, found.system.name, found.status.st_ino,
        files.read_tag(found.path)) or found.file


def _offspring(call: calls.Call, source: files.Found, target: str,
               draft: drafts.Draft) -> files.File:
    """Return the record of a new file; xattrs and ACLs are not inherited.

    Its writer is that of the source.
    """
    inside = os.path.relpath(target, source.system.data)
    file = files.fresh(call.state, source.system, inside,
                       draft.status().st_ino)
    file.tag = draft.tag
    file.writer = source.file.writer
    if call.switch('clone_affinity') == 'source':
        file.write_affinity = source.file.write_affinity
    if call.switch('clone_placement') == 'source':
        for name in ('pool', 'data_replicas', 'max_data',
                     'metadata_replicas', 'max_metadata'):
            setattr(file, name, getattr(source.file, name))
    return file


def _hold(path: str) -> int:
    """Open a file that nobody may have open for writing."""
    from nova_gpfs.sim import leases
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if not leases.hold(fd):
        raise calls.Refusal('clone.open')
    return fd


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _make(call: calls.Call, source: files.Found, target: str, mode: int,
          record: Record) -> files.File:
    """Copy the data, enter the new file in the state, give it its name."""
    reader = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
    draft = drafts.Draft(source.system)
    try:
        data.clone(reader, draft.fd)
        os.fchmod(draft.fd, mode)
        with call.state.change():
            file = record(draft)
        try:
            draft.publish(target)
        except OSError:
            with call.state.change():
                drafts.undo(call.state, file)
            raise
        return file
    finally:
        draft.close()
        os.close(reader)
