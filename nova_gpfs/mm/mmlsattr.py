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


"""mmlsattr -L: what GPFS knows of a file.

There is no ``-Y`` (IBM documentation, mmlsattr command, 4.2.0 to 6.0.1), so
the lines are found by their labels. A directory has no ``data replication``
line.
"""

from __future__ import annotations

import dataclasses
import re

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs import model


@dataclasses.dataclass(frozen=True)
class List(base.Query[model.FileAttributes]):
    """Ask for the attributes of one file or directory."""

    path: fields.Path

    program = 'mmlsattr'
    # "tslsattr failed. Error code 22." with nothing else: not on GPFS.
    failures = (
        *faults.STATES,
        *faults.ERRNO,
        (r'Invalid argument', errors.NotGpfs),
        (r'tslsattr failed\. +Error code 22\.', errors.NotGpfs),
        (r'tslsattr failed\. +Error code 2\.', errors.NoSuchFile),
    )

    def arguments(self) -> tuple[str, ...]:
        return '-L', self.path

    def parse(self, stdout: str) -> model.FileAttributes:
        said = dict(_labelled(stdout))
        metadata, max_metadata = _replicas(said, 'metadata replication')
        data, max_data = (_replicas(said, 'data replication')
                          if 'data replication' in said else (None, None))
        misc = said.get('Misc attributes', said.get('Windows attributes', ''))
        return model.FileAttributes(
            fileset=_named(said, 'fileset name'),
            pool=_named(said, 'storage pool name'),
            metadata_replicas=metadata, max_metadata_replicas=max_metadata,
            data_replicas=data, max_data_replicas=max_data,
            immutable=_is_yes(said, 'immutable'),
            append_only=_is_yes(said, 'appendOnly'),
            flags=tuple(said.get('flags', '').split()),
            misc=tuple(misc.split()),
            snapshot=said.get('snapshot name', ''))


def _labelled(stdout: str) -> list[tuple[str, str]]:
    pairs = (line.partition(':') for line in stdout.split('\n'))
    return [(label.strip(), value.strip()) for label, colon, value in pairs
            if colon and label.strip() != 'file name']


def _is_yes(said: dict[str, str], label: str) -> bool:
    return said.get(label, '').split()[:1] == ['yes']


def _named(said: dict[str, str], label: str) -> str:
    if not said.get(label):
        raise errors.OutputNotUnderstood(f'mmlsattr -L gave no {label!r}')
    return said[label]


def _replicas(said: dict[str, str], label: str) -> tuple[int, int]:
    numbers = re.fullmatch(r'([0-9]{1,3}) +max +([0-9]{1,3})',
                           said.get(label, ''))
    if not numbers:
        raise errors.OutputNotUnderstood(
            f'mmlsattr -L gave {said.get(label)!r:.100} as {label!r}')
    return int(numbers[1]), int(numbers[2])
