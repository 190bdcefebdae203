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


"""What ``nova-gpfs cache`` finds out and does: list, verify, clean."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_gpfs import audit
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs import collection
from nova_gpfs import digest
from nova_gpfs import errors
from nova_gpfs import master_record

RECORDED = ('its content was not recorded when it was sealed and is recorded '
            'now')
NOT_RECORDED = 'its content was not recorded and cannot be now: '
NOT_KNOWN = 'its content was recorded in a way that is not known here'


def list_all(host: hosts.Host) -> policies.Answer:
    """List the masters with their size, placement, clones and age.

    :raises errors.GpfsError: it cannot be told
    """
    return {'masters': [_row(entry) for entry in
                        host.storage.collection.entries()]}, policies.WELL


def _row(entry: collection.Entry) -> policies.Row:
    return {'master': entry.name, 'image': entry.master.info.image_id,
            'size': entry.master.info.virtual_size, 'bytes': entry.bytes,
            'placement': _set(entry), 'clones': entry.clones,
            'unused_seconds': int(entry.unused)}


def _set(entry: collection.Entry) -> dict[str, Any]:
    return {name: value for name, value
            in dataclasses.asdict(entry.master.placement).items()
            if value is not None}


def verify(host: hosts.Host) -> policies.Answer:
    """Compare each master with what was recorded when it was sealed.

    Reads all data of all masters. What was not recorded is no fault, and is
    recorded for the next time.

    :raises errors.GpfsError: GPFS cannot be asked
    """
    rows = [_verified(host, entry)
            for entry in host.storage.collection.entries()]
    well = all(row['state'] == audit.OK for row in rows)
    return {'masters': rows}, policies.WELL if well else policies.NOT_WELL


def _verified(host: hosts.Host, entry: collection.Entry) -> policies.Row:
    row: policies.Row = {'master': entry.name, 'state': audit.OK, 'why': [],
                         'note': ''}
    try:
        row['why'] = list(audit.master(
            entry.master.placement,
            host.storage.driver.attributes(entry.master.path)).why)
        with host.storage.masters.readable(entry.master.path) as path:
            _compare(entry.master, path, row)
    except (errors.NoSuchFile, OSError) as error:
        row['why'].append(f'it cannot be read: {error}')
    if row['why']:
        row['state'] = audit.DRIFT
    return row


def _compare(master: master_record.Master, path: str,
             row: policies.Row) -> None:
    """Tell in a row how the content compares; ``path`` is where to read it.

    :raises OSError: it cannot be read
    """
    if not master.digest:
        row['note'] = _recorded(master, digest.of_file(path))
    elif not digest.is_known(master.digest):
        row['note'] = NOT_KNOWN
    elif not digest.same(path, master.digest):
        row['why'].append('it does not hold what it held')


def _recorded(master: master_record.Master, content: str) -> str:
    try:
        master_record.add_digest(master.directory, content)
    except OSError as error:
        return f'{NOT_RECORDED}{error.strerror}'
    return RECORDED


def clean(host: hosts.Host, ages: collection.Ages,
          dry_run: bool) -> policies.Answer:
    """Remove masters that nobody needs, or tell which would be tried.

    :raises errors.WrongUser: nova-compute runs as another user
    :raises errors.GpfsError: it cannot be told; nothing more is removed
    """
    host.require_owner()
    gone = host.storage.collection.collect(ages, dry_run=dry_run)
    return {'would be removed' if dry_run else 'removed':
            [_row(entry) for entry in gone]}, policies.WELL
