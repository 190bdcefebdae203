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

"""What ``nova-gpfs status`` finds out: is all well on this host?

Nothing is written, and nothing takes longer than is wanted: what has been
found out by then is shown, and what has not answered is named.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import functools
import json
import os
import time
from typing import Any

from oslo_config import cfg

from nova_gpfs import capacity
from nova_gpfs.cmd import bounded
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs import errors
from nova_gpfs import health as storage_health
from nova_gpfs import location
from nova_gpfs import master_record
from nova_gpfs import model
from nova_gpfs import offer
from nova_gpfs import probe
from nova_gpfs.trials import scratch

CONF = cfg.CONF

WARNING, BROKEN = 'warning', 'broken'
_CODES = {WARNING: policies.NOT_WELL, BROKEN: policies.FAILED}
_LEVEL = 'level'
_BYTES = '_bytes'

Rows = list[policies.Row]
Answer = tuple[str, Rows]


def status(host: hosts.Host, seconds: float, form: str) -> policies.Answer:
    """Return what there is, and an exit code for monitoring.

    WELL, NOT_WELL for a warning, FAILED where instances cannot be made.
    """
    document: dict[str, Any] = {}
    health: Rows = []
    at, ended = 'the privileged daemon', False
    for line in bounded.lines(functools.partial(_look, host), seconds):
        at, rows, troubles = json.loads(line)
        health += troubles
        if rows is not None:
            document[at] = rows
        ended = at == _END
    if not ended:
        health.append(_trouble(
            BROKEN, f'no answer within {seconds:g} s: {at}',
            'See "mmdiag --waiters" and "mmgetstate"; --timeout waits '
            'longer.'))
    document.pop(_END, None)
    document['health'] = health or [{_LEVEL: 'ok'}]
    code = max((_CODES[one[_LEVEL]] for one in health), default=policies.WELL)
    return document if form == 'json' else _for_people(document), code


def _trouble(level: str, what: str, next_step: str = '') -> policies.Row:
    return {_LEVEL: level, 'why': what, 'note': next_step}


def _for_people(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with bytes as GiB."""
    def told(name: str, value: Any) -> tuple[str, Any]:
        if not name.endswith(_BYTES):
            return name, value
        return (name.removesuffix(_BYTES) + '_GiB',
                value if value is None else f'{value / capacity.GIB:.1f}')
    return {title: [dict(told(*item) for item in row.items())
                    for row in rows]
            for title, rows in document.items() if rows}


_END = 'end'
#: Without these nothing else is worth a look, or safe to look at.
_NEEDED = ('cluster', 'instances')


def _look(host: hosts.Host, write: bounded.Write) -> None:
    """Write what is found out, one thing a line; in a process of its own."""
    look = _Look(host)
    for title, step in look.steps():
        # What is waited for, should it never come.
        write(json.dumps((title, None, [])))
        look.troubles = []
        rows, failed = _rows(look, step)
        write(json.dumps((title, rows, look.troubles)))
        if failed and title in _NEEDED:
            break
    write(json.dumps((_END, None, [])))


def _rows(look: _Look, step: Callable[[], Iterator[policies.Row]]
          ) -> tuple[Rows, bool]:
    """Return what a step finds, and whether it failed."""
    rows: Rows = []
    try:
        for row in step():
            rows.append(row)
    except errors.GpfsError as error:
        look.troubles.append(_trouble(BROKEN, str(error)))
        return rows, True
    except OSError as error:
        look.troubles.append(_trouble(
            BROKEN, str(error), 'Run it as the user of nova-compute.'))
        return rows, True
    return rows, False


