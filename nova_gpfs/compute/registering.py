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

"""Register with Glance what lies in its store already.

Nova takes a refusal of Glance for the failure of the snapshot. It uploads the
disk instead if it is told that the image is not acceptable.

An answer of Glance can get lost. Nova's client then asks again, and Glance
refuses what it has registered already. So the image says what has happened.
Where Glance does not answer at all, the file of the image stays: the image
would be without data if Nova removed what Glance has registered.
"""

import time

import glanceclient.exc
from nova import exception
from nova.image import glance
from oslo_config import cfg
from oslo_log import log as logging

from nova_gpfs.compute import sealing
from nova_gpfs import image_location

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# While Glance works on an image, it has this property.
_LOCK = 'os_glance_import_task'
# Seconds between two questions.
_PACE = 0.2

# What Nova makes of the answers 400, 401 and 403.
_REFUSALS = (exception.Invalid, exception.Forbidden,
             exception.ImageNotAuthorized)


class ImageApi(glance.API):
    """Nova's client of Glance."""

    def update(self, context, id_or_uri, image_info, *args, **kwargs):
        """Do as Nova's, and say so if Glance refuses a location of ours.

        A location that the image has is registered, whatever was answered.
        After anything else that is no refusal, Glance may yet register it,
        and ``sealing.may_be_glances`` says whether the file is Nova's no more.

        :raises exception.ImageUnacceptable: Glance refuses the location
        """
        uri = str(image_info.get('location') or '')
        if not uri.startswith(image_location.SCHEME + '://'):
            return super().update(context, id_or_uri, image_info, *args,
                                  **kwargs)
        sealing.glance_may_have(id_or_uri)
        try:
            updated = super().update(context, id_or_uri, image_info, *args,
                                     **kwargs)
        except Exception as error:
            updated = self._registered(context, id_or_uri, uri)
            if updated is None:
                if not _is_refusal(error):
                    raise
                raise _refused(id_or_uri, uri, error) from error
            LOG.info('Glance has registered %s; its answer was: %s', uri,
                     error)
        self._await(context, id_or_uri, uri)
        return updated

    def _registered(self, context, image_id, uri):
        """Return an image if Glance has our location of it, or works on it.

        Not every Glance shows locations. Nova has just made the image, so
        that data which it has are ours.
        """
        try:
            found = self.get(context, image_id, include_locations=True)
        except exception.ImageNotFound:
            sealing.glance_may_have(image_id, False)
            return None
        except Exception as error:
            LOG.warning('Glance does not tell what became of %s, and its file '
                        'stays: %s', uri, error)
            return None
        shown = [each['url'] for each in found.get('locations') or ()]
        taken = uri in shown if shown else _is_taken(found)
        sealing.glance_may_have(image_id, taken)
        return found if taken else None

    def _await(self, context, image_id, uri):
        """Wait until Glance has looked at a location.

        From 2024.2 on it looks after it has answered. An image that it has
        not accepted is without data again, as before, and not locked.

        :raises exception.ImageUnacceptable: Glance has refused the location
        """
        deadline = time.monotonic() + CONF.gpfs.command_timeout
        while time.monotonic() < deadline:
            found = self.get(context, image_id)
            if not _is_taken(found):
                sealing.glance_may_have(image_id, False)
                raise _refused(image_id, uri, 'the image has no data')
            if found['status'] not in ('queued', 'importing'):
                return
            time.sleep(_PACE)
        LOG.warning('Glance has not yet looked at %s; the snapshot is ready '
                    'when it has', uri)


def _is_taken(image):
    """Whether an image has data, or Glance works on what is to be its data."""
    return image['status'] != 'queued' or _LOCK in image['properties']


def _refused(image_id, uri, reason):
    return exception.ImageUnacceptable(
        image_id=image_id, reason=f'Glance refuses {uri}: {reason}')


def _is_refusal(error):
    if isinstance(error, exception.ImageUnacceptable):
        return False
    if isinstance(error, glanceclient.exc.HTTPNotFound):
        return False
    if isinstance(error, glanceclient.exc.HTTPException):
        return str(error.code)[:1] == '4' or error.code == 501
    return isinstance(error, _REFUSALS)
