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

"""Where the privileged daemon may touch files, by its own configuration."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import functools
import os
import pwd
from typing import Any
import uuid

from oslo_config import cfg

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_image_store
from nova_gpfs import errors
from nova_gpfs import image_store
from nova_gpfs import layout
from nova_gpfs.mm import base
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs import nova_options
from nova_gpfs import privileged_room
from nova_gpfs import walk

CONF = cfg.CONF


def root() -> str:
    """Return the directory below which files may be touched."""
    path = str(options().instances_path).rstrip('/')
    if not path.startswith('/'):
        raise errors.NotPermitted(
            'instances_path is not set for the privileged daemon, nor is '
            'there a store with gpfs_store_privileged')
    return path


def options() -> cfg.ConfigOpts:
    """Return the options of Nova, or of Glance in the place of Nova's."""
    return CONF if 'instances_path' in CONF else _nova_options()


@functools.cache
def _nova_options() -> cfg.ConfigOpts:
    found = nova_options.read(CONF)
    if not found.instances_path:
        found.set_default('instances_path', _store_directory())
    return found


def _store_directory() -> str:
    """Return what Glance's daemon works below, '' if it is not Glance's."""
    found = {each.directory for each in conf_image_store.stores(CONF)
             if each.privileged}
    if len(found) > 1:
        raise errors.NotPermitted(
            'gpfs_store_privileged is set for several stores')
    return ''.join(found)


def snapshots() -> tuple[str, ...]:
    """Return where Nova clones disks for Glance; nothing without a store."""
    gpfs_conf.register(CONF)
    store = image_store.from_option(CONF.gpfs.image_store)
    return (store.room(image_store.SNAPSHOTS),) if store else ()


def images() -> tuple[str, ...]:
    """Return the directories whose images Nova may look at."""
    store = image_store.from_option(CONF.gpfs.image_store)
    return (*((store.room(image_store.IMAGES),) if store else ()),
            *map(image_store.directory, CONF.gpfs.image_file_directories))


def top_of(path: str) -> str:
    """Return the directory below which a new file is made first."""
    room = os.path.dirname(path)
    return os.path.dirname(room) if room in snapshots() else root()


def rooms_of(command: base.Command[Any], path: str) -> tuple[str, ...]:
    """Return the directories of images in which a path may be as well."""
    own = snapshots()
    if isinstance(command, base.Query) or (
            isinstance(command, mmclone.Snap) and path != command.parent):
        return (*own, *images())
    if isinstance(command, mmclone.Split | mmchattr.Change) or (
            isinstance(command, mmclone.Copy) and path != command.parent):
        return own
    return ()


@contextlib.contextmanager
def directory_of(command: base.Command[Any],
                 path: str) -> Iterator[tuple[int, str]]:
    """Open the directory that a file of a command is in.

    Gives it and the name of the file in it, '.' for the root itself.

    :raises errors.NotPermitted: the command may touch nothing there
    """
    room, name = os.path.split(path)
    if room in rooms_of(command, path) and _is_uuid(name):
        below = name
    else:
        room = root()
        if os.path.normpath(path) != path or not (
                path == room or path.startswith(room + '/')):
            raise errors.NotPermitted(f'{path!r} is not below {room}')
        below = path[len(room) + 1:]
        if below.split('/')[0] == privileged_room.DIRECTORY:
            raise errors.NotPermitted(f'{path} is where root makes files')
    with walk.to(room, below) as found:
        yield found


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def require_home(owner: privileged_room.Owner, directory: int) -> None:
    """Refuse to give a file to who has nothing to do with its place.

    :param directory: the open one that the file is to be in
    :raises errors.NotPermitted: neither that, nor the root, nor what is ours
        in the root belongs to that user and that group
    """
    homes = [os.fstat(directory), os.stat(root())]
    with contextlib.suppress(FileNotFoundError):
        homes.append(os.lstat(layout.Layout(root()).home))
    groups = {one.st_gid for one in homes}
    with contextlib.suppress(KeyError):
        groups.add(pwd.getpwuid(owner.uid).pw_gid)
    if (owner.uid not in {one.st_uid for one in homes} or owner.gid <= 0
            or owner.gid not in groups):
        raise errors.NotPermitted(f'a disk is not given to user {owner.uid}, '
                                  f'group {owner.gid}')