class _Look:
    """Looks at one thing after the other."""

    def __init__(self, host: hosts.Host) -> None:
        self._storage = hosts.for_looking(host)
        self._driver = self._storage.driver
        self._layout = self._storage.layout
        self._where: location.Location | None = None
        self._system: model.FileSystem | None = None
        self.troubles: Rows = []

    def steps(self) -> tuple[
            tuple[str, Callable[[], Iterator[policies.Row]]], ...]:
        """Return what is looked at, in this order."""
        return (('cluster', self._cluster), ('instances', self._instances),
                ('pools', self._pools), ('masters', self._masters),
                ('hosts', self._hosts), ('leftovers', self._leftovers))

    def _warn(self, what: str, next_step: str) -> None:
        self.troubles.append(_trouble(WARNING, what, next_step))

    def _cluster(self) -> Iterator[policies.Row]:
        found = self._driver.cluster()
        yield {'cluster': found.name, 'id': found.id,
               'node': found.node_name, 'daemon': found.daemon_state,
               'nodes': len(found.nodes),
               'release_level': found.min_release_level}
        location.require_active(found)
        self._level = found

    def _instances(self) -> Iterator[policies.Row]:
        row: policies.Row = {'path': self._layout.instances_path,
                             'mounted': 'no'}
        try:
            where = self._locate()
        except errors.GpfsError:
            yield row
            raise
        system = self._driver.file_system(where.file_system)
        self._where, self._system = where, system
        yield {**row, 'mounted': 'yes', 'file_system': where.file_system,
               'fileset': where.fileset,
               'format': '{}.{:02}'.format(*system.version)}
        probe.require_clone_support(self._level, system)
        storage_health.require_writable(self._layout.instances_path)

    def _locate(self) -> location.Location:
        """Return where the instances are, and compare it with the record.

        :raises errors.WrongFileSystem: nova-compute would not start
        """
        if os.path.lexists(self._layout.identity):
            return self._storage.guard.where()
        where = location.locate(self._driver, self._layout.instances_path)
        self._warn(f'{self._layout.identity} is not there',
                   'nova-compute makes it when it starts; has it never run '
                   'here?')
        return where

    def _pools(self) -> Iterator[policies.Row]:
        if self._system is None or self._where is None:
            return
        quota = self._driver.quota(self._system.name, self._where.fileset)
        pools = self._driver.pools(self._system.name)
        for pool in pools:
            if pool.holds_data:
                yield _space(f'pool {pool.name}', pool.total_data,
                             pool.free_data)
        if quota is not None:
            left = quota.hard_limit - quota.usage - quota.in_doubt
            yield {**_space(f'fileset {self._where.fileset}',
                            quota.hard_limit, left if quota.hard_limit
                            else None), 'used_bytes': quota.usage}
        known = offer.Offer(self._system, pools, (), quota=quota)
        for one in capacity.shortages(known, CONF.gpfs.low_space_percent):
            self.troubles.append(_trouble(
                WARNING if one.free else BROKEN, f'low space: {one}',
                errors.NoSpace.next_step))

    def _masters(self) -> Iterator[policies.Row]:
        if not os.path.lexists(self._layout.home):
            return
        images = [os.path.join(self._layout.master(name), master_record.IMAGE)
                  for name in os.listdir(self._layout.masters)]
        sizes = [found.st_blocks * 512 for found in map(_status, images)
                 if found is not None]
        yield {'masters': len(sizes), 'held_bytes': sum(sizes),
               'instances_with_parents': len(
                   os.listdir(self._layout.parents))}

    def _hosts(self) -> Iterator[policies.Row]:
        found = self._storage.hosts.known(time.time())
        young = [one for one in found if one.age <= CONF.gpfs.host_age]
        for one in found:
            yield {'host': one.host.name, 'address': one.host.address,
                   'age_seconds': int(one.age),
                   'alive': 'yes' if one in young else 'no'}
        if found and not young:
            self._warn('no compute host has shown itself for '
                       f'{CONF.gpfs.host_age} s',
                       'Look whether nova-compute runs, and at the clocks.')

    def _leftovers(self) -> Iterator[policies.Row]:
        for directory in (self._layout.trash, self._layout.incoming,
                          self._layout.leaving):
            ages = list(_ages(directory))
            yield {'what': os.path.basename(directory), 'number': len(ages),
                   'oldest_seconds': int(max(ages, default=0))}
            # What is leaving stays while clones hang on it, which is well.
            if (directory != self._layout.leaving
                    and max(ages, default=0) > 2 * CONF.gpfs.leftover_age):
                self._warn(f'{directory} is not cleared',
                           'See the log of nova-compute for what GPFS does '
                           'not let go.')
        for path in scratch.all_below(self._layout.instances_path):
            self._warn(f'{path} is there', 'Unless "nova-gpfs check" runs '
                       'now, run it again: it clears up.')


def _space(what: str, total: int, free: int | None) -> policies.Row:
    row: policies.Row = {'what': what, 'total_bytes': total or None,
                         'free_bytes': free}
    if total and free is not None:
        row['free_percent'] = round(100 * free / total, 1)
    return row


def _status(path: str) -> os.stat_result | None:
    """Return the status of a file, None if it is gone meanwhile."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _ages(directory: str) -> Iterator[float]:
    """Yield how old what is in a directory is, in seconds."""
    if os.path.lexists(directory):
        for name in os.listdir(directory):
            found = _status(os.path.join(directory, name))
            if found is not None:
                yield time.time() - found.st_mtime
