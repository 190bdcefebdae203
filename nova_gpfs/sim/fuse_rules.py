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

"""What GPFS does not let happen to clone parents, at system calls."""

from __future__ import annotations

import errno
import os
import stat

from nova_gpfs.sim import census
from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import links
from nova_gpfs.sim import switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store


class Rules:
    """The rules of one file system; all paths are behind the mount."""

    def __init__(self, state: store.Store,
                 system: filesystems.FileSystem) -> None:
        self._state = state
        self._system = system

    def record(self, path: str | int, status: os.stat_result
               ) -> files.File | None:
        """Return what the simulator knows of a file, None if nothing."""
        if not stat.S_ISREG(status.st_mode):
            return None
        return files.recorded(self._state, self._system.name, status.st_ino,
                              files.read_tag(path))

    def _sealed(self, path: str) -> files.File | None:
        """Return the record of a clone parent, None of anything else."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        file = self.record(path, status)
        return file if file is not None and file.sealed else None

    def _refuse(self, switch: str, path: str) -> None:
        """Fail with the errno at which a switch stands, if it is one."""
        name = switches.value(self._state, switch)
        if name != 'allow':
            number = getattr(errno, name)
            raise OSError(number, os.strerror(number), path)

    def require_writable(self, path: str) -> None:
        """Refuse to change a clone parent."""
        if self._sealed(path):
            self._refuse('write_to_parent', path)

    def require_removable(self, path: str) -> None:
        """Refuse to remove a clone parent that has clones."""
        file = self._sealed(path)
        if file is None:
            return
        if census.has_children(self._state, self._system, file.id or 0):
            self._refuse('unlink_parent_with_children', path)
        else:
            self._refuse('unlink_childless_parent', path)

    def unlink(self, path: str) -> None:
        """Remove a name; a parent counts a clone that is gone no more."""
        with self._state.change():
            self.require_removable(path)
            self._lose(path, None)

    def rename(self, old: str, new: str) -> None:
        """Rename; what is replaced is removed."""
        with self._state.change():
            self._require_one_fileset(old, new)
            self.require_removable(new)
            self._lose(new, old)

    def _lose(self, path: str, replacement: str | None) -> None:
        """Remove a file, or put another in its place."""
        gone = self._last_name_of_clone(path)
        if replacement is None:
            os.unlink(path)
        else:
            os.rename(replacement, path)
        if gone is not None:
            links.drop(self._system, gone.parent, gone.id)

    def _last_name_of_clone(self, path: str) -> files.File | None:
        """Return the record of a clone that has no other name."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        file = self.record(path, status)
        if file is None or file.parent is None or status.st_nlink > 1:
            return None
        return file

    def link(self, path: str, new: str) -> None:
        """Give a file another name."""
        if self._sealed(path):
            self._refuse('link_to_parent', path)
        self._require_one_fileset(path, new)
        os.link(path, new, follow_symlinks=False)

    def _require_one_fileset(self, old: str, new: str) -> None:
        """Refuse to give a file a name in another fileset."""
        if len({self._fileset(old), self._fileset(new)}) > 1:
            self._refuse('rename_across_filesets', old)

    def _fileset(self, path: str) -> str:
        inside = os.path.relpath(path, self._system.data)
        return filesystems.fileset_of(self._state, self._system, inside)
