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

"""Lets guests go on that QEMU has stopped for an error of their disks.

libvirt knows why a guest is paused, but it does not learn that a user has
paused one that stood still already: then Nova alone knows. So both are asked,
and Nova once more when it is done.
"""

import os
import time

from nova.compute import task_states
from nova.compute import vm_states
from nova import conf
from nova import context
from nova import objects
from nova.virt.libvirt import guest as libvirt_guest
from oslo_log import log as logging

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# virDomainState and virDomainPausedReason in libvirt-domain.h.
_PAUSED_FOR_IO_ERROR = [3, 5]
# Of an instance whose guest is to run.
_RUNNING = (vm_states.ACTIVE, vm_states.RESCUED, vm_states.RESIZED)
_PAUSED = ((vm_states.ACTIVE, task_states.PAUSING), (vm_states.PAUSED, None))
# In seconds; looks are about a minute apart.
_FIRST_PAUSE = 30.0
_LONGEST_PAUSE = 3600.0
_MOST_TRIES = 8


class StoppedGuests:
    """The guests of this host that stand still for an I/O error."""

    def __init__(self, driver, host, clock=time.monotonic):
        """``driver`` is Nova's libvirt driver of the host of a name."""
        self._driver = driver
        self._host = host
        self._clock = clock
        #: How often each was resumed in vain, and when to do so again.
        self._tries = {}

    def resume(self, has_room):
        """Resume those that nobody wants to stand still.

        :param has_room: called when there are any; False leaves them
        """
        uuids = {domain.UUIDString() for domain in
                 self._driver._host.list_instance_domains()
                 if _is_meant(domain)}
        self._tries = {uuid: tried for uuid, tried in self._tries.items()
                       if uuid in uuids}
        due = [uuid for uuid in sorted(uuids) if self._is_due(uuid)]
        if due and has_room():
            for uuid in due:
                self._try(uuid)

    def _is_due(self, uuid):
        return uuid not in self._tries or (
            self._clock() >= self._tries[uuid][1])

    def _try(self, uuid):
        """Resume one, if Nova lets it run; what fails is tried again."""
        try:
            instance = objects.Instance.get_by_uuid(
                context.get_admin_context(), uuid, expected_attrs=[])
            if self._is_to_run(instance):
                self._count(instance)
                self._resume(instance)
        except Exception:
            LOG.warning('The guest %s, which QEMU has stopped for an I/O '
                        'error, could not be resumed', uuid, exc_info=True)

    def _is_to_run(self, instance):
        """Whether Nova has the guest here, running, and leaves it alone."""
        return (instance.host == self._host and instance.task_state is None
                and instance.vm_state in _RUNNING)

    def _count(self, instance):
        tries = min(self._tries.get(instance.uuid, (0, 0.0))[0] + 1,
                    _MOST_TRIES)
        pause = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE)
        self._tries[instance.uuid] = tries, self._clock() + pause
        if tries == 1:
            LOG.info('QEMU has stopped the guest for an I/O error; it is '
                     'resumed', instance=instance)
        else:
            LOG.warning('QEMU has stopped the guest again for an I/O error; '
                        'it is resumed. If that goes on, look into its log '
                        'in /var/log/libvirt/qemu, and reboot it (hard), '
                        'which opens its disks anew', instance=instance)

    def _resume(self, instance):
        self._driver.unpause(instance)
        instance.refresh()
        # Its user has paused it meanwhile, which did nothing to a guest that
        # stood still.
        if (instance.vm_state, instance.task_state) in _PAUSED:
            self._driver.pause(instance)


def _is_meant(domain):
    """Whether QEMU has stopped a guest that has a disk of ours."""
    try:
        return (list(domain.state(0)) == _PAUSED_FOR_IO_ERROR
                and _is_on_ours(domain))
    except Exception:
        # One that has gone meanwhile, most likely.
        LOG.debug('libvirt does not tell the state of a guest',
                  exc_info=True)
        return False


def _is_on_ours(domain):
    """Whether any disk of a guest is a file below instances_path."""
    top = os.path.join(CONF.instances_path, '')
    return any((disk.source_path or '').startswith(top)
               for disk in libvirt_guest.Guest(domain).get_all_disks())
