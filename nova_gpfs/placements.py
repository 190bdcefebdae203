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


"""What an instance's disks were promised, kept beside them.

``gpfs.json`` in the directory of an instance holds what its flavor and image
have asked for and the placement that each disk was given. The first lets a
changed policy be applied later without asking Nova, the second tells what has
changed. An instance without wishes and placements has no such file.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any
import uuid

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs import policy
from nova_gpfs import record_file

LOG = logging.getLogger(__name__)

NAME = 'gpfs.json'


@dataclasses.dataclass(frozen=True)
class Record:
    """The promises to one instance; ``disks`` is by the file's name.

    ``blocks_in`` tells in which failure group the blocks of a disk were
    written first, or have moved to since.
    """

    wishes: policy.Wishes = policy.Wishes()
    disks: dict[str, model.Placement] = dataclasses.field(
        default_factory=dict)
    blocks_in: dict[str, str] = dataclasses.field(default_factory=dict)

    def with_disk(self, name: str, placement: model.Placement) -> Record:
        """Return the record with one disk placed otherwise.

        Blocks that are there stay where they are.
        """
        group = placement.write_affinity_failure_group
        return dataclasses.replace(
            self, disks={**self.disks, name: placement},
            blocks_in={name: group, **self.blocks_in} if group
            else self.blocks_in)

    def with_blocks_in(self, name: str, failure_group: str) -> Record:
        """Return the record with the blocks of a disk elsewhere."""
        return dataclasses.replace(
            self, blocks_in={**self.blocks_in, name: failure_group})

    def placement(self, name: str) -> model.Placement:
        """Return what a disk was given; empty if nothing is known."""
        return self.disks.get(name, model.Placement())

    @property
    def is_empty(self) -> bool:
        return (self.wishes == policy.Wishes()
                and all(one.is_empty for one in self.disks.values()))


def load(directory: str) -> Record | None:
    """Return the record of an instance's directory, None if it has none.

    :raises errors.RecordUnreadable: there is one, and it says nothing
    """
    path = os.path.join(directory, NAME)
    try:
        return _record(record_file.read(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise errors.RecordUnreadable(f'{path} ({error})') from error


def read(directory: str) -> Record:
    """Return the record of an instance's directory, empty if it has none.

    One that cannot be read counts as none: disks are then placed anew.
    """
    try:
        return load(directory) or Record()
    except errors.RecordUnreadable as error:
        LOG.warning('%s', error)
        return Record()


def write(directory: str, record: Record) -> None:
    """Keep a record, whole or not at all."""
    path = os.path.join(directory, NAME)
    if record.is_empty and not os.path.lexists(path):
        return
    temporary = f'{path}.{uuid.uuid4().hex}.new'
    fields = {'version': 1, 'flavor': dict(record.wishes.flavor),
              'image': dict(record.wishes.image),
              'disks': {name: _asked(placement)
                        for name, placement in record.disks.items()},
              'blocks_in': record.blocks_in}
    with record_file.new(temporary) as f:
        f.write(json.dumps(fields, indent=1) + '\n')
        f.flush()
        os.fsync(f.fileno())
    os.rename(temporary, path)


def _asked(placement: model.Placement) -> dict[str, Any]:
    return {name: value for name, value
            in dataclasses.asdict(placement).items() if value is not None}


def _record(fields: dict[str, Any]) -> Record:
    disks = record_file.table(fields.get('disks'), 'disks')
    blocks_in = record_file.texts(fields.get('blocks_in', {}), 'blocks_in')
    for found in (disks, blocks_in):
        record_file.names(found, 'the record')
    return Record(
        policy.Wishes(record_file.texts(fields.get('flavor'), 'flavor'),
                      record_file.texts(fields.get('image'), 'image')),
        {name: record_file.value(model.Placement, asked)
         for name, asked in disks.items()}, blocks_in)
