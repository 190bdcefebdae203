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

"""Mount points: a symbolic link to the data, or an empty directory."""

from __future__ import annotations

import os

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import filesystems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store


def path(state: store.Store, system: filesystems.FileSystem) -> str:
    """Return where a file system is mounted."""
    return os.path.join(state.directory, 'gpfs', system.mount_name)


def point(call: calls.Call, system: filesystems.FileSystem) -> str:
    """Return the mount point for a command's output."""
    return path(call.state, system)


def nodes(state: store.Store, system: filesystems.FileSystem
          ) -> list[tuple[str, str]]:
    """Return name and address of the nodes that have it mounted."""
    if not system.mounted:
        return []
    return [(name, address) for name, address in state.rows(
        "SELECT name, address FROM node WHERE state = 'up' ORDER BY number")
        if not filesystems.condition(state, 'not-mounted', system.name, name)]


def below(state: store.Store, system: filesystems.FileSystem) -> list[str]:
    """Return the directories that FUSE mounts hide from nodes."""
    top = os.path.join(state.directory, 'gpfs')
    return [os.path.join(top, name) for name in sorted(os.listdir(top))
            if name.startswith(f'{filesystems.BELOW}{system.mount_name}-')]


def unmount(state: store.Store, system: filesystems.FileSystem) -> None:
    """Take the files away; an empty directory is left, as after mmumount."""
    place = path(state, system)
    with state.change():
        state.execute('UPDATE fs SET mounted = 0 WHERE name = ?', system.name)
        if os.path.islink(place):
            os.unlink(place)
            os.mkdir(place)


def mount(state: store.Store, system: filesystems.FileSystem) -> None:
    """Bring the files back; OSError if something was put in their place."""
    place = path(state, system)
    with state.change():
        for hidden in below(state, system):
            os.rmdir(hidden)
        if not (os.path.islink(place) or os.path.ismount(place)):
            os.rmdir(place)
            os.symlink(system.data, place)
        state.execute('UPDATE fs SET mounted = 1 WHERE name = ?', system.name)
