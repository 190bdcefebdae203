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

"""Every state that stops the plug-in, each with the operator's next step.

The names say what is the case, not what was being done. ``str()`` of an
error is one line for a log or an instance fault; ``next_step`` is what an
operator does about it. All arguments are positional and all attributes are
plain values.
"""

from __future__ import annotations

from nova_gpfs import printable


class GpfsError(Exception):
    """Base of all errors of this package."""

    summary = 'GPFS failed'
    next_step = 'See the log of nova-compute for the command that failed.'

    def __str__(self) -> str:
        detail = printable.line(self._detail(), 2000)
        sentence = f'{self.summary}: {detail}' if detail else self.summary
        return f'{sentence.rstrip(".")}. {self.next_step}'

    def _detail(self) -> str:
        return ' '.join(str(arg) for arg in self.args)


class CommandFailed(GpfsError):
    """An mm command did not do what was asked, for an unrecognised reason.

    Keeps all that it said. The exit code alone means little (see ``mm``).
    """

    summary = 'GPFS command failed'
    next_step = ('Run the command by hand on this host and look at '
                 '/var/adm/ras/mmfs.log.latest.')

    def __init__(self, argv: tuple[str, ...], rc: int, stdout: str,
                 stderr: str) -> None:
        super().__init__(argv, rc, stdout, stderr)
        self.argv, self.rc, self.stdout, self.stderr = self.args

    def _detail(self) -> str:
        said = printable.line(self.stderr or self.stdout, 500)
        return (f'"{" ".join(self.argv)}" exited with {self.rc}: '
                f'{said or "(nothing said)"}')


class TimedOut(GpfsError):
    """A command was ended at its time limit; what it did is not known."""

    summary = 'GPFS command did not end in time'
    next_step = ('Check "mmdiag --waiters" and "mmgetstate" on this host, or '
                 'raise [gpfs] command_timeout.')

    def __init__(self, argv: tuple[str, ...], seconds: float) -> None:
        super().__init__(argv, seconds)
        self.argv, self.seconds = argv, seconds

    def _detail(self) -> str:
        return f'"{" ".join(self.argv)}" after {self.seconds:g} s'


class OutputNotUnderstood(GpfsError):
    """A command printed something that its parser does not know."""

    summary = 'GPFS printed something unknown'
    next_step = 'Record it with tools/record-mm and report it.'


class ProgramMissing(GpfsError):
    """An mm program is not where [gpfs] mm_path says."""

    summary = 'GPFS program is missing'
    next_step = 'Install GPFS on this host or correct [gpfs] mm_path.'


class LibraryUnusable(GpfsError):
    """libgpfs is not there, or is without what is wanted of it."""

    summary = 'The GPFS library cannot be used'
    next_step = 'Install GPFS on this host or correct [gpfs] library.'


class NotPermitted(GpfsError):
    """The caller may not run this command or may not touch this path."""

    summary = 'Not permitted'
    next_step = ('Check the privileged helper (sudoers or rootwrap for '
                 'nova_gpfs.privsep.context), the owners and modes below '
                 'instances_path, and [gpfs] rootless_commands.')


class WrongUser(GpfsError):
    """Files would be written that nova-compute could not change later."""

    summary = 'Not the user of nova-compute'
    next_step = 'Run it as that user, for example with "sudo -u USER".'


class InvalidName(GpfsError):
    """A path or a name that no GPFS command may be given."""

    summary = 'Not a path or name for a GPFS command'
    next_step = ('Correct it where it comes from: nova.conf, a flavor or an '
                 'image; nothing was run.')


class NotReady(GpfsError):
    """The daemon of this node cannot serve: down, arbitrating, no quorum."""

    summary = 'GPFS is not ready on this host'
    next_step = 'Check "mmgetstate -a"; start it with "mmstartup".'


class NotMounted(GpfsError):
    """The file system is not mounted here, or its handle is stale."""

    summary = 'The GPFS file system is not mounted on this host'
    next_step = 'Mount it with "mmmount"; nothing was written below it.'


class WrongFileSystem(GpfsError):
    """Another file system, or another directory, stands at the path."""

    summary = 'Another file system is mounted at the path'
    next_step = 'Mount that of instances_path; nothing was written.'


class NotGpfs(GpfsError):
    """A path does not lie on a GPFS file system."""

    summary = 'Not on a GPFS file system'
    next_step = 'Set instances_path to a directory on GPFS.'


class ClonesNotSupported(GpfsError):
    """The cluster or the file system is too old for file clones."""

    summary = 'File clones are not supported'
    next_step = ('File clones need minReleaseLevel 1200 and file system '
                 'format 12.00: see "mmchconfig release=LATEST" and '
                 '"mmchfs -V full".')


class DifferentFilesets(GpfsError):
    """Two paths that clones connect lie in different filesets."""

    summary = 'Masters and instances are in different filesets'
    next_step = 'Keep instances_path and all that is below it in one.'


class NoSuchFile(GpfsError):
    """The file or its directory does not exist."""

    summary = 'No such file'
    next_step = 'Check that nothing else removes files below instances_path.'


class AlreadyExists(GpfsError):
    """The target exists already; it was not touched."""

    summary = 'The target exists already and was left alone'
    next_step = 'Find out who made it; nothing overwrites a disk.'


