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

"""Trials of who may run which mm command, and of releases and mounts."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import os
from typing import Any

from nova_gpfs import errors
from nova_gpfs import location
from nova_gpfs.mm import base as mm_base
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
from nova_gpfs import probe
from nova_gpfs.trials import base

Make = Callable[[base.Room], mm_base.Command[Any]]


def _device(room: base.Room) -> str:
    return room.bench.file_system.name


#: A harmless form of each command that the product runs.
SAMPLES: dict[str, Make] = {
    'mmclone': lambda room: mmclone.Copy(room.parent(), room.at('disk')),
    'mmchattr': lambda room: mmchattr.Change(room.file(), data_replicas=1),
    'mmgetstate': lambda room: mmgetstate.Get(),
    'mmlsattr': lambda room: mmlsattr.List(room.path),
    'mmlscluster': lambda room: mmlscluster.List(),
    'mmlsconfig': lambda room: mmlsconfig.List(),
    'mmlsdisk': lambda room: mmlsdisk.List(_device(room)),
    'mmlsfileset': lambda room: mmlsfileset.List(_device(room)),
    'mmlsfs': lambda room: mmlsfs.List(_device(room)),
    'mmlsnsd': lambda room: mmlsnsd.List(_device(room)),
    'mmlspool': lambda room: mmlspool.List(_device(room)),
    'mmlsquota': lambda room: mmlsquota.List(_device(room),
                                             room.bench.fileset),
}
# Without one of these the product works all the same: quotas may be off, and
# NSDs may be another cluster's.
_OPTIONAL = ('mmlsnsd', 'mmlsquota')


def releases(room: base.Room) -> base.Seen:
    """Compare the releases with those that have file clones."""
    cluster, system = room.driver.cluster(), room.bench.file_system
    detail = (f'minReleaseLevel {cluster.min_release_level}, format of '
              f'{system.name} {system.version[0]}.{system.version[1]:02}')
    try:
        probe.require_clone_support(cluster, system)
    except errors.ClonesNotSupported:
        return base.Seen('too old', detail)
    return base.Seen('recent', detail)


def mount_table(room: base.Room) -> base.Seen:
    """Look for the file system in the mount table of Linux."""
    device = location.mounted_device(room.path)
    if device is None:
        return base.Seen('other')
    return base.Seen('gpfs' if device == _device(room) else 'else', device)


def permission_changes(room: base.Room) -> base.Seen:
    """Ask what becomes of an ACL in this fileset by chmod()."""
    mode = {one.name: one.chmod for one in room.driver.filesets(
        _device(room))}.get(room.bench.fileset, '')
    # A recording has "chmodAndSetacl" of what the option is written
    # otherwise.
    return base.Seen(
        'replaced' if mode.lower() in ('chmodandsetacl', 'chmodonly')
        else 'kept' if mode else 'not told', mode)


def as_configured(room: base.Room) -> base.Seen:
    """Run every command as nova-compute would."""
    refused = list(_refused(room))
    needed = [why for program, why in refused if program not in _OPTIONAL]
    answer = 'fails' if needed else 'partly' if refused else 'works'
    return base.Seen(answer, '; '.join(why for _program, why in refused))


def _refused(room: base.Room) -> Iterator[tuple[str, str]]:
    for program, make in SAMPLES.items():
        with room.bench.room(f'as-configured-{program}') as own:
            command = make(own)
            why = base.refusal(lambda command=command: command.outcome(
                room.bench.configured(command)))
            if why:
                yield program, f'{program}: {why}'


def by_user(program: str) -> base.Look:
    """Return a trial that runs a command as the current user."""
    def look(room: base.Room) -> base.Seen:
        if os.geteuid() == 0:
            raise base.Skip('root may run everything; run it as the user of '
                            'nova-compute')
        command = SAMPLES[program](room)
        return base.allowed(base.refusal(lambda: command.outcome(
            room.bench.direct(command))))
    return look


def names_below_proc(room: base.Room) -> base.Seen:
    """Seal, clone and place files that are named as open files.

    The paths under which two of them were opened are gone: who goes by the
    text of such a name (readlink(2)) finds nothing.
    """
    if os.geteuid() != 0:
        raise base.Skip('only root would do that; run it as root')
    with contextlib.ExitStack() as held:
        parent, plain = (held.enter_context(_renamed(room, name))
                         for name in ('image', 'plain'))
        disk = held.enter_context(_named(room.path)) + '/disk'
        for command in (mmclone.Seal(parent), mmclone.Copy(parent, disk),
                        mmclone.Show(parent), mmlsattr.List(plain),
                        mmchattr.Change(plain, data_replicas=1),
                        mmclone.Split(disk)):
            why = _refusal(room, command)
            if why:
                whole = held.enter_context(_named(room.file('whole')))
                reads = not _refusal(room, type(command)(
                    whole, *dataclasses.astuple(command)[1:]))
                return base.Seen('text' if reads else 'refuse',
                                 f'{command.program}: {why}')
    return base.Seen('follow' if base.is_intact(room.at('disk'))
                     and room.driver.clone_info(room.at('image')).is_parent
                     else 'else')


def _refusal(room: base.Room, command: mm_base.Command[Any]) -> str:
    return base.refusal(
        lambda: command.outcome(room.bench.direct(command)))


@contextlib.contextmanager
def _renamed(room: base.Room, name: str) -> Iterator[str]:
    """Give what leads to a file that was opened under another name."""
    first = room.file(f'{name}.first')
    with _named(first) as named:
        os.link(first, room.at(name))
        os.unlink(first)
        yield named


@contextlib.contextmanager
def _named(path: str) -> Iterator[str]:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f'/proc/{os.getpid()}/fd/{file}'
    finally:
        os.close(file)


_BY_USER = {
    'allow': base.Verdict(base.WORKS, 'it may be added to [gpfs] '
                          'rootless_commands; one command less runs as root'),
    'refuse': base.Verdict(base.WORKS, 'it runs in the privileged daemon, '
                           'unless it is in [gpfs] rootless_commands'),
}
_SWITCHES = {'mmclone': 'nonroot_mmclone', 'mmlsfileset': 'nonroot_lists'}
_SOURCES = {
    'mmclone': 'IBM documentation, File clones and disk space management '
    '(5.2.3): read access to the source',
    'mmlsfileset': 'dirscape, discover/attribute and quota/gpfs.py: refused',
}

_PIN_PATHS = ('Add mmclone to [gpfs] rootless_commands where '
              'user-runs-mmclone allows it, or set pin_paths = never if you '
              'trust that user with the whole fileset.')
_PERMISSIONS = ('Set it with "mmchfileset DEVICE FILESET '
                '--allow-permission-change chmodAndSetAcl".')

TRIALS = (
    base.Trial('releases', 'Are cluster and file system of a release that '
               'has file clones?', releases, {
                   'recent': base.Verdict(base.WORKS, 'nova-compute starts'),
                   'too old': base.Verdict(
                       base.WRONG, 'nova-compute does not start',
                       errors.ClonesNotSupported.next_step)},
               source='the Cinder GPFS driver: 1200 and 12.00'),
    base.Trial('mount-table', 'Does the mount table of Linux tell the '
               'device?', mount_table, {
                   'gpfs': base.Verdict(base.WORKS, 'it is found there, and '
                                        'libvirt counts it as shared'),
                   'other': base.Verdict(
                       base.DEGRADED, 'it is found by the mount points of '
                       'mmlsfs; libvirt may not count it as shared storage '
                       'and refuse live migrations',
                       'Look at the third column of /proc/mounts, which is '
                       'gpfs for a file system of GPFS.'),
                   'else': base.Verdict(
                       base.DEGRADED, 'the device has another name in the '
                       'mount table than in mmlsfs', 'Send the record to '
                       'the developers of nova-gpfs.')},
               source='treydock/gpfs_exporter, mount_test.go; libvirt, '
               'virfile.c'),
    base.Trial('permission-changes', 'Does chmod() put an end to an ACL in '
               'this fileset?', permission_changes, {
                   'replaced': base.Verdict(
                       base.WORKS, 'nobody can enter what root has closed'),
                   'kept': base.Verdict(
                       base.DEGRADED, 'the user of nova-compute may give '
                       'itself a way into the directory in which root makes '
                       'files, so root makes none, unless [gpfs] pin_paths '
                       'lets it', _PERMISSIONS),
                   'not told': base.Verdict(
                       base.DEGRADED, 'whether root can close a directory is '
                       'not known', _PERMISSIONS)},
               source='treydock/gpfs_exporter, output of mmlsfileset; '
               'gpfsug-discuss on mmchfileset (msg06554)'),
    base.Trial('as-configured', 'Does every command run as nova-compute '
               'would run it?', as_configured, {
                   'works': base.Verdict(base.WORKS, 'rootless_commands and '
                                         'the privileged daemon fit'),
                   'partly': base.Verdict(
                       base.DEGRADED, 'quotas do not count for capacity, or '
                       'failure groups are not found out',
                       'Set [gpfs] failure_group where policies say '
                       '"local"; enable quotas if they are wanted.'),
                   'fails': base.Verdict(
                       base.WRONG, 'nova-compute fails where it needs one',
                       'Take the command out of [gpfs] rootless_commands, '
                       'or mend the privileged daemon. See [gpfs] pin_paths '
                       'where the error names it.')}),
    base.Trial('names-below-proc', 'Do commands take /proc/PID/fd/N for the '
               'file that is open?', names_below_proc, {
                   'follow': base.Verdict(
                       base.WORKS, 'root is given what was checked and '
                       'nothing else'),
                   'refuse': base.Verdict(
                       base.DEGRADED, 'root runs no command on a file, '
                       'unless [gpfs] pin_paths lets it go by paths, at which '
                       'the user of nova-compute can put something else in '
                       'time', _PIN_PATHS),
                   'text': base.Verdict(
                       base.DEGRADED, 'as if they were not taken: commands '
                       'go to a path, at which something else may be by then',
                       _PIN_PATHS),
                   'else': base.Verdict(
                       base.WRONG, 'commands that run as root do nothing',
                       'Set [gpfs] pin_paths = never.')},
               'names_below_proc', 'proc(5)'),
    *(base.Trial(f'user-runs-{program}', f'May this user run {program}?',
                 by_user(program), _BY_USER, _SWITCHES.get(program, ''),
                 _SOURCES.get(program, '')) for program in SAMPLES),
)
