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


"""mmgetstate -Y: the state of this node's daemon.

States: active, arbitrating, down, unknown (IBM documentation, mmgetstate
command).
"""

from __future__ import annotations

import dataclasses

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import ytable


@dataclasses.dataclass(frozen=True)
class NodeState:
    """This node's name and its daemon's state."""

    node: str
    state: str


@dataclasses.dataclass(frozen=True)
class Get(base.Query[NodeState]):
    """Ask for the state of this node alone."""

    program = 'mmgetstate'
    failures = faults.NO_CLUSTER

    def arguments(self) -> tuple[str, ...]:
        return ('-Y',)

    def parse(self, stdout: str) -> NodeState:
        states = parse_states(stdout)
        if len(states) != 1:
            raise errors.OutputNotUnderstood(f'mmgetstate: {stdout!r:.300}')
        return states[0]


def parse_states(stdout: str) -> tuple[NodeState, ...]:
    """Return the state of every node that is listed."""
    return tuple(NodeState(row.text('nodeName'), row.text('state'))
                 for row in ytable.rows(stdout, Get.program))
