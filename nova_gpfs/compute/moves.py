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

"""Resize and cold migration: disks move as clones, and none is lost.

Nova renames the directory of the instance to ``<uuid>_resize``, makes a new
one, and copies each disk back. Here the new disk and the old one become
clones of a common parent instead. The old directory stays complete until the
move is confirmed, and is what a revert puts back.
"""

import contextlib
import contextvars
import os
from typing import Any

from nova.compute import task_states
from nova import conf
from nova import exception
from nova.virt.libvirt import driver
from nova.virt.libvirt import utils as libvirt_utils
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import excutils

from nova_gpfs.compute import aside
from nova_gpfs.compute import boundary
from nova_gpfs.compute import disk_info
from nova_gpfs import errors
from nova_gpfs import hosts
from nova_gpfs import placements
from nova_gpfs import plan

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# Nova makes a swap disk anew on the other side.
_SWAP = 'disk.swap'
# Small and written once, so a parent of its own would only be in the way.
_CONFIG = 'disk.config'
_FORMATS = (plan.RAW, plan.QCOW2)

_held_back: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar(
    'disks that Nova is not to copy', default=None)


@contextlib.contextmanager
def _holding_back():
    """Give a list for the disks of the instance; Nova sees none of them."""
    disks: list[Any] = []
    token = _held_back.set(disks)
    try:
        yield disks
    finally:
        _held_back.reset(token)


