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

"""Turn what Nova fetches or formats into the contents of a master.

Nova's own fetch functions do the work: download, signature, deep format
inspection, conversion. They write below a directory of our own, and nobody
sees the result before it is sealed.
"""

import os

from nova import exception
from nova.virt import images
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils.imageutils import format_inspector

from nova_gpfs.compute import growth
from nova_gpfs.compute import image_size
from nova_gpfs.compute import image_source
from nova_gpfs import plan

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# What QEMU is to treat as raw, as nova.virt.images does after it has
# inspected an image: whole-disk images show as gpt, bootable CDs as iso.
_RAW_FORMATS = ('raw', 'gpt', 'iso')


class Image:
    """Fills the master of a Glance image.

    From the file that Glance has, where that lies on the same file system;
    else Nova downloads it.
    """

    def __init__(self, storage, fetch_func, image_id, at_most=None,
                 **kwargs):
        """Take the function of Nova that downloads, and its arguments.

        :param at_most: size in bytes of the disk, None or 0 for no limit
        """
        self._storage = storage
        self._fetch = fetch_func
        self._image_id = image_id
        self._at_most = at_most
        self._kwargs = kwargs
        self._source = image_source.ImageSource(storage, image_id, **kwargs)

    def clone(self, path):
        """Make a clone parent of Glance's file; None if that cannot be."""
        return self._source.clone(path)

    def complete(self, master):
        """Record what a master of the image holds, if that is known by now.

        "Already done" means that it has a digest.
        """
        if not master.digest:
            self._source.complete(master)

    def __call__(self, path):
        """Write the image to ``path`` and return what was made.

        :raises exception.FlavorDiskSmallerThanImage: it does not fit
        """
        image_size.require_fits(self._kwargs.get('context'), self._image_id,
                                self._at_most)
        with image_size.at_most(self._at_most):
            return self._source.convert(path) or self._download(path)

    def _download(self, path):
        self._fetch(target=path, image_id=self._image_id, **self._kwargs)
        found = plan.RAW if CONF.force_raw_images else _usable_format(
            self._storage, path, self._image_id)
        if found == plan.RAW:
            _make_sparse(self._storage, path)
        return plan.MasterInfo(
            found, growth.virtual_size(path, found), self._image_id,
            found == plan.RAW and growth.holds_bare_file_system(path))


def ephemeral(fetch_func, **kwargs):
    """Return a fill function for a formatted, empty ephemeral disk."""

    def fill(path):
        fetch_func(target=path, **kwargs)
        return plan.MasterInfo(plan.RAW, os.stat(path).st_size)

    return fill


def _usable_format(storage, path, image_id):
    """Return raw or qcow2, after converting whatever is neither."""
    found = _inspected_format(path, image_id)
    if found in _RAW_FORMATS:
        return plan.RAW
    if found == plan.QCOW2:
        return plan.QCOW2
    LOG.info('Image %(image)s is %(format)s, which guests do not get as it '
             'is; it is converted to raw',
             {'image': image_id, 'format': found})
    converted = path + '.converted'
    images.convert_image(path, converted, found, plan.RAW)
    os.rename(converted, path)
    return plan.RAW


def _inspected_format(path, image_id):
    try:
        inspector = images.get_image_format(path)
        inspector.safety_check()
    except (format_inspector.ImageFormatError,
            format_inspector.SafetyCheckFailed) as error:
        raise exception.ImageUnacceptable(image_id=image_id,
                                          reason=str(error))
    return str(inspector)


def _make_sparse(storage, path):
    """Turn runs of zeros into holes, unless the file has holes already.

    Glance sends every byte of a raw image, and a master written as it came
    would take its full size of GPFS blocks, each replica as well.
    """
    status = os.stat(path)
    if status.st_blocks * 512 < status.st_size:
        return
    sparse = path + '.sparse'
    storage.copy(path, sparse)
    os.rename(sparse, path)
