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


"""What nova-compute does for its cache of images every now and then.

Masters are ours, and GPFS knows which of them have clones. What stays with
Nova is ``_base``, where it keeps the kernels and ramdisks of instances.
"""

import os

from nova import conf
from nova.virt.libvirt import imagecache
from oslo_log import log as logging

from nova_gpfs import collection
from nova_gpfs import errors
from nova_gpfs import findings
from nova_gpfs import layout
from nova_gpfs import qcow2

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# Nova runs the task this often, in seconds, where the interval is set to 0.
_SHORTEST_INTERVAL = 60
# Each host asks each minute for the space of the image cache, where
# [workarounds] reserve_disk_resource_for_image_cache is set. One looks at the
# masters for all, this often, in seconds.
_USAGE_AGE = 300.0
# Hosts run it at moments of their own, somewhat earlier or later each time.
_EARLY = 0.9


class GpfsImageCacheManager(imagecache.ImageCacheManager):
    """Takes the place of Nova's.

    That one asks qemu-img about the disk of every instance on every host,
    removes lock files that another host may hold, and knows of no instances
    but those of its own cell, on hosts that were heard of in the last day.
    """

    def __init__(self, storage, splitting):
        self.unexplained_images: list[str] = []
        super().__init__()
        self._storage = storage
        self._splitting = splitting
        self._usage = findings.Findings(
            os.path.join(storage.layout.shared, 'usage.json'), _USAGE_AGE,
            is_found=lambda found: isinstance(found, int))

    def update(self, context, all_instances):
        """Let Nova look after ``_base``, and look after what is ours."""
        super().update(context, all_instances)
        self._splitting.go_on()
        if not self.remove_unused_base_images:
            return
        try:
            self._collect(all_instances)
        except (errors.GpfsError, OSError) as error:
            LOG.warning('Unused masters are removed later: %s', error)

    def _collect(self, all_instances):
        """Remove unused masters, if no other host has just done so."""
        masters = self._storage.collection
        interval = CONF.image_cache.manager_interval or _SHORTEST_INTERVAL
        if not masters.is_due(_EARLY * interval):
            return
        self._storage.sweep()
        listed = {layout.master_key(imagecache.get_cache_fname(image))
                  for image in {instance.image_ref
                                for instance in all_instances} if image}
        masters.collect(collection.Ages(
            CONF.image_cache.remove_unused_original_minimum_age_seconds,
            CONF.image_cache.remove_unused_resized_minimum_age_seconds),
            keep=listed)

    def _get_base(self):
        """Return the directory, None where there is nothing to look after."""
        base = super()._get_base()
        return base if base and os.listdir(base) else None

    def _list_backing_images(self):
        """Find the files of ``_base`` that disks of earlier days need.

        Where images_type was qcow2 before, disks may still have backing
        files there. Their headers are read, and only while there is a file
        that no instance explains; qemu-img is not run. A guest that writes
        such a header to a raw disk can keep a file of ``_base`` from being
        removed, and nothing else.
        """
        if not self.unexplained_images:
            return []
        base = os.path.dirname(self.unexplained_images[0])
        names = {os.path.basename(os.fsdecode(name))
                 for name in _backing_files(CONF.instances_path)}
        found = [path for path in self.unexplained_images
                 if os.path.basename(path) in names]
        self.unexplained_images = [
            path for path in self.unexplained_images if path not in found]
        return [os.path.join(base, name) for name in sorted(names)]

    def _remove_old_enough_file(self, base_file, maxage, remove_lock=True):
        """Leave the lock file: another host may hold it or wait for it."""
        super()._remove_old_enough_file(base_file, maxage, remove_lock=False)

    def _age_and_verify_ephemeral_images(self, context, base_dir):
        """Leave what an earlier images_type has made; nothing is made now."""

    def _age_and_verify_swap_images(self, context, base_dir):
        """Leave what an earlier images_type has made; nothing is made now."""

    def get_disk_usage(self):
        """Return the bytes of ``_base`` and of the masters, 0 if unknown."""
        try:
            self._storage.guard.check()
            return super().get_disk_usage() + self._usage.get(
                self._bytes_of_masters)
        except (errors.GpfsError, OSError):
            return 0

    def _bytes_of_masters(self):
        return sum(os.stat(master.path).st_blocks * 512
                   for _name, master in self._storage.masters.all())


def _backing_files(instances_path):
    """Yield the names that headers of disks give to backing files."""
    for directory in _directories(instances_path):
        try:
            disks = [name for name in os.listdir(directory)
                     if name.startswith('disk')]
        except OSError:
            continue
        for name in disks:
            backing = _backing_file(os.path.join(directory, name))
            if backing:
                yield backing


def _directories(instances_path):
    with os.scandir(instances_path) as entries:
        return [entry.path for entry in entries
                if entry.is_dir(follow_symlinks=False)]


def _backing_file(path):
    """Return the name of a backing file, b'' if there is none to be read."""
    try:
        return qcow2.backing_file(path)
    except OSError:
        return b''
