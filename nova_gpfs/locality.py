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

"""What a compute host tells the scheduler about places: text, without I/O.

Nova keeps a host's ``stats`` in one column of at most 64 KiB, together with
those of others, and the scheduler reads them of all hosts for each request.
So the instances near a host are a list of short entries.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from collections.abc import Mapping
import uuid

#: Keys of ``stats``: the host's failure group, the pools for data that it
#: reaches, the pools that its policies name for root disks, the instances
#: whose blocks are in its failure group.
FAILURE_GROUP = 'gpfs_failure_group'
POOLS = 'gpfs_pools'
POLICY_POOLS = 'gpfs_policy_pools'
INSTANCES = 'gpfs_instances'

#: Entries of an instance list; 50 KB of text at most.
MOST_INSTANCES = 4000

_ENTRY_BYTES = 3


def pack(instance_uuids: Iterable[str]) -> str:
    """Return a list of instances, at most MOST_INSTANCES of them."""
    entries = sorted({_entry(each) for each in instance_uuids})
    return ' '.join(entries[:MOST_INSTANCES])


def lists(packed: str, instance_uuid: str) -> bool:
    """Whether a packed list has an instance.

    It may also be another instance with the same entry, which happens for
    one in 16.7 million pairs. No entry is found across two: they have no
    blanks and are equally long.
    """
    return _entry(instance_uuid) in packed


def pack_pools(pools: Iterable[str]) -> str:
    """Return a list of pools."""
    return ','.join(sorted(pools))


def has_pool(packed: str, pool: str) -> bool:
    """Whether a packed list has a pool."""
    return pool in packed.split(',')


def pack_policy_pools(pools: Mapping[str, str]) -> str:
    """Return a list of pools by the policy that names them."""
    return ','.join(f'{policy}={pool}'
                    for policy, pool in sorted(pools.items()))


def pool_of_policy(packed: str, policy: str) -> str | None:
    """Return the pool that a policy names, None if it is not listed."""
    return dict(entry.split('=', 1) for entry in packed.split(',')
                if '=' in entry).get(policy)


def _entry(instance_uuid: str) -> str:
    """Return four characters for an instance; UUIDs of Nova are random."""
    first = uuid.UUID(instance_uuid).bytes[:_ENTRY_BYTES]
    return base64.urlsafe_b64encode(first).decode('ascii')
