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

"""What QEMU does when the file of a disk cannot be read or written.

QEMU stops a guest by itself only for ENOSPC, and for writes only. A fileset
whose quota is used up says EDQUOT, and a GPFS that is gone says EIO, ESTALE
or ENODEV: the guest would be told of errors of its disk, and its file system
would go read-only. Nova has no way to say otherwise.
"""

from nova.virt.libvirt import config as vconfig

# libvirt's attributes for writes and for reads. It has no "enospace" for
# reads (libvirt, "Domain XML format", error_policy).
_ATTRIBUTES = {
    'stop': {'error_policy': 'stop', 'rerror_policy': 'stop'},
    'report': {'error_policy': 'report', 'rerror_policy': 'report'},
    'enospace': {'error_policy': 'enospace', 'rerror_policy': 'report'},
}
# QEMU does not start a guest whose floppy has a policy (hw/block/fdc.c).
_WITHOUT = ('fdc',)


class GuestDisk(vconfig.LibvirtConfigGuestDisk):
    """A disk in the guest's XML, with an error policy."""

    def __init__(self, policy, **kwargs):
        super().__init__(**kwargs)
        self.policy = policy

    def format_dom(self):
        """Return Nova's element with two more attributes of ``driver``."""
        disk = super().format_dom()
        driver = disk.find('driver')
        for name, value in _ATTRIBUTES[self.policy].items():
            driver.set(name, value)
        return disk


def with_policy(config, policy):
    """Return the same disk with an error policy, where it can have one.

    :param config: Nova's LibvirtConfigGuestDisk
    :param policy: a value of [gpfs] guest_error_policy
    """
    if config.target_bus in _WITHOUT:
        return config
    disk = GuestDisk(policy)
    disk.__dict__.update(config.__dict__)
    return disk
