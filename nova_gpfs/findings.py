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

"""What one host finds out for all that share an instances_path.

What takes a look at every host or every instance must not be done by every
host: with a thousand of them that is a thousand times the work. So whoever
finds that it is old looks, and writes down what it has found; the others read
that. Two may look at once, which costs them work and nothing else.

How old it is, is judged by the clock of each host. One whose clock is wrong by
more than the age looks for itself each time.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import json
import os
from typing import Any
import uuid

from nova_gpfs import incoming
from nova_gpfs import record_file

# Seconds after which a file that was not finished is left over; clocks may
# differ by less.
_LEFTOVER_AGE = 2 * 86400.0

# A hundred thousand instances take some mebibytes.
_LARGEST = 64 * 2 ** 20


class Findings:
    """A file in which hosts leave each other what they have found."""

    def __init__(self, path: str, age: float,
                 place: Callable[[], dict[str, Any]] = dict,
                 is_found: Callable[[Any], bool] = lambda found: True
                 ) -> None:
        """``age`` is in seconds.

        :param place: what must be alike for hosts that believe each other
        :param is_found: whether a value is what is looked for, by its types
        """
        self._path = path
        self._age = age
        self._place = place
        self._is_found = is_found

    def get(self, look: Callable[[], Any], meanwhile: Any = None) -> Any:
        """Return what ``look`` returned lately, on this host or another.

        It is to be plain values, as JSON has them.

        :param meanwhile: what to return while nothing is known yet and
            another host looks, which may have just begun; None to look, too
        """
        known = self._read()
        if incoming.is_younger(self._path, self._age):
            if known is not None or meanwhile is not None:
                return meanwhile if known is None else known
        # From now on the others have what is known, old as it is.
        incoming.touch(self._path)
        found = look()
        directory, name = os.path.split(self._path)
        remove_leftovers(directory, f'{name}.')
        self._write(found)
        return found

    def outdate(self) -> None:
        """Have the next host that asks look for itself."""
        _remove(self._path)

    def _read(self) -> Any:
        """Return what is known, None if nothing that counts here is."""
        try:
            fields = record_file.read(self._path, largest=_LARGEST)
            found = fields['found']
            if fields['of'] == self._place() and self._is_found(found):
                return found
        except (OSError, ValueError, KeyError):
            pass
        return None

    def _write(self, found: Any) -> None:
        temporary = f'{self._path}.{uuid.uuid4().hex}.new'
        with contextlib.ExitStack() as undo:
            with record_file.new(temporary) as file:
                undo.callback(_remove, temporary)
                json.dump({'version': 1, 'of': self._place(),
                           'found': found}, file)
            os.rename(temporary, self._path)


def remove_leftovers(directory: str, begins: str = '') -> None:
    """Remove what hosts that died while they wrote records have left.

    :param begins: how the names of the records begin
    """
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if (name.startswith(begins) and name.endswith('.new')
                and not incoming.is_younger(path, _LEFTOVER_AGE)):
            _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
