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

"""Refuse an image that is larger than its disk before it takes any space.

Nova compares the two when it has downloaded and converted the image. A small
file can become one that fills the file system of all instances by then:
compressed clusters of qcow2 hold what QEMU writes out in full.
"""

from nova import exception
from nova.virt import images
from oslo_log import log as logging

from nova_gpfs import printable

LOG = logging.getLogger(__name__)


def require_fits(context, image_id, size):
    """Refuse an image that Glance knows to be larger than its disk.

    Glance reads the size from the data of an image when they are uploaded
    (Image API v2, ``virtual_size``). Where it does not tell, an image is
    compared when it is there.

    :param size: size of the disk in bytes; None or 0 for that of the image
    :raises exception.FlavorDiskSmallerThanImage: it is larger
    """
    if not size:
        return
    needed = _virtual_size(context, image_id)
    if needed > size:
        raise exception.FlavorDiskSmallerThanImage(flavor_size=size,
                                                   image_size=needed)


def _virtual_size(context, image_id):
    """Return it in bytes; 0 if Glance does not tell, whatever the reason.

    Nova leaves it out of what it makes of Glance's answer, so this goes past
    that. No boot may depend on it: what was made is compared in any case.
    """
    try:
        service, image_id = images.IMAGE_API._get_session_and_image_id(
            context, image_id)
        record = service._client.call(context, 2, 'get', args=(image_id,))
    except Exception as error:
        LOG.debug('Glance does not tell the size of %s: %s',
                  printable.line(image_id, 100),
                  printable.line(str(error), 2000))
        return 0
    return record.get('virtual_size') or 0
