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

"""How mm commands print: ``-Y`` rows and the few human tables."""

from __future__ import annotations

# Exactly the characters of IBM's table (Storage Scale 6.0.1 documentation,
# mmclidecode command). Percent itself, space, '-' and '.' are not in it.
_ENCODED = {ord(char): f'%{ord(char):02X}' for char in "!#$&'()*+,/:;=?@[]"}


def encode(text: str) -> str:
    """Percent-encode a field; which fields are encoded differs by command."""
    return text.translate(_ENCODED)


def header(command: str, columns: str, subtype: str = '') -> str:
    """Return a ``-Y`` header line; ``columns`` is colon separated."""
    return f'{command}:{subtype}:HEADER:version:reserved:reserved:{columns}:'


def row(command: str, *fields: object, subtype: str = '') -> str:
    """Return a ``-Y`` data line."""
    data = ':'.join(str(field) for field in fields)
    return f'{command}:{subtype}:0:1:::{data}:'


def date(seconds: int) -> str:
    """Return a time as mm commands print it, not encoded."""
    import time
    return time.strftime('%a %b %d %H:%M:%S %Y', time.localtime(seconds))


def yes(value: object) -> str:
    """Return yes or no."""
    return 'yes' if value else 'no'
