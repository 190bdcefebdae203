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


"""Place disks that are there anew: after a move, or for another flavor.

A disk works wherever its blocks are, so that what cannot be done here is a
warning and fails nothing. ``nova-gpfs policy audit`` shows what is left, and
``policy apply`` does it.
"""

import dataclasses
import os
import queue
import threading
import time

from oslo_log import log as logging

from nova_gpfs.compute import placing
from nova_gpfs import errors
from nova_gpfs import placements
from nova_gpfs import policy

LOG = logging.getLogger(__name__)


class Following:
    """Placements of disks whose instance has arrived here or has changed."""

    def __init__(self, storage, disks, relocator):
        """``relocator`` is None where blocks that are there stay.

        :param disks: a placing.Placing
        """
        self._storage = storage
        self._placing = disks
        self._relocator = relocator

    def arrived(self, instance, directory):
        """Let new blocks of an instance's disks be written near this host.

        "Already done" means that each disk was last given this host's
        failure group.
        """
        record = placements.read(directory)
        for name, had in sorted(record.disks.items()):
            path = os.path.join(directory, name)
            if had.write_affinity_failure_group and os.path.isfile(path):
                self._try(instance, path, policy.affinity)

    def changed(self, instance, path):
        """Give a disk what its flavor and image ask for now, all blocks.

        "Already done" means that it was last given just that. What is not
        asked for any more stays as it is.
        """
        self._try(instance, path, lambda placement: placement)

    def resume(self, instance_uuid, directory):
        """Have blocks moved that have not followed their disk yet.

        Costs nothing where they are not to move, and no mm command.
        """
        if self._relocator is None:
            return
        record = placements.read(directory)
        try:
            for name, had in sorted(record.disks.items()):
                self._relocate(instance_uuid, os.path.join(directory, name),
                               had, record)
        except OSError as error:
            LOG.warning('The blocks of %(instance)s stay where they are: '
                        '%(error)s',
                        {'instance': instance_uuid, 'error': error})

    def _try(self, instance, path, part):
        try:
            self._follow(instance, path, part)
        except (errors.GpfsError, OSError) as error:
            LOG.warning('%(disk)s stays placed as it was: %(error)s',
                        {'disk': path, 'error': error}, instance=instance)

    def _follow(self, instance, path, part):
        directory, name = os.path.split(path)
        record = placements.read(directory)
        had = record.placement(name)
        wanted = policy.merged(had, part(
            self._placing.placement(instance, name)))
        if wanted != had:
            self._storage.move(path, had, wanted)
        after = dataclasses.replace(
            record.with_disk(name, wanted) if wanted != had else record,
            wishes=placing.wishes(instance))
        if after != record:
            placements.write(directory, after)
        self._relocate(instance.uuid, path, wanted, after)

    def _relocate(self, instance_uuid, path, placement, record):
        group = placement.write_affinity_failure_group
        if self._relocator and group not in (
                None, record.blocks_in.get(os.path.basename(path))):
            self._relocator.add(path, group,
                                self._storage.parents.of(instance_uuid))


class Relocator:
    """Moves the blocks of one disk after the other, in the background."""

    def __init__(self, driver, pause):
        """``pause`` between two disks is in seconds."""
        self._driver = driver
        self._pause = pause
        self._waiting: queue.Queue = queue.Queue()
        self._start = threading.Lock()
        self._thread = None

    def add(self, path, failure_group, parents=()):
        """Have the blocks of a disk moved some time; returns at once.

        :param parents: its own clone parents, which hold blocks of it since
            it was moved as a clone. Masters are shared, and stay.
        """
        self._waiting.put((path, failure_group, tuple(parents)))
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name='nova-gpfs-relocation',
                    daemon=True)
                self._thread.start()

    def finish(self):
        """Wait until the blocks of all disks so far have moved."""
        self._waiting.join()

    def _work(self):
        while True:
            waiting = self._waiting.get()
            try:
                self._relocate(*waiting)
            except Exception as error:
                LOG.warning('The blocks of %(disk)s stay where they are: '
                            '%(error)s',
                            {'disk': waiting[0], 'error': error})
            finally:
                self._waiting.task_done()
            time.sleep(self._pause)

    def _relocate(self, path, failure_group, parents):
        begun = time.monotonic()
        directory, name = os.path.split(path)
        given = placements.read(directory).placement(name)
        if given.write_affinity_failure_group != failure_group:
            # It has moved on meanwhile, to where it is another's turn.
            return
        for parent in filter(os.path.exists, parents):
            self._driver.place(parent, policy.affinity(given))
            self._driver.relocate(parent)
        self._driver.relocate(path)
        # That may have taken hours, in which the record has changed.
        record = placements.read(directory)
        if record.placement(name) == given:
            placements.write(directory, record.with_blocks_in(
                name, failure_group))
        LOG.info('The blocks of %(disk)s moved to failure group %(group)s in '
                 '%(seconds).1f s',
                 {'disk': path, 'group': failure_group,
                  'seconds': time.monotonic() - begun})
