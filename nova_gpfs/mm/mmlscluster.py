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


"""mmlscluster -Y: the cluster and its nodes.

It reads the configuration, so it works while the daemon is down.
"""

from __future__ import annotations

import dataclasses

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import ytable
from nova_gpfs import model


@dataclasses.dataclass(frozen=True)
class Summary:
    """What mmlscluster knows of a cluster."""

    id: str
    name: str
    nodes: tuple[model.Node, ...]


@dataclasses.dataclass(frozen=True)
class List(base.Query[Summary]):
    """Ask for the cluster that this node belongs to."""

    program = 'mmlscluster'
    failures = faults.NO_CLUSTER

    def arguments(self) -> tuple[str, ...]:
        return ('-Y',)

    def parse(self, stdout: str) -> Summary:
        summaries = ytable.rows(stdout, self.program, 'clusterSummary')
        nodes = ytable.rows(stdout, self.program, 'clusterNode')
        if len(summaries) != 1 or not nodes:
            raise errors.OutputNotUnderstood(f'mmlscluster: {stdout!r:.300}')
        return Summary(
            id=summaries[0].text('clusterId'),
            name=summaries[0].text('clusterName'),
            nodes=tuple(_node(row) for row in nodes))


def _node(row: ytable.Row) -> model.Node:
    return model.Node(
        number=row.number('nodeNumber'),
        daemon_name=row.text('daemonNodeName'),
        admin_name=row.text('adminNodeName'),
        address=row.text('ipAddress'))
