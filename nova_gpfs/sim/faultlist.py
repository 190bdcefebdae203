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

"""The faults of a cluster, as tests and the console program set them."""

from __future__ import annotations

from nova_gpfs.sim import faults
from nova_gpfs.sim import store

CONDITIONS = ('no-space', 'quota', 'not-mounted', 'stale')


class FaultInvalid(Exception):
    """There is no such fault."""


class FaultList:
    """Faults of commands, and conditions of file systems."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def add(self, command: str, action: str, *, nth: int = 1, node: str = '',
            code: int = 1, text: str = '', seconds: float = 0.0,
            child: bool = False) -> int:
        """Spoil the ``nth`` call from now (0: every call); return its id.

        ``command`` is a program's name, with its first arguments if only
        those calls are meant (``mmclone copy``). ``action`` is one of
        ``faults.ACTIONS``; ``code`` and ``text`` (for stderr) belong to
        fail, ``seconds`` to delay and hang (0: a day), ``child`` to hang: a
        second process hangs too and keeps the output open.
        """
        if action not in faults.ACTIONS or not command.split():
            raise FaultInvalid(f'{command} {action}')
        with store.Store(self._directory) as state, state.change():
            return state.execute(
                'INSERT INTO fault (command, node, nth, action, code, text, '
                'seconds, child) VALUES (?, ?, ?, ?, ?, ?, ?, ?)', command,
                node, nth, action, code, text, seconds, int(child))

    def add_condition(self, kind: str, *, fs: str = '', node: str = '',
                      fileset: str = '') -> None:
        """Bring about one of CONDITIONS; empty means everywhere."""
        if kind not in CONDITIONS:
            raise FaultInvalid(kind)
        with store.Store(self._directory) as state, state.change():
            state.execute('INSERT OR REPLACE INTO condition VALUES '
                          '(?, ?, ?, ?)', kind, fs, node, fileset)

    def all(self) -> list[faults.Fault]:
        """Return the faults of commands with the calls that they saw."""
        with store.Store(self._directory) as state:
            return [faults.Fault(row)
                    for row in state.rows('SELECT * FROM fault ORDER BY id')]

    def conditions(self) -> list[tuple[str, str, str, str]]:
        """Return kind, file system, node and fileset of the conditions."""
        with store.Store(self._directory) as state:
            return state.rows('SELECT * FROM condition')

    def clear(self, number: int | None = None) -> None:
        """Take one fault away, or all faults and conditions."""
        with store.Store(self._directory) as state, state.change():
            state.execute('DELETE FROM fault WHERE id = ? OR ?', number,
                          number is None)
            if number is None:
                state.execute('DELETE FROM condition')
