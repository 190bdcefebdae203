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

"""What files are like on this host while GPFS is away from it.

Nothing here takes a host out of service: an operator does, when it suits, and
meanwhile a file is opened again and again, by a program of its own, because
who opens a file of a file system that does not answer may wait for ever.
What is away at the end is not looked at any more, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import os
import sys
import time

from nova_gpfs import errors
from nova_gpfs import run
from nova_gpfs.trials import base
from nova_gpfs.trials import scratch

_OPENED, _HANGS = 'opened', 'hangs'
# Prints what comes of opening a file, again and again: the name of an errno,
# or the word.
_OPEN = f"""import errno, os, sys, time
while True:
    try:
        os.close(os.open(sys.argv[1], os.O_RDONLY))
        print('{_OPENED}', flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error.errno), flush=True)
    time.sleep(0.5)
"""
_OPEN_SECONDS = 5.0

_AWAY = base.Verdict(
    base.WORKS, 'the file system counts as gone: nothing is deleted, and the '
    'host gets no instances until it is back')
_ABSENT = base.Verdict(
    base.WORKS, 'nothing is concluded from a file that is not there before '
    'the file system was looked for')
_WAITING = base.Verdict(
    base.WORKS, 'what waits is left waiting, and the host gets no instances '
    'until it has an answer')
_VERDICTS = {'ENODEV': _AWAY, 'ESTALE': _AWAY, 'ENOTCONN': _AWAY,
             'ENOENT': _ABSENT, _HANGS: _WAITING}


def _unlooked(room: base.Room) -> base.Seen:
    raise base.Skip('a host has to go out of service for it')


#: By the word for an outage, what is asked while there is one.
TRIALS = {
    'daemon-down': base.Trial(
        'open-without-daemon', 'What does opening a file say while the '
        'daemon of this host is down?', _unlooked, _VERDICTS,
        'file_access_daemon_down',
        'IBM documentation, GPFS daemon went down (5.2.0)'),
    'expelled': base.Trial(
        'open-when-expelled', 'What does opening a file say on a host that '
        'was expelled?', _unlooked, _VERDICTS, 'file_access_expelled'),
    'no-quorum': base.Trial(
        'open-without-quorum', 'What does opening a file say while there is '
        'no quorum?', _unlooked, _VERDICTS, 'open_without_quorum',
        'IBM documentation, Quorum loss (6.0.1)'),
}
_WHAT_TO_DO = {
    'daemon-down': 'end the daemon of this host, and start it again',
    'expelled': 'have this host expelled from the cluster, and let it join '
    'again',
    'no-quorum': 'let the cluster lose its quorum, and have it again',
}


def watch(own: scratch.Scratch, outage: str, seconds: float,
          say: Callable[[str], None]) -> Iterator[base.Finding]:
    """Yield what all outages say; only one is waited for, if any.

    :param outage: one of ``TRIALS``, '' for none
    :param seconds: how long to wait until it is over
    """
    for kind, trial in TRIALS.items():
        if kind != outage:
            yield base.skipped(trial, f'ask for it with --outage {kind}, on '
                               'a host that may go out of service')
            continue
        yield _watched(trial, own, seconds, say, _WHAT_TO_DO[kind])


def _watched(trial: base.Trial, own: scratch.Scratch, seconds: float,
             say: Callable[[str], None], what_to_do: str) -> base.Finding:
    path = os.path.join(own.path, 'outage')
    answers: list[str] = []
    try:
        with open(path, 'xb') as file:
            file.write(base.CONTENT)
        with contextlib.ExitStack() as stack:
            # Before anybody is asked to do anything, see run.Teller.
            teller = run.Teller((sys.executable, '-I', '-c', _OPEN, path))
            stack.callback(teller.end)
            say(f'Within {seconds:.0f} s: {what_to_do}')
            for answer in _answers(teller, seconds):
                say(f'{path}: {answer}')
                answers.append(answer)
    except (errors.CommandFailed, OSError) as error:
        return base.unknown(trial, base.explain(error))
    finally:
        own.is_out_of_reach = answers[-1:] not in ([], [_OPENED])
    away = [each for each in answers if each != _OPENED]
    if not away:
        return base.skipped(trial, f'within {seconds:.0f} s, the file could '
                            'be opened all the time')
    # One that nobody has foreseen says more than those that are known.
    unforeseen = [each for each in away if each not in trial.verdicts]
    return base.found(trial, base.Seen((unforeseen or away)[0],
                                       ', then '.join(answers)))


def _answers(teller: run.Teller, seconds: float) -> Iterator[str]:
    """Yield each answer that is not as the last, until all is well again.

    :raises errors.CommandFailed: the program that opens the file has ended
    """
    end, last = time.monotonic() + seconds, ''
    while time.monotonic() < end:
        answer = _next(teller)
        if answer != last:
            yield answer
            if last and answer == _OPENED:
                return
        last = answer


def _next(teller: run.Teller) -> str:
    try:
        return teller.line(_OPEN_SECONDS)
    except errors.TimedOut:
        return _HANGS
