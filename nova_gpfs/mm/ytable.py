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


"""Tables as the ``-Y`` option of mm commands prints them.

    mmlsfs::HEADER:version:reserved:reserved:deviceName:fieldName:data:
    mmlsfs::0:1:::fs0:blockSize:1048576:

Columns are found by their names, because releases append some. A line
belongs to the header of the same command and subtype. Lines before a header
are banners (``mmrepquota`` prints one), and a row may have more or fewer
fields than its header (both occur in published recordings).
"""

from __future__ import annotations

import re

from nova_gpfs import errors

# What mmclidecode decodes (IBM documentation, mmclidecode command), and %2D,
# which one recording has. "%" itself is not encoded, so nothing else is
# decoded.
_ENCODED = re.compile('%(21|23|24|26|27|28|29|2A|2B|2C|2D|2F|3A|3B|3D|3F|40|'
                      '5B|5D)', re.IGNORECASE)
_FIRST_COLUMN = 6


class Row:
    """One row; a column is missing when the row or the header ends early."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, column: str, default: str = '') -> str:
        """Return a column's decoded text, ``default`` when missing."""
        return self._values.get(column, default)

    def text(self, column: str) -> str:
        """Return a column's decoded text.

        :raises errors.OutputNotUnderstood: the column is missing
        """
        try:
            return self._values[column]
        except KeyError:
            raise errors.OutputNotUnderstood(
                f'no column {column} in {self._values!r:.300}') from None

    def number(self, column: str) -> int:
        """Return a column's whole number.

        :raises errors.OutputNotUnderstood: missing or not a number
        """
        return to_number(self.text(column), column)


def to_number(text: str, what: str) -> int:
    """Return a whole number.

    :raises errors.OutputNotUnderstood: the text is none
    """
    if not re.fullmatch('[0-9]{1,20}', text):
        raise errors.OutputNotUnderstood(f'{what} is {text!r:.100}')
    return int(text)


def decode(text: str) -> str:
    """Return a field as it was before the command encoded it."""
    return _ENCODED.sub(lambda code: chr(int(code[1], 16)), text)


def rows(stdout: str, command: str, subtype: str | None = '') -> list[Row]:
    """Return the rows of one command and subtype, in their order.

    None stands for any subtype. An empty list means that the command printed
    the header and no row.

    :raises errors.OutputNotUnderstood: there is no such header
    """
    headers: dict[str, list[str]] = {}
    found = []
    for line in stdout.split('\n'):
        fields = line.split(':')
        if len(fields) < 3 or fields[0] != command or subtype not in (
                None, fields[1]):
            continue
        if fields[2] == 'HEADER':
            headers[fields[1]] = fields[_FIRST_COLUMN:]
        elif fields[1] in headers:
            found.append(_row(headers[fields[1]], fields[_FIRST_COLUMN:]))
    if not headers:
        raise errors.OutputNotUnderstood(
            f'no {command}:{subtype or ""} header in {stdout!r:.300}')
    return found


def _row(header: list[str], fields: list[str]) -> Row:
    pairs = zip(header, fields, strict=False)
    return Row({name: decode(value) for name, value in pairs
                if name not in ('', 'reserved')})
