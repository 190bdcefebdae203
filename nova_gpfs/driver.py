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

"""What anybody may ask of GPFS.

The rest of the plug-in knows GPFS by these methods alone; who knows the mm
commands implements them (``mmdriver``). Paths are absolute. Every method may
raise ``errors.NotReady``, ``errors.NotMounted``, ``errors.TimedOut``,
``errors.ProgramMissing``, ``errors.NotPermitted`` and, for what nobody
recognised, ``errors.CommandFailed`` or ``errors.OutputNotUnderstood``.

Methods that change something return ``model.Change`` once the result has
been seen on the file system, whatever the exit code was. After a time-out an
implementation looks before it answers: ``errors.TimedOut`` is raised only
when the result is not there. A file is then as it was, or still being
worked on by GPFS.

``tests/contract`` is the suite that every implementation passes.
"""

from __future__ import annotations

import abc

from nova_gpfs import model


class GpfsDriver(abc.ABC):
    """Ask GPFS; values in, values out."""

    @abc.abstractmethod
    def cluster(self) -> model.Cluster:
        """Return the cluster and the state of this node's daemon.

        Works while the daemon is down: ``daemon_state`` says so, and
        ``errors.NotReady`` is not raised.
        """

    @abc.abstractmethod
    def file_system(self, name: str) -> model.FileSystem:
        """Return a file system.

        :raises errors.NoSuchFileSystem: the cluster does not know it
        """

    @abc.abstractmethod
    def file_systems(self) -> tuple[model.FileSystem, ...]:
        """Return all file systems that the cluster knows."""

    @abc.abstractmethod
    def pools(self, file_system: str) -> tuple[model.Pool, ...]:
        """Return the storage pools of a file system.

        :raises errors.NoSuchFileSystem: the cluster does not know it
        """

    @abc.abstractmethod
    def filesets(self, file_system: str) -> tuple[model.Fileset, ...]:
        """Return the filesets of a file system.

        :raises errors.NoSuchFileSystem: the cluster does not know it
        """

    @abc.abstractmethod
    def disks(self, file_system: str) -> tuple[model.Disk, ...]:
        """Return the disks (NSDs) of a file system.

        Their servers are left out where GPFS lists the disks and does not
        say who serves them.

        :raises errors.NoSuchFileSystem: the cluster does not know it
        """

    @abc.abstractmethod
    def quota(self, file_system: str, fileset: str) -> model.Quota | None:
        """Return the block quota of a fileset, None where quotas are off.

        :raises errors.NoSuchFileset: the file system has no such fileset
        """

    @abc.abstractmethod
    def attributes(self, path: str) -> model.FileAttributes:
        """Return what GPFS knows of a file or directory.

        :raises errors.NotGpfs: the path is on another kind of file system
        :raises errors.NoSuchFile: nothing is there
        """

    @abc.abstractmethod
    def clone_info(self, path: str) -> model.CloneInfo:
        """Return whether a file is a clone, a clone parent or neither.

        :raises errors.NoSuchFile: nothing is there
        :raises errors.NotGpfs: the path is on another kind of file system
        """

    @abc.abstractmethod
    def seal(self, path: str) -> model.Change:
        """Make a file itself a read-only clone parent.

        ``ALREADY``: it is a clone parent. The file must not be open for
        writing and must not have hard links (IBM documentation, "Creating
        a file clone").

        :raises errors.FileBusy: it is open
        :raises errors.NoSuchFile: nothing is there
        """

    @abc.abstractmethod
    def snapshot(self, source: str, parent: str) -> model.Change:
        """Make a read-only clone parent of a file under a second name.

        The source stays writable and becomes a clone of the parent.

        :raises errors.AlreadyExists: ``parent`` exists; it is left alone
        :raises errors.FileBusy: GPFS does not do this to an open file
        """

    @abc.abstractmethod
    def clone(self, parent: str, target: str) -> model.Change:
        """Make a writable clone of a clone parent.

        The caller owns the clone and its mode is 0644, whoever ran the
        command. ``MADE`` is the only answer: an existing target is never
        taken for a result, save after a time-out when the target is a clone
        of just that parent and was not there before.

        :raises errors.AlreadyExists: ``target`` exists; it is left alone
        :raises errors.NoSuchFile: the parent or target's directory is absent
        :raises errors.CloneParentInvalid: ``parent`` is not sealed
        :raises errors.CannotClone: another fileset or file system
        :raises errors.NoSpace: the file system or pool is full
        :raises errors.QuotaExceeded: the fileset's quota is used up
        """

    @abc.abstractmethod
    def detach(self, path: str, ancestors: model.Ancestors) -> model.Change:
        """Copy shared blocks so that a clone no longer needs ancestors.

        Takes as long as the shared blocks take to copy. ``ALREADY``: the
        file is no clone. Whoever seals the file meanwhile gives it a new
        parent, from which it is detached, too.

        :raises errors.NoSpace: the file system or pool is full
        :raises errors.FileBusy: it has got a new parent again and again
        """

    @abc.abstractmethod
    def detach_part(self, path: str, blocks: int, offset: int) -> int | None:
        """Copy some of the blocks that a clone shares with any ancestor.

        The clone stays one: ``detach`` ends that, and has the less to copy.
        Blocks that the clone has already are passed over and do not count,
        so to begin again at 0 is harmless. What the file holds never changes.
        Runs as the current user, who needs write access.

        :param blocks: copy no more than so many, at least 1
        :param offset: where to begin, in bytes
        :returns: where to go on, always behind ``offset``, or None when
            there is nothing more to copy; None for a file that is no clone
        :raises errors.LibraryUnusable: this host cannot detach in parts
        :raises errors.NoSuchFile: nothing is there
        :raises errors.NotGpfs: the path is on another kind of file system
        :raises errors.NoSpace: the file system or pool is full
        :raises errors.QuotaExceeded: the fileset's quota is used up
        """

    @abc.abstractmethod
    def place(self, path: str, placement: model.Placement) -> model.Change:
        """Give a file a pool, replicas and write affinity.

        On a clone this governs blocks written later; blocks read through
        the parent keep the parent's (IBM documentation, "File clones and
        disk space management"). ``ALREADY``: nothing was asked for, or the
        pool and replicas are as asked and no write affinity is asked for.

        :raises errors.NoSuchPool: the file system has no such pool
        :raises errors.PlacementRefused: GPFS cannot grant it
        """

    @abc.abstractmethod
    def relocate(self, path: str) -> model.Change:
        """Move the blocks of a file to where its write affinity wants them.

        Takes as long as the blocks take to copy. Without a write affinity
        failure group of the file, this host may count as the one that
        writes, so it is to run where the instance is. Nothing is promised
        for blocks that a clone reads through its parent.

        ``MADE`` is the only answer. No mm command with a published output
        tells where a block is, so it means that GPFS reported no failure and
        has left the file with no flag like ``illreplicated`` that it did not
        have before. After a time-out or a failure, some blocks may have been
        moved; to do it again is harmless.

        :raises errors.NoSuchFile: nothing is there
        :raises errors.NotGpfs: the path is on another kind of file system
        :raises errors.NoSpace: the disks near this host are full
        """
