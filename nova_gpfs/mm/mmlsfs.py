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


"""mmlsfs -Y: file systems, one attribute a row."""

from __future__ import annotations

import dataclasses
import re

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs.mm import ytable
from nova_gpfs import model


@dataclasses.dataclass(frozen=True)
class List(base.Query[tuple[model.FileSystem, ...]]):
    """Ask for one file system, or with ``all`` for every one."""

    device: fields.Name

    program = 'mmlsfs'
    failures = (*faults.STATES, *faults.NO_SUCH_FILE_SYSTEM)

    def arguments(self) -> tuple[str, ...]:
        return self.device, '-Y'

    def parse(self, stdout: str) -> tuple[model.FileSystem, ...]:
        said: dict[str, dict[str, str]] = {}
        for row in ytable.rows(stdout, self.program):
            device = said.setdefault(row.text('deviceName'), {})
            field = row.text('fieldName')
            # With pools of several block sizes the field comes twice; the
            # data of instances is in the "other pools".
            if field not in device or row.get('remarks') == 'other pools':
                device[field] = row.text('data')
        return tuple(_file_system(name, attributes)
                     for name, attributes in said.items())


def _file_system(name: str, said: dict[str, str]) -> model.FileSystem:
    row = ytable.Row(said)
    return model.FileSystem(
        name=name,
        mount_point=row.text('defaultMountPoint'),
        version=_version(row.text('filesystemVersion')),
        block_size=row.number('blockSize'),
        default_data_replicas=row.number('defaultDataReplicas'),
        max_data_replicas=row.number('maxDataReplicas'),
        default_metadata_replicas=row.number('defaultMetadataReplicas'),
        max_metadata_replicas=row.number('maxMetadataReplicas'),
        uid=row.get('UID'),
        quotas_enforced=row.get('quotasEnforced'),
        filesetdf=row.get('filesetdfEnabled').lower() == 'yes',
        strict_replication=row.get('strictReplication'),
        release=_release(row.get('filesystemHighestSupported')
                         or row.text('filesystemVersion')))


def _version(text: str) -> tuple[int, int]:
    """Return (22, 0) for '22.00 (5.0.4.0)'."""
    numbers = re.match(r'([0-9]{1,4})\.([0-9]{1,4})(?![0-9.])', text)
    if not numbers:
        raise errors.OutputNotUnderstood(f'file system version {text!r:.100}')
    return int(numbers[1]), int(numbers[2])


def _release(text: str) -> tuple[int, ...]:
    """Return (5, 0, 4, 0) for '22.00 (5.0.4.0)', () for what is unlike it."""
    said = re.search(r'\(([0-9]{1,4}(?:\.[0-9]{1,4}){1,4})\)', text)
    return tuple(map(int, said[1].split('.'))) if said else ()
