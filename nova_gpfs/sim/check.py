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

"""What is wrong with a cluster.

Plain files cannot refuse what GPFS refuses, so a removed or rewritten clone
parent is found here, after the fact.
"""

from __future__ import annotations

import os

from nova_gpfs.sim import census as censuses
from nova_gpfs.sim import drafts
from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import mount
from nova_gpfs.sim import store
from nova_gpfs.sim import switches


def problems(state: store.Store) -> list[str]:
    """Return what GPFS would not have let happen; empty when all is well."""
    found = [f'state: {row[0]}' for row in state.rows('PRAGMA integrity_check')
             if row[0] != 'ok']
    for system in filesystems.all_of(state):
        found += _below_mount_point(state, system)
        found += [f'{path}: left by a command that was killed'
                  for path in drafts.leftovers(system)]
        census = censuses.Census(state, system)
        for number in sorted(census.paths):
            found += _of_file(state, census, census.files[number])
    return found


def _below_mount_point(state: store.Store, system: filesystems.FileSystem
                       ) -> list[str]:
    place = mount.path(state, system)
    hidden = mount.below(state, system)
    if not (os.path.islink(place) or os.path.ismount(place)):
        hidden.append(place)
    return [f'{place}/{name}: written while {system.name} was not mounted'
            for place in hidden for name in sorted(os.listdir(place))]


def _of_file(state: store.Store, census: censuses.Census, file: files.File
             ) -> list[str]:
    path = census.paths[file.id or 0]
    found = []
    if file.sealed and _changed(path, file):
        found.append(f'{path}: changed since it became a clone parent')
    if file.parent is not None:
        problem = _of_parent(state, census, file, path)
        if problem:
            found.append(f'{path}: {problem}')
    return found


def _changed(path: str, file: files.File) -> bool:
    status = os.stat(path)
    return (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns)


def _of_parent(state: store.Store, census: censuses.Census, file: files.File,
               path: str) -> str:
    """Return what is wrong between a clone and its parent, '' if nothing."""
    parent = census.files.get(file.parent or 0)
    if parent is None:
        return 'the state does not know its clone parent'
    if parent.id not in census.paths:
        return (f'its clone parent is gone (inode {parent.ino}, last known '
                f'as {parent.path})')
    if not parent.sealed:
        return 'its clone parent is not sealed'
    homes = {_home(state, census.system, where)
             for where in (path, census.paths[parent.id])}
    if len(homes) > 1 and switches.value(
            state, 'clone_across_filesets') == 'refuse':
        return 'its clone parent is in another fileset'
    return ''


def _home(state: store.Store, system: filesystems.FileSystem, path: str
          ) -> str:
    inside = os.path.relpath(path, system.data)
    return filesystems.fileset_of(state, system, inside)
