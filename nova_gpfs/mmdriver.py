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


"""The driver over the mm commands.

A command's own word is not taken for its result. When all is well, the
target of a clone is looked at with stat(2) alone, since disks are made often
and must be made fast; everything else is looked up with mmclone show or
mmlsattr. After a failure or a time-out the same look decides, because a
command that failed may have had its effect.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import dataclasses
import os
import stat
from typing import Any, TypeVar

from oslo_config import cfg
from oslo_log import log as logging

from nova_gpfs import driver
from nova_gpfs import errors
from nova_gpfs import libgpfs
from nova_gpfs import lookup
from nova_gpfs.mm import base
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmgetstate
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlscluster
from nova_gpfs.mm import mmlsconfig
from nova_gpfs.mm import mmlsdisk
from nova_gpfs.mm import mmlsfileset
from nova_gpfs.mm import mmlsfs
from nova_gpfs.mm import mmlsnsd
from nova_gpfs.mm import mmlspool
from nova_gpfs.mm import mmlsquota
from nova_gpfs.mm import mmrestripefile
from nova_gpfs import model
from nova_gpfs import privsep
from nova_gpfs import run

LOG = logging.getLogger(__name__)

T = TypeVar('T')

_DISK_MODE = 0o644

# How often a file is split that another host makes a snapshot of meanwhile,
# which gives it a new parent.
_ATTEMPTS = 3

# Failures whose text does not tell why; a look may.
_VAGUE = (errors.CommandFailed, errors.NotGpfs, errors.NotPermitted,
          errors.OutputNotUnderstood)


def from_conf(conf: cfg.ConfigOpts) -> MmDriver:
    """Return the driver that the options of ``[gpfs]`` describe."""
    return MmDriver(transport(conf), libgpfs.Library(conf.gpfs.library))


def transport(conf: cfg.ConfigOpts) -> base.Transport:
    """Return what runs commands as the options of ``[gpfs]`` say.

    Those named by ``rootless_commands`` run as the current user, if that may
    read the files; all others in the privileged daemon.
    """
    local = run.Local(conf.gpfs.mm_path, conf.gpfs.command_timeout,
                      conf.gpfs.copy_timeout)
    rootless = frozenset(conf.gpfs.rootless_commands)

    def route(command: base.Command[Any]) -> model.Result:
        if command.program in rootless and lookup.may_read(command.paths()):
            return local(command)
        return privsep.run(command)

    return route


class MmDriver(driver.GpfsDriver):
    """Composed of what runs commands and of GPFS's library."""

    def __init__(self, transport: base.Transport,
                 library: libgpfs.Library | None = None) -> None:
        self._run = transport
        self._library = library

    def cluster(self) -> model.Cluster:
        summary = self._ask(mmlscluster.List())
        here = self._ask(mmgetstate.Get())
        return model.Cluster(
            id=summary.id, name=summary.name, nodes=summary.nodes,
            node_name=here.node, daemon_state=here.state,
            min_release_level=self._ask(mmlsconfig.List()))

    def file_system(self, name: str) -> model.FileSystem:
        found = self._ask(mmlsfs.List(name))
        if len(found) != 1:
            raise errors.OutputNotUnderstood(
                f'mmlsfs {name} listed {len(found)} file systems')
        return found[0]

    def file_systems(self) -> tuple[model.FileSystem, ...]:
        return self._ask(mmlsfs.List('all'))

    def pools(self, file_system: str) -> tuple[model.Pool, ...]:
        return self._ask(mmlspool.List(file_system))

    def filesets(self, file_system: str) -> tuple[model.Fileset, ...]:
        return self._ask(mmlsfileset.List(file_system))

    def disks(self, file_system: str) -> tuple[model.Disk, ...]:
        found = self._ask(mmlsdisk.List(file_system))
        servers = self._servers(file_system)
        return tuple(
            dataclasses.replace(disk, servers=servers.get(disk.name, ()))
            for disk in found)

    def quota(self, file_system: str, fileset: str) -> model.Quota | None:
        try:
            return self._ask(mmlsquota.List(file_system, fileset))
        except errors.NoSuchFileset:
            # Said of every fileset where quotas are off.
            if fileset in {one.name for one in self.filesets(file_system)}:
                return None
            raise

    def attributes(self, path: str) -> model.FileAttributes:
        return self._ask_of(path, mmlsattr.List(path))

    def clone_info(self, path: str) -> model.CloneInfo:
        return self._ask_of(path, mmclone.Show(path))

    def seal(self, path: str) -> model.Change:
        command = mmclone.Seal(path)
        failure = self._attempt(command)
        try:
            self._confirm(path, lambda info: info.is_parent, failure, command)
        except _VAGUE as error:
            names = lookup.status(path).st_nlink
            if names > 1:
                raise errors.CannotClone(
                    f'{path} has {names} names (hard links)') from error
            raise
        # The daemon does not permit it for a parent that has clones.
        already = isinstance(failure, (errors.ReadOnly, errors.NotPermitted))
        return model.Change.ALREADY if already else model.Change.MADE

    def snapshot(self, source: str, parent: str) -> model.Change:
        command = mmclone.Snap(source, parent)
        lookup.require_absent(parent)
        failure = self._attempt(command)
        if isinstance(failure, errors.AlreadyExists):
            raise failure

        def holds(info: model.CloneInfo) -> bool:
            # Another host may have detached the source again meanwhile.
            return (info.parent_inode == lookup.status(parent).st_ino
                    or self.clone_info(parent).is_parent)

        self._confirm(source, holds, failure, command)
        return model.Change.MADE

    def clone(self, parent: str, target: str) -> model.Change:
        command = mmclone.Copy(parent, target)
        wanted = lookup.status(parent)
        lookup.require_absent(target)
        failure = self._attempt(command)
        if isinstance(failure, errors.AlreadyExists):
            raise failure
        if failure or not lookup.is_file(target, wanted.st_size):
            self._confirm_clone(command, wanted.st_ino, failure)
        self._own(target)
        return model.Change.MADE

    def detach(self, path: str, ancestors: model.Ancestors) -> model.Change:
        wholly = ancestors is model.Ancestors.ALL
        command = mmclone.Split(path) if wholly else mmclone.Redirect(path)
        before = self.clone_info(path).parent_inode
        if before is None:
            return model.Change.ALREADY
        for _time in range(_ATTEMPTS):
            failure = self._attempt(command)
            now = self._parent_after(path, failure)
            if now is None or (now != before and not wholly):
                return model.Change.MADE
            if now == before or isinstance(failure, errors.TimedOut):
                raise failure or _not_done(command)
            before = now
        raise errors.FileBusy(f'{path} got a new parent each time that it '
                              'was split')

    def _parent_after(self, path: str,
                      failure: errors.GpfsError | None) -> int | None:
        """Return of what a file is a clone once a command has been run."""
        try:
            return self.clone_info(path).parent_inode
        except errors.GpfsError as error:
            raise failure or error

    def detach_part(self, path: str, blocks: int, offset: int) -> int | None:
        if self._library is None:
            raise errors.LibraryUnusable('none is named')
        try:
            reached = self._library.declone(path, blocks, offset)
        except errors.NotPermitted:
            # It may be that of a file that is no clone.
            if self.clone_info(path).parent_inode is None:
                return None
            raise
        if reached is not None and reached <= offset:
            raise errors.OutputNotUnderstood(
                f'gpfs_declone() goes on at {reached} after {offset} of '
                f'{path}')
        return reached

    def place(self, path: str, placement: model.Placement) -> model.Change:
        if placement.is_empty:
            return model.Change.ALREADY
        command = mmchattr.Change(path, *dataclasses.astuple(placement))
        if command.is_done(self.attributes(path)):
            return model.Change.ALREADY
        # Another host may apply another policy before the first is seen.
        for _time in range(_ATTEMPTS):
            failure = self._attempt(command)
            try:
                found = self.attributes(path)
            except errors.GpfsError as error:
                raise failure or error
            if command.is_done(found) or (not failure
                                          and command.is_granted(found)):
                return model.Change.MADE
            refusal = self._refusal(command, found) or failure
            if refusal:
                raise refusal
        raise _not_done(command)

    def relocate(self, path: str) -> model.Change:
        before = self.attributes(path)
        command = mmrestripefile.Relocate(path)
        failure = self._attempt(command)
        if failure:
            raise failure
        worse = self.attributes(path).ills - before.ills
        if worse:
            raise errors.CommandFailed(
                command.argv(), 0, '', f'{path} became {", ".join(worse)}')
        return model.Change.MADE

    def _ask(self, query: base.Query[T]) -> T:
        return query.outcome(self._run(query))

    def _ask_of(self, path: str, query: base.Query[T]) -> T:
        try:
            return self._ask(query)
        except _VAGUE as error:
            if not lookup.exists(path):
                raise errors.NoSuchFile(path) from error
            raise

    def _attempt(self, effect: base.Effect) -> errors.GpfsError | None:
        """Return what speaks against a command's success, None if nothing."""
        try:
            effect.outcome(self._run(effect))
        except errors.GpfsError as error:
            return error
        return None

    def _confirm(self, path: str, holds: Callable[[model.CloneInfo], bool],
                 failure: errors.GpfsError | None,
                 command: base.Effect) -> None:
        """Raise unless the result of a command is there to be seen."""
        try:
            if holds(self.clone_info(path)):
                return
        except errors.GpfsError as error:
            raise failure or error
        raise failure or _not_done(command)

    def _confirm_clone(self, command: mmclone.Copy, parent_inode: int,
                       failure: errors.GpfsError | None) -> None:
        try:
            self._confirm(command.target,
                          lambda info: info.parent_inode == parent_inode,
                          failure, command)
        except _VAGUE as error:
            if not self.clone_info(command.parent).is_parent:
                raise errors.CloneParentInvalid(command.parent) from error
            raise

    def _own(self, target: str) -> None:
        """See that a clone is ours and others may read it, or remove it.

        :raises errors.NotPermitted: it is another user's
        """
        try:
            found = os.lstat(target)
            if found.st_uid != os.geteuid() or (
                    stat.S_IMODE(found.st_mode) != _DISK_MODE):
                lookup.share(target, _DISK_MODE)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(target)
            raise

    def _servers(self, file_system: str) -> dict[str, tuple[str, ...]]:
        """Return the NSD servers of disks; of none when mmlsnsd fails.

        It does where the file system belongs to another cluster: this one
        knows no NSDs of it. The disks are no less there for that.
        """
        try:
            return self._ask(mmlsnsd.List(file_system))
        except errors.GpfsError as error:
            LOG.info('Who serves the disks of %(name)s is not known: '
                     '%(error)s', {'name': file_system, 'error': error})
            return {}

    def _refusal(self, command: mmchattr.Change,
                 found: model.FileAttributes) -> errors.GpfsError | None:
        """Return why mmchattr cannot do it, None when that is not known."""
        with contextlib.suppress(errors.GpfsError):
            device = lookup.file_system_of(command.path, self.file_systems())
            if device is not None:
                disks = self._ask(mmlsdisk.List(device))
                return command.refusal(found, self.pools(device), disks)
        return None


def _not_done(command: base.Effect) -> errors.CommandFailed:
    return errors.CommandFailed(
        command.argv(), 0, '', 'It reported success, but did nothing')
