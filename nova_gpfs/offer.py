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


"""What a cluster offers for placing disks, as one of its nodes sees it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
import dataclasses
import threading
import time

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import model

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Offer:
    """Pools, disks and limits of a file system; ``node_names`` are ours.

    ``quota`` is that of the fileset of the instances, None if not known.
    """

    file_system: model.FileSystem
    pools: tuple[model.Pool, ...]
    disks: tuple[model.Disk, ...]
    node_names: frozenset[str] = frozenset()
    quota: model.Quota | None = None

    @property
    def data_pools(self) -> tuple[str, ...]:
        """The names of the pools that hold data."""
        return tuple(pool.name for pool in self.pools if pool.holds_data)

    @property
    def most_data_replicas(self) -> int:
        """How many replicas a file can have in one of the pools, or 0.

        Disks that are down count: what is possible does not change with them.
        """
        return min(self.file_system.max_data_replicas,
                   max((len(self.failure_groups(pool))
                        for pool in self.data_pools), default=0))

    def failure_groups(self, pool: str) -> frozenset[str]:
        """Return the failure groups that hold data of a pool."""
        return frozenset(disk.point_of_failure for disk in self.disks
                         if disk.pool == pool and disk.holds_data)

    def own_failure_group(self) -> str | None:
        """Return the failure group of the disks that this node serves.

        None when it serves none, or disks of several failure groups.
        """
        groups = {disk.failure_group for disk in self.disks
                  if disk.holds_data and disk.failure_group != '-1' and any(
                      one in self.node_names or _short(one) in self.node_names
                      for one in disk.servers)}
        return groups.pop() if len(groups) == 1 else None


class Facts:
    """Asks the cluster for its offer, at most every ``max_age`` seconds."""

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 file_system: Callable[[], str], max_age: float = 300.0,
                 clock: Callable[[], float] = time.monotonic,
                 write_affinity_pools: Collection[str] = (),
                 fileset: Callable[[], str] | None = None) -> None:
        """``file_system`` returns the name of the one that is meant.

        Of pools, somebody may know which have write affinity (FPO). The
        quota is asked for where ``fileset`` says of which fileset.
        """
        self._driver = driver
        self._file_system = file_system
        self._max_age = max_age
        self._clock = clock
        self._write_affinity_pools = write_affinity_pools
        self._fileset = fileset
        self._known: Offer | None = None
        self._asked = 0.0
        self._failed: float | None = None
        self._asking = threading.Lock()

    def current(self) -> Offer:
        """Return the offer, not older than ``max_age``.

        :raises errors.GpfsError: GPFS cannot be asked
        """
        if self._known is None or self._clock() - self._asked > self._max_age:
            return self.refreshed()
        return self._known

    def refreshed(self) -> Offer:
        """Ask now and return the offer; raises as ``current`` does."""
        asked = self._clock()
        name = self._file_system()
        self._known = Offer(self._driver.file_system(name),
                            self._pools(name),
                            self._driver.disks(name), self._node_names(),
                            self._quota(name))
        self._asked, self._failed = asked, None
        return self._known

    def last_known(self) -> Offer | None:
        """Return the offer, a former one if GPFS cannot be asked now.

        For those who only report, whom a sick GPFS must not hold up: after a
        failure it is left alone for ``max_age``, and nobody waits while
        another one asks.
        """
        if self._has_rested() and self._asking.acquire(blocking=False):
            try:
                self.current()
            except errors.GpfsError as error:
                self._failed = self._clock()
                LOG.warning('What the cluster offers could not be found out, '
                            'and is taken to be what it was: %s', error)
            finally:
                self._asking.release()
        return self._known

    def _has_rested(self) -> bool:
        return (self._failed is None
                or self._clock() - self._failed > self._max_age)

    def _pools(self, file_system: str) -> tuple[model.Pool, ...]:
        """Return the pools, with what is known from elsewhere."""
        found = self._driver.pools(file_system)
        if not self._write_affinity_pools:
            return found
        return tuple(dataclasses.replace(
            pool, write_affinity=pool.name in self._write_affinity_pools)
            for pool in found)

    def _quota(self, file_system: str) -> model.Quota | None:
        """Return the quota, the former one if it cannot be asked for.

        No policy is refused for want of it.
        """
        if self._fileset is None:
            return None
        try:
            return self._driver.quota(file_system, self._fileset())
        except errors.GpfsError as error:
            LOG.warning('The quota of the instances is not known, or taken '
                        'to be what it was: %s', error)
            return self._known.quota if self._known else None

    def _node_names(self) -> frozenset[str]:
        """Return all names of this node, with its domain and without.

        Recordings of mmlsnsd and mmgetstate have them with and without.
        """
        cluster = self._driver.cluster()
        mine = cluster.node_name
        names = {mine, _short(mine)}
        for node in cluster.nodes:
            if names & {node.daemon_name, _short(node.daemon_name),
                        node.admin_name, _short(node.admin_name)}:
                names |= {node.daemon_name, node.admin_name}
        return frozenset(names)


def _short(name: str) -> str:
    return name.partition('.')[0]
