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

"""mmlsnsd: the disks of the cluster and who serves them."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import output

NEEDS_DAEMON = False

_USAGE = '[-a | -f Device] [-Y]'
# After IBM's Ansible roles (ibm_spectrumscale_utils.py).
_COLUMNS = 'fileSystem:diskName:volumeId:serverList:thinDisk'


def run(call: calls.Call) -> None:
    """Print all disks, or those of one file system."""
    found, rest = calls.options(call, '-a -L -m -M -X -Y', '-f -d', _USAGE)
    if rest:
        raise calls.Refusal('usage', usage=_USAGE)
    device = found.get('-f')
    if device is not None:
        device = filesystems.named(call.state, device).name
    disks = call.state.rows(
        'SELECT fs, name, volume, servers FROM nsd WHERE fs = ? OR ? '
        'ORDER BY id', device, device is None)
    if '-Y' in found:
        call.say(output.header('mmlsnsd', _COLUMNS, 'nsd'))
        call.say(*(output.row('mmlsnsd', *disk, '', subtype='nsd')
                   for disk in disks))
        return
    call.say('', ' File system   Disk name       NSD servers', '-' * 44)
    call.say(*(f' {fs:<13} {name:<15} {servers or "(directly attached)"}'
               for fs, name, _volume, servers in disks))
