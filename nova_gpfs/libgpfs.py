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

"""The one subroutine of libgpfs that no mm command stands for.

``mmclone split`` copies all blocks that a clone shares, at once.
gpfs_declone() copies as many as it is asked for (IBM documentation,
"gpfs_declone() subroutine"; gpfs.h). It needs nothing but write access to the
file, so it runs as the current user and not in the privileged daemon.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
from typing import Any

from nova_gpfs import errnos
from nova_gpfs import errors

# gpfs.h
CLONE_ALL = 0
_NO_MORE = -1

_FUNCTION = 'gpfs_declone'

# EBADF: "not a GPFS file"; EINVAL is said by subroutines of this family of a
# file elsewhere (gpfs.h). EDQUOT is in no list of errors, and possible
# wherever blocks are added to a file.
_ERRORS: dict[int, type[errors.GpfsError]] = {
    **errnos.ERRORS,
    errno.EBADF: errors.NotGpfs,
    errno.EINVAL: errors.NotGpfs,
    errno.ENOSYS: errors.LibraryUnusable,
}


class Library:
    """A libgpfs.so, loaded when it is first needed."""

    def __init__(self, path: str) -> None:
        self.path = path

    def declone(self, path: str, blocks: int, offset: int) -> int | None:
        """Copy blocks that a clone shares with any of its ancestors.

        :param blocks: copy no more than so many
        :param offset: where to begin, in bytes
        :returns: where to go on, None when there is nothing more to copy
        :raises errors.LibraryUnusable: there is no such library or function
        :raises errors.GpfsError: typed by errno; CommandFailed if unknown
        """
        call = self._function
        with _open(path) as file:
            place = ctypes.c_longlong(offset)
            if call(file, CLONE_ALL, blocks, ctypes.byref(place)) != 0:
                raise _error((_FUNCTION, path, str(blocks), str(offset)),
                             path, ctypes.get_errno())
        return None if place.value == _NO_MORE else place.value

    @functools.cached_property
    def _function(self) -> Any:
        try:
            function = ctypes.CDLL(self.path, use_errno=True)[_FUNCTION]
        except (OSError, AttributeError) as error:
            raise errors.LibraryUnusable(str(error)) from error
        function.restype = ctypes.c_int
        function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_longlong,
                             ctypes.POINTER(ctypes.c_longlong))
        return function


@contextlib.contextmanager
def _open(path: str) -> Any:
    """Open a file for writing; a symbolic link is not followed."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path, flags)
    except OSError as error:
        raise _error(('open', path), path, error.errno or 0) from error
    try:
        yield file
    finally:
        os.close(file)


def _error(call: tuple[str, ...], path: str,
           number: int) -> errors.GpfsError:
    """Return the error that a value of errno stands for."""
    failure = errors.CommandFailed(call, number, '', os.strerror(number))
    kind = _ERRORS.get(number)
    if kind is None:
        return failure
    error = kind(f'{path}: {call[0]}: {os.strerror(number)}')
    error.__cause__ = failure
    return error
