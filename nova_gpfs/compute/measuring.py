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

"""Disk space, as a compute host reports it to Nova.

Nova asks in a periodic task, which a sick GPFS must neither fail nor hold
up: what was known last is reported then.
"""

import os

from nova import conf
from nova.virt.libvirt import driver
from oslo_log import log as logging

from nova_gpfs import capacity
from nova_gpfs import errors

CONF = conf.CONF
LOG = logging.getLogger(__name__)


class Measuring(driver.LibvirtDriver):
    """The part of the libvirt driver that reports disk space."""

    _watch = None
    _hosts = 1

    def _get_local_gb_info(self):
        """Return this host's part of the file system in GiB."""
        offer = self.image_backend.placing.facts.last_known()
        if offer is None:
            space = _as_mounted()
        else:
            space = capacity.space(offer)
            self._warn(offer)
        return capacity.part(space, CONF.gpfs.capacity, self._live_hosts())

    def _live_hosts(self):
        """Return how many hosts share, as last seen if it is not seen."""
        try:
            self._hosts = self.image_backend.storage.hosts.number()
        except (errors.GpfsError, OSError) as error:
            LOG.warning('How many hosts share the file system is taken to be '
                        'what it was: %s', error)
        return self._hosts

    def _warn(self, offer):
        if self._watch is None:
            self._watch = capacity.Watch(CONF.gpfs.low_space_percent)
        self._watch.look(offer)


def _as_mounted():
    """Return what the mount says, where GPFS has said nothing yet."""
    found = os.statvfs(CONF.instances_path)
    return capacity.Space(found.f_frsize * found.f_blocks,
                          found.f_frsize * found.f_bavail)
