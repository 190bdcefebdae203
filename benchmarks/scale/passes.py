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

"""One pass of the cache manager, Nova's and the plug-in's, side by side.

Each has a directory of its own with the same instances and images. Half of
the images are of no instance, and have to go.
"""

import os
import time
from unittest import mock
import uuid

from nova import objects
from nova.virt.libvirt import imagecache

from benchmarks import backends
from benchmarks import counting
from benchmarks import image
from benchmarks import scenarios
from nova_gpfs.compute import cache_manager
from nova_gpfs import layout

CONF = backends.CONF
MIB = 2 ** 20
SIZE = 2 * MIB
_STATUS = '/proc/self/status'


def measure(cluster, directory, wish):
    """Return seconds, memory, programs and removals by manager.

    :raises scenarios.Broken: an image has gone that is needed, or has stayed
    """
    for name in ('remove_unused_original_minimum_age_seconds',
                 'remove_unused_resized_minimum_age_seconds'):
        CONF.set_override(name, 0, 'image_cache')
    source = image.write(os.path.join(directory, 'cached'), SIZE, MIB)
    images = [str(uuid.UUID(int=number + 1)) for number in range(wish.images)]
    used = images[::2]
    place = os.path.join(cluster.mount_point('fs0'), 'nova')
    return {name: prepare(os.path.join(place, f'pass-{name}'), cluster,
                          source, images, used, number)
            for name, prepare, number in (
                ('nova', _nova, wish.nova_instances),
                ('gpfs', _gpfs, wish.instances))}


def _nova(path, cluster, source, images, used, number):
    backends.make(backends.RAW, path).enter()
    base = os.path.join(path, CONF.image_cache.subdirectory_name)
    os.mkdir(base)
    for each in images:
        image.Download(source)(None, os.path.join(
            base, imagecache.get_cache_fname(each)), each)
    return _pass(imagecache.ImageCacheManager(), path, used, number,
                 lambda: {each for each in images if os.path.exists(
                     os.path.join(base, imagecache.get_cache_fname(each)))})


def _gpfs(path, cluster, source, images, used, number):
    backend = backends.make(backends.GPFS, path, cluster.bin_dir('node1'))
    backend.enter()
    for each in images:
        instance = backend.new_instance()
        backend.make_disk(instance, each, image.Download(source), SIZE)
        backend.remove(instance)
    masters = backend.nova.storage.masters
    return _pass(
        cache_manager.GpfsImageCacheManager(
            backend.nova.storage, backend.nova.splitting), path, used,
        number, lambda: {each for each in images if any(masters.of_image(
            layout.master_key(imagecache.get_cache_fname(each))))})


def _pass(manager, path, used, number, left):
    """Let a manager do its pass, with so many instances there."""
    instances = [_instance(path, used[count % len(used)], count)
                 for count in range(number)]
    before = len(left())
    found = _measured(lambda: manager.update(None, instances))
    if left() != set(used[:number]):
        raise scenarios.Broken(f'{sorted(left())} are left, and used are '
                               f'{sorted(used)}')
    return {'instances': number, **found, 'removed': before - len(left())}


def _instance(path, image_id, number):
    """Return an instance that has a directory with a disk."""
    instance = objects.Instance(
        id=number, uuid=str(uuid.UUID(int=number + 1)), host='node1',
        image_ref=image_id, kernel_id='', ramdisk_id='', task_state=None,
        vm_state='active')
    os.mkdir(os.path.join(path, instance.uuid))
    with open(os.path.join(path, instance.uuid, 'disk'), 'xb') as disk:
        disk.truncate(SIZE)
    return instance


def _measured(act):
    """Return the seconds and the bytes of memory that something takes."""
    # Let the kernel forget the most that was used so far (proc(5)).
    with open('/proc/self/clear_refs', 'w') as f:
        f.write('5')
    before = _memory('VmRSS')
    # Neither asks the database for anything else.
    with (mock.patch.object(objects.BlockDeviceMappingList,
                            'bdms_by_instance_uuid', autospec=True,
                            return_value={}), counting.counted() as seen):
        begun = time.perf_counter()
        act()
        seconds = time.perf_counter() - begun
    return {'seconds': seconds, 'more': max(0, _memory('VmHWM') - before),
            'programs': dict(seen.programs)}


def _memory(name):
    """Return the bytes in a line of proc(5)."""
    with open(_STATUS) as lines:
        return next(int(line.split()[1]) * 1024 for line in lines
                    if line.startswith(f'{name}:'))
