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

"""mmlsmount: which nodes have a file system mounted."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import mmlscluster
from nova_gpfs.sim import mount
from nova_gpfs.sim import output

NEEDS_DAEMON = True

_USAGE = '{Device | all | all_local} [-L] [-Y]'
# Only the rows and the column nodeName are recorded.
_COLUMNS = ('localDevName:realDevName:owningCluster:totalNodes:nodeIP:'
            'nodeName:clusterName:mountMode')


def run(call: calls.Call) -> None:
    """Print the nodes (-L), or how many there are."""
    found, rest = calls.options(call, '-L -Y', '-C', _USAGE)
    if len(rest) != 1:
        raise calls.Refusal('usage', usage=_USAGE)
    if rest[0] in ('all', 'all_local'):
        systems = filesystems.all_of(call.state)
    else:
        systems = [filesystems.named(call.state, rest[0])]
    if '-Y' in found:
        call.say(output.header('mmlsmount', _COLUMNS))
    for system in systems:
        _print(call, system, '-Y' in found, '-L' in found)


def _print(call: calls.Call, system: filesystems.FileSystem, parsable: bool,
           every_node: bool) -> None:
    nodes = mount.nodes(call.state, system)
    cluster = mmlscluster.setting(call, 'name')
    if parsable:
        for name, address in nodes:
            call.say(output.row('mmlsmount', system.name, system.name,
                                cluster, len(nodes), address, name, cluster,
                                'RW'))
        return
    head = f'File system {system.name} is '
    if not nodes:
        call.say(head + 'not mounted.')
        return
    call.say(head + f'mounted on {len(nodes)} nodes'
             + (':' if every_node else '.'))
    if every_node:
        call.say(*(f'  {address:<15} {name:<25} {cluster:<25}'
                   for name, address in nodes))
