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

"""Space and quota: looked at where an mm command makes or detaches a file.

Writes to plain files cannot be refused, so a fileset can grow past its limit
here; the next mm command then meets the limit.
"""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems


def require_room(call: calls.Call, system: filesystems.FileSystem,
                 path: str) -> None:
    """Refuse when the file system or the fileset of ``path`` is full."""
    inside = path.removeprefix(system.data).lstrip('/')
    fileset = filesystems.fileset_of(call.state, system, inside)
    if filesystems.condition(call.state, 'no-space', system.name, call.node):
        raise calls.Refusal('clone.no_space')
    if filesystems.condition(call.state, 'quota', system.name, call.node,
                             fileset):
        raise calls.Refusal('clone.quota')
    how = call.switch('fill_check')
    if how != 'off':
        _require_quota(call, system, fileset)
    if how == 'all':
        _require_space(call, system)


def _require_quota(call: calls.Call, system: filesystems.FileSystem,
                   fileset: str) -> None:
    """Refuse at the hard block limit of a fileset."""
    hard = call.state.rows(
        'SELECT hard FROM fileset WHERE fs = ? AND name = ?', system.name,
        fileset)[0][0]
    if not hard or 'fileset' not in system.quotas or (
            call.switch('copy_over_quota') == 'allow'):
        return
    from nova_gpfs.sim import accounting
    if accounting.of(call.state, system, fileset).data >= hard:
        raise calls.Refusal('clone.quota')


def _require_space(call: calls.Call, system: filesystems.FileSystem) -> None:
    """Refuse when a pool holds as much as its disks can."""
    from nova_gpfs.sim import accounting
    used = accounting.of(call.state, system).pools
    sizes = accounting.pool_sizes(call.state, system.name)
    for pool, size in used.items():
        if size >= sizes.get(pool, (0, 0))[0]:
            raise calls.Refusal('clone.no_space')
