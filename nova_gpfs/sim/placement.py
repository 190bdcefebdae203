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

"""Pool, replicas and write affinity of a file: what GPFS grants.

Limits after gpfs_fcntl.h (errReason) and IBM's mmchattr documentation.
"""

from __future__ import annotations

import os

from nova_gpfs.sim import allocation
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import files
from nova_gpfs.sim import layers
from nova_gpfs.sim import writers

_MOST = 3


class Wish:
    """New values of a file's record, refused as soon as one cannot be."""

    def __init__(self, path: str, found: files.Found) -> None:
        self.path = path
        self.found = found
        self.changed: dict[str, object] = {}

    def _get(self, name: str) -> object:
        return self.changed.get(name, getattr(self.found.file, name))

    def maximum(self, name: str, number: int) -> None:
        """Set a maximum, 1 to 3."""
        self._range(name, number, _MOST)

    def replicas(self, name: str, number: int) -> None:
        """Set a replication factor, 1 to the file's maximum."""
        limit = 'max_data' if name == 'data_replicas' else 'max_metadata'
        self._range(name, number, int(str(self._get(limit))))

    def _range(self, name: str, number: int, most: int) -> None:
        if not 1 <= number <= most:
            raise calls.Refusal('chattr.range', path=self.path, most=most,
                                what=name.replace('_', ' '), number=number)
        self.changed[name] = number

    def pool(self, call: calls.Call, name: str) -> None:
        """Set the pool of a file's data; only root may."""
        if call.switch('pool_change') == 'root' and not call.is_root():
            raise calls.Refusal('chattr.not_permitted', path=self.path)
        fs = self.found.system.name
        if not call.state.rows(
                'SELECT 1 FROM pool WHERE fs = ? AND name = ?', fs, name):
            raise calls.Refusal('chattr.pool', path=self.path, pool=name)
        if not self.found.is_regular or not failure_groups(call, fs, name):
            raise calls.Refusal('chattr.pool_no_data', path=self.path,
                                pool=name)
        self.changed['pool'] = name

    def check_failure_groups(self, call: calls.Call) -> None:
        """Refuse more data replicas than the pool has failure groups."""
        most = failure_groups(call, self.found.system.name,
                              str(self._get('pool')))
        number = int(str(self._get('data_replicas')))
        if number <= most:
            return
        fields = {'path': self.path, 'number': number, 'most': most}
        if call.switch('replicas_beyond_failure_groups') == 'refuse':
            raise calls.Refusal('chattr.failure_groups', None, **fields)
        call.report(calls.Refusal('chattr.failure_groups_warning', None,
                                  **fields))

    def write_affinity(self, call: calls.Call, values: list[str | None]
                       ) -> None:
        """Set write affinity, where the pool allows it; None leaves be."""
        pool = str(self._get('pool'))
        before = (self.found.file.write_affinity or allocation.UNSET).split(
            ' ', 2)
        if writers.allows_affinity(call.state, self.found.system.name, pool):
            self.changed['write_affinity'] = ' '.join(
                was if value is None else value
                for was, value in zip(before, values))
        elif call.switch('write_affinity_elsewhere') == 'refuse':
            raise calls.Refusal('chattr.affinity', path=self.path, pool=pool)


def failure_groups(call: calls.Call, fs: str, pool: str) -> int:
    """Return how many failure groups hold data of a pool."""
    return int(call.state.rows(
        'SELECT COUNT(DISTINCT failure_group) FROM nsd WHERE fs = ? AND '
        'pool = ? AND data = 1', fs, pool)[0][0])


def require_owner(call: calls.Call, found: files.Found) -> None:
    """Refuse users who are neither the file's owner nor root."""
    if os.geteuid() not in (0, found.status.st_uid) and not call.is_root():
        raise calls.Refusal('chattr.not_permitted', path=found.path)


def apply(call: calls.Call, found: files.Found, changed: dict[str, object],
          when: str) -> None:
    """Enter new values; blocks that are there move now or stay behind.

    Write affinity, and the node that ran the command, are for new blocks.
    """
    require_owner(call, found)
    changed = {**changed, 'writer': call.node}
    kept = _kept(call, found, changed, when)
    with call.state.change():
        if found.file.id is not None:
            found.file = files.by_id(call.state, found.file.id)
        found.adopt(call.state)
        layers.keep(call.state, found.file, kept)
        for name, value in changed.items():
            setattr(found.file, name, value)
        found.adopt(call.state)
        if when == 'yes':
            layers.move(call.state, found.file,
                        call.switch('moved_blocks') == 'anew')
            layers.replicate(call.state, found.file)


def _kept(call: calls.Call, found: files.Found, changed: dict[str, object],
          when: str) -> bytes:
    """Return the blocks that do not simply follow the new values."""
    def differs(*names: str) -> bool:
        return any(name in changed
                   and changed[name] != getattr(found.file, name)
                   for name in names)

    if not found.is_regular:
        return b''
    if differs('pool', 'data_replicas') and (
            when == 'defer' or call.switch('moved_blocks') == 'spread'):
        from nova_gpfs.sim import blocks
        return blocks.owned(call.state, found)
    if differs('writer', 'write_affinity'):
        return writers.at_stake(call.state, found)
    return b''
