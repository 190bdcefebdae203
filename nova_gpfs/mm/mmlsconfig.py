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


"""mmlsconfig -Y: the configuration of the cluster, one parameter a row."""

from __future__ import annotations

import dataclasses
import re

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import ytable

# The file system version of a release is the daemon's level with a point in
# it: mmlsfs prints "14.03 (4.1.0.0)", "22.00 (5.0.4.0)" and "38.00 (6.0.0.0)"
# (Cinder's tests, IBM's install-infra and StorageScaleVagrant repositories),
# and Cinder's tests have minReleaseLevel 1403. Other releases have at least
# the level of the latest known one before them.
_LEVELS = (((6, 0, 0), 3800), ((5, 0, 4), 2200), ((4, 1, 0), 1403))


@dataclasses.dataclass(frozen=True)
class List(base.Query[int]):
    """Ask for the lowest release that the nodes of the cluster may run.

    The answer is a daemon's level, like 1403. Where mmlsconfig prints a
    release instead (5.2.1.0), it is the level that this release has at
    least.
    """

    program = 'mmlsconfig'
    failures = faults.NO_CLUSTER

    def arguments(self) -> tuple[str, ...]:
        return ('-Y',)

    def parse(self, stdout: str) -> int:
        for row in ytable.rows(stdout, self.program):
            if row.get('configParameter').lower() == 'minreleaselevel':
                return _level(row.text('value'))
        raise errors.OutputNotUnderstood('mmlsconfig has no minReleaseLevel')


def _level(value: str) -> int:
    if not re.fullmatch(r'[0-9]{1,4}(\.[0-9]{1,4}){2,5}', value):
        return ytable.to_number(value, 'minReleaseLevel')
    release = tuple(int(part) for part in value.split('.'))
    for since, level in _LEVELS:
        if release >= since:
            return level
    raise errors.OutputNotUnderstood(f'minReleaseLevel is {value!r}')
