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

"""Make disks larger; never smaller, and never by guessing a format."""

import os

from nova.virt.disk import api as disk_api
from nova.virt.image import model as imgmodel

from nova_gpfs import plan


def virtual_size(path, disk_format):
    """Return the size that the guest sees, in bytes.

    The format is the recorded one: a guest can write a qcow2 header into its
    raw disk, and qemu-img would believe it (CVE-2024-32498).
    """
    if disk_format == plan.RAW:
        return os.stat(path).st_size
    return disk_api.images.qemu_img_info(path, disk_format).virtual_size


def grow(path, step):
    """Carry out a ``plan.Grow``.

    A raw disk grows by a hole: one system call, no block is written. If an
    ext file system fills the disk without a partition table, it is grown
    too, as Nova does for its other backends.
    """
    if step.format != plan.RAW:
        disk_api.extend(imgmodel.LocalFileImage(path, step.format), step.size)
        return
    _lengthen(path, step.size)
    if step.with_file_system and holds_bare_file_system(path):
        disk_api.resize2fs(path)


def _lengthen(path, size):
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_size < size:
            os.ftruncate(handle, size)
    finally:
        os.close(handle)


def holds_bare_file_system(path):
    """Whether a raw image is an ext file system without partitions."""
    return disk_api.is_image_extendable(
        imgmodel.LocalFileImage(path, imgmodel.FORMAT_RAW))
