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

"""Where the plug-in keeps its own files below instances_path.

::

    <instances_path>/_gpfs/identity.json     what file system this is
                          /masters/<key>/    one sealed master each
                          /placed/<key>/     names of other masters of an
                                             image, see ``placed_names``
                          /incoming/<room>/  masters that are being made
                          /parents/<uuid>/   clone parents of one instance
                          /hosts/<name>.json one compute host each
                          /splits/<image>    snapshots to be split, see
                                             ``pending_splits``
                          /trash/            what is being removed
                          /leaving/          masters that nobody may need
                          /shared/<what>     what one host finds for all
                          /clock, /collected, /swept, /cleared
                                             files whose time is looked at
                          /locks/
                    /_gpfs_making/<host>/  what root makes, see
                                           ``privileged_room``

Nothing here reads or writes; names only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re

from nova_gpfs import model

_PLAIN_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}')


def master_key(*parts: str | int | None) -> str:
    """Return the name of a master that these parts describe.

    Parts are joined with ``_`` and empty ones are left out. What is not a
    letter, digit, dot, dash or underscore is replaced, so a key never leaves
    its directory and never looks like an option. Where that changes the
    name, or the name is long, a digest keeps different names apart.

    :raises ValueError: nothing usable is left
    """
    joined = '_'.join(str(part) for part in parts if part)
    if _PLAIN_NAME.fullmatch(joined):
        return joined
    key = re.sub(r'[^A-Za-z0-9._-]', '-', joined).lstrip('.-_')[:60]
    if not key:
        raise ValueError(f'no master can be called {joined!r}')
    digest = hashlib.sha256(joined.encode('utf-8', 'surrogatepass'))
    return f'{key}.{digest.hexdigest()[:32]}'


def placed_key(key: str, placement: model.Placement) -> str:
    """Return the name of the master of an image that is placed so.

    What is None is GPFS's own choice and in no name; without any placement
    it is the key itself.
    """
    # The pool comes last: its name may hold anything.
    return master_key(key, *(
        letter + str(value) for letter, value in (
            ('r', placement.data_replicas),
            ('m', placement.metadata_replicas),
            ('d', placement.write_affinity_depth),
            ('b', placement.block_group_factor),
            ('in-', placement.write_affinity_failure_group),
            ('on-', placement.pool)) if value is not None))


@dataclasses.dataclass(frozen=True)
class Layout:
    """Paths below one instances_path."""

    instances_path: str

    @property
    def home(self) -> str:
        return os.path.join(self.instances_path, '_gpfs')

    @property
    def identity(self) -> str:
        return os.path.join(self.home, 'identity.json')

    @property
    def masters(self) -> str:
        return os.path.join(self.home, 'masters')

    @property
    def placed(self) -> str:
        return os.path.join(self.home, 'placed')

    @property
    def incoming(self) -> str:
        return os.path.join(self.home, 'incoming')

    @property
    def parents(self) -> str:
        return os.path.join(self.home, 'parents')

    @property
    def hosts(self) -> str:
        return os.path.join(self.home, 'hosts')

    @property
    def splits(self) -> str:
        return os.path.join(self.home, 'splits')

    @property
    def trash(self) -> str:
        return os.path.join(self.home, 'trash')

    @property
    def leaving(self) -> str:
        return os.path.join(self.home, 'leaving')

    @property
    def clock(self) -> str:
        return os.path.join(self.home, 'clock')

    @property
    def collected(self) -> str:
        return os.path.join(self.home, 'collected')

    @property
    def swept(self) -> str:
        return os.path.join(self.home, 'swept')

    @property
    def cleared(self) -> str:
        return os.path.join(self.home, 'cleared')

    @property
    def shared(self) -> str:
        return os.path.join(self.home, 'shared')

    @property
    def locks(self) -> str:
        return os.path.join(self.home, 'locks')

    @property
    def directories(self) -> tuple[str, ...]:
        """Every directory of ours, parents first."""
        return (self.home, self.masters, self.placed, self.incoming,
                self.parents, self.hosts, self.splits, self.trash,
                self.leaving, self.shared, self.locks)

    def master(self, key: str) -> str:
        return os.path.join(self.masters, key)

    def placed_names(self, key: str) -> str:
        return os.path.join(self.placed, key)

    def parents_of(self, owner: str) -> str:
        return os.path.join(self.parents, owner)

    def host(self, name: str) -> str:
        """Return the entry of a host; its name becomes a file's like a key's.

        :raises ValueError: nothing usable is left
        """
        return os.path.join(self.hosts, master_key(name) + '.json')
