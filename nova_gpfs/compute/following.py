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


"""Let the blocks of disks follow their instance to another host."""

import os
import queue
import threading
import time

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import placements
from nova_gpfs import policy

LOG = logging.getLogger(__name__)


class Following:
    """Write affinity of disks whose instance has arrived here.

    What fails is only worth a warning: the disk works wherever its blocks
    are.
    """

    def __init__(self, storage, placing, relocator):
        """``relocator`` is None where blocks that are there stay."""
        self._storage = storage
        self._placing = placing
        self._relocator = relocator

    def arrived(self, instance, directory):
        """Let new blocks of an instance's disks be written near this host.

        "Already done" means that each disk was last given this host's
        failure group.
        """
        record = placements.read(directory)
        for name, had in sorted(record.disks.items()):
            path = os.path.join(directory, name)
            if not had.write_affinity_failure_group or not os.path.isfile(
                    path):
                continue
            try:
                record = self._follow(instance, path, record)
            except (errors.GpfsError, OSError) as error:
                LOG.warning('New blocks of %(disk)s are written where they '
                            'were before: %(error)s',
                            {'disk': path, 'error': error}, instance=instance)

    def _follow(self, instance, path, record):
        name = os.path.basename(path)
        had = record.placement(name)
        wanted = self._placing.placement(instance, name)
        if wanted == had or policy.of_master(wanted) != policy.of_master(had):
            return record
        self._storage.move(path, had, wanted)
        record = record.with_disk(name, wanted)
        placements.write(os.path.dirname(path), record)
        self.moved(path, had, wanted)
        return record

    def moved(self, path, had, wanted):
        """Move blocks that are there after write affinity has changed."""
        before = had.write_affinity_failure_group
        after = wanted.write_affinity_failure_group
        if self._relocator and before and after and before != after:
            self._relocator.add(path)


class Relocator:
    """Moves the blocks of one disk after the other, in the background."""

    def __init__(self, driver, pause):
        """``pause`` between two disks is in seconds."""
        self._driver = driver
        self._pause = pause
        self._waiting: queue.Queue = queue.Queue()
        self._start = threading.Lock()
        self._thread = None

    def add(self, path):
        """Have the blocks of a disk moved some time; returns at once."""
        self._waiting.put(path)
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
            path = self._waiting.get()
            try:
                self._relocate(path)
            finally:
                self._waiting.task_done()
            time.sleep(self._pause)

    def _relocate(self, path):
        begun = time.monotonic()
        try:
            self._driver.relocate(path)
        except (errors.GpfsError, OSError) as error:
            LOG.warning('The blocks of %(disk)s stay where they are: '
                        '%(error)s', {'disk': path, 'error': error})
        else:
            LOG.info('The blocks of %(disk)s moved to this host in '
                     '%(seconds).1f s',
                     {'disk': path, 'seconds': time.monotonic() - begun})
