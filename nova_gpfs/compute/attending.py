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

"""What nova-compute does on days on which the storage is sick.

It looks in the periodic task in which Nova asks for the host's resources,
about once a minute.
"""

import dataclasses
from typing import Any

from nova import conf
from nova.virt.libvirt import driver
from oslo_log import log as logging

from nova_gpfs import capacity
from nova_gpfs.compute import out_of_service
from nova_gpfs.compute import stopped_guests
from nova_gpfs import errors
from nova_gpfs import health

CONF = conf.CONF
LOG = logging.getLogger(__name__)


class Attending(driver.LibvirtDriver):
    """The part of the libvirt driver that looks after the storage."""

    #: None until Nova has started the driver.
    _health: Any = None
    _over_committed = 0
    _trouble = None

    def init_host(self, host):
        """See LibvirtDriver.init_host."""
        storage = self.image_backend.storage
        self._health = health.Health(
            storage.driver, storage.layout, storage.guard,
            CONF.gpfs.command_timeout)
        self._service = out_of_service.OutOfService(
            host, self._update_compute_provider_status)
        self._stopped = stopped_guests.StoppedGuests(self, host)
        super().init_host(host)

    def get_available_resource(self, nodename):
        """Look at the storage before others do, who would wait with it."""
        if self._health is None:
            return super().get_available_resource(nodename)
        self._look()
        resources = super().get_available_resource(nodename)
        if CONF.gpfs.resume_guests and self._trouble is None:
            self._stopped.resume(self._has_room)
        return resources

    def _look(self):
        """Find out how the storage is, and let the scheduler know."""
        found = self._health.trouble()
        if type(found) is not type(self._trouble):
            if found is None:
                LOG.info('The storage of the instances is well again')
            else:
                LOG.error('The storage of the instances is sick: %s', found)
        self._trouble = found
        self._service.follow(found if CONF.gpfs.disable_sick_host else None)

    def _get_disk_over_committed_size_total(self):
        """Return Nova's sum; that of before while nothing answers."""
        if self.image_backend.storage.guard.silence is None:
            self._over_committed = (
                super()._get_disk_over_committed_size_total())
        return self._over_committed

    def _has_room(self):
        """Whether there is any space for data now, in two mm commands."""
        storage = self.image_backend.storage
        known = self.image_backend.placing.facts.last_known()
        if known is None:
            return False
        name = known.file_system.name
        try:
            now = dataclasses.replace(
                known, pools=storage.driver.pools(name),
                quota=storage.driver.quota(name,
                                           storage.guard.where().fileset))
        except errors.GpfsError as error:
            LOG.warning('Guests that QEMU has stopped wait, since it is not '
                        'known whether there is room: %s', error)
            return False
        return capacity.space(now).free > 0
