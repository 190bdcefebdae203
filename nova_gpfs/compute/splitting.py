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

"""Take images in Glance's store off the disks that they were cloned from.

An image works whatever it hangs on, so that what cannot be done here is a
line in the log and fails nothing. The disk of the instance, which a guest may
have open, is never touched.
"""

import os
import queue
import threading

from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import flattening
from nova_gpfs import model

LOG = logging.getLogger(__name__)


class Splitting:
    """Splits one file after the other, in the background."""

    def __init__(self, storage, pace, everything=False):
        """``everything`` splits also what has few ancestors.

        :param pace: a flattening.Pace
        """
        self._storage = storage
        self._pending = storage.pending_splits
        self._flattener = flattening.Flattener(storage, pace)
        self._everything = everything
        self._waiting: queue.Queue = queue.Queue()
        self._queued: set[str] = set()
        self._start = threading.Lock()
        self._thread = None

    def add(self, image_id, parent='', depth=None):
        """Have the file of an image split some time; returns at once.

        If this process does not come to it, another one will.

        :param parent: the clone parent that was made for it
        :param depth: how many ancestors it has at the most, None if unknown
        """
        if not self._everything and depth is not None and (
                depth <= self._storage.parents.max_depth):
            return
        try:
            self._pending.add(image_id, parent)
        except errors.GpfsError as error:
            LOG.warning('The image %(image)s is not split if nova-compute '
                        'ends before that: %(error)s',
                        {'image': image_id, 'error': error})
        self._queue(image_id, parent)

    def resume(self):
        """Have split what an earlier nova-compute has not come to."""
        self.go_on()
        if self._everything and self._storage.images.store:
            try:
                for image_id in self._storage.snapshots.image_ids():
                    self._queue(image_id)
            except OSError as error:
                LOG.warning('Snapshots in the store are not split: %s', error)

    def go_on(self):
        """Have split what any host has noted and nobody has come to.

        Costs no command where nothing is noted.
        """
        if self._storage.images.store is None:
            return
        try:
            for image_id, parent in self._pending.all():
                self._queue(image_id, parent)
        except OSError as error:
            LOG.warning('Snapshots that are to be split are not known: %s',
                        error)

    def _queue(self, image_id, parent=''):
        with self._start:
            if image_id in self._queued:
                return
            self._queued.add(image_id)
            self._waiting.put((image_id, parent))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name='nova-gpfs-splitting',
                    daemon=True)
                self._thread.start()

    def finish(self):
        """Wait until all files so far are split."""
        self._waiting.join()

    def _work(self):
        while True:
            image_id, parent = self._waiting.get()
            try:
                with self._storage.masters.only_one(f'split.{image_id}',
                                                    wait=False):
                    self._split(image_id, parent)
                    self._pending.remove(image_id)
            except lockutils.AcquireLockFailedException:
                LOG.debug('Another host splits %s', image_id)
            except Exception as error:
                self._give_up(image_id, error)
            finally:
                self._queued.discard(image_id)
                self._waiting.task_done()

    def _give_up(self, image_id, error):
        """Leave an image to the next pass, unless it is gone."""
        path = self._storage.snapshots.path(image_id)
        if os.path.isdir(os.path.dirname(path)) and (
                not os.path.lexists(path)):
            LOG.debug('The image %s is gone', image_id)
            self._pending.remove(image_id)
        else:
            LOG.warning('The file of image %(image)s still hangs on a '
                        'disk: %(error)s',
                        {'image': image_id, 'error': error})

    def _split(self, image_id, parent):
        path = self._storage.snapshots.path(image_id)
        if self._storage.driver.clone_info(path).parent_inode is None:
            return
        parents = self._storage.parents
        owner = os.path.basename(os.path.dirname(parent))
        is_deep = parents.is_deeper(owner, path, parents.max_depth)
        if not (is_deep or self._everything):
            return
        self._flattener.detach(path, _nothing, _nothing)
        LOG.info('The file of image %s hangs on nothing any more', image_id)
        if is_deep and parent:
            self._shorten(parent)

    def _shorten(self, parent):
        """Take a parent of a disk off its ancestors, if GPFS does that.

        Whether it does so to a file that has clones is not documented.
        """
        try:
            self._storage.driver.detach(parent, model.Ancestors.ALL)
        except errors.GpfsError as error:
            LOG.info('%(parent)s keeps its ancestors: %(error)s',
                     {'parent': parent, 'error': error})


def _nothing(*_arguments):
    """Stand for a check and for what is told of the progress."""
