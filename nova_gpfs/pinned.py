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

"""Names that lead to an open file, whatever stands at its path by now.

A link below /proc/PID/fd is not read as text: whoever opens it gets the very
file (proc(5), path_resolution(7)). The number of the daemon is in it, so that
it means the same to whatever an mm command starts. A file that is open as a
mere name (open(2), O_PATH) does not count as open.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import os
import re
from typing import Any, TypeVar

from nova_gpfs.mm import base
from nova_gpfs.mm import fields

T = TypeVar('T')


def name(descriptor: int, below: str = '') -> str:
    """Return a name of an open file, or of one in an open directory."""
    link = f'/proc/{os.getpid()}/fd/{descriptor}'
    return os.path.join(link, below) if below else link


def renamed(command: base.Command[T],
            names: Mapping[str, str]) -> base.Command[T]:
    """Return a command on the same files by other names.

    :param names: the other names by the paths that the command has
    """
    paths = {field: names[getattr(command, field)]
             for field, kind in fields.kinds(command.__class__).items()
             if kind is fields.PATH}
    return dataclasses.replace(command, **paths)


def restored(answer: tuple[Any, ...],
             names: Mapping[str, str]) -> tuple[Any, ...]:
    """Return what a command has come to, in the paths that were asked for.

    :param answer: texts, tuples of them, and other values
    """
    return tuple(_restored(each, names) for each in answer)


def _restored(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, tuple):
        return restored(value, names)
    if isinstance(value, str):
        for path, pinned in names.items():
            # A longer number is another file.
            value = path.join(re.split(re.escape(pinned) + r'(?!\w)', value))
    return value