class Moves(driver.LibvirtDriver):
    """The part of the libvirt driver that moves instances between hosts."""

    _name_of_host = None

    @property
    def _storage(self):
        return self.image_backend.storage

    def init_host(self, host):
        """See LibvirtDriver.init_host."""
        self._name_of_host = host
        super().init_host(host)

    def get_available_resource(self, nodename):
        """Tell the other hosts that this one is here, then do as Nova."""
        self._announce()
        return super().get_available_resource(nodename)

    def _announce(self):
        if self._name_of_host is None:
            return
        try:
            self._storage.hosts.announce(
                hosts.Host(self._name_of_host, self.get_host_ip_addr()))
        except (errors.GpfsError, OSError) as error:
            LOG.warning('Other hosts ask over ssh before they move an '
                        'instance here, as this host could not enter itself '
                        'below instances_path: %s', error)

    def _is_path_shared_with(self, dest, path):
        """Return True, or refuse to move the instance.

        Where the other host's entry is not fresh, stock Nova asks
        over ssh and takes every failure to ask for "not shared". It then
        copies the disks over ssh onto themselves and, when that fails,
        removes the directory "on the other host", which is the only one
        there is.
        """
        if self._shares(dest):
            return True
        if not self._may_be_ours(dest):
            raise _refusal('the other host has never entered itself below '
                           'the instances directory, as hosts with '
                           'images_type = gpfs do')
        if super()._is_path_shared_with(dest, path):
            return True
        raise _refusal('the other host does not share the instances '
                       'directory, or could not be asked over ssh whether it '
                       'does')

    def _shares(self, dest):
        try:
            return self._storage.hosts.share(dest)
        except (errors.GpfsError, OSError) as error:
            LOG.warning('Whether %(dest)s shares the instances directory is '
                        'asked over ssh: %(error)s',
                        {'dest': dest, 'error': error})
            return False

    def _may_be_ours(self, dest):
        """Whether a host may have our images_type.

        One that has Nova's would convert the disks, or take raw ones for
        qcow2, and nothing would be left that tells the true format.
        """
        try:
            return (dest == self.get_host_ip_addr()
                    or self._storage.hosts.has_had(dest))
        except OSError:
            return True

    def migrate_disk_and_power_off(self, context, instance, dest, flavor,
                                   network_info, *args, **kwargs):
        """Stop the guest and give it a second set of disks, by clones."""
        self._clear_the_way(instance)
        self._mark(instance)
        with _holding_back() as disks:
            super().migrate_disk_and_power_off(
                context, instance, dest, flavor, network_info, *args,
                **kwargs)
        top = libvirt_utils.get_instance_path(instance)
        try:
            with boundary.to_nova():
                self._move_disks(instance, disks, top)
        except Exception:
            with excutils.save_and_reraise_exception():
                self._cleanup_remote_migration(dest, top, top + '_resize')
        return jsonutils.dumps(disks)

    def _get_instance_disk_info(self, instance, block_device_info):
        """Return the disks, but none to what would copy them."""
        found = super()._get_instance_disk_info(instance, block_device_info)
        held_back = _held_back.get()
        if held_back is None:
            return found
        held_back[:] = found
        return []

    def _clear_the_way(self, instance):
        """Remove what an earlier move has left, while that is safe.

        Stock Nova does it in the middle of the move. Should it fail there,
        its clean-up takes the leftover for the disks and removes the disks.
        """
        top = libvirt_utils.get_instance_path(instance)
        only_there = _disks(top + '_resize') - _disks(top)
        if only_there:
            raise _refusal(f'an earlier move has left disks in {top}_resize '
                           'that the instance does not have: '
                           f'{", ".join(sorted(only_there))}')
        try:
            self._storage.trash.discard(top + '_resize')
        except OSError as error:
            raise _refusal('what an earlier move has left cannot be removed '
                           f'({error})') from error

    @staticmethod
    def _mark(instance):
        try:
            aside.mark(libvirt_utils.get_instance_path(instance), instance)
        except OSError as error:
            raise _refusal('the directory of the instance cannot be written '
                           f'to ({error})') from error

    def _move_disks(self, instance, disks, top):
        kept = top + '_resize'
        record = placements.read(kept)
        placements.write(top, record)
        for disk in disks:
            name = os.path.basename(disk['path'])
            if name != _SWAP:
                self._double(instance, os.path.join(kept, name),
                             os.path.join(top, name), record.placement(name))
        self._storage.guard.check()

    def _double(self, instance, source, target, placement):
        """Have a disk twice, placed as it is; the new flavor comes later."""
        if os.path.basename(target) == _CONFIG:
            with self._storage.new_file(target, placement) as unnamed:
                self._storage.copy(source, unnamed)
        else:
            self._storage.double(instance.uuid, source, target, placement)

    def _cleanup_remote_migration(self, dest, inst_base, inst_base_resize,
                                  shared_storage=False):
        """Put the directory back; touch nothing on other hosts.

        ``_clear_the_way()`` has seen that there was no ``_resize``, so one
        that is there is the directory, and holds all of the disks.
        """
        if not os.path.lexists(inst_base_resize):
            return
        try:
            self._storage.trash.discard(inst_base)
            os.rename(inst_base_resize, inst_base)
        except OSError as error:
            LOG.error('The disks are in %(there)s and could not be put back '
                      'to %(here)s: %(error)s. Rename the directory by hand, '
                      'then reset the state of the instance.',
                      {'there': inst_base_resize, 'here': inst_base,
                       'error': error})

    def finish_migration(self, context, migration, instance, disk_info,
                         network_info, image_meta, resize_instance, *args,
                         **kwargs):
        """Go on only if the disks are here.

        Nova would make a disk that is missing anew, from the image.
        """
        with boundary.to_nova():
            self._require_disks(jsonutils.loads(disk_info))
            _record_formats(jsonutils.loads(disk_info))
        super().finish_migration(context, migration, instance, disk_info,
                                 network_info, image_meta, resize_instance,
                                 *args, **kwargs)

    def _require_disks(self, disks):
        self._storage.guard.check()
        for disk in disks:
            path = disk['path']
            if os.path.basename(path) != _SWAP and not os.path.exists(path):
                raise errors.NoSuchFile(path)

    def _cleanup_failed_instance_base(self, inst_base):
        """Let the name be free at once, whatever can be removed now."""
        self._storage.trash.discard(inst_base)

    def finish_revert_migration(self, context, instance, network_info,
                                migration, *args, **kwargs):
        """Put the old disks back, then drop the parents of the new ones."""
        self._drop_older_disks(instance)
        super().finish_revert_migration(context, instance, network_info,
                                        migration, *args, **kwargs)
        self._tidy(instance)
        with contextlib.suppress(OSError):
            aside.forget(libvirt_utils.get_instance_path(instance))

    def _drop_older_disks(self, instance):
        """Remove what an earlier move has left, before Nova takes it.

        That is after a crash early in a move. Whoever reverts a move has
        seen its end, and what is there is what the move has set aside.

        :raises errors.GpfsError, OSError: it stays, and so do the disks
        """
        if instance.task_state != task_states.RESIZE_MIGRATING:
            return
        top = libvirt_utils.get_instance_path(instance)
        self._storage.guard.check()
        if (_disks(top + '_resize') <= _disks(top)
                and aside.belongs_to_other(top + '_resize', instance)):
            LOG.warning('%s_resize is of an earlier move; the disks that are '
                        'there stay', top, instance=instance)
            self._storage.trash.discard(top + '_resize')

    def confirm_migration(self, context, migration, instance, network_info):
        """Remove the old disks.

        The guest runs already. What cannot be removed now is removed with
        the instance, or before its next move.
        """
        try:
            self._storage.guard.check()
            self._storage.trash.discard(
                libvirt_utils.get_instance_path(instance) + '_resize')
        except (errors.GpfsError, OSError) as error:
            LOG.warning('The old disks stay for now: %s', error,
                        instance=instance)
        super().confirm_migration(context, migration, instance, network_info)
        self._tidy(instance)

    def _tidy(self, instance):
        top = libvirt_utils.get_instance_path(instance)
        if not os.path.isdir(top):
            return
        try:
            self._storage.parents.tidy(instance.uuid, [top, top + '_resize'])
        except (errors.GpfsError, OSError) as error:
            LOG.warning('Clone parents that nobody needs may stay until the '
                        'next move: %s', error, instance=instance)


def _record_formats(disks):
    """Have disk.info say of disks what they were on the other host.

    Nova's Qcow2 backend converts the disks of instances that come from other
    hosts and leaves disk.info as it was. The guest's XML is right.
    """
    for disk in disks:
        path = disk['path']
        if disk['type'] in _FORMATS and os.path.basename(path) != _SWAP:
            disk_info.record(os.path.join(os.path.dirname(path), 'disk.info'),
                             path, disk['type'],
                             os.path.join(CONF.instances_path, 'locks'))


def _refusal(reason):
    """Return what stops a move and leaves the instance as it was."""
    return exception.InstanceFaultRollback(
        exception.MigrationPreCheckError(reason=reason))


def _disks(directory):
    """Return the names of the disks in a directory that Nova cannot remake."""
    try:
        return {name for name in os.listdir(directory)
                if name in ('disk', 'disk.local')
                or name.startswith('disk.eph')}
    except FileNotFoundError:
        return set()
