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


"""See every call of the product to the shared file system, and charge it.

The files are real ones, in a directory of this machine. A file or directory
is held by the hosts that have looked at it; when one changes it the others
have to give it up first (a *recall*), and each that looks at it later has it
again. That is how this model counts what a shared file costs. It says nothing
of how many messages GPFS sends.
"""

import builtins
import collections
import contextlib
import dataclasses
import functools
import os
import stat
import time
from unittest import mock

from oslo_concurrency import lockutils

from benchmarks.scale import clock as times

_lstat = os.lstat
_open = os.open
_listdir = os.listdir
_utime = os.utime

# What oslo.concurrency waits at most between two tries, in seconds.
_LONGEST_DELAY = 0.1

_WATCHED = ('access', 'fsync', 'link', 'listdir', 'lstat', 'mkdir', 'open',
            'rename', 'rmdir', 'scandir', 'stat', 'symlink', 'unlink',
            'utime')


@dataclasses.dataclass
class Costs:
    """Seconds that a call takes, and to get what another host holds."""

    call: float
    hand_over: float


@dataclasses.dataclass
class Tally:
    """What has been seen of one path, and by which hosts."""

    names: int = 0
    listed: collections.Counter = dataclasses.field(
        default_factory=collections.Counter)
    changed: collections.Counter = dataclasses.field(
        default_factory=collections.Counter)


@dataclasses.dataclass
class Seen:
    """What has been seen since it was begun."""

    calls: collections.Counter = dataclasses.field(
        default_factory=collections.Counter)
    paths: dict = dataclasses.field(
        default_factory=lambda: collections.defaultdict(Tally))


class _Status:
    """The status of a file that has clones, which count as its names."""

    def __init__(self, found, clones):
        self._found = found
        self.st_nlink = found.st_nlink + clones

    def __getattr__(self, name):
        return getattr(self._found, name)


