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

"""Nova's libvirt driver, where it would bypass or damage GPFS disks."""

from nova import conf
from nova.virt.libvirt import driver
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import utils as libvirt_utils

from nova_gpfs.compute import image
from nova_gpfs.compute import startup

CONF = conf.CONF


def _guarded(name):
    """Return a method that looks for the file system before Nova writes.

    These operations of Nova make directories and files below instances_path
    before the image backend is asked for anything.
    """
    def method(self, *args, **kwargs):
        self.image_backend.storage.guard.check()
        return getattr(super(GpfsLibvirtDriver, self), name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = f'See LibvirtDriver.{name}.'
    return method


class GpfsLibvirtDriver(driver.LibvirtDriver):
    """The libvirt driver for hosts with images_type = gpfs."""

    spawn = _guarded('spawn')
    rescue = _guarded('rescue')
    snapshot = _guarded('snapshot')
    power_on = _guarded('power_on')
    reboot = _guarded('reboot')
    resume_state_on_host_boot = _guarded('resume_state_on_host_boot')
    migrate_disk_and_power_off = _guarded('migrate_disk_and_power_off')
    finish_migration = _guarded('finish_migration')
    finish_revert_migration = _guarded('finish_revert_migration')
    pre_live_migration = _guarded('pre_live_migration')

    def init_host(self, host):
        """Start, unless something would not work or would not be safe."""
        startup.prepare(self.image_backend.storage)
        super().init_host(host)

    @staticmethod
    def _disk_raw_to_qcow2(path):
        """Leave the disk as it is.

        Stock Nova rewrites raw disks as qcow2 when it finishes a resize with
        use_cow_images = True (the default) while the guest's XML and
        disk.info go on to say raw (Launchpad bug 2038898).
        """

    def cache_image(self, context, image_id):
        """Make the master of an image ready, once for all hosts."""
        return image.ensure_master(
            self.image_backend.storage, libvirt_utils.fetch_image,
            imagecache.get_cache_fname(image_id), context=context,
            image_id=image_id)
