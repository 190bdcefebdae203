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


"""mmchattr: a file's pool, replicas and write affinity.

Synopsis: IBM documentation, mmchattr command (5.0.4, 6.0.1). Its error texts
are not published, so ``refusal`` finds the reason in what the cluster says;
the reasons that there are come from IBM's gpfs_fcntl.h (errReason).
"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs import model

_OPTIONS = {
    'pool': '-P',
    'data_replicas': '-r',
    'metadata_replicas': '-m',
    'write_affinity_depth': '--write-affinity-depth',
    'block_group_factor': '--block-group-factor',
    'write_affinity_failure_group': '--write-affinity-failure-group',
}


@dataclasses.dataclass(frozen=True)
class Change(base.Effect):
    """Change what is not None; the order of fields is Placement's."""

    path: fields.Path
    pool: fields.OptionalName = None
    data_replicas: fields.OptionalReplicas = None
    metadata_replicas: fields.OptionalReplicas = None
    write_affinity_depth: fields.OptionalDepth = None
    block_group_factor: fields.OptionalFactor = None
    write_affinity_failure_group: fields.OptionalFailureGroup = None

    program = 'mmchattr'
    failures = (
        *faults.STATES,
        *faults.ERRNO,
        (r'tschattr failed\. +Error code 2\.', errors.NoSuchFile),
    )

    @property
    def copies_data(self) -> bool:
        """Existing blocks move to the pool before the command ends."""
        return self.pool is not None or self.data_replicas is not None

    def arguments(self) -> tuple[str, ...]:
        words: list[str] = []
        for name, option in _OPTIONS.items():
            value = getattr(self, name)
            if value is not None:
                words += [option, str(value)]
        # What happens without -I is not documented in so many words, and
        # the change has to be there when the command ends.
        return (*words, '-I', 'yes', self.path)

    def changed(self) -> tuple[str, ...]:
        """Nothing but the layout of new blocks is nothing of the file's."""
        moves = (self.pool, self.data_replicas, self.metadata_replicas)
        return () if moves == (None, None, None) else super().changed()

    def is_seen(self, found: model.FileAttributes) -> bool:
        """Whether a file has the pool and the replicas that are asked for.

        mmlsattr is not known to show write affinity.
        """
        return all(asked in (None, has) for asked, has in (
            (self.pool, found.pool),
            (self.data_replicas, found.data_replicas),
            (self.metadata_replicas, found.metadata_replicas)))

    def is_done(self, found: model.FileAttributes) -> bool:
        """Whether all is there that was asked for, whatever came of it.

        A command that fails may have given replicas to some blocks only (IBM
        documentation, mmchattr command); a flag like ``illreplicated`` tells.
        """
        return not self._asks_for_affinity() and self.is_granted(found)

    def is_granted(self, found: model.FileAttributes) -> bool:
        """Whether a command that reported success has done all of it.

        Blocks that are there stay where they are when only write affinity
        changes (IBM documentation, mmchpool command), and may be flagged.
        """
        flags = ' '.join(found.flags).replace(',', ' ').split()
        return (self.is_seen(found) and 'illreplicated' not in flags
                and ('illplaced' not in flags or self._asks_for_affinity()))

    def _asks_for_affinity(self) -> bool:
        return (self.write_affinity_depth, self.block_group_factor,
                self.write_affinity_failure_group) != (None, None, None)

    def refusal(self, found: model.FileAttributes,
                pools: Iterable[model.Pool], disks: Iterable[model.Disk]
                ) -> errors.GpfsError | None:
        """Return why GPFS cannot do this, None when nothing speaks for it."""
        for asked, limit in (
                (self.data_replicas, found.max_data_replicas),
                (self.metadata_replicas, found.max_metadata_replicas)):
            if asked and limit and asked > limit:
                return errors.PlacementRefused(
                    f'{asked} replicas of {self.path}, whose maximum is '
                    f'{limit}')
        pool = self.pool or found.pool
        if pool not in {one.name for one in pools}:
            return errors.NoSuchPool(pool)
        groups = {disk.point_of_failure for disk in disks
                  if disk.pool == pool and disk.holds_data}
        if not groups or (self.data_replicas or 0) > len(groups):
            return errors.PlacementRefused(
                f'{self.data_replicas or 1} replicas of data in pool {pool}, '
                f'which has disks for data in {len(groups)} failure groups')
        return None
