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

"""Whether QEMU has a disk open, as QEMU finds it out of another QEMU.

QEMU's driver of raw files, on which qcow2 and the others stand, holds a lock
on a byte for each thing that it does to a file, and one for each thing that
it lets nobody else do (block/file-posix.c in QEMU: RAW_LOCK_PERM_BASE,
RAW_LOCK_SHARED_BASE). No data is locked by that; the bytes are only names.

The locks are of open file descriptions (F_OFD_SETLK), or of processes where
the system does not have these. That GPFS lets other hosts see locks of open
file descriptions is not documented.
"""

from __future__ import annotations

import fcntl
import os
import struct

from nova_gpfs import errors

_PERM_BASE = 100
_SHARED_BASE = 200
# The permissions are a number of 64 bits.
_BITS = 64

# struct flock on Linux with 64 bits: type, whence, start, length, process.
_FLOCK = struct.Struct('hhqqi0q')


def require_closed(path: str) -> None:
    """Refuse a file that QEMU has open, as far as this host can see.

    :raises errors.FileBusy: it is open
    :raises errors.NoSuchFile: nothing is there
    :raises errors.NotPermitted: this user may not look
    """
    if is_locked(path):
        raise errors.FileBusy(f'{path}: QEMU has it')


def is_locked(path: str) -> bool:
    """Whether anybody holds QEMU's locks on a file; raises as above."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise errors.NoSuchFile(path) from None
    except PermissionError as error:
        raise errors.NotPermitted(path) from error
    try:
        return any(_conflicts(file, base)
                   for base in (_PERM_BASE, _SHARED_BASE))
    finally:
        os.close(file)


def _conflicts(file: int, start: int) -> bool:
    """Whether somebody else has a lock on any of the bytes from there on."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, _BITS, 0)
    answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)
