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

"""Nova's table of image backends, with ours in it."""

import os

from nova import conf
from nova.virt.libvirt import imagebackend

from nova_gpfs.compute import host
from nova_gpfs.compute import image

CONF = conf.CONF


class GpfsBackend(imagebackend.Backend):
    """Finds the class of a disk, for one compute host."""

    def __init__(self, use_cow):
        super().__init__(use_cow)
        self.storage = host.storage_from_conf()
        self.placing = host.placing_from_conf(self.storage)
        self.following = host.following_from_conf(self.storage, self.placing)
        self.splitting = host.splitting_from_conf(self.storage)
        self.BACKEND['gpfs'] = type('Gpfs', (image.Gpfs,), {
            'storage': self.storage, 'placing': self.placing,
            'following': self.following, 'splitting': self.splitting})

    def by_libvirt_path(self, instance, path, image_type=None):
        """Return the disk at a path that libvirt names.

        The libvirt driver passes the format it read from the guest's XML as
        the type. Our disks stand there as raw or qcow2 and would come out
        as another backend's.
        """
        if image_type in ('raw', 'qcow2') and self._is_ours(path):
            image_type = 'gpfs'
        return super().by_libvirt_path(instance, path, image_type)

    @staticmethod
    def _is_ours(path):
        top = os.path.realpath(CONF.instances_path)
        below = os.path.commonpath([top, os.path.realpath(path)]) == top
        return below and os.path.basename(path).startswith('disk')
