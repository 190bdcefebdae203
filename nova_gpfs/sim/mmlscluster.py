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

"""mmlscluster: the cluster and its nodes."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import output

NEEDS_DAEMON = False

# After the recording in IBM's Ansible roles (ibm_spectrumscale_utils.py).
_HEADERS = {
    'clusterSummary': 'clusterName:clusterId:uidDomain:rshPath:rshSudoWrapper'
                      ':rcpPath:rcpSudoWrapper:repositoryType:primaryServer:'
                      'secondaryServer',
    'clusterNode': 'nodeNumber:daemonNodeName:ipAddress:adminNodeName:'
                   'designation:otherNodeRoles:adminLoginName:'
                   'otherNodeRolesAlias',
    'cnfsSummary': 'cnfsSharedRoot:cnfsMoundPort:cnfsNFSDprocs:cnfsReboot:'
                   'cnfsMonitorEnabled:cnfsGanesha',
    'cnfsNode': 'nodeNumber:daemonNodeName:ipAddress:cnfsState:cnfsGroupId:'
                'cnfsIplist',
    'cesSummary': 'cesSharedRoot:EnabledServices:logLevel:addressPolicy',
    'cesNode': 'nodeNumber:daemonNodeName:ipAddress:cesGroup:cesState:'
               'cesIpList',
    'cloudGatewayNode': 'nodeNumber:daemonNodeName',
}


def setting(call: calls.Call, name: str) -> str:
    """Return a property of the cluster."""
    return str(call.state.rows(
        'SELECT value FROM setting WHERE name = ?', name)[0][0])


def run(call: calls.Call) -> None:
    """Print the cluster."""
    found, rest = calls.options(call, '-Y', '', '[-Y]')
    if rest:
        raise calls.Refusal('usage', usage='[-Y]')
    nodes = call.state.rows('SELECT number, name, address, designation '
                            'FROM node ORDER BY number')
    (_parsable if '-Y' in found else _human)(call, nodes)


def _parsable(call: calls.Call, nodes: list[Node]) -> None:
    for subtype, columns in _HEADERS.items():
        call.say(output.header('mmlscluster', columns, subtype))
    name = setting(call, 'name')
    call.say(output.row(
        'mmlscluster', name, setting(call, 'id'), name, '/usr/bin/ssh', 'no',
        '/usr/bin/scp', 'no', 'CCR', nodes[0][1], '',
        subtype='clusterSummary'))
    for number, node, address, role in nodes:
        call.say(output.row(
            'mmlscluster', number, node, address, node, role, 'Z', '',
            'perfmon', subtype='clusterNode'))


def _human(call: calls.Call, nodes: list[Node]) -> None:
    call.say('', 'GPFS cluster information', '=' * 24,
             f'  GPFS cluster name:         {setting(call, "name")}',
             f'  GPFS cluster id:           {setting(call, "id")}', '',
             ' Node  Daemon node name  IP address   Designation', '-' * 50)
    for number, node, address, role in nodes:
        call.say(f'{number:>5}  {node:<16}  {address:<11}  {role}'.rstrip())


TYPE_CHECKING = False
if TYPE_CHECKING:
    Node = tuple[int, str, str, str]
