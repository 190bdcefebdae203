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


"""The kinds of words that an mm command line is made of.

A command's fields are annotated with one of these kinds, and a value that is
not of its kind makes no command. So no field can become an option, name
another file than it seems to, or break a line of output in two, whoever
fills it in: the rules hold on both sides of the privileged daemon.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import os
import re
import typing
from typing import Annotated, Any

from nova_gpfs import errors


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of word and the rule that tells whether a value is of it.

    Where the rule is a regular expression or a range it is given as data as
    well, for those who check text or describe what is allowed.
    """

    name: str
    holds: Callable[[Any], bool]
    pattern: str | None = None
    bounds: tuple[int, int] | None = None


# mm commands may be shell scripts. In no path and no name is what a shell that
# meets it without quotes would run, replace or redirect. A path may have
# blanks, "~" and "#" nevertheless, as instances_path may: such a shell would
# see other words.
_SHELL = r'`$&|;<>(){}\[\]!*?"\'\\'


def _is_path(value: Any) -> bool:
    return (isinstance(value, str) and value.startswith('/')
            and not value.startswith('//')
            and os.path.normpath(value) == value
            and _is_printable(value)
            and not re.search(f'[{_SHELL}]', value))


def _is_printable(value: str) -> bool:
    # What turns writing round or breaks lines outside of ASCII makes a path
    # look like another one in a log or on a terminal. A name on an old file
    # system may be no UTF-8: os.fsdecode() keeps its bytes as these surrogates
    # (PEP 383), and logs show them as escapes.
    return re.sub('[\udc80-\udcff]', '', value).isprintable()


def _text(name: str, pattern: str) -> Kind:
    def holds(value: Any) -> bool:
        return isinstance(value, str) and bool(re.fullmatch(pattern, value))
    return Kind(name, holds, pattern=pattern)


def _number(name: str, low: int, high: int) -> Kind:
    def holds(value: Any) -> bool:
        return type(value) is int and low <= value <= high
    return Kind(f'{name} ({low} to {high})', holds, bounds=(low, high))


def _or_none(kind: Kind) -> Kind:
    return dataclasses.replace(
        kind, holds=lambda value: value is None or kind.holds(value))


PATH = Kind('absolute path', _is_path)
# 1 to 255 characters (IBM documentation, "Filesets"); which ones is not
# documented in what could be read, so all that cannot be taken for an
# option, a path, a column separator or something of the shell's.
NAME = _text('name', rf'(?!-)[^\s/:\x00-\x1f\x7f{_SHELL}]{{1,255}}')
REPLICAS = _number('number of replicas', 1, 3)
DEPTH = _number('write affinity depth', 0, 2)
FACTOR = _number('block group factor', 1, 2 ** 20)
# Lists of "rack,position,node" with wildcards and ranges, ";" between them, as
# mmchattr wants them. These mean something to a shell too, which would find
# numbers where it looks for commands.
FAILURE_GROUP = _text('write affinity failure group',
                      r'[0-9,;*\[\]][0-9,;*\[\]-]{0,254}')

Path = Annotated[str, PATH]
Name = Annotated[str, NAME]
OptionalName = Annotated[str | None, _or_none(NAME)]
OptionalReplicas = Annotated[int | None, _or_none(REPLICAS)]
OptionalDepth = Annotated[int | None, _or_none(DEPTH)]
OptionalFactor = Annotated[int | None, _or_none(FACTOR)]
OptionalFailureGroup = Annotated[str | None, _or_none(FAILURE_GROUP)]


@functools.cache
def kinds(command: Any) -> dict[str, Kind]:
    """Return the kind of each field of a command class.

    :raises TypeError: a field has no kind
    """
    hints = typing.get_type_hints(command, include_extras=True)
    found = {}
    for field in dataclasses.fields(command):
        kind = getattr(hints[field.name], '__metadata__', (None,))[0]
        if not isinstance(kind, Kind):
            raise TypeError(f'{command.__name__}.{field.name} has no kind')
        found[field.name] = kind
    return found


def check(command: Any) -> None:
    """Refuse a command one of whose fields is not of its kind.

    :raises errors.InvalidName: with the field's name and value
    """
    for name, kind in kinds(command.__class__).items():
        value = getattr(command, name)
        if not kind.holds(value):
            raise errors.InvalidName(f'{value!r:.200} is no {kind.name}')


def paths(command: Any) -> tuple[str, ...]:
    """Return the values of a command's fields that are paths."""
    return tuple(getattr(command, name)
                 for name, kind in kinds(command.__class__).items()
                 if kind is PATH)
