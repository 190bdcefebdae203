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

"""What of Nova the plug-in leans on, as data, and whether it is there.

Nova makes no promise about any of this. A name that is gone would leave an
override that nobody calls, and a parameter that moved would be filled with
something else; both are found here, before a disk is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import importlib
import inspect
import operator

#: Nova 2025.1, the oldest release that the plug-in is tested with.
OLDEST = 31
#: Nova 2026.2, the newest release that the plug-in is tested with.
NEWEST = 34

Expected = Mapping[str, Mapping[str, str]]

#: Needed while nova.conf is parsed; nova.virt.libvirt is not imported then.
TO_ACTIVATE: Expected = {
    'nova.virt.driver': {
        'load_compute_driver': 'virtapi compute_driver',
    },
}

#: Every function that the plug-in overrides, or calls by position, with the
#: names of its parameters. ``...`` stands for any others that may follow:
#: those functions gained one between OLDEST and NEWEST, or are only passed
#: through.
TO_INSTALL: Expected = {
    'nova.virt.libvirt.imagebackend': {
        'Backend.__init__': 'self use_cow',
        'Backend.backend': 'self image_type',
        'Backend.by_name': 'self instance name image_type disk_info_mapping',
        'Backend.by_libvirt_path': 'self instance path image_type',
        'Image.cache': 'self fetch_func filename size safe *args **kwargs',
        'Image.exists': 'self',
        'Image.flatten': 'self',
        'Image.import_file': 'self instance local_file remote_name',
        'Image.libvirt_info': 'self cache_mode extra_specs ...',
        'Flat.__init__': 'self instance disk_name path disk_info_mapping',
        'Flat._get_driver_format': 'self',
        'Flat.create_image':
            'self prepare_template base size safe *args **kwargs',
        'Flat.get_model': 'self connection',
        'Flat.resize_image': 'self size',
        'Flat.snapshot_extract': 'self target out_format',
        'Image.direct_snapshot':
            'self context snapshot_name image_format image_id base_image_id',
        'Image.cleanup_direct_snapshot':
            'self location also_destroy_volume ignore_errors',
    },
    'nova.virt.libvirt.imagecache': {
        'get_cache_fname': 'image_id',
        'ImageCacheManager.__init__': 'self',
        'ImageCacheManager.update': 'self context all_instances',
        'ImageCacheManager._get_base': 'self',
        'ImageCacheManager._list_backing_images': 'self',
        'ImageCacheManager._remove_old_enough_file':
            'self base_file maxage remove_lock',
        'ImageCacheManager._age_and_verify_ephemeral_images':
            'self context base_dir',
        'ImageCacheManager._age_and_verify_swap_images':
            'self context base_dir',
        'ImageCacheManager.get_disk_usage': 'self',
    },
    'nova.virt.libvirt.config': {
        'LibvirtConfigGuestDisk.__init__': 'self **kwargs',
        'LibvirtConfigGuestDisk.format_dom': 'self',
    },
    'nova.virt.libvirt.utils': {
        'fetch_image': 'context target image_id trusted_certs',
        'get_instance_path': 'instance relative',
    },
    'nova.compute.provider_tree': {
        'ProviderTree.add_traits': 'self name_or_uuid *traits',
        'ProviderTree.data': 'self name_or_uuid',
        'ProviderTree.remove_traits': 'self name_or_uuid *traits',
    },
    'nova.image.glance': {
        'API.get': 'self context id_or_uri include_locations ...',
        'API._get_session_and_image_id': 'self context id_or_uri',
        'API.update': 'self context id_or_uri image_info ...',
        'GlanceClientWrapper.call':
            'self context version method controller args kwargs',
    },
    'nova.virt.images': {
        'check_vmdk_image': 'image_id data',
        'convert_image': 'source dest in_format out_format ...',
        'do_image_deep_inspection': 'img image_href path',
        'get_image_format': 'path',
        'qemu_img_info': 'path format',
    },
    'nova.virt.disk.api': {
        'extend': 'image size',
        'is_image_extendable': 'image',
        'resize2fs': 'image ...',
    },
    'nova.virt.libvirt.guest': {
        'Guest.get_all_disks': 'self',
    },
    'nova.virt.libvirt.host': {
        'Host.list_instance_domains': 'self only_running',
    },
    'nova.virt.libvirt.driver': {
        'LibvirtDriver.__init__': 'self virtapi read_only',
        'LibvirtDriver.init_host': 'self host',
        'LibvirtDriver.manage_image_cache': 'self context all_instances',
        'LibvirtDriver.resume_state_on_host_boot':
            'self context instance network_info ...',
        'LibvirtDriver.power_on': 'self context instance network_info ...',
        'LibvirtDriver.reboot':
            'self context instance network_info reboot_type ...',
        'LibvirtDriver.snapshot':
            'self context instance image_id update_task_state',
        'LibvirtDriver._live_snapshot':
            'self context instance guest disk_path out_path source_format '
            'image_format image_meta',
        'LibvirtDriver._suspend_guest_for_snapshot':
            'self context live_snapshot current_power_state instance',
        'LibvirtDriver.quiesce': 'self context instance image_meta',
        'LibvirtDriver.unquiesce': 'self context instance image_meta',
        'LibvirtDriver._requires_quiesce': 'self image_meta',
        'LibvirtDriver.spawn': 'self context instance image_meta ...',
        'LibvirtDriver.rescue':
            'self context instance network_info image_meta ...',
        'LibvirtDriver.cache_image': 'self context image_id',
        'LibvirtDriver.migrate_disk_and_power_off':
            'self context instance dest flavor network_info ...',
        'LibvirtDriver.finish_migration':
            'self context migration instance disk_info network_info '
            'image_meta resize_instance ...',
        'LibvirtDriver.finish_revert_migration':
            'self context instance network_info migration ...',
        'LibvirtDriver.pre_live_migration':
            'self context instance block_device_info network_info '
            'disk_info migrate_data ...',
        'LibvirtDriver.post_live_migration_at_destination':
            'self context instance network_info ...',
        'LibvirtDriver._create_image':
            'self context instance disk_mapping ...',
        'LibvirtDriver._disk_raw_to_qcow2': 'path',
        'LibvirtDriver._is_path_shared_with': 'self dest path',
        'LibvirtDriver._cleanup_remote_migration':
            'self dest inst_base inst_base_resize shared_storage',
        'LibvirtDriver._cleanup_failed_instance_base': 'self inst_base',
        'LibvirtDriver._get_instance_disk_info':
            'self instance block_device_info',
        'LibvirtDriver.cleanup':
            'self context instance network_info block_device_info '
            'destroy_disks ...',
        'LibvirtDriver.confirm_migration':
            'self context migration instance network_info',
        'LibvirtDriver.delete_instance_files': 'self instance',
        'LibvirtDriver.get_available_resource': 'self nodename',
        'LibvirtDriver._get_disk_over_committed_size_total': 'self',
        'LibvirtDriver._update_compute_provider_status':
            'self context service',
        'LibvirtDriver.pause': 'self instance',
        'LibvirtDriver.unpause': 'self instance',
        'LibvirtDriver._get_local_gb_info': '',
        'LibvirtDriver.get_host_ip_addr': 'self',
        'LibvirtDriver.rollback_live_migration_at_destination':
            'self context instance network_info block_device_info '
            'destroy_disks migrate_data',
        'LibvirtDriver.check_can_live_migrate_destination':
            'self context instance ...',
        'LibvirtDriver.check_can_live_migrate_source':
            'self context instance dest_check_data ...',
        'LibvirtDriver.check_instance_shared_storage_local':
            'self context instance',
        'LibvirtDriver.check_instance_shared_storage_remote':
            'self context data',
        'LibvirtDriver._get_disk_config_image_type': '',
        'LibvirtDriver.get_available_resource': 'self nodename',
        'LibvirtDriver.update_provider_tree':
            'self provider_tree nodename allocations',
    },
}


def parameters(function: object) -> list[str]:
    """Return the names of a function's parameters, stars included."""
    if not callable(function):
        return ['(not a function)']
    stars: dict[object, str] = {
        inspect.Parameter.VAR_POSITIONAL: '*',
        inspect.Parameter.VAR_KEYWORD: '**'}
    return [stars.get(each.kind, '') + each.name
            for each in inspect.signature(function).parameters.values()]


def fits(found: list[str], expected: str) -> bool:
    """Whether the parameters found are the ones in a row of the table."""
    names = expected.split()
    if names[-1:] == ['...']:
        return found[:len(names) - 1] == names[:-1]
    return found == names


def differences(expected: Expected) -> Iterator[str]:
    """Yield a sentence for each function that is not as expected."""
    for module, functions in expected.items():
        for name, wanted in functions.items():
            try:
                function = operator.attrgetter(name)(
                    importlib.import_module(module))
            except (ImportError, AttributeError) as error:
                yield f'{module}.{name} is missing ({error})'
                continue
            found = parameters(function)
            if not fits(found, wanted):
                yield (f'{module}.{name} takes ({", ".join(found)}) instead '
                       f'of ({", ".join(wanted.split())})')
