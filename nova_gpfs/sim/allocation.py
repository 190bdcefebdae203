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

"""In which failure groups the replicas of a block lie.

Replicas lie in failure groups of their own. Without write affinity the
blocks of a file go round all failure groups of the pool. In a pool that
allows write affinity, the file's write affinity failure groups decide first,
then its depth and the node that writes; what finds no disk there goes
elsewhere (IBM documentation, Data locality restore). What is decided for a
block holds for all blocks of its chunk, which are as many as the block group
factor says.
"""

from __future__ import annotations

from nova_gpfs.sim import switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store

# The depth, the factor and the failure groups of a file that has none.
UNSET = '- - -'
# Depth 0 spreads a file evenly whoever writes (IBM documentation,
# Distributing data across a cluster).
SPREAD = '0 - -'


class Allocation:
    """The disks for data of a file system, as blocks are put on them."""

    def __init__(self, state: store.Store, fs: str) -> None:
        self._groups: dict[str, list[str]] = {}
        self._homes: dict[tuple[str, str], str] = {}
        for pool, group, servers in state.rows(
                'SELECT pool, failure_group, servers FROM nsd WHERE fs = ? '
                'AND data = 1 ORDER BY id', fs):
            groups = self._groups.setdefault(pool, [])
            if group not in groups:
                groups.append(group)
            for node in servers.split(','):
                self._homes.setdefault((pool, node.strip()), group)
        self._defaults = {name: (depth, factor) for name, depth, factor
                          in state.rows('SELECT name, depth, factor FROM pool '
                                        'WHERE fs = ? AND write_affinity', fs)}
        self._together = switches.value(state, 'depth_two') == 'together'

    def allows_affinity(self, pool: str) -> bool:
        """Whether a pool has allowWriteAffinity."""
        return pool in self._defaults

    def groups(self, pool: str, replicas: int, index: int, node: str,
               affinity: str) -> list[str]:
        """Return the failure groups of a block, the first replica's first.

        There are fewer than replicas in a pool with too few of them.
        ``node`` is who writes it, '' if nobody knows.
        """
        depth, factor, wanted = self._affinity(pool, affinity)
        everywhere = self._groups.get(pool, [])
        start = index // factor % len(everywhere) if everywhere else 0
        ring = everywhere[start:] + everywhere[:start]
        near = [[group for group in ring if matches(pattern, group)]
                for pattern in wanted]
        if not wanted and depth and node:
            near = [[self._homes.get((pool, node), '')]]
            if depth == 2 and self._together:
                near += [everywhere] * (replicas - 1)
        chosen: list[str] = []
        for replica in range(min(replicas, len(ring))):
            first = near[replica] if replica < len(near) else []
            chosen.append(next(group for group in [*first, *ring]
                               if group in ring and group not in chosen))
        return chosen

    def _affinity(self, pool: str, affinity: str
                  ) -> tuple[int, int, list[str]]:
        """Return depth, block group factor and failure groups wanted."""
        if not self.allows_affinity(pool):
            return 0, 1, []
        usual = self._defaults[pool]
        depth, factor, wanted = (affinity or UNSET).split(' ', 2)
        return (usual[0] if depth == '-' else int(depth),
                (usual[1] if factor == '-' else int(factor)) or 1,
                [] if wanted == '-' else wanted.split(';'))


def matches(pattern: str, group: str) -> bool:
    """Whether a failure group is one of those that a pattern names.

    Both are numbers with commas between them; the pattern may have ``*`` or
    a range like ``[1-3]`` for a number.
    """
    wanted, found = pattern.split(','), group.split(',')
    return len(wanted) == len(found) and all(map(_covers, wanted, found))


def _covers(wanted: str, number: str) -> bool:
    if wanted in ('*', number):
        return True
    low, dash, high = wanted.strip('[]').partition('-')
    limits = (low, number, high if dash else low)
    return (wanted.startswith('[') and all(map(str.isdigit, limits))
            and int(limits[0]) <= int(number) <= int(limits[2]))
