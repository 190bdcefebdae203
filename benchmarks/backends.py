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


"""Nova's image backends and the plug-in's, each with a directory of its own.

Disks are made as Nova's libvirt driver makes a root disk: it asks its Backend
for the disk by name and has it cached.
"""

import contextlib
import dataclasses
import os
import shlex
import shutil
import sys
import time
import uuid

from nova import conf
from nova import objects
import nova.privsep
from nova.virt.libvirt import imagebackend
from nova.virt.libvirt import imagecache

from nova_gpfs.compute import backend as gpfs_backend
from nova_gpfs import layout
from nova_gpfs import mm
from nova_gpfs import privsep

CONF = conf.CONF

RAW = 'raw'
COPIED = 'raw copied'
QCOW2 = 'qcow2'
GPFS = 'gpfs'
PRIVSEP = 'gpfs privsep'
POLICY = 'gpfs policy'

_IMAGE_TYPES = {COPIED: RAW, PRIVSEP: GPFS, POLICY: GPFS}
_WISHES = {POLICY: {'gpfs:pool': 'fast', 'gpfs:data_replicas': '1'}}
_COMMANDS = sorted({kind.program for kind in mm.COMMANDS.values()})


def configure(lock_path):
    """Set Nova's configuration up, as far as the disks need it."""
    CONF([], project='nova', default_config_files=[])
    objects.register_all()
    CONF.set_override('lock_path', lock_path, 'oslo_concurrency')
    # Nova's few privileged calls are made right here.
    nova.privsep.sys_admin_pctxt.set_client_mode(False)


def image_type(name):
    """Return what Nova calls a backend in images_type."""
    return _IMAGE_TYPES.get(name, name)


@dataclasses.dataclass
class Backend:
    """One column of the comparison."""

    name: str
    instances_path: str
    nova: imagebackend.Backend

    @property
    def is_gpfs(self):
        return self.name in (GPFS, PRIVSEP, POLICY)

    def enter(self):
        """Let Nova and the plug-in work in this backend's directory."""
        CONF.set_override('instances_path', self.instances_path)

    def new_instance(self):
        """Return an instance whose directory is there, as Nova makes it."""
        instance = objects.Instance(
            uuid=str(uuid.uuid4()), system_metadata={},
            flavor=objects.Flavor(
                extra_specs=_WISHES.get(self.name, {})))
        os.mkdir(os.path.join(self.instances_path, instance.uuid))
        return instance

    def make_disk(self, instance, image_id, download, size):
        """Make a root disk; return its path and the seconds it took."""
        begun = time.perf_counter()
        disk = self.nova.by_name(instance, 'disk', image_type(self.name))
        if not disk.exists():
            disk.cache(fetch_func=download, context=None,
                       filename=imagecache.get_cache_fname(image_id),
                       image_id=image_id, size=size, trusted_certs=None)
        return disk.path, time.perf_counter() - begun

    def remove(self, instance):
        shutil.rmtree(os.path.join(self.instances_path, instance.uuid))

    def master(self, image_id):
        """Return the path of the cached image."""
        name = imagecache.get_cache_fname(image_id)
        if self.is_gpfs:
            return next(self.nova.storage.masters.of_image(
                layout.master_key(name))).path
        return os.path.join(self.instances_path,
                            CONF.image_cache.subdirectory_name, name)

    def forget(self, image_id):
        """Remove the cached image."""
        path = self.master(image_id)
        if self.is_gpfs:
            shutil.rmtree(os.path.dirname(path))
        else:
            os.unlink(path)


def make(name, instances_path, mm_path=None):
    """Return a backend of this name; its directory may be there already."""
    os.makedirs(instances_path, exist_ok=True)
    CONF.set_override('instances_path', instances_path)
    if name not in (GPFS, PRIVSEP, POLICY):
        return Backend(name, instances_path,
                       imagebackend.Backend(name == QCOW2))
    CONF.set_override('mm_path', mm_path, 'gpfs')
    CONF.set_override('rootless_commands',
                      [] if name == PRIVSEP else _COMMANDS, 'gpfs')
    made = Backend(name, instances_path, gpfs_backend.GpfsBackend(False))
    made.nova.storage.guard.establish()
    return made


@contextlib.contextmanager
def privileged_daemon(directory, instances_path, mm_path):
    """Let the plug-in's privileged daemon be started, and stop it."""
    config = os.path.join(directory, 'privileged.conf')
    with open(config, 'x') as f:
        f.write(f'[DEFAULT]\ninstances_path = {instances_path}\n'
                f'[gpfs]\nmm_path = {mm_path}\n')
    helper = 'from oslo_privsep import daemon; daemon.helper_main()'
    CONF.set_override(
        'helper_command',
        shlex.join([sys.executable, '-c', helper, '--config-file', config]),
        'nova_gpfs_privileged')
    try:
        yield
    finally:
        privsep.context.stop()
