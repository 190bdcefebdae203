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
spell, its plain fields and whose a new file is to be, reads mm_path, the time
limits and directories from its own configuration, and touches only files below
instances_path that
no symbolic link leads to. What it changes has no second name, which might be
a hard link to a file from elsewhere; a clone parent, which counts its clones
as names, may be split, see ``_counts_clones``. It hands back values, failures
too, since dataclasses and most exceptions do not cross oslo.privsep.

In the directories of images that Nova shares with Glance, a file whose name
is a UUID may be looked at, and a clone parent may be made of it under a name
below instances_path. What Nova has cloned for Glance may be made, detached
and placed.

Between the check of a path and its use by a command, the owner of a directory
can put a symbolic link into it. mm commands take names and not descriptors, so
they get names that lead to what was checked (``pinned``, ``pinning``). What
they make, they make where nobody else can put or run anything
(``privileged_room``).
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import stat
from typing import Any

from oslo_config import cfg
from oslo_privsep import capabilities
from oslo_privsep import daemon
from oslo_privsep import priv_context

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import mm
from nova_gpfs.mm import base
from nova_gpfs.mm import mmclone
from nova_gpfs import model
from nova_gpfs import pinned
from nova_gpfs import pinning
from nova_gpfs import privileged_closing as closing
from nova_gpfs import privileged_places as places
from nova_gpfs import privileged_room as rooms
from nova_gpfs import run as local

CONF = cfg.CONF

# These are the daemon's own: CHOWN gives a clone away, DAC_READ_SEARCH walks
# directories of mode 0700 to check a path, DAC_OVERRIDE gives a new file its
# name in a directory of nova-compute's. The mm commands need no more from
# here, because a program that root starts gets all capabilities of the
# bounding set (capabilities(7)); GPFS wants root for most of them anyway
# (IBM documentation, "GPFS daemon does not come up").
_CAPABILITIES = [capabilities.CAP_CHOWN, capabilities.CAP_DAC_OVERRIDE,
                 capabilities.CAP_DAC_READ_SEARCH]

context = priv_context.PrivContext(
    'nova_gpfs', cfg_section='nova_gpfs_privileged',
    pypath=__name__ + '.context', capabilities=_CAPABILITIES)
# A thread of the daemon waits for a command and computes nothing, some for
# hours (mmclone split); with one per processor, two would block the rest.
CONF.set_default('thread_pool_size', 32, group='nova_gpfs_privileged')

# From the start of the helper command.
_NOT_STARTED = (daemon.FailedToDropPrivileges, FileNotFoundError,
                PermissionError)

# A mere name, whatever it is of: nothing is opened, so nothing blocks, and
# GPFS does not count the file as open.
_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def _left_age() -> float:
    """Return after how many seconds a new file is no command's any more."""
    return max(3600.0, 2 * float(CONF.gpfs.command_timeout))


_rooms = rooms.Rooms(_left_age)
_closing = closing.Closing()
_pinning = pinning.Pinning()


def start_with(root_helper: list[str]) -> None:
    """Start the daemon with these words where no helper_command is set.

    Only for programs of ours: nova-compute tells oslo.privsep by itself.
    """
    priv_context.init(root_helper)


def run(command: base.Command[Any]) -> model.Result:
    """Run a command as root; a transport.

    A clone that it makes is the current user's and has mode 0644.

    :raises errors.AlreadyExists: there is something where a file is to be
    :raises errors.TimedOut: it was ended at its time limit
    :raises errors.ProgramMissing: mm_path has no such program
    :raises errors.NotPermitted: the daemon refused it or could not start
    :raises errors.CommandFailed: the daemon ended meanwhile
    """
    try:
        kind, *values = run_command(mm.spell(type(command)),
                                    dataclasses.astuple(command),
                                    os.geteuid(), os.getegid())
    except _NOT_STARTED as error:
        raise errors.NotPermitted(str(error)) from error
    except OSError as error:
        raise errors.CommandFailed(
            command.argv(), -1, '',
            f'the privileged daemon ended: {error}') from error
    if kind == 'result':
        return model.Result(*values)
    raise _FAILURES[kind](*values)


@context.entrypoint
def run_command(name: str, fields: tuple[Any, ...], uid: int,
                gid: int) -> tuple[Any, ...]:
    """Run the command of that name; in the daemon.

    A clone that it makes becomes that user's, who must own a directory that
    it belongs in.

    Returns ('result', rc, stdout, stderr), or the name of a failure and its
    arguments.
    """
    try:
        # By every command, though some need no path: the files may be gone
        # when the first one with a path comes.
        places.options()
        _keep_number()
        command = _rebuild(name, fields)
        return _run_held(command, rooms.Owner(uid, gid))
    except cfg.Error as error:
        return (errors.NotPermitted.__name__,
                f'the configuration of the privileged daemon: {error}')
    except errors.GpfsError as error:
        return (type(error).__name__, *error.args)


def _keep_number() -> None:
    """Let no process get the number of this one while a command runs.

    It is in the names that commands get, and a command outlives a daemon that
    is killed. The number of a session is in use as long as any process is in
    it (Linux, kernel/pid.c, free_pid() in __change_pid()), and commands stay
    in this one's (``run``). Then such a name leads to nothing.

    :raises errors.NotPermitted: this process leads a process group, which no
        daemon does, since its helper has forked it (setsid(2))
    """
    if os.getsid(0) != os.getpid():
        try:
            os.setsid()
        except PermissionError:
            # Unless another thread has just done it.
            if os.getsid(0) != os.getpid():
                raise errors.NotPermitted(
                    'the privileged daemon leads a process group') from None


