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
"""Rename a file to a name that nothing has, and to no other.

rename(2) replaces what has the name, so whoever looks first may come too
late. With RENAME_NOREPLACE the kernel looks, if the file system takes that
flag (renameat2(2)); whether GPFS does is not documented.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from typing import Any

# From linux/fs.h.
_NOREPLACE = 1
# The file system does not take flags; the kernel does not know the call.
_NOT_TAKEN = (errno.EINVAL, errno.ENOSYS)

_looking = threading.Lock()


def to_free_name(source: str, target: str, *, source_directory: int,
                 target_directory: int) -> None:
    """Give a file the name ``target`` in another open directory.

    Where the file system does not look by itself, two processes that do this
    with one name at the same moment can both succeed.

    :raises FileExistsError: there is something of that name
    :raises OSError: the file system refused it
    """
    if not _renamed(source, target, source_directory, target_directory):
        with _looking:
            require_free(target, target_directory)
            os.rename(source, target, src_dir_fd=source_directory,
                      dst_dir_fd=target_directory)


def require_free(name: str, directory: int) -> None:
    """Refuse a name that something in an open directory has.

    :raises FileExistsError: there is something of that name
    """
    try:
        os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def _renamed(source: str, target: str, source_directory: int,
             target_directory: int) -> bool:
    """Return False where the file system does not take the flag."""
    call = _function()
    if call is None:
        return False
    if call(source_directory, os.fsencode(source), target_directory,
            os.fsencode(target), _NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_TAKEN:
        return False
    raise OSError(number, os.strerror(number), target)


def _function() -> Any:
    """Return renameat2 of the C library, None if it has none."""
    function = getattr(ctypes.CDLL(None, use_errno=True), 'renameat2', None)
    if function is not None:
        function.restype = ctypes.c_int
        function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
                             ctypes.c_char_p, ctypes.c_uint)
    return function
