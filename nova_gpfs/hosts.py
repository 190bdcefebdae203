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

"""Which compute hosts use the same instances_path.

Nova finds out over ssh whether another host shares a directory. Hosts of one
file system need not ask: each keeps an entry on it, and an entry that was
refreshed lately was refreshed by a host that has just this file system
mounted at just this place.

How old an entry is, is read from the times of two files on the file system,
the entry and the one that this host refreshes for the comparison. Where the
clocks of two hosts set those times and differ, an entry counts for as much
longer or shorter as they differ, and at most for twice its time.
"""

from __future__ import annotations

from collections.abc import Iterable
import contextlib
import dataclasses
import json
import os
from typing import Any
import uuid

from oslo_log import log as logging

from nova_gpfs import findings
from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import record_file

LOG = logging.getLogger(__name__)

_SUFFIX = '.json'

# Whether hosts use the same instances_path at the same place.
_WHERE = ['elsewhere', 'here']

# In the time for which an entry counts, hosts are counted so often.
_COUNTS = 10


@dataclasses.dataclass(frozen=True)
class Host:
    """A compute host: the name and the address that Nova has for it."""

    name: str
    address: str


@dataclasses.dataclass(frozen=True)
class Known:
    """A host that has been here, and how many seconds ago."""

    host: Host
    age: float


class Hosts:
    """The register of the compute hosts of one instances_path."""

    def __init__(self, layout: gpfs_layout.Layout,
                 guard: mount_guard.MountGuard, host_age: float) -> None:
        self._layout = layout
        self._guard = guard
        self._host_age = host_age
        self._self: Host | None = None
        self._addresses = findings.Findings(
            os.path.join(layout.shared, 'addresses.json'),
            host_age / _COUNTS, self._place, _are_addresses)

    def announce(self, host: Host) -> None:
        """Write or refresh the entry of this host.

        :raises errors.NotMounted, errors.WrongFileSystem: as it is
        """
        self._guard.check()
        path = self._layout.host(host.name)
        fields = self._fields(host)
        before = _changed(path)
        is_known = _read(path) == fields
        if is_known:
            os.utime(path)
        else:
            _write(path, fields)
        self._self = host
        if not is_known or abs(_changed(path) - before) > self._host_age:
            self._addresses.outdate()

    def live(self) -> tuple[Host, ...]:
        """Return the hosts that have refreshed their entries lately.

        Nothing is returned before this host has announced itself.
        """
        return tuple(Host(entry['name'], entry['address'])
                     for entry in self._fresh(self._entries())
                     if self._is_here(entry))

    def number(self) -> int:
        """Return how many hosts are live, as one of them has counted lately.

        A host that is new, or back, is counted at once; one that is silent
        may count for a little longer than its entry.

        :raises errors.GpfsError: the file system is not there, or silent
        """
        if self._self is None:
            return 0
        self._guard.check()
        return len(self._addresses.get(self._look)['here'])

    def _look(self) -> dict[str, dict[str, str]]:
        """Return the addresses of hosts that are live, here and elsewhere."""
        findings.remove_leftovers(self._layout.hosts)
        found: dict[str, dict[str, str]] = {where: {} for where in _WHERE}
        for entry in self._fresh(self._entries()):
            where = 'here' if self._is_here(entry) else 'elsewhere'
            found[where][entry['name']] = entry['address']
        return found

    def share(self, address: str) -> bool:
        """Whether the host at an address is known to share this directory.

        False means that it is not known: no entry, an old one, or one that
        speaks of another place. The entries of all hosts are read only where
        that would be the answer.
        """
        return (self._are_here(address, self._entries_of(address))
                or self._are_here(address, self._entries()))

    def _entries_of(self, address: str) -> list[tuple[str, float]]:
        """Return the entries with an address, as a host has seen lately."""
        if self._self is None:
            return []
        self._guard.check()
        # It cannot be written where there is no space, and a name in it need
        # not be one of a host.
        with contextlib.suppress(OSError, ValueError):
            found = self._addresses.get(self._look)
            paths = [self._layout.host(name) for of_hosts in found.values()
                     for name in of_hosts if of_hosts[name] == address]
            return [(os.path.basename(path), _changed(path))
                    for path in paths]
        return []

    def _are_here(self, address: str,
                  entries: Iterable[tuple[str, float]]) -> bool:
        """Whether there is a live one with an address, and all are here."""
        named = [entry for entry in self._fresh(entries)
                 if entry['address'] == address]
        return bool(named) and all(map(self._is_here, named))

    def has_had(self, address: str) -> bool:
        """Whether there is any entry, old or new, with an address."""
        return any((_read(os.path.join(self._layout.hosts, name)) or {}).get(
            'address') == address for name, _changed_at in self._entries())

    def knows(self, name: str) -> bool:
        """Whether a host of that name has ever been here."""
        return os.path.lexists(self._layout.host(name))

    def known(self, now: float) -> list[Known]:
        """Return all hosts that have ever been here; nothing is written.

        :param now: seconds since the epoch
        """
        if not os.path.lexists(self._layout.hosts):
            return []
        entries = [(_read(os.path.join(self._layout.hosts, name)), changed)
                   for name, changed in self._entries()]
        return [Known(Host(entry['name'], entry['address']), now - changed)
                for entry, changed in entries if entry is not None]

    def _fields(self, host: Host) -> dict[str, Any]:
        return {'version': 1, **dataclasses.asdict(host), **self._place()}

    def _place(self) -> dict[str, Any]:
        return {'instances_path': self._layout.instances_path,
                'location': dataclasses.asdict(self._guard.where())}

    def _is_here(self, entry: dict[str, Any]) -> bool:
        return all(entry.get(field) == value
                   for field, value in self._place().items())

    def _fresh(self, entries: Iterable[tuple[str, float]]
               ) -> list[dict[str, Any]]:
        """Return what entries say that are young and can be understood.

        :param entries: the names of files, and when they were changed
        """
        if self._self is None:
            return []
        self.announce(self._self)
        now = os.stat(self._layout.host(self._self.name)).st_mtime
        found = [_read(os.path.join(self._layout.hosts, name))
                 for name, changed in entries
                 if abs(now - changed) <= self._host_age]
        return [entry for entry in found if entry is not None]

    def _entries(self) -> list[tuple[str, float]]:
        with os.scandir(self._layout.hosts) as entries:
            return sorted((entry.name, _changed(entry.path))
                          for entry in entries
                          if entry.name.endswith(_SUFFIX))


def _are_addresses(found: Any) -> bool:
    return isinstance(found, dict) and sorted(found) == _WHERE and all(
        isinstance(of_hosts, dict) and all(
            name and isinstance(address, str)
            for name, address in of_hosts.items())
        for of_hosts in found.values())


def _changed(path: str) -> float:
    """Return when an entry was refreshed; long ago if it is gone."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def _read(path: str) -> dict[str, Any] | None:
    """Return an entry, None if there is none that can be understood."""
    try:
        fields = record_file.read(path)
        for name in ('name', 'address'):
            record_file.text(fields.get(name), name)
    except (OSError, ValueError):
        return None
    return fields


def _write(path: str, fields: dict[str, Any]) -> None:
    temporary = f'{path}.{uuid.uuid4().hex}.new'
    try:
        with record_file.new(temporary) as entry:
            entry.write(json.dumps(fields, indent=1) + '\n')
        os.rename(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
