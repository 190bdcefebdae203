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

import contextlib
import contextvars

from nova import exception
from nova.virt import images
from oslo_log import log as logging

from nova_gpfs import printable

LOG = logging.getLogger(__name__)

# Of the disk that an image is fetched for, in this thread.
_SIZE = contextvars.ContextVar('nova_gpfs_size_of_disk', default=0)


def require_fits(context, image_id, size):
    """Refuse an image that Glance knows to be larger than its disk.

    Glance reads the size from the data of an image when they are uploaded
    (Image API v2, ``virtual_size``). Where it does not tell, an image is
    compared before it is converted, and when it is there.

    :param size: size of the disk in bytes; None or 0 for that of the image
    :raises exception.FlavorDiskSmallerThanImage: it is larger
    """
    if size:
        _compare(_virtual_size(context, image_id), size)


@contextlib.contextmanager
def at_most(size):
    """Let nothing that is larger than the disk be converted in here.

    :param size: size of the disk in bytes; None or 0 for that of the image
    """
    token = _SIZE.set(size or 0)
    try:
        yield
    finally:
        _SIZE.reset(token)


class Convert:
    """Nova's convert_image, which compares first what it is to convert.

    Nova converts an image as soon as it has downloaded it
    (nova.virt.images.fetch_to_raw), and leaves no other place in between.
    """

    def __init__(self, original):
        self.original = original

    def __call__(self, source, dest, in_format, out_format, *args, **kwargs):
        """Convert an image, unless it is larger than the disk it is for.

        Its format has been inspected by then. QEMU is not let guess one.

        :raises exception.FlavorDiskSmallerThanImage: it is larger
        """
        size = _SIZE.get()
        if size and in_format:
            _compare(images.qemu_img_info(source, in_format).virtual_size,
                     size)
        return self.original(source, dest, in_format, out_format, *args,
                             **kwargs)


def _compare(needed, size):
    if needed and needed > size:
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
