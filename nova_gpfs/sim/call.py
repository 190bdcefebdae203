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

"""One call of one mm command: who calls, with what, and what it prints."""

from __future__ import annotations

import os

from nova_gpfs.sim import messages
from nova_gpfs.sim import store
from nova_gpfs.sim import switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Refusal(Exception):
    """The command refuses; ``key`` names an entry of ``messages``."""

    def __init__(self, key: str, code: int | None = None,
                 **fields: object) -> None:
        super().__init__(key)
        self.key = key
        self.code = messages.MESSAGES[key].code if code is None else code
        self.fields = fields


class Call:
    """What a command module works with."""

    __slots__ = ('name', 'node', 'args', 'state', 'out', 'err', 'code')

    def __init__(self, name: str, node: str, args: list[str],
                 state: store.Store) -> None:
        self.name = name
        self.node = node
        self.args = args
        self.state = state
        self.out: list[str] = []
        self.err: list[str] = []
        self.code = 0

    def switch(self, name: str) -> str:
        """Return the position of a switch."""
        return switches.value(self.state, name)

    def say(self, *lines: str) -> None:
        """Print lines on stdout."""
        self.out.extend(lines)

    def report(self, refusal: Refusal) -> None:
        """Print a failure on stderr and set the exit code."""
        text = messages.MESSAGES[refusal.key].text
        fields = {'command': self.name, 'code': refusal.code}
        fields.update(refusal.fields)
        self.err.append(text.format(**fields))
        if refusal.code:
            how = self.switch('exit_code_on_failure')
            self.code = {'errno': refusal.code, 'zero': 0, 'one': 1}[how]

    def each(self, paths: Sequence[str],
             work: Callable[[Call, str], None]) -> None:
        """Do something to every file; failures are reported one by one."""
        for path in paths:
            try:
                work(self, path)
            except Refusal as refusal:
                self.report(refusal)
                if self.switch('several_files') == 'stop':
                    break

    def is_root(self) -> bool:
        """Whether the caller counts as root (see the switch superuser)."""
        user = os.geteuid()
        if user == 0 or self.switch('superuser') == 'root':
            return user == 0
        return user == os.stat(self.state.directory).st_uid


def options(call: Call, flags: str, valued: str, usage: str
            ) -> tuple[dict[str, str], list[str]]:
    """Split the arguments into options and the rest.

    ``flags`` and ``valued`` are space separated; ``-r2``, ``--long=x`` and
    ``-aY`` are understood. getopt and argparse would double the start-up time.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    words = iter(call.args)
    for word in words:
        name, equals, text = word.partition('=')
        if not word.startswith('-') or word == '-':
            rest.append(word)
        elif word in flags.split():
            found[word] = ''
        elif word in valued.split():
            found[word] = next(words, '')
        elif word.startswith('--') and equals and name in valued.split():
            found[name] = text
        elif len(word) > 2 and word[:2] in valued.split():
            found[word[:2]] = word[2:]
        elif all('-' + letter in flags.split() for letter in word[1:]):
            found.update(('-' + letter, '') for letter in word[1:])
        else:
            raise Refusal('usage', usage=usage)
    return found, rest
