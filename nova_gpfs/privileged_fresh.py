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

"""What commands that root has run have made, until it is somebody's.

GPFS gives a new file the mode of its source and the owner of who runs the
command (IBM documentation, mmclone command). So a clone of a set-user-ID file
of nova's, made by root, would be root's and run as root: such a file is no
source, and what its owner makes it while the command runs is taken away here.
For the moments in between mount the file system with nosuid.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import time

#: Opens what a command has made, and nothing that it waits for or leads away.
LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_SET_ID = stat.S_ISUID | stat.S_ISGID
# Seconds; a clone is given at once. An inode number may be used again.
_FRESH = 600.0


class Fresh:
    """Knows the files that were made, by device and inode number."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], float] = {}

    def note(self, directory: int, name: str) -> None:
        """Note a file of root's that a command may have made."""
        with contextlib.suppress(OSError):
            file = os.open(name, LOOK, dir_fd=directory)
            try:
                found = os.fstat(file)
                if stat.S_ISREG(found.st_mode) and found.st_uid == 0:
                    if runs_as_another(found):
                        os.fchmod(file, found.st_mode & 0o777)
                    self._forget()
                    self._made[found.st_dev, found.st_ino] = time.monotonic()
            finally:
                os.close(file)

    def take(self, found: os.stat_result) -> bool:
        """Whether a file was made, and forget that: it is given but once."""
        self._forget()
        return self._made.pop((found.st_dev, found.st_ino), None) is not None

    def _forget(self) -> None:
        """Let go of what is old, as other threads may at the same time."""
        oldest = time.monotonic() - _FRESH
        for key, made in list(self._made.items()):
            if made < oldest:
                self._made.pop(key, None)


def runs_as_another(found: os.stat_result) -> bool:
    """Whether a file, run as a program, has its owner's or group's rights."""
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & _SET_ID)


def may_have(uid: int, gid: int, places: list[os.stat_result]) -> bool:
    """Whether what is made in these directories can be of a user."""
    if uid <= 0 or gid <= 0 or uid not in {one.st_uid for one in places}:
        return False
    groups = {one.st_gid for one in places}
    with contextlib.suppress(KeyError):
        groups.add(pwd.getpwuid(uid).pw_gid)
    return gid in groups
