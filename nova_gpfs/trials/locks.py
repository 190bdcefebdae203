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

"""Trials of file locks, within this host and between two.

Two hosts meet below the scratch directory: one holds locks there and waits,
the other tries to get them and writes down what it saw.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import struct
import time
from typing import Any

from nova_gpfs import errors
from nova_gpfs.trials import base
from nova_gpfs.trials import scratch

_ROOM = 'meeting'
_INVITATION = 'invitation.json'
_ANSWER = 'answer.json'
POSIX, OFD = 'posix', 'ofd'
KINDS = (POSIX, OFD)
# struct flock on Linux with 64 bits: type, whence, start, length, process.
_FLOCK = struct.Struct('hhqqi0q')
_POLL_SECONDS = 0.2
# Who waits says so at each poll. Not by the clock, which may be another's.
_SIGN_SECONDS = 5.0
_CLOSE_CLOCKS = 60.0


def take(file: int, kind: str) -> bool:
    """Try to lock a whole open file; say whether that went."""
    try:
        if kind == POSIX:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _FLOCK.pack(
                fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return False
    return True


def within_host(room: base.Room) -> base.Seen:
    """Take each kind of lock, and find it taken by another open file.

    Locks of processes and of open file descriptions exclude each other, in
    one process as well (fcntl(2)).
    """
    missing = [kind for kind in KINDS if not _excludes(room, kind)]
    if missing:
        return base.Seen('missing', ', '.join(missing))
    return base.Seen('work')


def _excludes(room: base.Room, kind: str) -> bool:
    path = room.file(f'lock-{kind}')
    with open(path, 'r+b') as holder, open(path, 'r+b') as other:
        return take(holder.fileno(), kind) and not take(other.fileno(), OFD)


TRIALS = (
    base.Trial('locks-on-this-host', 'Do file locks work at all?',
               within_host, {
                   'work': base.Verdict(base.WORKS, 'one download of an '
                                        'image per host at least'),
                   'missing': base.Verdict(
                       base.DEGRADED, 'an image may be downloaded several '
                       'times at once; what is published is whole all the '
                       'same', 'Look at the mount options and at mmlsfs -D.')
               }, source='fcntl(2)'),
)


@contextlib.contextmanager
def _held(directory: str) -> Iterator[None]:
    """Hold a lock of each kind in a directory."""
    with contextlib.ExitStack() as files:
        for kind in KINDS:
            file = files.enter_context(
                open(os.path.join(directory, kind), 'xb'))
            take(file.fileno(), kind)
        yield


def invite(own: scratch.Scratch, host: str, seconds: float,
           say: Callable[[str], None], how: str) -> dict[str, Any] | None:
    """Hold locks and wait for another host; return what it says.

    None when nobody has come in time.

    :param how: what is to be typed on the other host
    """
    directory = os.path.join(own.path, _ROOM)
    os.mkdir(directory, 0o700)
    with _held(directory):
        _write(os.path.join(directory, _INVITATION), {'host': host})
        say(f'On the other host, within {seconds:.0f} s: {how}')
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = _read(os.path.join(directory, _ANSWER))
            if answer is not None:
                return _with_clock(directory, answer)
            own.touch()
            os.utime(os.path.join(directory, _INVITATION))
            time.sleep(_POLL_SECONDS)
    return None


def _with_clock(directory: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Add by how many seconds the clock of the other host is ahead."""
    mark = os.path.join(directory, 'mark')
    with open(mark, 'xb'):
        os.utime(mark)
    return {**answer, 'clock_ahead': answer.get('mtime', 0.0)
            - os.stat(mark).st_mtime}


def meet(directory: str, host: str) -> dict[str, Any] | None:
    """Try the locks of another host's check, and tell it what was seen.

    None when no check waits below the directory.

    :raises errors.NotPermitted: it is another user's
    """
    for path in scratch.all_below(directory):
        room = os.path.join(path, _ROOM)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            try:
                if _is_waiting(room):
                    return _answer(room, host)
            except PermissionError as error:
                raise errors.NotPermitted(
                    f'{room}: user {os.geteuid()}; the user of nova-compute '
                    'must have the same number on all hosts') from error
    return None


def _is_waiting(room: str) -> bool:
    """Whether somebody gives a sign of life in a room."""
    path = os.path.join(room, _INVITATION)
    before, end = os.stat(path).st_mtime, time.monotonic() + _SIGN_SECONDS
    while time.monotonic() < end:
        time.sleep(_POLL_SECONDS / 2)
        if os.stat(path).st_mtime != before:
            return True
    return False


