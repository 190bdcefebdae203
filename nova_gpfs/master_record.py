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

"""What is known of a master: a file beside it, written when it is sealed.

What it holds may become known later only, and is then a file of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import time
from typing import Any
import uuid

from nova_gpfs import errors
from nova_gpfs import incoming
from nova_gpfs import model
from nova_gpfs import plan
from nova_gpfs import record_file

IMAGE = 'image'
INFO = 'info.json'
#: Where that was not known when it was sealed.
DIGEST = 'digest'
#: Written to whenever the master is known to be needed (see ``collection``).
USED = 'used'
# For so many seconds a note of use is as good as a new one.
_NOTED = 60.0


@dataclasses.dataclass(frozen=True)
class Master:
    """A sealed image that disks are cloned from.

    ``base`` is the key of its image, which masters of other placements share.
    ``placement`` is where its blocks were when it was sealed, and ``digest``
    what it held then (see ``digest``), '' where that is not known.
    """

    path: str
    info: plan.MasterInfo
    base: str = ''
    placement: model.Placement = model.Placement()
    digest: str = ''

    @property
    def directory(self) -> str:
        return os.path.dirname(self.path)

    def covers(self, wanted: model.Placement) -> bool:
        """Whether its blocks lie as is wanted."""
        return all(getattr(wanted, name) in (None, value) for name, value
                   in dataclasses.asdict(self.placement).items())


def read(directory: str, name: str) -> Master | None:
    """Return the master in a directory, None if there is none that is ready.

    :raises errors.CloneParentInvalid: it is there and cannot be read
    """
    try:
        fields = record_file.read(os.path.join(directory, INFO))
        return Master(os.path.join(directory, IMAGE),
                      _info(fields.get('info')),
                      record_file.text(fields.get('base', name), 'base'),
                      record_file.value(model.Placement,
                                        fields.get('placement', {})),
                      record_file.text(fields.get('digest', ''), 'digest')
                      or _late_digest(directory))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.NotMounted(f'{directory}: {error.strerror}') from error
    except ValueError as error:
        raise errors.CloneParentInvalid(
            f'{directory} cannot be read ({error})') from error


def _info(fields: Any) -> plan.MasterInfo:
    found = record_file.value(plan.MasterInfo, fields)
    if found.format not in (plan.RAW, plan.QCOW2) or found.virtual_size < 0:
        raise ValueError(f'a master is not {found!r:.200}')
    return found


def write(room: str, key: str, master: Master) -> None:
    """Write what is known of a master beside it; it is needed now."""
    fields = {'version': 1, 'key': key, 'base': master.base,
              'sealed_at': int(time.time()),
              'sealed_by': socket.gethostname(),
              'placement': dataclasses.asdict(master.placement),
              'digest': master.digest,
              'info': dataclasses.asdict(master.info)}
    with record_file.new(os.path.join(room, INFO)) as f:
        f.write(json.dumps(fields, indent=1) + '\n')
        f.flush()
        os.fsync(f.fileno())
    touch(room)
    incoming.flush(room)


def add_digest(directory: str, digest: str) -> None:
    """Record what a master holds that was sealed without that being known.

    :raises OSError: it cannot be; the master may be gone
    """
    draft = os.path.join(directory, f'{DIGEST}.{uuid.uuid4().hex}')
    try:
        with open(draft, 'x', encoding='ascii') as f:
            # nova-compute is to read it whoever has written it.
            os.fchmod(f.fileno(), 0o644)
            f.write(json.dumps({'version': 1, 'digest': digest}) + '\n')
            f.flush()
            os.fsync(f.fileno())
        os.rename(draft, os.path.join(directory, DIGEST))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    incoming.flush(directory)


def _late_digest(directory: str) -> str:
    """Return what ``add_digest`` has recorded, '' if there is nothing."""
    with contextlib.suppress(OSError, ValueError):
        found = record_file.read(os.path.join(directory, DIGEST))
        return record_file.text(found.get('digest'), 'digest')
    return ''


def touch(directory: str) -> None:
    """Note that a master is needed now, unless that is noted already.

    The master itself is read-only, so there is a file beside it. One that
    has just been removed, or a note that cannot be made, is no trouble: the
    worst that follows is that an image is fetched again. A minute does not
    matter to how long a master stays, and so a thousand hosts that boot one
    image do not take the file from each other for each disk.
    """
    path = os.path.join(directory, USED)
    with contextlib.suppress(OSError):
        if not incoming.is_younger(path, _NOTED):
            incoming.touch(path)
