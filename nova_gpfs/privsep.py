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


"""Run an mm command as root, in the privileged daemon of the plug-in.

Whoever holds nova-compute can ask the daemon for anything, so the daemon
believes nothing: it takes the name of a command that ``nova_gpfs.mm`` can
spell and its plain fields, reads mm_path, the time limits and instances_path
from its own configuration, and touches only files below instances_path that
no symbolic link leads to. What it changes has no second name, which might be
a hard link to a file from elsewhere. It hands back values, failures too,
since dataclasses and most exceptions do not cross oslo.privsep.

What remains: between the check of a path and its use by a command, the owner
of a directory can put a symbolic link into it. mm commands take names and
not file descriptors, so this cannot be closed from outside them.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import os
import stat
from typing import Any

from oslo_config import cfg
from oslo_privsep import capabilities
from oslo_privsep import daemon
from oslo_privsep import priv_context

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_image_store
from nova_gpfs import errors
from nova_gpfs import mm
from nova_gpfs.mm import base
from nova_gpfs import model
from nova_gpfs import nova_options
from nova_gpfs import run as local

CONF = cfg.CONF

# These are the daemon's own: CHOWN gives a clone away, DAC_READ_SEARCH walks
# directories of mode 0700 to check a path. The mm commands need no more from
# here, because a program that root starts gets all capabilities of the
# bounding set (capabilities(7)); GPFS wants root for most of them anyway
# (IBM documentation, "GPFS daemon does not come up").
_CAPABILITIES = [capabilities.CAP_CHOWN, capabilities.CAP_DAC_READ_SEARCH]

context = priv_context.PrivContext(
    'nova_gpfs', cfg_section='nova_gpfs_privileged',
    pypath=__name__ + '.context', capabilities=_CAPABILITIES)
# A thread of the daemon waits for a command and computes nothing, some for
# hours (mmclone split); with one per processor, two would block the rest.
CONF.set_default('thread_pool_size', 32, group='nova_gpfs_privileged')

# From the start of the helper command.
_NOT_STARTED = (daemon.FailedToDropPrivileges, FileNotFoundError,
                PermissionError)

_DISK_MODE = 0o644
# As many symbolic links as Linux follows in one path (path_resolution(7)).
_MOST_LINKS = 40
_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def start_with(root_helper: list[str]) -> None:
    """Start the daemon with these words where no helper_command is set.

    Only for programs of ours: nova-compute tells oslo.privsep by itself.
    """
    priv_context.init(root_helper)


def run(command: base.Command[Any]) -> model.Result:
    """Run a command as root; a transport.

    :raises errors.TimedOut: it was ended at its time limit
    :raises errors.ProgramMissing: mm_path has no such program
    :raises errors.NotPermitted: the daemon refused it or could not start
    :raises errors.CommandFailed: the daemon ended meanwhile
    """
    try:
        kind, *values = run_command(mm.spell(type(command)),
                                    dataclasses.astuple(command))
    except _NOT_STARTED as error:
        raise errors.NotPermitted(str(error)) from error
    except OSError as error:
        raise errors.CommandFailed(
            command.argv(), -1, '',
            f'the privileged daemon ended: {error}') from error
    if kind == 'result':
        return model.Result(*values)
    raise _FAILURES[kind](*values)


def give(path: str) -> None:
    """Make a clone that root has made the current user's, mode 0644.

    :raises errors.NotPermitted: the daemon refused it or could not start
    """
    try:
        refusal = give_clone(path, os.geteuid(), os.getegid())
    except (daemon.FailedToDropPrivileges, OSError) as error:
        raise errors.NotPermitted(str(error)) from error
    if refusal:
        raise errors.NotPermitted(refusal)


@context.entrypoint
def run_command(name: str, fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """Run the command of that name; in the daemon.

    Returns ('result', rc, stdout, stderr), or the name of a failure and its
    arguments.
    """
    try:
        # By every command, though some need no path: the files may be gone
        # when the first one with a path comes.
        _paths()
        command = _rebuild(name, fields)
        changed = _changed(command)
        for path in command.paths():
            _check_path(path, path in changed)
        result = _local()(command)
    except cfg.Error as error:
        return (errors.NotPermitted.__name__, _bad_configuration(error))
    except tuple(_FAILURES.values()) as error:
        return (type(error).__name__, *error.args)
    return ('result', *dataclasses.astuple(result))


@context.entrypoint
def give_clone(path: str, uid: int, gid: int) -> str:
    """Give a clone that root has just made to a user; in the daemon.

    Only a regular file of root's, with a single name, below instances_path.
    A clone parent has more names than one while it has clones, and so has a
    hard link to a file from elsewhere.

    Returns why it was refused, '' when it was done.
    """
    if uid <= 0 or gid <= 0:
        return f'a disk is not given to user {uid}, group {gid}'
    try:
        with _directory_of(path) as (directory, name):
            clone = os.open(name, _LOOK, dir_fd=directory)
            try:
                return _give(clone, path, uid, gid)
            finally:
                os.close(clone)
    except cfg.Error as error:
        return _bad_configuration(error)
    except (errors.GpfsError, OSError) as error:
        return str(error)


_FAILURES: dict[str, type[errors.GpfsError]] = {
    error.__name__: error for error in (
        errors.CommandFailed, errors.InvalidName, errors.NoSuchFile,
        errors.NotMounted, errors.NotPermitted, errors.ProgramMissing,
        errors.TimedOut)}


def _give(clone: int, path: str, uid: int, gid: int) -> str:
    found = os.fstat(clone)
    if (not stat.S_ISREG(found.st_mode) or found.st_uid != 0
            or found.st_nlink != 1):
        return f'{path} is not a fresh clone of root'
    # In this order, since the mode may be changed by the owner alone.
    os.fchmod(clone, _DISK_MODE)
    os.fchown(clone, uid, gid)
    return ''


def _rebuild(name: str, fields: tuple[Any, ...]) -> base.Command[Any]:
    kind = mm.COMMANDS.get(name)
    if kind is None:
        raise errors.NotPermitted(f'no command {name!r:.100}')
    if len(fields) != len(dataclasses.fields(kind)):
        raise errors.NotPermitted(f'{len(fields)} fields for {name}')
    return kind(*fields)


def _changed(command: base.Command[Any]) -> tuple[str, ...]:
    return command.changed() if isinstance(command, base.Effect) else ()


def _local() -> local.Local:
    gpfs_conf.register(CONF)
    return local.Local(CONF.gpfs.mm_path, CONF.gpfs.command_timeout,
                       CONF.gpfs.copy_timeout)


def _bad_configuration(error: cfg.Error) -> str:
    return f'the configuration of the privileged daemon: {error}'


def _root() -> str:
    """Return the directory below which files may be touched."""
    path = str(_paths().instances_path).rstrip('/')
    if not path.startswith('/'):
        raise errors.NotPermitted(
            'instances_path is not set for the privileged daemon, nor is '
            'there a store with gpfs_store_privileged')
    return path


def _paths() -> cfg.ConfigOpts:
    return CONF if 'instances_path' in CONF else _nova_paths()


@functools.cache
def _nova_paths() -> cfg.ConfigOpts:
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


def _check_path(path: str, changes: bool) -> None:
    """Refuse a path that is not below the root without symbolic links.

    The last part may be absent. A file that changes must have no other name.
    """
    with _directory_of(path) as (directory, name):
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise errors.NotPermitted(f'{path} is no file or directory')
        if changes and stat.S_ISREG(found.st_mode) and found.st_nlink != 1:
            raise errors.NotPermitted(f'{path} has {found.st_nlink} names')


@contextlib.contextmanager
def _directory_of(path: str) -> Iterator[tuple[int, str]]:
    """Open the directory that a file is in; give it and the file's name."""
    root = _root()
    if os.path.normpath(path) != path or not (
            path == root or path.startswith(root + '/')):
        raise errors.NotPermitted(f'{path!r} is not below {root}')
    *walk, name = path[len(root) + 1:].split('/')
    directory = _open_root(root)
    try:
        for part in walk:
            directory = _step(part, directory)
        yield directory, name or '.'
    finally:
        os.close(directory)


