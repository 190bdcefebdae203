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

"""Read a record that lies on the shared file system: one JSON object.

Every host of the cluster may have written it, and a host may be in other
hands. So it is opened without following a symbolic link or waiting for the
other end of a pipe, it is no larger than a record can be, and what it holds is
of the types that are expected, or it is not believed at all.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import errno
import json
import os
import stat
import typing
from typing import Any, TextIO, TypeVar

T = TypeVar('T')

#: No record comes near to this, in bytes.
LARGEST = 2 ** 20

# Whatever umask nova-compute was started with.
_MODE = 0o644

# Of a symbolic link, a socket and a directory.
_NO_FILE = (errno.ELOOP, errno.ENXIO, errno.EISDIR)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(path: str, directory: int | None = None,
         largest: int = LARGEST) -> dict[str, Any]:
    """Return what a file says, which may be relative to an open directory.

    :param largest: how many bytes it may have
    :raises ValueError: it is no record
    :raises OSError: it cannot be read
    """
    def opener(name: str, flags: int) -> int:
        return os.open(name, _OPEN, dir_fd=directory)

    try:
        with open(path, 'rb', opener=opener) as record:
            if not stat.S_ISREG(os.fstat(record.fileno()).st_mode):
                raise ValueError('no regular file')
            return _object(record.read(largest + 1), largest)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise ValueError('no regular file') from None
        raise


def _object(text: bytes, largest: int) -> dict[str, Any]:
    if len(text) > largest:
        raise ValueError(f'larger than {largest} bytes')
    try:
        found = json.loads(text.decode('utf-8'))
    except RecursionError:
        raise ValueError('too deep') from None
    return table(found, 'the record')


def new(path: str) -> TextIO:
    """Make a file to write a record to, which others may read at most.

    :raises FileExistsError: there is one
    """
    return os.fdopen(os.open(path, _NEW, _MODE), 'w', encoding='utf-8')


def table(value: Any, what: str) -> dict[str, Any]:
    """Return a JSON object as it is.

    :raises ValueError: it is something else
    """
    if not isinstance(value, dict):
        raise ValueError(f'{what} is a {type(value).__name__}')
    return value


def text(value: Any, what: str) -> str:
    """Return a text as it is.

    :raises ValueError: it is something else, or cannot be written anywhere
    """
    if not isinstance(value, str):
        raise ValueError(f'{what} is a {type(value).__name__}')
    value.encode('utf-8')
    return value


def texts(value: Any, what: str) -> dict[str, str]:
    """Return an object whose values are texts.

    :raises ValueError: it is something else
    """
    return {text(name, what): text(each, what)
            for name, each in table(value, what).items()}


def value(kind: type[T], fields: Any) -> T:
    """Return a value of a dataclass; fields of a later release are ignored.

    :raises ValueError: a field is missing or of another type
    """
    known = table(fields, kind.__name__)
    types = typing.get_type_hints(kind)
    try:
        return kind(**{
            field.name: _typed(known[field.name], types[field.name],
                               field.name)
            for field in dataclasses.fields(kind)  # type: ignore[arg-type]
            if field.name in known})
    except TypeError as error:
        raise ValueError(str(error)) from None


def _typed(value: Any, kind: Any, what: str) -> Any:
    if isinstance(value, str):
        text(value, what)
    # A bool is an int to isinstance(), and 1 is no answer to yes or no.
    if not isinstance(value, kind) or isinstance(value, bool) != (
            kind is bool):
        raise ValueError(f'{what} is {value!r:.50}')
    return value


def names(found: Mapping[str, Any], what: str) -> None:
    """Require that all keys are names of files in one directory.

    :raises ValueError: one would lead elsewhere
    """
    for name in found:
        if name in ('', '.', '..') or '/' in name or '\0' in name:
            raise ValueError(f'{what} has the name {name!r:.50}')
