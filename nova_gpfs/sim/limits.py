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

"""Space and quota: looked at where an mm command makes a file."""

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
