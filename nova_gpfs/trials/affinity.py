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

"""A trial of write affinity, for pools that have it."""

from __future__ import annotations

from nova_gpfs.mm import mmchattr
from nova_gpfs.trials import base


def write_affinity(room: base.Room) -> base.Seen:
    """Give files each form of write affinity that the product asks for."""
    if not room.bench.write_affinity_pools:
        raise base.Skip('[gpfs] write_affinity_pools names no pool')
    pool = room.bench.write_affinity_pools[0]
    groups = sorted({disk.failure_group for disk
                     in room.driver.disks(room.bench.file_system.name)
                     if disk.pool == pool and disk.holds_data
                     and disk.failure_group != '-1'})
    if not groups:
        raise base.Skip(f'the disks of pool {pool} have no failure groups')
    forms = dict.fromkeys((None, groups[0], ';'.join(groups[:2])))
    for number, form in enumerate(forms):
        path = room.file(f'image{number}')
        why = base.run(room, mmchattr.Change(path, pool, None, None, 1, 2,
                                             form))
        if why:
            return base.Seen('refuse', f'{form or "no failure group"}: {why}')
        room.driver.relocate(path)
        room.driver.seal(path)
        if not (base.is_intact(path) and base.is_intact(
                room.clone(path, f'disk{number}'))):
            return base.Seen('damage', form or '')
    return base.Seen('take', ', '.join(filter(None, forms)))


TRIALS = (
    base.Trial('write-affinity', 'Are write affinity depth, block group '
               'factor and failure groups taken where the pool has them?',
               write_affinity, {
                   'take': base.Verdict(base.WORKS, 'policies may ask for '
                                        'them'),
                   'refuse': base.Verdict(
                       base.DEGRADED, 'instances whose policy asks for them '
                       'are not made', 'Leave them out of policies, and send '
                       'the record to the developers of nova-gpfs.'),
                   'damage': base.Verdict(
                       base.WRONG, 'disks that are placed so cannot be '
                       'trusted', 'Leave them out of policies, and send the '
                       'record to the developers of nova-gpfs and to IBM.')},
               source='IBM documentation, FPO settings (5.0.0); the form of '
               'several failure groups is not documented'),
)