class Watch:
    """Stands between the product and ``os``, below one directory."""

    def __init__(self, clock, commands, top, costs):
        self.seen = Seen()
        self._clock = clock
        self._commands = commands
        self._top = top
        self._costs = costs
        self._holders = collections.defaultdict(set)
        self._free_at = collections.defaultdict(float)
        self._locked = set()
        self._queues = collections.defaultdict(collections.deque)

    @contextlib.contextmanager
    def watching(self):
        """Stand in between for as long as the block lasts."""
        places = [(os, name, functools.partial(
            getattr(self, f'_{name}'), getattr(os, name)))
            for name in _WATCHED]
        places += [
            (builtins, 'open', functools.partial(self._file, open)),
            (time, 'time', lambda: self._clock.now),
            (time, 'monotonic', lambda: self._clock.now),
            (time, 'sleep', self._clock.spend),
            (lockutils, 'lock', self._lock)]
        with contextlib.ExitStack() as stack:
            for owner, name, other in places:
                stack.enter_context(mock.patch.object(owner, name, other))
            yield

    def begin(self):
        """Begin to count anew, and return what is counted from now on."""
        self.seen = Seen()
        return self.seen

    def _is_below(self, path):
        return isinstance(path, str) and path.startswith(self._top)

    def _count(self, what):
        self.seen.calls[what] += 1
        self._clock.charge(self._costs.call)

    def _look(self, path, what='looks'):
        if self._is_below(path):
            self._count(what)
            self._holders[path].add(self._clock.host)

    def _note_list(self, path):
        if self._is_below(path):
            self._look(path, 'lists')
            tally = self.seen.paths[path]
            tally.listed[self._clock.host] += 1
            names = len(_listdir(path))
            tally.names = max(names, tally.names)
            self.seen.calls['names'] += names

    def _change(self, path):
        if not self._is_below(path):
            return
        self._count('changes')
        host = self._clock.host
        self.seen.paths[path].changed[host] += 1
        others = len(self._holders[path] - {host, times.NOBODY})
        self._holders[path] = {host}
        if others:
            self.seen.calls['recalls'] += others
            self._wait_for(path)

    def _wait_for(self, path):
        """Wait until it is this host's turn to change what others held."""
        now = self._clock.now
        done = max(now, self._free_at[path]) + self._costs.hand_over
        self._free_at[path] = done
        self._clock.spend(done - now)

    def _make_in(self, path):
        if self._is_below(path):
            self._change(os.path.dirname(path))

    def _with_clones(self, found):
        clones = self._commands.clones[found.st_ino]
        return _Status(found, clones) if clones > 0 else found

    # What is called in place of what.

    def _stat(self, call, path, **options):
        self._look(path)
        return self._with_clones(call(path, **options))

    _lstat = _stat

    def _access(self, call, path, mode):
        self._look(path)
        return call(path, mode)

    def _listdir(self, call, path='.'):
        self._note_list(path)
        return call(path)

    _scandir = _listdir

    def _utime(self, call, path, when=None, **options):
        if when is None and 'ns' not in options:
            when = self._clock.now, self._clock.now
        result = call(path, when, **options)
        self._change(path)
        return result

    def _rename(self, call, source, target):
        self._make_in(source)
        self._make_in(target)
        result = call(source, target)
        if self._is_below(target) and not stat.S_ISDIR(_lstat(target).st_mode):
            # It was written in no time.
            _utime(target, (self._clock.now, self._clock.now))
        return result

    def _link(self, call, source, target):
        self._make_in(target)
        return call(source, target)

    _symlink = _link

    def _mkdir(self, call, path, *arguments, **options):
        self._make_in(path)
        return call(path, *arguments, **options)

    def _rmdir(self, call, path, **options):
        self._make_in(path)
        return call(path, **options)

    def _unlink(self, call, path, **options):
        found = _lstat(path, **options)
        self._make_in(path)
        if found.st_nlink == 1:
            if self._commands.clones[found.st_ino] > 0:
                raise PermissionError(1, 'it has clones', path)
            self._commands.removed(found.st_ino)
        return call(path, **options)

    def _open(self, call, path, flags, mode=0o777, **options):
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        with self._opening(path, writes, flags & os.O_CREAT):
            return call(path, flags, mode, **options)

    def _file(self, call, path, mode='r', *arguments, **options):
        if options.get('opener'):
            # That calls os.open().
            return call(path, mode, *arguments, **options)
        writes = set(mode) & set('wxa+')
        with self._opening(path, writes, set(mode) & set('wxa')):
            return call(path, mode, *arguments, **options)

    @contextlib.contextmanager
    def _opening(self, path, writes, makes):
        if not self._is_below(path):
            yield
            return
        is_new = makes and not _exists(path)
        if is_new:
            self._make_in(path)
        if not writes:
            self._look(path, 'reads')
        yield
        if writes:
            self._change(path)
        if is_new:
            _utime(path, (self._clock.now, self._clock.now))

    def _fsync(self, _call, _handle):
        self._count('flushes')

    # Locks, as oslo.concurrency has them.

    @contextlib.contextmanager
    def _lock(self, name, lock_file_prefix=None, external=False,
              lock_path=None, do_log=True, semaphores=None, delay=0.01,
              fair=False, blocking=True):
        with contextlib.ExitStack() as held:
            held.enter_context(self._in_process(
                (self._clock.host, name), blocking))
            if external:
                path = os.path.join(lock_path, f'{lock_file_prefix}-{name}')
                held.enter_context(self._between_hosts(path, delay, blocking))
            yield

    @contextlib.contextmanager
    def _in_process(self, key, blocking):
        if key in self._locked:
            _require(blocking, key)
            self._clock.queue(self._queues[key])
        self._locked.add(key)
        try:
            yield
        finally:
            # Whoever waits for it has it before anybody else can ask.
            if self._queues[key]:
                self._clock.release(self._queues[key])
            else:
                self._locked.discard(key)

    @contextlib.contextmanager
    def _between_hosts(self, path, delay, blocking):
        """Try again and again; the pauses grow as those of fasteners do."""
        if not _exists(path):
            self._make_in(path)
            os.close(_open(path, os.O_CREAT | os.O_WRONLY))
        self._look(path, 'lock tries')
        tries = 1
        while path in self._locked:
            _require(blocking, path)
            self._clock.spend(min(delay * tries,
                                  max(delay, _LONGEST_DELAY)))
            tries += 1
            self._look(path, 'lock tries')
        self._locked.add(path)
        try:
            yield
        finally:
            self._locked.discard(path)


def _require(blocking, name):
    if not blocking:
        raise lockutils.AcquireLockFailedException(str(name))


def _exists(path):
    try:
        _lstat(path)
    except FileNotFoundError:
        return False
    return True
