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
"""

import glanceclient.exc
from nova import exception
from nova.image import glance
from oslo_log import log as logging

from nova_gpfs import image_location

LOG = logging.getLogger(__name__)

# What Nova makes of the answers 400, 401 and 403.
_REFUSALS = (exception.Invalid, exception.Forbidden,
             exception.ImageNotAuthorized)


class ImageApi(glance.API):
    """Nova's client of Glance."""

    def update(self, context, id_or_uri, image_info, *args, **kwargs):
        """Do as Nova's, and say so if Glance refuses a location of ours.

        After anything that is no refusal, Glance may have registered it.

        :raises exception.ImageUnacceptable: Glance refuses the location
        """
        uri = str(image_info.get('location') or '')
        try:
            return super().update(context, id_or_uri, image_info, *args,
                                  **kwargs)
        except Exception as error:
            if not (uri.startswith(image_location.SCHEME + '://')
                    and _is_refusal(error)):
                raise
            raise exception.ImageUnacceptable(
                image_id=id_or_uri,
                reason=f'Glance refuses {uri}: {error}') from error


def _is_refusal(error):
    if isinstance(error, exception.ImageUnacceptable):
        return False
    if isinstance(error, glanceclient.exc.HTTPNotFound):
        return False
    if isinstance(error, glanceclient.exc.HTTPException):
        return str(error.code)[:1] == '4' or error.code == 501
    return isinstance(error, _REFUSALS)
