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

"""The disk of an instance on GPFS, as Nova's libvirt driver sees it."""

import dataclasses
import functools
import os
import stat
from typing import Any

from nova.compute import task_states
from nova import conf
from nova import exception
from nova.virt.image import model as imgmodel
from nova.virt.libvirt import imagebackend
from oslo_log import log as logging

from nova_gpfs.compute import boundary
from nova_gpfs.compute import disk_info
from nova_gpfs.compute import fetching
from nova_gpfs.compute import growth
from nova_gpfs.compute import guest_disk
from nova_gpfs.compute import host
from nova_gpfs.compute import placing
from nova_gpfs.compute import sealing
from nova_gpfs import errors
from nova_gpfs import image_location
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import plan
from nova_gpfs import qcow2

CONF = conf.CONF
LOG = logging.getLogger(__name__)


class Gpfs(imagebackend.Flat):
    """A plain file below instances_path: a clone of a sealed master.

    ``storage`` and the others are bound by the backend of each compute host.
    """

    storage: Any = None
    placing: Any = None
    following: Any = None
    splitting: Any = None

    def __init__(self, instance=None, disk_name=None, path=None,
                 disk_info_mapping=None):
        if self.storage is None:
            self.storage = host.storage_from_conf()
            self.placing = host.placing_from_conf(self.storage)
            self.following = host.following_from_conf(self.storage,
                                                      self.placing)
            self.splitting = host.splitting_from_conf(self.storage)
        super().__init__(instance=instance, disk_name=disk_name, path=path,
                         disk_info_mapping=disk_info_mapping)
        # Preallocation would give every disk blocks of its own for what it
        # shares with its master. It is refused when nova-compute starts.
        self.preallocate = False
        self._instance = instance
        self.driver_io = None

    def _get_driver_format(self):
        """Return the format of a disk that disk.info does not know.

        Flat asks qemu-img, which believes what the guest wrote. Without a
        record the disk is raw, and stays so.
        """
        return self.driver_format

    def exists(self):
        """Whether the disk is there; a sick file system is no answer.

        A link is none, wherever it leads: somebody has put it there.
        """
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode):
            with boundary.to_nova():
                raise errors.AlreadyExists(f'{self.path} is no file')
        return True

    def cache(self, fetch_func, filename, size=None, safe=False, *args,
              **kwargs):
        """Make the disk from its master, or grow the disk that is there.

        :param fetch_func: Nova's function that writes ``target``
        :param filename: Nova's name of the master in its own cache
        :param size: size in bytes, None or 0 for the size of the image
        """
        with boundary.to_nova():
            self._cache(fetch_func, filename, size, *args, **kwargs)
        self.correct_format()

    def _cache(self, fetch_func, filename, size, *args, **kwargs):
        self.storage.guard.check()
        if self.exists():
            self.resize_image(size)
            if self._instance is not None:
                self.following.changed(self._instance, self.path)
            return
        wanted = self._wanted()
        if 'image_id' in kwargs:
            fill = fetching.Image(self.storage, fetch_func, at_most=size,
                                  **kwargs)
            fill.complete(self._create(layout.master_key(filename), fill,
                                       size, wanted, fill.clone))
        elif 'ephemeral_size' in kwargs:
            fill = fetching.ephemeral(fetch_func, **kwargs)
            self._create(_ephemeral_key(filename, fetch_func, **kwargs),
                         fill, size, wanted)
        else:
            self._generate(functools.partial(fetch_func, *args, **kwargs),
                           wanted)

    def create_image(self, prepare_template, base, size, safe=False, *args,
                     **kwargs):
        """Do as ``cache()``; ``base`` only names the master."""
        self.cache(prepare_template, os.path.basename(base), size, safe,
                   *args, **kwargs)

    @property
    def _name(self):
        return os.path.basename(self.path)

    def _create(self, key, fill, size, wanted, clone=None):
        def ensure():
            master, _made = self.storage.masters.ensure(
                key, fill, self.placing.of_master(wanted), clone)
            self._refuse_too_small(plan.new_disk(master.info, size))
            return master

        with self.storage.new_disk_of(ensure, self.path,
                                      wanted) as (master, unnamed):
            self._grow(plan.new_disk(master.info, size), unnamed)
            self._record_format(master.info.format)
            self._record_placement(wanted)
        return master

    def _generate(self, make, wanted):
        with self.storage.new_file(self.path, wanted) as unnamed:
            make(target=unnamed)
            self._record_format(plan.RAW)
            self._record_placement(wanted)

    def _wanted(self):
        """Return the placement that a new disk is to have.

        A move has stopped the guest, which must not stay down for where the
        blocks of a swap disk are.
        """
        try:
            return self.placing.placement(self._instance, self._name)
        except errors.NoFailureGroup as error:
            if self._instance.task_state != task_states.RESIZE_FINISH:
                raise
            LOG.warning('%(disk)s is placed by GPFS: %(error)s',
                        {'disk': self.path, 'error': error},
                        instance=self._instance)
            return model.Placement()

    def _record_placement(self, wanted):
        if self._instance is None:
            return
        directory = os.path.dirname(self.path)
        record = placements.read(directory).with_disk(self._name, wanted)
        placements.write(directory, dataclasses.replace(
            record, wishes=placing.wishes(self._instance)))

    def import_file(self, instance, local_file, remote_name):
        """Place the config drive, which Nova has just written."""
        with boundary.to_nova():
            wanted = self.placing.placement(instance, self._name)
            if not wanted.is_empty:
                self.storage.move_own(self.path, wanted)
            self._record_placement(wanted)

    @staticmethod
    def _refuse_too_small(steps):
        for step in steps:
            if isinstance(step, plan.TooSmall):
                raise exception.FlavorDiskSmallerThanImage(
                    flavor_size=step.size, image_size=step.needed)

    def _record_format(self, disk_format):
        self.driver_format = disk_format
        disk_info.record(self.disk_info_path, self.path, disk_format,
                         self.lock_path)

    def resize_image(self, size):
        """Grow the disk to ``size`` bytes; a smaller or no size is no-op."""
        if not size:
            return
        self._grow(plan.existing_disk(
            self.driver_format,
            growth.virtual_size(self.path, self.driver_format), size),
            self.path)

    @staticmethod
    def _grow(steps, path):
        for step in steps:
            if isinstance(step, plan.Grow):
                growth.grow(path, step)

    def snapshot_extract(self, target, out_format):
        """Make a file of what the disk is now; nobody has it open."""
        with boundary.to_nova():
            source = sealing.closed(self.storage, self._instance, self.path)
        if source is None:
            super().snapshot_extract(target, out_format)
        else:
            sealing.provide(source, self.driver_format, target, out_format)

    def direct_snapshot(self, context, snapshot_name, image_format, image_id,
                        base_image_id):
        """Clone the disk into Glance's store and return its location.

        :raises NotImplementedError: there is no such store
        :raises exception.ImageUnacceptable: Nova is to upload the disk
        """
        if self.storage.images.store is None:
            # Nova uploads the disk then, and has nothing to warn of.
            raise NotImplementedError('there is no [gpfs] image_store')
        try:
            self._require_whole(image_format)
            uri = sealing.stored(self.storage, self._instance, self.path,
                                 image_id, self.placing.of_snapshots())
        except (errors.GpfsError, OSError) as reason:
            raise exception.ImageUnacceptable(
                image_id=image_id, reason=str(reason)) from reason
        moment = sealing.now()
        self.splitting.add(image_id, moment.parent, moment.depth)
        return uri

    def _require_whole(self, image_format):
        """Refuse a disk that is not the image as it is.

        :raises errors.CannotClone: another format, or a part elsewhere
        """
        if image_format != self.driver_format:
            raise errors.CannotClone(
                f'{self.path} is {self.driver_format}, and {image_format} is '
                'asked for')
        if image_format == plan.QCOW2 and qcow2.backing_file(self.path):
            raise errors.CannotClone(f'{self.path} has a backing file')

    def cleanup_direct_snapshot(self, location, also_destroy_volume=False,
                                ignore_errors=False):
        """Remove a file from Glance's store that Glance does not know.

        :param location: {'url': location}, or None if nothing was made
        """
        if not (location and also_destroy_volume):
            return
        try:
            with boundary.to_nova():
                named = image_location.parse_uri(location['url'])
                if not sealing.may_be_glances(named.image_id):
                    self.storage.snapshots.remove(named.image_id)
        except boundary.StorageFailed:
            if not ignore_errors:
                raise

    def flatten(self):
        """Leave the disk as it is.

        Nova asks for this before it deletes the image that the disk was made
        from. The disk hangs on a master, which is not the image, and GPFS
        keeps a master as long as it has clones.
        """

    def libvirt_info(self, *args, **kwargs):
        """Return the disk for the guest's XML, with an error policy."""
        return guest_disk.with_policy(super().libvirt_info(*args, **kwargs),
                                      CONF.gpfs.guest_error_policy)

    def get_model(self, connection):
        return imgmodel.LocalFileImage(self.path, self.driver_format)


def _ephemeral_key(filename, fetch_func, specified_fs=None, **kwargs):
    """Name a formatted master after all that decides its contents.

    Nova's file name has the size and the default file system. The label and
    an explicitly chosen file system are arguments of mkfs as well.
    """
    label = getattr(fetch_func, 'keywords', {}).get('fs_label')
    return layout.master_key(filename, specified_fs, label)
