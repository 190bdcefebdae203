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

"""What ``nova-gpfs flatten`` does: take disks off what they hang on.

Nothing is remembered between runs: a disk that is flat is left alone, and of
one that is flat in part the rest is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import os

from nova_gpfs.cmd import drift
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs import errors
from nova_gpfs import flattening
from nova_gpfs import image_locks
from nova_gpfs.mm import mmclone

FLAT = 'flattened'
FAILED = 'failed'
GONE = 'gone'
IN_USE = 'in use'
WOULD = 'would be flattened'
_WELL = (FLAT, GONE, WOULD)

_STOP = 'stop the instance, or give --running and read what that means first'

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Options:
    """How to flatten; ``rate`` is in bytes per second, None for no limit.

    ``running`` allows disks that QEMU has open. Whether GPFS copies blocks
    to a file that another process writes to is not documented.
    """

    dry_run: bool = False
    running: bool = False
    rate: float | None = None


class _Refused(Exception):
    """A disk is not to be touched now."""

    def __init__(self, result: str, why: str) -> None:
        super().__init__(why)
        self.result = result


def flatten(host: hosts.Host, instances: Iterable[str], options: Options,
            say: Say) -> policies.Answer:
    """Flatten the disks of instances, of all there are if none is named.

    The exit code is NOT_WELL unless all of them hang on nothing in the end,
    or would do so.

    :raises errors.NoSuchInstance: one that is named has no directory
    :raises errors.GpfsError: the file system is not there
    """
    host.storage.guard.check()
    disks = list(drift.disks(host.storage.layout.instances_path, instances))
    run = _Run(host, options, say)
    rows = list(run.all(disks))
    well = all(row['result'] in _WELL for row in rows)
    return ({'disks': rows,
             'summary': {'looked at': len(disks), 'not flat': len(rows)}},
            policies.WELL if well else policies.NOT_WELL)


class _Run:
    """One run over disks."""

    def __init__(self, host: hosts.Host, options: Options, say: Say) -> None:
        self._storage = host.storage
        self._options = options
        self._say = say
        self._flattener = flattening.Flattener(
            host.storage, flattening.Pace(options.rate))

    def all(self, disks: list[drift.Disk]) -> Iterator[policies.Row]:
        """Do one disk after the other, whatever becomes of each.

        :raises errors.GpfsError: the file system is not there
        """
        for number, disk in enumerate(disks, 1):
            where = f'[{number}/{len(disks)}] {disk.instance}/{disk.name}'
            row = self._row(disk, where)
            if row is not None:
                yield row
                self._tell(f'{where}: {row["result"]}')

    def _row(self, disk: drift.Disk, where: str) -> policies.Row | None:
        """Do a disk; None for one that hangs on nothing."""
        row = {'instance': disk.instance, 'disk': disk.name}
        try:
            if self._is_flat(disk):
                return None
            return {**row, **self._one(disk, where)}
        except _Refused as refusal:
            return {**row, 'result': refusal.result, 'why': [str(refusal)]}
        except drift.HOPELESS:
            raise
        except (errors.GpfsError, OSError) as error:
            # A file system that went away looks like a disk that is gone.
            self._storage.guard.check()
            result = FAILED if os.path.lexists(disk.path) else GONE
            return {**row, 'result': result, 'why': [str(error)]}

    def _is_flat(self, disk: drift.Disk) -> bool:
        return (self._storage.driver.clone_info(disk.path).parent_inode
                is None)

    def _one(self, disk: drift.Disk, where: str) -> policies.Row:
        self._require_idle(disk)
        if self._options.dry_run:
            return {'result': WOULD,
                    'commands': [mmclone.Split(disk.path).argv()]}
        tell = _Tenths(where, self._say)
        tell(0, os.lstat(disk.path).st_size)
        flat = self._flattener.flatten(
            disk.instance, disk.path, lambda: self._require_idle(disk), tell)
        return {'result': FLAT, 'parents_removed': len(flat.parents),
                'note': flat.in_one_piece and
                f'in one piece and at no rate: {flat.in_one_piece}'}

    def _require_idle(self, disk: drift.Disk) -> None:
        """Refuse a disk that something else may be about to change."""
        if disk.moving:
            raise _Refused(drift.MOVING, disk.moving)
        if not self._options.running:
            try:
                image_locks.require_closed(disk.path)
            except errors.FileBusy as error:
                raise _Refused(IN_USE, f'{error.args[0]}; {_STOP}') from error

    def _tell(self, line: str) -> None:
        if not self._options.dry_run:
            self._say(line)


class _Tenths:
    """Tells of the beginning and of each tenth of a disk once."""

    def __init__(self, where: str, say: Say) -> None:
        self._where = where
        self._say = say
        self._told = -1

    def __call__(self, reached: int, size: int) -> None:
        tenths = 10 * reached // size if size else 10
        if tenths > self._told:
            self._told = tenths
            self._say(f'{self._where}: {10 * tenths} % of '
                      f'{size / flattening.MIB:.1f} MiB')
