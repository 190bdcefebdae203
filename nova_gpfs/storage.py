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

"""One instances_path on GPFS: its guard, its masters, its disks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import os
import time
import uuid

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import guard as mount_guard
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import masters

LOG = logging.getLogger(__name__)

#: Copies a file to a path that does not exist, holes kept.
Copy = Callable[[str, str], None]


class Storage:
    """What a compute host does on its file system.

    ``clones`` and ``copies`` count the disks made since the process began.
    """

    def __init__(self, driver: gpfs_driver.GpfsDriver,
                 layout: gpfs_layout.Layout, copy: Copy, *,
                 require_clone: bool, leftover_age: float) -> None:
        self.driver = driver
        self.layout = layout
        self.copy = copy
        self.guard = mount_guard.MountGuard(driver, layout)
        self.masters = masters.Masters(driver, layout, self.guard,
                                       leftover_age)
        self.clones = 0
        self.copies = 0
        self._require_clone = require_clone

    @contextlib.contextmanager
    def new_disk(self, master: masters.Master,
                 target: str) -> Iterator[None]:
        """Make ``target`` from a master; gone again if the block fails.

        :raises errors.AlreadyExists: there is a disk; it is left alone
        :raises errors.CannotClone: clones are required and impossible
        """
        self.guard.check()
        with contextlib.ExitStack() as undo:
            self._clone_or_copy(master.path, target)
            undo.callback(_remove, target)
            yield
            undo.pop_all()

    def _clone_or_copy(self, parent: str, target: str) -> None:
        started = time.monotonic()
        try:
            self.driver.clone(parent, target)
        except errors.CannotClone as reason:
            if self._require_clone:
                raise
            self._full_copy(parent, target, reason)
        else:
            self.clones += 1
            LOG.info('Disk %(disk)s cloned in %(ms).1f ms',
                     {'disk': target,
                      'ms': 1000 * (time.monotonic() - started)})

    def _full_copy(self, parent: str, target: str,
                   reason: errors.CannotClone) -> None:
        self.copies += 1
        LOG.warning('Disk %(disk)s is made by a full copy, not by a clone '
                    '(full copy number %(count)d of this process): '
                    '%(reason)s',
                    {'disk': target, 'count': self.copies, 'reason': reason})
        self._make_file(target, lambda path: self.copy(parent, path))

    def generate(self, target: str, make: Callable[[str], None]) -> None:
        """Make ``target`` with a function that writes a file from nothing.

        :raises errors.AlreadyExists: there is a disk; it is left alone
        """
        self.guard.check()
        self._make_file(target, make)

    @staticmethod
    def _make_file(target: str, make: Callable[[str], None]) -> None:
        """Write under another name, then name it: all of it or nothing.

        link() never replaces a disk, as rename() would.
        """
        temporary = f'{target}.{uuid.uuid4().hex}.new'
        with contextlib.ExitStack() as undo:
            undo.callback(_remove, temporary)
            make(temporary)
            try:
                os.link(temporary, target)
            except FileExistsError:
                raise errors.AlreadyExists(target) from None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
