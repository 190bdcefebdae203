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

"""mmlsconfig: configuration parameters of the cluster."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import mmlscluster
from nova_gpfs.sim import output

NEEDS_DAEMON = False

_USAGE = '[Attribute[,Attribute...]] [-Y]'
_COLUMNS = 'configParameter:value:nodeList'


def run(call: calls.Call) -> None:
    """Print all parameters, or those that are named (in any case)."""
    found, rest = calls.options(call, '-Y', '', _USAGE)
    values = {
        'clusterName': mmlscluster.setting(call, 'name'),
        'clusterId': mmlscluster.setting(call, 'id'),
        'autoload': 'no',
        'minReleaseLevel': mmlscluster.setting(call, 'minReleaseLevel')}
    wanted = {name.lower().removesuffix('daemon')
              for word in rest for name in word.split(',')}
    chosen = {name: value for name, value in values.items()
              if not wanted or name.lower() in wanted}
    if '-Y' in found:
        call.say(output.header('mmlsconfig', _COLUMNS))
        for name, value in chosen.items():
            call.say(output.row('mmlsconfig', name, value, ''))
    else:
        for name, value in chosen.items():
            call.say(f'{name} {value}')
