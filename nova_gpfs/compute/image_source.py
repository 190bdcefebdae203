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

"""Make the master of an image from the file that Glance has, where it lies.

What Nova looks at when it has downloaded an image is looked at in the file:
before anything is made of it, and again in what was made, since Glance's file
is not sealed until then. Whatever stands in the way means the download, which
then has the last word.
"""

import contextlib
import os

import glanceclient.exc
from nova import exception
from nova.virt import images
from oslo_config import cfg
from oslo_log import log as logging

from nova_gpfs.compute import growth
from nova_gpfs import digest
from nova_gpfs import errors
from nova_gpfs import master_record
from nova_gpfs import plan
from nova_gpfs import printable

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# Of the image and its file, of GPFS, and of what Glance says.
_OBSTACLES = (errors.GpfsError, OSError, exception.NovaException,
              glanceclient.exc.ClientException)


class ImageSource:
    """The file of one image in Glance's store."""

    def __init__(self, storage, image_id, context=None, trusted_certs=None):
        self._storage = storage
        self._image_id = image_id
        self._context = context
        self._trusted_certs = trusted_certs
        self._has_asked = False

    def clone(self, path):
        """Make a clone parent of the file; return what it is, and its digest.

        The file itself stays writable, as a clone of the parent (IBM
        documentation, "Listing file clones"). None where that cannot be, and
        where the image is to be converted. The digest is what Glance says, as
        the file is the image byte by byte, and '' where it says none.
        """
        return self._from_file(self._snap, path)

    def convert(self, path):
        """Write to ``path`` what QEMU reads from the file, as a raw image.

        None where that cannot be, and where the image is to stay as it is.

        :raises exception.FlavorDiskSmallerThanImage: it is larger than the
            disk; the download would find no other size
        """
        return self._from_file(self._convert, path)

    def complete(self, master):
        """Record the digest of a master if Glance knows it by now.

        That of a snapshot it computes after the snapshot can be booted. It is
        asked now and then only, and nothing fails for it.
        """
        if self._has_asked or not self._storage.images.is_time_to_ask(
                self._image_id):
            return
        try:
            record = images.IMAGE_API.get(self._context, self._image_id)
            if (record['disk_format'] == master.info.format
                    and record['size'] == os.stat(master.path).st_size
                    and _digest(record)):
                master_record.add_digest(master.directory, _digest(record))
        except _OBSTACLES as obstacle:
            LOG.debug('The digest of %(image)s is not recorded: %(why)s',
                      {'image': self._image_id, 'why': obstacle})

    def _from_file(self, make, path):
        if not self._storage.images.is_on:
            return None
        try:
            self._require_no_signature()
            self._has_asked = True
            record = images.IMAGE_API.get(self._context, self._image_id,
                                          include_locations=True)
            with self._opened(record) as found:
                return make(found, record, path)
        except exception.FlavorDiskSmallerThanImage:
            # A download would become as large.
            raise
        except _OBSTACLES as obstacle:
            self._say(obstacle)
            return None

    def _say(self, obstacle):
        # What Nova and Glance say has in it what they were asked for.
        image_id = printable.line(self._image_id, 100)
        why = printable.line(str(obstacle), 2000)
        if self._storage.images.is_news(image_id, why):
            LOG.warning('Image %(image)s is downloaded and not cloned: '
                        '%(why)s', {'image': image_id, 'why': why})

    def _require_no_signature(self):
        """Leave it to Nova to verify a signature, as it downloads.

        :raises errors.CannotClone: it is to verify one
        """
        if (self._trusted_certs or CONF.glance.verify_glance_signatures
                or (CONF.glance.enable_certificate_validation
                    and CONF.glance.default_trusted_certificate_ids)):
            raise errors.CannotClone('its signature is to be verified')

    @contextlib.contextmanager
    def _opened(self, record):
        """Open the file of an image by the first location that will do.

        :raises errors.GpfsError: there is none
        """
        if record['status'] != 'active':
            raise errors.CannotClone(f'it is {record["status"]}')
        with contextlib.ExitStack() as stack:
            yield self._open_first(stack, self._locations(record),
                                   record['size'])

    def _open_first(self, stack, uris, size):
        refusal: errors.GpfsError = errors.CannotClone(
            'Glance does not tell where it is')
        for uri in uris:
            try:
                found = stack.enter_context(
                    self._storage.images.opened(uri, self._image_id))
            except errors.GpfsError as error:
                refusal = error
                continue
            if found.size == size:
                return found
            refusal = errors.CannotClone(
                f'{found.path} has {found.size} bytes, the image {size}')
        raise refusal

    def _locations(self, record):
        """Return the URIs of an image, of which Glance may tell none.

        They are in the record where Glance shows them to all who see the
        image. From 2024.2 on it tells them to services alone if asked.
        """
        found = record.get('locations')
        if not found:
            session, image_id = images.IMAGE_API._get_session_and_image_id(
                self._context, self._image_id)
            found = session._client.call(
                self._context, 2, 'get_image_locations', args=(image_id,))
        return list(dict.fromkeys(each['url'] for each in found))

    def _snap(self, found, record, path):
        disk_format = self._inspect(_open_path(found), record)
        if disk_format not in _kept_formats():
            return None
        self._storage.driver.snapshot(found.path, path)
        with self._storage.masters.readable(path) as sealed:
            if (os.stat(found.path).st_ino != os.fstat(found.descriptor).st_ino
                    or os.stat(sealed).st_size != found.size
                    or self._inspect(sealed, record) != disk_format):
                raise errors.CannotClone(f'{found.path} has changed')
            info = self._info(sealed, disk_format)
        LOG.info('Image %(image)s is cloned from %(file)s and not downloaded',
                 {'image': self._image_id, 'file': found.path})
        return info, _digest(record)

    def _convert(self, found, record, path):
        disk_format = self._inspect(_open_path(found), record)
        if disk_format in _kept_formats():
            return None
        before = _state(found)
        try:
            images.convert_image(_open_path(found), path, disk_format,
                                 plan.RAW)
            if _state(found) != before:
                raise errors.CannotClone(f'{found.path} has changed')
            if images.qemu_img_info(path).file_format != plan.RAW:
                raise errors.CannotClone('converted to raw, it is not raw')
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            raise
        LOG.info('Image %(image)s is converted from %(file)s and not '
                 'downloaded', {'image': self._image_id, 'file': found.path})
        return self._info(path, plan.RAW)

    def _inspect(self, path, record):
        """Return the format of an image that Nova would take.

        This asks what nova.virt.images.fetch_to_raw asks, in its order.

        :raises exception.ImageUnacceptable: Nova would not take it
        """
        claimed = None
        if not CONF.workarounds.disable_deep_image_inspection:
            claimed = images.do_image_deep_inspection(
                record, self._image_id, path)
        found = images.qemu_img_info(path)
        details = (found.format_specific or {}).get('data') or {}
        reason = ''
        if found.file_format is None or claimed not in (
                None, found.file_format):
            reason = f'it is {found.file_format} and not {claimed}'
        elif found.backing_file or details.get('data-file'):
            reason = 'a part of it is in another file'
        if reason:
            raise exception.ImageUnacceptable(image_id=self._image_id,
                                              reason=reason)
        if found.file_format == 'vmdk':
            images.check_vmdk_image(self._image_id, found)
        return found.file_format

    def _info(self, path, disk_format):
        return plan.MasterInfo(
            disk_format, growth.virtual_size(path, disk_format),
            self._image_id,
            disk_format == plan.RAW and growth.holds_bare_file_system(path))


def _digest(record):
    """Return the digest that Glance has of an image, '' for none of use."""
    return digest.stated(record.get('os_hash_algo'),
                         record.get('os_hash_value'))


def _kept_formats():
    """Return the formats of images that disks have as well."""
    return (plan.RAW,) if CONF.force_raw_images else (plan.RAW, plan.QCOW2)


def _open_path(found):
    """Return a path of the open file itself, whatever has its name now.

    qemu-img, which runs as the same user, can open it as well (proc(5)).
    """
    return f'/proc/{os.getpid()}/fd/{found.descriptor}'


def _state(found):
    now = os.fstat(found.descriptor)
    return now.st_size, now.st_mtime_ns
