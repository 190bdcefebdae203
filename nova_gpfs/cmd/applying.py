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

"""What ``nova-gpfs policy apply`` does: give drifted disks their placement.

Each disk is looked at before and afterwards, and nothing is remembered
between runs but what the disks themselves and their records are: a run that
was interrupted goes on when the command is given again.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import os
import time

from nova_gpfs import audit
from nova_gpfs.cmd import drift
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import policy

APPLIED = 'applied'
FAILED = 'failed'
GONE = 'gone'
SHARES = 'shares blocks with its master'
WOULD = 'would be applied'
WOULD_PARTLY = 'would be applied in part'
_DONE_NOTHING = (SHARES, WOULD, WOULD_PARTLY, drift.MOVING)

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Options:
    """How to apply; ``pause`` is in seconds, after each disk but the last.

    ``detach`` also copies blocks that a disk shares with a master which lies
    elsewhere. Whether GPFS does that to an open file is not documented.
    """

    dry_run: bool = False
    detach: bool = False
    pause: float = 0.0


def apply(host: hosts.Host, instances: Iterable[str], options: Options,
          say: Say) -> policies.Answer:
    """Place the disks that have drifted; the others are left alone.

    The exit code is NOT_WELL unless all of them are right in the end.

    :raises errors.WrongUser: this is not the owner of what would be written
    :raises errors.GpfsError: the file system is not there
    """
    if not options.dry_run:
        host.require_owner()
    host.storage.guard.check()
    auditor = drift.Auditor(host)
    seen = drift.look_at(host, auditor, instances)
    rows = _Run(host, auditor, options, say).all(
        [one for one in seen if one.verdict.state == audit.DRIFT])
    rows += [{**_row(one, FAILED), 'why': list(one.verdict.why)}
             for one in seen if one.failed]
    well = all(row['result'] in (APPLIED, GONE) for row in rows)
    return ({'disks': rows,
             'summary': {'looked at': len(seen), 'drifted': len(rows)}},
            policies.WELL if well else policies.NOT_WELL)


def _row(one: drift.Seen, result: str) -> policies.Row:
    return {'instance': one.disk.instance, 'disk': one.disk.name,
            'result': result}


class _Run:
    """One run over disks that have drifted."""

    def __init__(self, host: hosts.Host, auditor: drift.Auditor,
                 options: Options, say: Say) -> None:
        self._storage = host.storage
        self._auditor = auditor
        self._options = options
        self._say = say

    def all(self, drifted: list[drift.Seen]) -> list[policies.Row]:
        """Do one disk after the other, whatever becomes of each.

        :raises errors.GpfsError: the file system is not there
        """
        rows: list[policies.Row] = []
        for number, one in enumerate(drifted, 1):
            if rows and rows[-1]['result'] not in _DONE_NOTHING:
                time.sleep(self._options.pause)
            where = (f'[{number}/{len(drifted)}] '
                     f'{one.disk.instance}/{one.disk.name}')
            self._tell(f'{where}: {_allocated(one.disk.path)}')
            rows.append(self._one(one))
            self._tell(f'{where}: {rows[-1]["result"]}')
        return rows

    def _tell(self, line: str) -> None:
        if not self._options.dry_run:
            self._say(line)

    def _one(self, one: drift.Seen) -> policies.Row:
        moving = one.disk.moving
        if moving:
            return {**_row(one, drift.MOVING), 'why': [moving]}
        commands = [command.argv() for command in self._commands(one)]
        if not commands:
            return {**_row(one, SHARES), 'why': list(one.verdict.why)}
        if self._options.dry_run:
            complete = self._options.detach or not one.verdict.shared
            return {**_row(one, WOULD if complete else WOULD_PARTLY),
                    'why': list(one.verdict.why), 'commands': commands}
        try:
            self._place(one)
        except drift.HOPELESS:
            raise
        except (errors.GpfsError, OSError) as error:
            self._storage.guard.check()
            result = FAILED if os.path.lexists(one.disk.path) else GONE
            return {**_row(one, result), 'why': [str(error)]}
        return self._outcome(one)

    def _detaches(self, one: drift.Seen) -> bool:
        return self._options.detach and bool(one.verdict.shared)

    def _commands(self, one: drift.Seen) -> Iterator[base.Effect]:
        """Yield what is to change a disk; nothing if nothing may."""
        if one.verdict.wrong:
            yield mmchattr.Change(one.disk.path,
                                  *dataclasses.astuple(_possible(one)))
        if self._detaches(one):
            yield mmclone.Split(one.disk.path)

    def _place(self, one: drift.Seen) -> None:
        """Move a disk and keep a record of what all of its blocks have.

        While blocks are shared that is the pool and replicas from before, so
        that nova-compute sees the rest to do when it next resizes the disk.
        """
        wanted = _possible(one)
        detaches = self._detaches(one)
        self._storage.move_own(one.disk.path, wanted)
        if detaches:
            self._storage.detach(one.disk.path, wanted)
        given = wanted
        if one.verdict.shared and not detaches:
            given = dataclasses.replace(
                wanted, pool=one.given.pool,
                data_replicas=one.given.data_replicas,
                metadata_replicas=one.given.metadata_replicas)
        self._storage.guard.check()
        if one.disk.moving:
            # The record is what nova-compute makes of it now.
            return
        record = placements.read(one.disk.directory)
        placements.write(one.disk.directory,
                         record.with_disk(one.disk.name, given))

    def _outcome(self, one: drift.Seen) -> policies.Row:
        """Look at the disk once more, which alone tells what it is now."""
        again = self._auditor.disk(one.disk)
        if again is None:
            return _row(one, GONE)
        result = APPLIED
        if again.verdict.wrong or again.failed:
            result = FAILED
        elif again.verdict.shared:
            result = SHARES
        return {**_row(one, result), 'why': list(again.verdict.why)}


def _possible(one: drift.Seen) -> model.Placement:
    """Return what is wanted, "local" as the disk was given it.

    Which host runs the instance is not known, so that a disk keeps the
    failure group that it was given when it was made or moved there.
    """
    if one.wanted.write_affinity_failure_group != policy.LOCAL:
        return one.wanted
    return dataclasses.replace(
        one.wanted, write_affinity_failure_group=(
            one.given.write_affinity_failure_group))


def _allocated(path: str) -> str:
    """Return how much of the file system a disk takes by itself."""
    try:
        size = float(os.lstat(path).st_blocks * 512)
    except OSError:
        return 'gone'
    for unit in ('B', 'KiB', 'MiB', 'GiB'):
        if size < 1024:
            return f'{size:.1f} {unit}'
        size /= 1024
    return f'{size:.1f} TiB'