def _answer(room: str, host: str) -> dict[str, Any]:
    with open(os.path.join(room, _INVITATION), encoding='utf-8') as file:
        waiting = json.load(file)['host']
    answer: dict[str, Any] = {'host': host, 'waiting': waiting}
    for kind in KINDS:
        with open(os.path.join(room, kind), 'r+b') as file:
            answer[kind] = 'free' if take(file.fileno(), kind) else 'taken'
    mark = os.path.join(room, 'mark.second')
    with open(mark, 'xb'):
        os.utime(mark)
    answer['mtime'] = os.stat(mark).st_mtime
    _write(os.path.join(room, _ANSWER), answer)
    return answer


def _write(path: str, fields: dict[str, Any]) -> None:
    with open(path + '.new', 'x', encoding='utf-8') as file:
        json.dump(fields, file)
    os.rename(path + '.new', path)


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding='utf-8') as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return None


@dataclasses.dataclass(frozen=True)
class _Question:
    """What is asked of two hosts, as a trial without a look of its own."""

    trial: base.Trial
    judge: Callable[[dict[str, Any]], base.Seen]


def between(host: str, named: str, answer: dict[str, Any] | None
            ) -> Iterator[base.Finding]:
    """Yield what two hosts have found out together.

    :param host: the name of this host
    :param named: the one that was to answer, '' where none was asked
    """
    for question in _QUESTIONS:
        reason = _why_not(host, named, answer)
        if answer is None or reason:
            yield base.skipped(question.trial, reason)
        else:
            yield base.found(question.trial, question.judge(answer))


def _why_not(host: str, named: str, answer: dict[str, Any] | None) -> str:
    """Return why an answer says nothing about two hosts."""
    if not named:
        return 'name a second host with --second-host'
    if answer is None:
        return f'{named} has not answered'
    if answer['host'] == host:
        return f'{host} itself has answered'
    if _short(answer['host']) != _short(named):
        return f'{answer["host"]} has answered and not {named}'
    return ''


def _short(name: str) -> str:
    return name.partition('.')[0]


def _lock(kind: str) -> Callable[[dict[str, Any]], base.Seen]:
    return lambda answer: base.Seen(
        'across' if answer[kind] == 'taken' else 'local',
        f'{answer["host"]} found the lock {answer[kind]}')


def _clocks(answer: dict[str, Any]) -> base.Seen:
    ahead = answer['clock_ahead']
    return base.Seen('close' if abs(ahead) < _CLOSE_CLOCKS else 'apart',
                     f'{answer["host"]} is ahead by {ahead:.1f} s')


def _unlooked(room: base.Room) -> base.Seen:
    raise base.Skip('it takes two hosts')


_DOCS = 'IBM documentation says nothing of locks between nodes'

_QUESTIONS = (
    _Question(base.Trial(
        'locks-between-hosts', 'Does a host see the locks (fcntl) of '
        'another one?', _unlooked, {
            'across': base.Verdict(base.WORKS, 'an image is downloaded once '
                                   'for all hosts'),
            'local': base.Verdict(
                base.DEGRADED, 'an image may be downloaded by several hosts '
                'at once; one of the downloads becomes the master, the '
                'others are thrown away',
                'Prefetch large images ("nova-gpfs cache prefetch").')},
        source=_DOCS, switch='locks_across_nodes'), _lock(POSIX)),
    _Question(base.Trial(
        'ofd-locks-between-hosts', 'Does a host see the locks of open file '
        'descriptions, which QEMU has, of another one?', _unlooked, {
            'across': base.Verdict(base.WORKS, 'two QEMUs do not open one '
                                   'disk; flatten sees what is open'),
            'local': base.Verdict(
                base.DEGRADED, 'flatten sees only the guests of its own '
                'host; nothing but Nova keeps two hosts from starting one '
                'guest', 'Run "nova-gpfs flatten" for stopped instances '
                'alone, and fence a host before you evacuate it.')},
        source=f'{_DOCS}; notes of Ceph nsfs: they do not span nodes',
        switch='locks_across_nodes'), _lock(OFD)),
    _Question(base.Trial(
        'clocks', 'Do the clocks of the hosts agree?', _unlooked, {
            'close': base.Verdict(base.WORKS, 'ages are what they seem'),
            'apart': base.Verdict(
                base.DEGRADED, 'hosts and leftovers count as older or '
                'younger by as much', 'Set the clocks (chrony, ntpd), or '
                '[gpfs] host_age and leftover_age to more.')}), _clocks),
)
QUESTIONS = tuple(question.trial for question in _QUESTIONS)
