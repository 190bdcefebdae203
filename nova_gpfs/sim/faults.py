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

"""Faults: what goes wrong with a chosen call of a chosen command."""

from __future__ import annotations

import os
import time

from nova_gpfs.sim import call as calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What may happen; the -after forms let the command do its work first.
ACTIONS = ('fail', 'fail-after', 'delay', 'delay-after', 'hang', 'hang-after',
           'kill', 'kill-after', 'garbage', 'truncate')
_FOREVER = 86400.0
_SIGKILL = 9


class Fault:
    """A row of the state's table."""

    __slots__ = ('id', 'command', 'node', 'nth', 'seen', 'action', 'code',
                 'text', 'seconds', 'child')

    id: int
    command: str
    node: str
    nth: int
    seen: int
    action: str
    code: int
    text: str
    seconds: float
    child: int

    def __init__(self, row: tuple[object, ...]) -> None:
        for name, value in zip(self.__slots__, row):
            setattr(self, name, value)

    def matches(self, call: calls.Call) -> bool:
        """Whether the fault is about this command on this node.

        ``command`` is its first words: ``mmclone`` or ``mmclone copy``.
        """
        words = self.command.split()
        return (self.node in ('', call.node)
                and [call.name, *call.args][:len(words)] == words)


def _due(call: calls.Call) -> list[Fault]:
    """Count this call and return what is to go wrong with it."""
    mine = [fault for fault in map(Fault, call.state.rows(
        'SELECT * FROM fault')) if fault.matches(call)]
    if not mine:
        return []
    with call.state.change():
        for fault in mine:
            call.state.execute(
                'UPDATE fault SET seen = seen + 1 WHERE id = ?', fault.id)
            fault.seen = call.state.rows(
                'SELECT seen FROM fault WHERE id = ?', fault.id)[0][0]
    return [fault for fault in mine if fault.nth in (0, fault.seen)]


def surround(call: calls.Call, work: Callable[[calls.Call], None],
             log: Callable[[int | None], None]) -> None:
    """Run a call with the faults that are due to it."""
    due = _due(call)
    for fault in due:
        _pause(fault, '', log)
    if any(fault.action == 'fail' for fault in due):
        call.code = 0
    else:
        work(call)
    for fault in due:
        _pause(fault, '-after', log)
        _spoil(call, fault)


def _pause(fault: Fault, moment: str,
           log: Callable[[int | None], None]) -> None:
    """Wait, wait for ever or die at this moment, if that is the fault."""
    if fault.action == 'delay' + moment:
        time.sleep(fault.seconds)
    elif fault.action == 'hang' + moment:
        log(None)
        if fault.child and not os.fork():
            os.execv('/bin/sleep', ['sleep', str(int(_FOREVER))])
        time.sleep(fault.seconds or _FOREVER)
        os._exit(1)
    elif fault.action == 'kill' + moment:
        log(-_SIGKILL)
        os.kill(os.getpid(), _SIGKILL)


def _spoil(call: calls.Call, fault: Fault) -> None:
    """Change what the command says."""
    if fault.action in ('fail', 'fail-after'):
        call.code = fault.code
        call.out = []
        call.err = [fault.text] if fault.text else []
    elif fault.action == 'garbage':
        call.out = [fault.text or '\udcff\udcfe %zz :::: \x00 <html>']
    elif fault.action == 'truncate':
        call.out = [line if ':HEADER:' in line else
                    ':'.join(line.split(':')[:8]) for line in call.out]
