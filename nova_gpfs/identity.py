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

"""The file that says on which file system and in which fileset it lies.

A directory that is empty because its file system is not mounted has no such
file, and one on another file system has another one or none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import uuid

from nova_gpfs import errors
from nova_gpfs import location
from nova_gpfs import record_file

_MODE = 0o644


def read(path: str, directory: int | None = None) -> location.Location:
    """Return what a file says, which may be relative to an open directory.

    :raises errors.WrongFileSystem: it cannot be understood
    :raises OSError: it cannot be read
    """
    try:
        fields = record_file.read(path, directory)
        return record_file.value(location.Location, fields.get('location'))
    except ValueError as error:
        raise errors.WrongFileSystem(
            f'{path} cannot be understood ({error})') from error


def publish(path: str, here: location.Location) -> None:
    """Write the file under its final name, whole or not at all.

    Two hosts may do this at once: link() gives the name to one of them, and
    both then read what the name holds.
    """
    temporary = f'{path}.{uuid.uuid4().hex}'
    text = json.dumps({'version': 1,
                       'location': dataclasses.asdict(here)}, indent=1)
    with contextlib.ExitStack() as undo:
        with open(temporary, 'x', encoding='utf-8') as marker:
            undo.callback(os.unlink, temporary)
            os.fchmod(marker.fileno(), _MODE)
            marker.write(text + '\n')
            marker.flush()
            os.fsync(marker.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)


def mismatch(path: str, marked: location.Location,
             here: location.Location) -> errors.WrongFileSystem:
    """Return the error for a file that names another place."""
    return errors.WrongFileSystem(
        f'{path} names {_sentence(marked)}, found {_sentence(here)}')


def _sentence(where: location.Location) -> str:
    return (f'file system {where.file_system} of cluster {where.cluster_id}, '
            f'fileset {where.fileset}')
