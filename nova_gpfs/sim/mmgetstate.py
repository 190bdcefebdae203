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

"""mmgetstate: the state of the daemons; works while they are down."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import output

NEEDS_DAEMON = False

_USAGE = '[-L] [-s] [-v] [-Y] [-a | -N Node[,Node...]]'
_COLUMNS = ('nodeName:nodeNumber:state:quorum:nodesUp:totalNodes:remarks:'
            'cnfsState:daemonShortName')
# The states of mmgetstate (IBM documentation, mmgetstate command, 5.0.3).
STATES = {'up': 'active', 'down': 'down', 'unknown': 'unknown',
          'arbitrating': 'arbitrating', 'quorum-lost': 'arbitrating',
          'expelled': 'down'}


def run(call: calls.Call) -> None:
    """Print the nodes that were asked for, this one by default."""
    found, rest = calls.options(call, '-L -s -v -Y -a', '-N', _USAGE)
    if rest:
        raise calls.Refusal('usage', usage=_USAGE)
    nodes = call.state.rows(
        'SELECT number, name, designation, state FROM node ORDER BY number')
    names = found.get('-N', call.node).split(',')
    wanted = [node for node in nodes if '-a' in found or node[1] in names]
    quorum = sum(node[2].startswith('quorum') for node in nodes) // 2 + 1
    counts = quorum, sum(node[3] == 'up' for node in nodes), len(nodes)
    if '-Y' in found:
        call.say(output.header('mmgetstate', _COLUMNS))
    else:
        call.say('', ' Node number  Node name  GPFS state', '-' * 38)
    for node in wanted:
        _print(call, node, counts, '-Y' in found)


def _print(call: calls.Call, node: tuple[int, str, str, str],
           counts: tuple[int, int, int], parsable: bool) -> None:
    number, name, role, state = node
    if not parsable:
        call.say(f'{number:>12}  {name:<9}  {STATES[state]}')
        return
    quorum, running, total = counts if state == 'up' else (0, 0, counts[2])
    remark = 'quorum node' if role.startswith('quorum') else ''
    call.say(output.row('mmgetstate', name, number, STATES[state], quorum,
                        running, total, remark, '(undefined)', name))
