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

"""How much room for disks a compute host reports.

Every host of a shared file system sees all of it. What hosts report is added
up by Placement, so each one reports its part. The rule:

* What there is, is what our fileset holds plus what is free. Free is what
  the data pools have left, and no more than the quota of the fileset leaves.
  Where quotas are off, what the fileset holds is not known, and all that
  the data pools hold counts as ours.
* Replicas are divided out: pools and quotas count every replica of a block.
* With ``share`` each live host reports an equal part, rounded down to GiB.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses

from oslo_log import log as logging

from nova_gpfs import model
from nova_gpfs import offer as offers

LOG = logging.getLogger(__name__)

GIB = 2 ** 30
SHARE = 'share'
WHOLE = 'whole'


@dataclasses.dataclass(frozen=True)
class Space:
    """Room for the data of guests, in bytes."""

    total: int
    free: int


@dataclasses.dataclass(frozen=True)
class Shortage:
    """Something that is nearly used up; sizes in bytes."""

    what: str
    free: int
    total: int

    def __str__(self) -> str:
        return (f'{self.what} has {self.free / GIB:.1f} of '
                f'{self.total / GIB:.1f} GiB left '
                f'({100 * self.free / self.total:.1f} %)')


def space(offer: offers.Offer) -> Space:
    """Return what there is for disks, whichever host they are of."""
    pools = [pool for pool in offer.pools if pool.holds_data]
    quota = offer.quota
    free = sum(pool.free_data for pool in pools)
    total = sum(pool.total_data for pool in pools)
    if quota:
        total = min(total, quota.usage + free)
    if quota and quota.hard_limit:
        total = min(total, quota.hard_limit)
        free = min(free, _left(quota))
    copies = max(1, offer.file_system.default_data_replicas)
    return Space(total // copies, free // copies)


def part(whole: Space, rule: str, hosts: int) -> dict[str, int]:
    """Return a host's part in GiB, as Nova wants it: total, used and free.

    :param rule: ``share``, ``whole`` or a number of GiB
    :param hosts: how many live hosts there are; 0 counts as this one
    """
    divisor = max(1, hosts) if rule == SHARE else 1
    total = whole.total // divisor // GIB
    if rule not in (SHARE, WHOLE):
        total = min(total, int(rule))
    free = min(total, whole.free // divisor // GIB)
    return {'total': total, 'used': total - free, 'free': free}


def is_full(pool: model.Pool, percent: float) -> bool:
    """Whether less than ``percent`` of a pool is free for data."""
    return 100 * pool.free_data < percent * pool.total_data


def shortages(offer: offers.Offer, percent: float) -> Iterator[Shortage]:
    """Yield the data pools and the quota of which less than that is left."""
    for pool in offer.pools:
        if pool.holds_data and is_full(pool, percent):
            yield Shortage(f'storage pool {pool.name} of file system '
                           f'{offer.file_system.name}',
                           pool.free_data, pool.total_data)
    quota = offer.quota
    if quota and 100 * _left(quota) < percent * quota.hard_limit:
        yield Shortage('the quota of the fileset of the instances',
                       _left(quota), quota.hard_limit)


def _left(quota: model.Quota) -> int:
    """Return what a quota's limit leaves in bytes, never less than 0."""
    return max(0, quota.hard_limit - quota.usage - quota.in_doubt)


class Watch:
    """Says once that something is nearly used up, and when it is over."""

    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._low: frozenset[str] = frozenset()

    def look(self, offer: offers.Offer) -> None:
        """Log what has changed since the last look."""
        found = {one.what: one for one in shortages(offer, self._percent)}
        for what in sorted(found.keys() - self._low):
            LOG.warning('Low space: %s. New disks and writes of guests fail '
                        'when nothing is left.', found[what])
        for what in sorted(self._low - found.keys()):
            LOG.info('No longer low on space: %s', what)
        self._low = frozenset(found)
