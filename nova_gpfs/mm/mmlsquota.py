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


"""mmlsquota -j FILESET -Y DEVICE: the quota of a fileset, in KiB."""

from __future__ import annotations

import dataclasses

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs.mm import ytable
from nova_gpfs import model


@dataclasses.dataclass(frozen=True)
class List(base.Query[model.Quota | None]):
    """Ask for the block quota of a fileset; None where there is none.

    A header without rows and an exit code of 0 means that there is no quota
    to report (output published in the repository dirscape).
    """

    device: fields.Name
    fileset: fields.Name

    program = 'mmlsquota'
    # Printed for an unknown fileset (terminal output in INFN StoRM), and by
    # its words also for a file system without quotas.
    failures = (
        (r'no such fileset in quota enabled file systems',
         errors.NoSuchFileset),
        *faults.STATES,
        *faults.NO_SUCH_FILE_SYSTEM,
        (r'Operation not permitted', errors.NotPermitted),
    )

    def arguments(self) -> tuple[str, ...]:
        return '-j', self.fileset, '-Y', self.device

    def outcome(self, result: model.Result) -> model.Quota | None:
        # Exit codes of 22 and of 0 are on record for this text.
        if 'No quota enabled file system found' in result.stderr:
            return None
        return super().outcome(result)

    def parse(self, stdout: str) -> model.Quota | None:
        # With and without a subtype ("user") are in published fixtures.
        for row in ytable.rows(stdout, self.program, None):
            if (row.text('quotaType'), row.text('name')) == ('FILESET',
                                                             self.fileset):
                return _quota(row)
        return None


def _quota(row: ytable.Row) -> model.Quota:
    return model.Quota(
        usage=row.number('blockUsage') * 1024,
        soft_limit=row.number('blockQuota') * 1024,
        hard_limit=row.number('blockLimit') * 1024,
        in_doubt=row.number('blockInDoubt') * 1024)
