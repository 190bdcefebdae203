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

import os

from nova import conf
from nova import exception
from nova.virt import configdrive
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import utils as libvirt_utils

from nova_gpfs.compute import attending
from nova_gpfs.compute import boundary
from nova_gpfs.compute import cache_manager
from nova_gpfs.compute import disk_info
from nova_gpfs.compute import measuring
from nova_gpfs.compute import prefetching
from nova_gpfs.compute import removal
from nova_gpfs.compute import reporting
from nova_gpfs.compute import snapshots
from nova_gpfs.compute import startup
from nova_gpfs import plan

CONF = conf.CONF

# Images types of files whose format is looked up in disk.info.
_GO_BY_DISK_INFO = ('gpfs', 'raw', 'flat')
# Every backend takes it for raw.
_CONFIG = 'disk.config'


def _guarded(name):
    """Return a method that looks for the file system before Nova goes on.

    These operations of Nova write below instances_path before the image
    backend is asked for anything, or decide by what they find there whether
    a disk may be deleted.
    """
    def method(self, *args, **kwargs):
        with boundary.to_nova():
            self.image_backend.storage.guard.check()
        return getattr(super(GpfsLibvirtDriver, self), name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = f'See LibvirtDriver.{name}.'
    return method


class GpfsLibvirtDriver(attending.Attending, snapshots.Snapshots,
                        removal.Removal, measuring.Measuring):
    """The libvirt driver for hosts with images_type = gpfs."""

    manage_image_cache = _guarded('manage_image_cache')
    rescue = _guarded('rescue')
    power_on = _guarded('power_on')
    reboot = _guarded('reboot')
    resume_state_on_host_boot = _guarded('resume_state_on_host_boot')
    finish_revert_migration = _guarded('finish_revert_migration')
    check_can_live_migrate_destination = _guarded(
        'check_can_live_migrate_destination')
    check_instance_shared_storage_local = _guarded(
        'check_instance_shared_storage_local')
    check_instance_shared_storage_remote = _guarded(
        'check_instance_shared_storage_remote')

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self.image_cache_manager = cache_manager.GpfsImageCacheManager(
            self.image_backend.storage, self.image_backend.splitting)

    def init_host(self, host):
        """Start, unless something would not work or would not be safe."""
        startup.prepare(self.image_backend.storage,
                        self.image_backend.placing)
        super().init_host(host)
        self._resume_following()
        self.image_backend.splitting.resume()

    def _resume_following(self):
        """Go on with what an earlier nova-compute has not come to."""
        for instance_uuid in self.list_instance_uuids():
            self.image_backend.following.resume(
                instance_uuid, os.path.join(CONF.instances_path,
                                            instance_uuid))

    def spawn(self, context, instance, *args, **kwargs):
        """Refuse what no host can place before anything is made.

        An instance that is evacuated has its disks, wherever they are.
        """
        with boundary.to_nova():
            self.image_backend.storage.guard.check()
            if not os.path.lexists(libvirt_utils.get_instance_path(instance)):
                self.image_backend.placing.check(
                    instance, configdrive.required_by(instance))
        return super().spawn(context, instance, *args, **kwargs)

    def migrate_disk_and_power_off(self, context, instance, dest, flavor,
                                   *args, **kwargs):
        """Refuse a flavor that cannot be placed while the guest still runs."""
        try:
            with boundary.to_nova():
                self.image_backend.storage.guard.check()
                self.image_backend.placing.check(
                    instance, configdrive.required_by(instance), flavor)
        except (exception.InvalidInput, boundary.StorageFailed) as refusal:
            raise exception.InstanceFaultRollback(refusal)
        return super().migrate_disk_and_power_off(
            context, instance, dest, flavor, *args, **kwargs)

    def _create_image(self, context, instance, *args, **kwargs):
        """Place the config drive of before, which Nova does not look at."""
        made = super()._create_image(context, instance, *args, **kwargs)
        config = self.image_backend.by_name(instance, 'disk.config')
        if config.exists():
            self.image_backend.following.changed(instance, config.path)
        return made

    def check_can_live_migrate_source(self, context, instance,
                                      dest_check_data, *args, **kwargs):
        """Refuse hosts that would give the guest its disks otherwise."""
        with boundary.to_nova():
            self.image_backend.storage.guard.check()
        found = super().check_can_live_migrate_source(
            context, instance, dest_check_data, *args, **kwargs)
        if 'image_type' in dest_check_data:
            _require_same_formats(instance, dest_check_data.image_type)
        return found

    def pre_live_migration(self, context, instance, block_device_info,
                           network_info, disk_info, migrate_data, *args,
                           **kwargs):
        """Refuse to copy disks onto themselves.

        Nova decides by a file that one host makes and the other looks for.
        Where that has failed, "auto" becomes a block migration.
        """
        storage = self.image_backend.storage
        with boundary.to_nova():
            storage.guard.check()
        if not migrate_data.is_shared_instance_path and storage.hosts.knows(
                instance.host):
            raise exception.MigrationPreCheckError(
                reason='both hosts share the instances directory, and Nova '
                       'was about to copy the disks')
        return super().pre_live_migration(
            context, instance, block_device_info, network_info, disk_info,
            migrate_data, *args, **kwargs)

    def post_live_migration_at_destination(self, context, instance, *args,
                                           **kwargs):
        """Let new blocks be written near this host, which has the guest."""
        super().post_live_migration_at_destination(context, instance, *args,
                                                   **kwargs)
        self.image_backend.following.arrived(
            instance, libvirt_utils.get_instance_path(instance))

    @staticmethod
    def _get_disk_config_image_type():
        """Return our type, so that config drives are placed too."""
        return 'gpfs'

    @staticmethod
    def _disk_raw_to_qcow2(path):
        """Leave the disk as it is.

        Stock Nova rewrites raw disks as qcow2 when it finishes a resize with
        use_cow_images = True (the default) while the guest's XML and
        disk.info go on to say raw (Launchpad bug 2038898).
        """

    def rollback_live_migration_at_destination(
            self, context, instance, network_info, block_device_info,
            destroy_disks=True, migrate_data=None):
        """Clean up after a live migration that failed, but keep the disks.

        The guest still runs on the other host, from the directory that both
        see, whatever a check during a trouble of GPFS has concluded.
        """
        if migrate_data is not None:
            migrate_data.is_shared_instance_path = True
        super().rollback_live_migration_at_destination(
            context, instance, network_info, block_device_info,
            destroy_disks=False, migrate_data=migrate_data)

    def cache_image(self, context, image_id):
        """Make the masters of an image ready, once for all hosts."""
        with boundary.to_nova():
            return prefetching.prefetch(
                self.image_backend.storage, self.image_backend.placing,
                libvirt_utils.fetch_image,
                imagecache.get_cache_fname(image_id), context=context,
                image_id=image_id)

    def get_available_resource(self, nodename):
        """Add what the scheduler is to know of GPFS to the host's stats."""
        resources = super().get_available_resource(nodename)
        placing = self.image_backend.placing
        offer = placing.facts.last_known()
        if offer is not None:
            resources.setdefault('stats', {}).update(reporting.stats(
                offer, placing.failure_group(offer),
                self.image_backend.storage.whereabouts, placing.rules))
        return resources

    def update_provider_tree(self, provider_tree, nodename,
                             allocations=None):
        """Add traits for what the file system offers."""
        super().update_provider_tree(provider_tree, nodename,
                                     allocations=allocations)
        offer = self.image_backend.placing.facts.last_known()
        if offer is not None:
            reporting.update_traits(offer, provider_tree, nodename,
                                    CONF.gpfs.full_pool_percent)


def _require_same_formats(instance, images_type):
    """Refuse a host whose backend does not go by disk.info.

    Nova's Qcow2 backend takes every disk for qcow2. The guest would run on
    with raw disks until its next hard reboot, and QEMU would then believe
    what the guest has written to where a qcow2 file has its header.
    """
    if images_type in _GO_BY_DISK_INFO:
        return
    found = disk_info.formats(libvirt_utils.get_instance_path(instance))
    raw = sorted(name for name, disk_format in found.items()
                 if disk_format == plan.RAW and name != _CONFIG)
    if raw:
        raise exception.MigrationPreCheckError(reason=(
            f'images_type is {images_type} on the other host, which would '
            f'take raw disks for qcow2: {", ".join(raw)}'))
