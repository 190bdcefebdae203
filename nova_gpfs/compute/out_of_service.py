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

"""Takes this compute host out of scheduling, and brings it back.

Nova does the same when it has lost libvirt, and its rule is kept: a service
that an operator has disabled stays so. That method of Nova's is not used,
because it makes volumes on NFS unusable as well, and would bring back a host
that was disabled for libvirt.
"""

from nova import context
from nova import exception
from nova import objects
from nova.virt.libvirt import driver
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: What our reasons begin with. With Nova's own prefix a service that we have
#: disabled is enabled by Nova as well, when nova-compute starts.
MARK = f'{driver.DISABLE_PREFIX}GPFS: '
# The width of the column in Nova's database.
_LONGEST = 255


class OutOfService:
    """The compute service of this host, as far as the storage decides."""

    def __init__(self, host, tell_placement):
        """``tell_placement`` gets a context and the changed service."""
        self._host = host
        self._tell_placement = tell_placement
        self._kind = None
        self._settled = False

    def follow(self, trouble):
        """Disable the service for a trouble; enable it where there is none.

        What cannot be done now is done the next time.

        :param trouble: an error, or None if all is well
        """
        if trouble is None and self._settled:
            return
        try:
            self._follow(context.get_admin_context(), trouble)
        except exception.ComputeHostNotFound:
            LOG.debug('There is no compute service of %s yet', self._host)
        except Exception:
            LOG.warning('The compute service of %s could not be %s',
                        self._host, 'disabled' if trouble else 'enabled',
                        exc_info=True)

    def _follow(self, admin, trouble):
        service = objects.Service.get_by_compute_host(admin, self._host)
        ours = _is_ours(service)
        if trouble is None:
            if ours:
                self._save(admin, service, None)
        elif not service.disabled or (ours and type(trouble) is not
                                      self._kind):
            self._save(admin, service, _reason(trouble))
        self._kind, self._settled = type(trouble), trouble is None

    def _save(self, admin, service, reason):
        service.disabled = reason is not None
        service.disabled_reason = reason
        service.save()
        self._tell_placement(admin, service)


def _is_ours(service):
    return service.disabled and (service.disabled_reason
                                 or '').startswith(MARK)


def _reason(trouble):
    """Return what fits; the next step is more than the details."""
    whole = f'{MARK}{trouble}'
    if len(whole) <= _LONGEST:
        return whole
    return f'{MARK}{trouble.summary}. {trouble.next_step}'[:_LONGEST]