# None of them is left out: dataclasses and unknown exceptions do not cross.
_FAILURES: dict[str, type[errors.GpfsError]] = {
    name: kind for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.GpfsError)}


def _run_held(command: base.Command[Any],
              owner: rooms.Owner) -> tuple[Any, ...]:
    """Run a command on what is held until it has ended."""
    made = command.made() if isinstance(command, base.Effect) else ()
    try:
        with contextlib.ExitStack() as stack:
            names = {path: stack.enter_context(_held(command, path))
                     for path in command.paths() if path not in made}
            # Before anything is made.
            is_pinned = _is_pinned(command, names)
            drafts = {path: stack.enter_context(_draft(command, path, owner))
                      for path in made}
            answer = _run_checked(command, is_pinned, names, drafts)
            # Whatever the command says of itself.
            for draft in drafts.values():
                draft.publish()
            return answer
    except OSError as error:
        # In the words in which a command says it, which are understood.
        return 'result', 1, '', f'{command.program}: {error.strerror}\n'


def _is_pinned(command: base.Command[Any], names: dict[str, str]) -> bool:
    """Whether a command gets names of what is held, by its paths."""
    if not names:
        return False
    transport, choice = _local(), CONF.gpfs.pin_paths
    if isinstance(command, base.Effect):
        return _pinning.is_wanted_to_change(
            choice, transport, lambda: _rooms.sample(places.root()))
    return _pinning.is_wanted_to_look(choice, transport, names)


def _run_checked(command: base.Command[Any], is_pinned: bool,
                 names: dict[str, str],
                 drafts: dict[str, rooms.Draft]) -> tuple[Any, ...]:
    """Run a command on files that are held; returns as run_command does.

    :param names: what leads to them, by the paths of the command
    :param drafts: what it makes, likewise
    """
    if is_pinned:
        pins = names | {path: each.pinned for path, each in drafts.items()}
    else:
        pins = ({path: path for path in names}
                | {path: each.path for path, each in drafts.items()})
    try:
        result = _local()(pinned.renamed(command, pins))
    except errors.GpfsError as error:
        return pinned.restored((type(error).__name__, *error.args), pins)
    return pinned.restored(('result', *dataclasses.astuple(result)), pins)


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
                       CONF.gpfs.copy_timeout, stays_in_session=True)


@contextlib.contextmanager
def _held(command: base.Command[Any], path: str) -> Iterator[str]:
    """Check a file; give a name that leads to just what was checked.

    It must be below the root without symbolic links.
    """
    with places.directory_of(command, path) as (directory, name):
        try:
            file = os.open(name, _NAME, dir_fd=directory)
        except FileNotFoundError:
            raise errors.NoSuchFile(path) from None
        try:
            _check_file(command, path, os.fstat(file), pinned.name(file))
            yield pinned.name(file)
        finally:
            os.close(file)


@contextlib.contextmanager
def _draft(command: base.Command[Any], path: str,
           owner: rooms.Owner) -> Iterator[rooms.Draft]:
    """Check where a file is to be made; give where it is made first."""
    is_clone = isinstance(command, mmclone.Copy)
    with places.directory_of(command, path) as (directory, name):
        if name != os.path.basename(path):
            raise errors.NotPermitted(f'{path} is the root itself')
        rooms.require_absent(directory, path)
        if is_clone and owner.uid != 0:
            places.require_home(owner, directory)
        with _rooms.draft(places.top_of(path), directory, path,
                          owner if is_clone else None) as draft:
            if CONF.gpfs.pin_paths == 'always':
                _closing.require(draft.room, _local())
            yield draft


def _check_file(command: base.Command[Any], path: str,
                found: os.stat_result, name: str) -> None:
    """Refuse what is no file; one that changes must have no other name."""
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise errors.NotPermitted(f'{path} is no file or directory')
    if isinstance(command, base.Effect) and rooms.runs_as_another(found):
        raise errors.NotPermitted(f'{path} runs as another user (mode '
                                  f'{stat.S_IMODE(found.st_mode):04o})')
    if (path in _changed(command) and stat.S_ISREG(found.st_mode)
            and found.st_nlink != 1
            and not _counts_clones(command, path, found, name)):
        raise errors.NotPermitted(f'{path} has {found.st_nlink} names')


def _counts_clones(command: base.Command[Any], path: str,
                   found: os.stat_result, name: str) -> bool:
    """Whether a file that is to be split may have names for its clones.

    It must be where the clone parents of instances are, of root or of who
    owns that place, and GPFS must call it a clone parent. Such a file is
    read-only, and splitting it gives it blocks of its own with the bytes that
    it has. So a hard link to a clone parent elsewhere, should GPFS make such
    a thing, is of no use but to take space.
    """
    parents = layout.Layout(places.root()).parents
    if not isinstance(command, mmclone.Split) or parents != (
            os.path.dirname(os.path.dirname(path))):
        return False
    show = mmclone.Show(path)
    try:
        names = {path: name}
        kind, *told = _run_checked(show, _is_pinned(show, names), names, {})
        return (found.st_uid in (0, os.stat(parents).st_uid)
                and kind == 'result'
                and show.outcome(model.Result(*told)).is_parent)
    except (errors.GpfsError, OSError):
        return False