def _open_root(root: str) -> int:
    """Open the root; the symbolic links on the way to it must be root's.

    Its path is the operator's, and may well lead through links. But whoever
    owns a directory on the way can replace what is in there by a link of
    their own, to files of root's.
    """
    links, way = 0, _parts(root)
    directory = _open('/', None)
    try:
        while way:
            part = way.pop(0)
            target = _root_link(part, directory)
            if target is not None:
                links += 1
                way = _parts(target) + way
                part = '/' if target.startswith('/') else '.'
            if links > _MOST_LINKS:
                raise errors.NotPermitted(f'{root}: too many symbolic links')
            directory = _step(part, directory)
    except BaseException:
        os.close(directory)
        raise
    return directory


def _parts(path: str) -> list[str]:
    return [part for part in path.split('/') if part]


def _root_link(name: str, directory: int) -> str | None:
    """Return what a symbolic link says, None for anything else."""
    link = _open(name, directory, _NAME)
    try:
        found = os.fstat(link)
        if not stat.S_ISLNK(found.st_mode):
            return None
        if found.st_uid != 0:
            raise errors.NotPermitted(
                f'{name}, a symbolic link on the way to instances_path, '
                'belongs to another user than root')
        return os.readlink('', dir_fd=link)
    finally:
        os.close(link)


def _step(name: str, directory: int) -> int:
    """Open a directory in another, which is closed if that succeeds."""
    opened = _open(name, directory)
    os.close(directory)
    return opened


def _open(name: str, directory: int | None, flags: int = _WALK) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except FileNotFoundError:
        raise errors.NoSuchFile(name) from None
    except NotADirectoryError:
        raise errors.NotPermitted(
            f'{name} is a symbolic link or no directory') from None
    except OSError as error:
        raise errors.NotMounted(f'{name}: {error.strerror}') from error
