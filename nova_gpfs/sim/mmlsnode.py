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

"""mmlsnode: the nodes of the cluster (neither form is recorded)."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import mmlscluster
from nova_gpfs.sim import output

NEEDS_DAEMON = False


def run(call: calls.Call) -> None:
    """Print the names of all nodes."""
    found, rest = calls.options(call, '-a -Y', '', '[-a] [-Y]')
    if rest:
        raise calls.Refusal('usage', usage='[-a] [-Y]')
    nodes = [name for (name,) in call.state.rows(
        'SELECT name FROM node ORDER BY number')]
    cluster = mmlscluster.setting(call, 'name')
    if '-Y' in found:
        call.say(output.header('mmlsnode', 'nodesetName:nodeList'),
                 output.row('mmlsnode', cluster, ','.join(nodes)))
        return
    call.say('GPFS nodeset    Node list', '-' * 13 + '   ' + '-' * 55,
             f'   {cluster:<12} {" ".join(nodes)}')
