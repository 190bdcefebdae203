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

"""A file system that does not answer, for as long as a test wants."""

import ctypes
import os
import stat

import fixtures

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2


def reason_not() -> str | None:
    """Return why there cannot be one here, None if there can."""
    if os.geteuid():
        return 'mounting a file system needs root'
    if not os.access('/dev/fuse', os.R_OK | os.W_OK):
        return '/dev/fuse cannot be opened'
    return None


class Silent(fixtures.Fixture):
    """Mounted over a directory: a FUSE that nobody serves.

    Whoever uses it skips first where ``reason_not()`` gives a reason.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def _setUp(self) -> None:
        server = os.open('/dev/fuse', os.O_RDWR)
        # What waits for it is let go when it is closed.
        self.addCleanup(os.close, server)
        options = (f'fd={server},rootmode={stat.S_IFDIR:o},user_id=0,'
                   f'group_id=0')
        _check(_LIBC.mount(b'silent', os.fsencode(self.path), b'fuse', 0,
                           options.encode()))
        self.addCleanup(_unmount, self.path)


def _unmount(path: str) -> None:
    _check(_LIBC.umount2(os.fsencode(path), _DETACH))


def _check(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
