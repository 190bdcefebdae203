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

"""Find out on which GPFS file system and in which fileset a path lies."""

from __future__ import annotations

import dataclasses
import os

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import model

MOUNT_TABLE = '/proc/self/mounts'


@dataclasses.dataclass(frozen=True)
class Location:
    """A place on GPFS."""

    cluster_id: str
    file_system: str
    file_system_uid: str
    fileset: str


def locate(driver: gpfs_driver.GpfsDriver, path: str) -> Location:
    """Return where ``path`` lies, asking GPFS and the mount table.

    :raises errors.NotReady: the daemon of this node is not active
    :raises errors.NotGpfs: the path is not on GPFS
    :raises errors.NotMounted: it is on GPFS but no mounted file system of
        the cluster covers it
    """
    cluster = driver.cluster()
    require_active(cluster)
    fileset = driver.attributes(path).fileset
    file_system = _file_system_of(driver, path)
    return Location(cluster.id, file_system.name, file_system.uid, fileset)


def require_active(cluster: model.Cluster) -> None:
    """Raise ``errors.NotReady`` unless this node's daemon is active."""
    if cluster.daemon_state != 'active':
        raise errors.NotReady(
            f'the daemon of {cluster.node_name} is {cluster.daemon_state}')


def _file_system_of(driver: gpfs_driver.GpfsDriver,
                    path: str) -> model.FileSystem:
    device = mounted_device(path)
    if device is not None:
        return driver.file_system(device)
    covering = [fs for fs in driver.file_systems()
                if _covers(fs.mount_point, path)]
    if not covering:
        raise errors.NotMounted(f'no file system of the cluster covers {path}')
    return max(covering, key=lambda fs: len(fs.mount_point))


def mounted_device(path: str) -> str | None:
    """Return the GPFS device that the mount table has over ``path``."""
    return gpfs_device(mount_table(), os.path.realpath(path))


def mount_table() -> str:
    """Return the mount table of this process, see ``gpfs_device``."""
    with open(MOUNT_TABLE, encoding='utf-8', errors='surrogateescape') as f:
        return f.read()


def gpfs_device(mount_table: str, path: str) -> str | None:
    """Return the GPFS device mounted over a real path, None if none is.

    The table has real paths as well, so no mount point is looked at: one of
    another file system, which does not answer, would keep the caller waiting.
    The first column of a GPFS mount is the bare name of the file system and
    the third is ``gpfs``, as in "scratch /fs/scratch gpfs rw,relatime 0 0"
    (recorded by treydock/gpfs_exporter, mount_test.go).
    """
    best = ('', '', '')
    for line in mount_table.splitlines():
        device, mount_point, kind = (line.split() + ['', '', ''])[:3]
        mount_point = mount_point.replace('\\040', ' ')
        if _is_below(mount_point, path) and len(mount_point) >= len(best[1]):
            best = (device, mount_point, kind)
    device, _mount_point, kind = best
    return device.removeprefix('/dev/') if kind == 'gpfs' else None


def _covers(mount_point: str, path: str) -> bool:
    """Whether ``path`` lies below a mount point, symlinks resolved."""
    if not mount_point:
        return False
    return _is_below(os.path.realpath(mount_point), os.path.realpath(path))


def _is_below(top: str, path: str) -> bool:
    return bool(top) and f'{path}/'.startswith(top.rstrip('/') + '/')
