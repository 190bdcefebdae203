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

"""Snapshots: the disk is sealed in an instant, the guest runs on meanwhile.

Nova's own code asks for the guest's disk as a file, uploads the file and
removes it. For a running guest it makes that file by copying the disk twice
(blockcopy, then a conversion). Here the file is a clone parent, made while
the guest stands still for as long as one mmclone takes. Where Glance's store
is on the same file system, nothing is uploaded: it gets a clone of the parent.
"""

import contextlib
import functools

from nova.compute import power_state
from nova import exception
from oslo_log import log as logging

from nova_gpfs.compute import boundary
from nova_gpfs.compute import moves
from nova_gpfs.compute import registering
from nova_gpfs.compute import sealing

LOG = logging.getLogger(__name__)


class Snapshots(moves.Moves):
    """The part of the libvirt driver that makes images of instances."""

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self._image_api = registering.ImageApi()

    def snapshot(self, context, instance, image_id, update_task_state):
        """See LibvirtDriver.snapshot; drop parents that nobody needs."""
        with boundary.to_nova():
            self._storage.guard.check()
        try:
            with sealing.snapshot_of(
                    self._is_on(instance),
                    functools.partial(self._now_still, context, instance)):
                super().snapshot(context, instance, image_id,
                                 update_task_state)
        finally:
            self._tidy(instance)

    def _is_on(self, instance):
        """Whether the guest is on, or is so again before the upload."""
        try:
            guest = self._host.get_guest(instance)
        except exception.InstanceNotFound:
            return True
        return guest.get_power_state(self._host) != power_state.SHUTDOWN

    def _suspend_guest_for_snapshot(self, context, live_snapshot,
                                    current_power_state, instance):
        """See LibvirtDriver; after that a guest is off, or runs on."""
        super()._suspend_guest_for_snapshot(
            context, live_snapshot, current_power_state, instance)
        if not live_snapshot:
            sealing.disk_is_closed()

    def _now_still(self, context, instance):
        """Return a context in which a guest writes nothing, on or off."""
        guest = self._host.get_guest(instance)
        if guest.get_power_state(self._host) == power_state.SHUTDOWN:
            return contextlib.nullcontext()
        return self._still(context, instance, guest, instance.image_meta)

    def _live_snapshot(self, context, instance, guest, disk_path, out_path,
                       source_format, image_format, image_meta):
        """Make a file of the disk of a guest that runs on."""
        still = self._still(context, instance, guest, image_meta)
        with boundary.to_nova():
            source = sealing.opened(self._storage, instance, disk_path, still)
        if source is None:
            super()._live_snapshot(context, instance, guest, disk_path,
                                   out_path, source_format, image_format,
                                   image_meta)
        else:
            sealing.provide(source, source_format, out_path, image_format)

    @contextlib.contextmanager
    def _still(self, context, instance, guest, image_meta):
        """Let a guest write nothing: freeze what its agent can, pause it.

        The pause makes QEMU finish what it is writing and flush what it
        holds of a qcow2 disk. A guest that the user has paused stays so.
        """
        with contextlib.ExitStack() as undo:
            if self._freeze(context, instance, image_meta):
                undo.callback(self.unquiesce, context, instance, image_meta)
            if guest.get_power_state(self._host) == power_state.RUNNING:
                undo.callback(guest.resume)
                guest.pause()
            yield

    def _freeze(self, context, instance, image_meta):
        """Freeze the guest's file systems; False where that cannot be.

        :raises exception.NovaException: it cannot, and os_require_quiesce
            asks for it
        """
        try:
            self.quiesce(context, instance, image_meta)
        except exception.NovaException as refusal:
            if self._requires_quiesce(image_meta):
                raise
            LOG.info('The snapshot is made without freezing the file '
                     'systems of the guest: %s', refusal, instance=instance)
            return False
        return True
