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

"""Print documents: sections that are lists of rows, for people or programs."""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
import shlex
import sys
from typing import Any

from nova_gpfs import printable

FORMATS = ('text', 'json')

# Columns of sentences or commands, which have lines of their own in text.
_BELOW = ('refused', 'why', 'note', 'commands')


def show(document: dict[str, Any], form: str) -> None:
    """Print to standard output; that nobody reads on is no failure."""
    try:
        if form == 'json':
            print(json.dumps(document, indent=2))
        else:
            print('\n'.join(map(printable.escape, lines(document))))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()


def say(line: str) -> None:
    """Tell how far a command has come, on standard error."""
    print(printable.escape(line), file=sys.stderr, flush=True)


def lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield a document as aligned text.

    Columns that no row fills are left out, and headings where there is only
    one section. Sentences stand below their row.
    """
    for number, (title, section) in enumerate(document.items()):
        if isinstance(section, dict):
            yield ''
            yield ', '.join(f'{section[key]} {key}' for key in section)
            continue
        if len(document) > 1:
            yield from ['', f'{title}:'] if number else [f'{title}:']
        yield from _table(section) if section else ['(none)']


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    names = dict.fromkeys(name for row in rows for name in row
                          if name not in _BELOW)
    cells = {name: [_cell(row.get(name)) for row in rows] for name in names}
    columns = [[name.replace('_', ' '), *column]
               for name, column in cells.items() if any(column)]
    widths = [max(map(len, column)) for column in columns]
    for words, row in zip(zip(*columns), [{}, *rows]):
        yield '  '.join((word or '-').ljust(width) for word, width
                        in zip(words, widths)).rstrip()
        yield from _below(row)


def _below(row: dict[str, Any]) -> Iterator[str]:
    for name in _BELOW:
        value = row.get(name) or []
        for one in value if isinstance(value, list) else [value]:
            yield f'    {_cell(one)}'


def _cell(value: Any) -> str:
    """Return a value as text; a tuple is the words of a command."""
    if isinstance(value, dict):
        return ' '.join(f'{key}={_cell(one)}' for key, one in value.items())
    if isinstance(value, tuple):
        return shlex.join(value)
    if isinstance(value, list):
        return ' '.join(_cell(one) for one in value)
    return '' if value is None else str(value)


def _discard_output() -> None:
    """Keep the interpreter from writing to the closed pipe when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
