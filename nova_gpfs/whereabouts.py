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

"""In which failure group the blocks of instances are, as their records say.

Whoever gives a disk write affinity writes it down beside the disk, where all
hosts see it, also when the host that ran the instance is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import os
import time
from typing import Any

from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_gpfs import errors
from nova_gpfs import findings
from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import placements

LOG = logging.getLogger(__name__)

#: How old what is known may become, in seconds.
AGE = 300.0

# Looking takes a stat for each instance of the cloud, and on a slow file
# system it must not become what a host does all day.
_SHARE_OF_TIME = 0.01


@dataclasses.dataclass(frozen=True)
class _Record:
    """The failure groups that a file names, and which file it was."""

    seen: tuple[int, int, int]
    failure_groups: frozenset[str]


class Whereabouts:
    """Knows where the instances below instances_path have their blocks."""

    def __init__(self, layout: gpfs_layout.Layout,
                 guard: mount_guard.MountGuard, *, age: float = AGE,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._layout = layout
        self._guard = guard
        self._age = age
        self._clock = clock
        self._next: float | None = None
        self._records: dict[str, _Record] = {}
        self._groups: dict[str, list[str]] = {}
        self._findings = findings.Findings(
            os.path.join(layout.shared, 'whereabouts.json'), age,
            is_found=_are_groups)

    def in_group(self, failure_group: str) -> frozenset[str]:
        """Return the UUIDs of the instances with blocks in a failure group.

        What is known is at most twice ``age`` seconds old, or a hundred times
        what it took to look if that is longer. One host looks for all. While
        the file system is away it is what was known last.
        """
        if self._next is None or self._clock() >= self._next:
            self._look()
        return frozenset(self._groups.get(failure_group, ()))

    def _look(self) -> None:
        started = self._clock()
        try:
            self._guard.check()
            found = self._findings.get(self._look_at_all, meanwhile={})
        except (errors.GpfsError, OSError) as error:
            LOG.warning('Where the blocks of instances are could not be '
                        'found out, and is taken to be what it was: %s',
                        error)
        else:
            self._groups = found
        took = self._clock() - started
        self._next = self._clock() + max(self._age, took / _SHARE_OF_TIME)

    def _look_at_all(self) -> dict[str, list[str]]:
        """Return the UUIDs of the instances by failure group."""
        records = dict(self._found())
        # A file system that went away meanwhile looks like no records.
        self._guard.check()
        self._records = records
        groups: dict[str, list[str]] = {}
        for name, record in records.items():
            for group in record.failure_groups:
                groups.setdefault(group, []).append(name)
        return groups

    def _found(self) -> Iterator[tuple[str, _Record]]:
        for name in os.listdir(self._layout.instances_path):
            if uuidutils.is_uuid_like(name):
                # No record, or one that this host may not read.
                with contextlib.suppress(OSError):
                    yield name, self._record(name)
            # Lets others run where threads are green ones.
            time.sleep(0)

    def _record(self, name: str) -> _Record:
        """Return an instance's record; a known one costs one stat."""
        directory = os.path.join(self._layout.instances_path, name)
        status = os.stat(os.path.join(directory, placements.NAME))
        seen = status.st_ino, status.st_mtime_ns, status.st_size
        known = self._records.get(name)
        if known is not None and known.seen == seen:
            return known
        return _Record(seen, _failure_groups(placements.read(directory)))


def _are_groups(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(names, list) and all(isinstance(name, str)
                                        for name in names)
        for names in found.values())


def _failure_groups(record: placements.Record) -> frozenset[str]:
    """Return the failure groups that hold blocks of any disk.

    They are lists with a semicolon between the groups of two replicas; a
    list with wildcards names no group.
    """
    return frozenset(
        group for name, placement in record.disks.items()
        for group in (record.blocks_in.get(name)
                      or placement.write_affinity_failure_group
                      or '').split(';') if group)