class RecordUnreadable(GpfsError):
    """The record of what an instance's disks were promised is damaged."""

    summary = 'The record of placements cannot be read'
    next_step = ('Look at the file; without it the disks count as those of '
                 'an instance that asked for nothing.')


class NoSuchInstance(GpfsError):
    """There is no directory of such an instance."""

    summary = 'No such instance'
    next_step = 'Give a UUID that has a directory below instances_path.'


class NoSuchFileSystem(GpfsError):
    """The cluster does not know the file system."""

    summary = 'No such file system'
    next_step = 'See "mmlsfs all".'


class NoSuchFileset(GpfsError):
    """The file system has no fileset of that name."""

    summary = 'No such fileset'
    next_step = 'See "mmlsfileset DEVICE".'


class PolicyRefused(GpfsError):
    """Base: what a policy, a flavor or an image asks for cannot be.

    It is so on every host, and the text may be shown to a user.
    """

    summary = 'The placement of the disk is refused'
    next_step = ('Correct nova.conf, the flavor or the image; "nova-gpfs '
                 'policy explain" shows where each value comes from.')


class NoSuchPolicy(PolicyRefused):
    """nova.conf has no policy of that name."""

    summary = 'No such placement policy'
    next_step = ('Add [gpfs_policy:NAME] to nova.conf of every compute host, '
                 'or correct the name; see "nova-gpfs policy list".')


class PolicyNotAllowed(PolicyRefused):
    """A flavor or an image may not set this."""

    summary = 'Not allowed to choose the placement of disks'
    next_step = ('Take it away, or allow it with [gpfs] flavor_may_set or '
                 'image_may_set.')


class InvalidPolicy(PolicyRefused):
    """A value that no placement can have, or an unknown name."""

    summary = 'Not a valid placement'


class TooManyReplicas(PolicyRefused):
    """More replicas than the maximum or than there are failure groups."""

    summary = 'Too many replicas'
    next_step = ('Ask for fewer; see "mmlsfs DEVICE -M -R" for the maxima '
                 'and "mmlsdisk DEVICE" for the failure groups.')


class NoWriteAffinity(PolicyRefused):
    """Write affinity (FPO) does not exist here."""

    summary = 'Write affinity is not supported here'
    next_step = ('Take write_affinity_depth, block_group_factor and '
                 'write_affinity_failure_group out of the policy.')


class NoFailureGroup(GpfsError):
    """The failure group of this host is asked for and not known."""

    summary = 'The failure group of this host is not known'
    next_step = ('Set [gpfs] failure_group on this host, or do not use '
                 '"local" in policies of instances that may run here.')


class NoSuchPool(PolicyRefused):
    """The file system has no storage pool of that name, or not for data."""

    summary = 'No such storage pool'
    next_step = 'See "mmlspool DEVICE" and correct the name.'


class NoSpace(GpfsError):
    """The file system or the storage pool is full."""

    summary = 'No space left'
    next_step = 'See "mmdf DEVICE"; free space or add disks.'


class QuotaExceeded(GpfsError):
    """A quota of the fileset, user or group is used up."""

    summary = 'Quota exceeded'
    next_step = 'See "mmlsquota -j FILESET DEVICE"; raise the quota.'


class ReadOnly(GpfsError):
    """The file is sealed as a clone parent, or its file system read-only."""

    summary = 'Read-only'
    next_step = 'Look at "mmclone show FILE" and at the mount options.'


class FileBusy(GpfsError):
    """The file is open, which rules out what was to be done with it."""

    summary = 'The file is open'
    next_step = 'Wait until it is closed; find the user with "mmlsopenfiles".'


class CloneParentInvalid(GpfsError):
    """A file that should be a sealed clone parent is not one."""

    summary = 'Not a clone parent'
    next_step = ('Move the master away from the cache (its disks keep '
                 'working); the next boot fetches it again.')


class CloneHasChildren(GpfsError):
    """A clone parent cannot go because disks still hang on it."""

    summary = 'The clone parent still has clones'
    next_step = 'Nothing to do: it goes when its last clone goes.'


class CannotClone(GpfsError):
    """A clone is impossible here, while a full copy would be possible."""

    summary = 'Cannot clone'
    next_step = 'Remove the obstacle, or set [gpfs] require_clone = False.'


class ImageNotFetched(GpfsError):
    """Keystone, Glance or Nova did not let an image become a master."""

    summary = 'The image was not fetched'
    next_step = 'See what is said; --os-cloud and OS_* name the user.'


class PlacementRefused(GpfsError):
    """GPFS cannot give a file the placement that was asked for."""

    summary = 'Placement refused'
    next_step = ('Compare the placement with "mmlspool", "mmlsdisk" and the '
                 'maxima in "mmlsfs DEVICE -M -R".')


class Misconfigured(GpfsError):
    """nova.conf asks for something that this backend cannot do safely."""

    summary = 'The configuration cannot work with images_type = gpfs'
    next_step = 'Change the option and start nova-compute again.'


class UnknownNova(GpfsError):
    """This Nova does not look like one that the plug-in knows."""

    summary = 'This release of Nova is not known to nova-gpfs'
    next_step = ('Install a release of nova-gpfs that supports it, or set '
                 'images_type back.')
