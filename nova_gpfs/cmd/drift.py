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

"""What ``nova-gpfs policy audit`` and ``apply`` find out and do.

Only disks in directories that are named by the UUID of an instance count.
What Nova keeps in ``UUID_resize`` while a resize is not confirmed is left
out: it is deleted, or comes back under the old name and counts again.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import os
from typing import Any
import uuid

from nova_gpfs import audit
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs.compute import placing
from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import policy
from nova_gpfs import sealed

#: These are of the file system, not of one disk: nothing else would work.
HOPELESS = (errors.NotMounted, errors.NotReady, errors.ProgramMissing,
            errors.WrongFileSystem)
#: A result of what is left alone until a resize or migration is over.
MOVING = 'is being moved'
_ASIDE = ('{} is there: confirm or revert the resize, or wait for the move '
          'to end')
_NO_RECORD = 'no record: defaults of nova.conf'


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk of an instance."""

    instance: str
    path: str

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def directory(self) -> str:
        return os.path.dirname(self.path)

    @property
    def moving(self) -> str:
        """Why its instance counts as being moved, '' if it does not."""
        aside = self.directory + '_resize'
        return _ASIDE.format(aside) if os.path.lexists(aside) else ''


@dataclasses.dataclass(frozen=True)
class Seen:
    """A disk that was looked at.

    ``given`` is what its record says. ``found`` is None, and ``failed`` is
    set, where it could not be looked at.
    """

    disk: Disk
    verdict: audit.Verdict
    wanted: model.Placement = model.Placement()
    given: model.Placement = model.Placement()
    found: model.FileAttributes | None = None
    note: str = ''
    failed: bool = False

    def row(self) -> policies.Row:
        return {'instance': self.disk.instance, 'disk': self.disk.name,
                'state': self.verdict.state, 'wanted': _set(self.wanted),
                'found': _found(self.found), 'why': list(self.verdict.why),
                'note': self.note}


def _set(placement: model.Placement) -> dict[str, Any]:
    return {name: value for name, value
            in dataclasses.asdict(placement).items() if value is not None}


def _found(found: model.FileAttributes | None) -> dict[str, Any]:
    return _set(audit.placement(found)) if found else {}


def disks(instances_path: str, instances: Iterable[str] = ()
          ) -> Iterator[Disk]:
    """Yield the disks of instances, of all there are if none is named.

    Symbolic links are not followed, neither to directories nor to disks.

    :raises errors.NoSuchInstance: one that is named has no directory
    """
    names = list(dict.fromkeys(instances))
    for name in names or sorted(os.listdir(instances_path)):
        directory = os.path.join(instances_path, name)
        if _is_uuid(name) and _is_directory(directory):
            yield from (Disk(name, path) for path in _files(directory))
        elif names:
            raise errors.NoSuchInstance(name)


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _files(directory: str) -> list[str]:
    """Return the disks in a directory; none if it is gone by now."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.path for entry in entries if _is_disk(entry))
    except FileNotFoundError:
        return []


def _is_disk(entry: os.DirEntry[str]) -> bool:
    """Whether a file is a disk, and not one that is still being made."""
    return (entry.name.startswith('disk') and entry.name != 'disk.info'
            and not entry.name.endswith('.new')
            and entry.is_file(follow_symlinks=False))


class Auditor:
    """Looks at disks and masters; changes nothing."""

    def __init__(self, host: hosts.Host) -> None:
        self._rules = host.rules
        self._driver = host.storage.driver
        self._guard = host.storage.guard
        self._sealed = sealed.Sealed(
            host.storage.driver, host.storage.layout, host.storage.masters)

    def disk(self, disk: Disk) -> Seen | None:
        """Look at a disk; None if it is gone.

        :raises errors.GpfsError: the file system is not there
        """
        try:
            return self._look(disk, placements.load(disk.directory))
        except HOPELESS:
            raise
        except errors.GpfsError as error:
            # A file system that went away looks like a disk that is gone.
            self._guard.check()
            if not os.path.lexists(disk.path):
                return None
            return Seen(disk, audit.Verdict(unknown=(str(error),)),
                        failed=True)

    def _look(self, disk: Disk, record: placements.Record | None) -> Seen:
        known = record or placements.Record()
        wanted = policy.resolve(self._rules, placing.role(disk.name),
                                known.wishes).placement
        given = known.placement(disk.name)
        found = self._driver.attributes(disk.path)
        ancestors = (() if policy.of_master(wanted).is_empty
                     else self._sealed.ancestors(disk.path))
        return Seen(disk, audit.disk(wanted, given, found, ancestors),
                    wanted, given, found, '' if record else _NO_RECORD)

    def masters(self) -> Iterator[policies.Row]:
        """Yield a row for each master; raises as above."""
        for key, recorded, found in self._sealed.masters():
            row = {'master': key, 'recorded': _set(recorded), 'found': {}}
            if isinstance(found, errors.GpfsError):
                yield {**row, 'state': audit.UNKNOWN, 'why': [str(found)],
                       'failed': True}
            else:
                verdict = audit.master(recorded, found)
                yield {**row, 'state': verdict.state, 'found': _found(found),
                       'why': list(verdict.why)}


def audit_all(host: hosts.Host, instances: Iterable[str] = ()
              ) -> policies.Answer:
    """Compare disks, and all masters where no instance is named.

    The exit code is NOT_WELL where something has drifted, or could not be
    looked at.

    :raises errors.GpfsError: the file system is not there
    """
    named = list(instances)
    host.storage.guard.check()
    auditor = Auditor(host)
    seen = look_at(host, auditor, named)
    masters = [] if named else list(auditor.masters())
    host.storage.guard.check()
    failed = (any(one.failed for one in seen)
              or any(row.pop('failed', False) for row in masters))
    rows = [one.row() for one in seen]
    counts = _counts([*rows, *masters])
    return ({'disks': rows, 'masters': masters, 'summary': counts},
            policies.NOT_WELL if failed or counts[audit.DRIFT]
            else policies.WELL)


def look_at(host: hosts.Host, auditor: Auditor,
            instances: Iterable[str]) -> list[Seen]:
    """Look at all disks of instances; raises as ``audit_all`` does."""
    path = host.storage.layout.instances_path
    looked = (auditor.disk(disk) for disk in disks(path, instances))
    return [one for one in looked if one is not None]


def _counts(rows: list[policies.Row]) -> dict[str, int]:
    states = [row['state'] for row in rows]
    return {state: states.count(state)
            for state in (audit.OK, audit.DRIFT, audit.UNKNOWN)}
