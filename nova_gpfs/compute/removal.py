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

"""Remove the files of an instance: all of them, or none but its own."""

import os

from nova.compute import task_states
from nova.compute import vm_states
from nova import objects
from nova.virt.libvirt import driver
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging

from nova_gpfs.compute import boundary
from nova_gpfs import errors

LOG = logging.getLogger(__name__)

_MOVING = (task_states.RESIZE_PREP, task_states.RESIZE_MIGRATING,
           task_states.RESIZE_MIGRATED, task_states.RESIZE_FINISH,
           task_states.RESIZE_REVERTING, task_states.RESIZE_CONFIRMING)
_DELETING = (task_states.DELETING, task_states.SOFT_DELETING)


class Removal(driver.LibvirtDriver):
    """The part of the libvirt driver that removes disks."""

    _has_started = False

    def get_available_resource(self, nodename):
        """Note that Nova has come to the end of its work at the start."""
        self._has_started = True
        return super().get_available_resource(nodename)

    def delete_instance_files(self, instance):
        """Delete the directory; False, to try again later, if GPFS is gone.

        Where the file system is not mounted nothing is found to delete, and
        stock Nova would take that for done. A rebuild must not go on then:
        it would boot the old disk under the name of the new image.
        """
        deleted = self._delete_instance_files(instance)
        if not deleted and instance.task_state == task_states.REBUILDING:
            raise boundary.StorageFailed(
                summary='the old disks could not be deleted')
        return deleted

    def _delete_instance_files(self, instance):
        storage = self.image_backend.storage
        try:
            storage.guard.check()
            deleted = self._delete_directories(instance, storage.trash)
            storage.guard.check()
        except (errors.GpfsError, OSError) as error:
            LOG.warning('The files are deleted later: %s', error,
                        instance=instance)
            return False
        if deleted and not _is_moving(instance):
            storage.parents.forget(instance.uuid)
        return deleted

    def _delete_directories(self, instance, trash):
        """Delete what Nova's names for an instance's directory name.

        Stock Nova renames one directory and gives up when it finds a second
        one. During a move ``_resize`` holds the disks to revert to, and stock
        Nova would take it for the instance's where there is no other.
        """
        top = libvirt_utils.get_instance_path(instance)
        trash.discard(top + '_del')
        if _is_moving(instance):
            trash.discard(top)
            return True
        trash.discard(top + '_resize')
        deleted = super().delete_instance_files(instance)
        return deleted and not os.path.lexists(top)

    def cleanup(self, context, instance, network_info, block_device_info=None,
                destroy_disks=True, *args, **kwargs):
        """Clean up after an instance, but keep disks that another host uses.

        Resizing to another cell copies by an image and leaves both hosts
        with a directory, which Nova deletes on the one that loses. Where
        both are on one file system there is only one.

        A host that comes back asks the host to which an instance has been
        evacuated whether they share the directory, and takes every failure
        to ask for "no" (Launchpad bug 2085975).
        """
        if destroy_disks and not _is_deleting(instance):
            for user in self._other_users(context, instance):
                LOG.warning('The disks stay: %s, and uses the same directory',
                            user, instance=instance)
                destroy_disks = False
                _require_no_rebuild(instance)
        super().cleanup(context, instance, network_info, block_device_info,
                        destroy_disks, *args, **kwargs)

    def _other_users(self, context, instance):
        """Yield what other hosts have to do with an instance's disks."""
        if self._is_used_in_other_cell(context, instance):
            yield 'a host of the other cell resizes the instance'
        if self._has_started:
            return
        knows = self.image_backend.storage.hosts.knows
        for migration in self._evacuations(context, instance):
            name = migration.dest_compute
            if name is None or knows(name):
                yield f'{name or "a host"} evacuates the instance'

    def _evacuations(self, context, instance):
        """Return evacuations from here that nova-compute has not come to.

        The same ones as Nova looks for when it starts. Later they say
        nothing: some are never brought to an end, and the instance may have
        come back. The destination has no name before it has begun.
        """
        return objects.MigrationList.get_by_filters(context, {
            'instance_uuid': instance.uuid,
            'source_compute': self._name_of_host,
            'migration_type': 'evacuation',
            'status': ['accepted', 'pre-migrating', 'done']})

    def _is_used_in_other_cell(self, context, instance):
        """Whether the other host of a move between cells was ever here."""
        if instance.migration_context is None:
            return False
        migration = objects.Migration.get_by_id(
            context, instance.migration_context.migration_id)
        if not migration.cross_cell_move:
            return False
        knows = self.image_backend.storage.hosts.knows
        return all(knows(name) for name in (migration.source_compute,
                                            migration.dest_compute))


def _require_no_rebuild(instance):
    """Refuse to boot a disk that stays under the name of a new image."""
    if instance.task_state == task_states.REBUILDING:
        raise boundary.StorageFailed(
            summary='another host uses the old disks')


def _is_deleting(instance):
    return (instance.task_state in _DELETING or instance.deleted
            or instance.vm_state == vm_states.DELETED)


def _is_moving(instance):
    """Whether the old disks of a move may still be wanted."""
    return not _is_deleting(instance) and (
        instance.vm_state == vm_states.RESIZED
        or instance.task_state in _MOVING)
