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
"""The edges of a host: its mount, clock, locks, pace, and what it shows.

Nothing of the plug-in is replaced. What is, are functions of the system and
of libraries, in a process that is a host and nothing else.
"""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time

from oslo_concurrency import lockutils

from crash import effects

# Of all effects so many are preceded by a pause, of up to so many seconds.
_PAUSES, _LONGEST = 0.3, 0.06


# <linux/sched.h>
_CLONE_NEWNS = 0x20000


def see(mount, mount_point):
    """Let this process alone see a node's mount where all have theirs."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), 'unshare')
    for words in (['--make-rprivate', '/'], ['--bind', mount, mount_point]):
        subprocess.run(['mount', *words], check=True)


class Pace(effects.Watch):
    """Stumbles at effects, at random, and may stop at one of them.

    A command takes a tenth of a second, and what the plug-in does between
    two of them much less; without pauses hosts would hardly ever meet there.

    :param stop_at: the number of the effect, or an expression that finds it,
        before which the process stops (SIGSTOP), until somebody lets it go on
    """

    def __init__(self, roots, random, stop_at=None):
        super().__init__(roots)
        self._random = random
        self._stop_at = stop_at

    def happen(self, effect, tear=None):
        number = len(self.seen)
        super().happen(effect, tear)
        if self._is_the_end(number, effect):
            self._stop_at = None
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self._random.random() < _PAUSES:
            time.sleep(self._random.random() * _LONGEST)

    def _is_the_end(self, number, effect):
        if isinstance(self._stop_at, str):
            return re.search(self._stop_at, effect)
        # That an unlink of what has clones is refused is not one step here.
        return number == self._stop_at and '.unlinking' not in effect


class Clock:
    """A clock that is wrong by some seconds.

    :param of_files: whether the times of files are by the clock of the host
        that writes them, or by one of the file system
    """

    def __init__(self, wrong_by, of_files):
        self._wrong_by = wrong_by
        self._real = time.time
        self._utime = os.utime
        time.time = self.now
        if of_files:
            self._date_files()

    def now(self):
        return self._real() + self._wrong_by

    def _date_files(self):
        """Give files the time of this clock when they are made or flushed."""
        os.utime = self._touch
        make, write, flush = os.mkdir, os.open, os.fsync

        def mkdir(path, *args, **kwargs):
            make(path, *args, **kwargs)
            self._touch(path, dir_fd=kwargs.get('dir_fd'))

        def open_file(path, flags, *args, **kwargs):
            file = write(path, flags, *args, **kwargs)
            if flags & os.O_CREAT:
                self._touch(file)
            return file

        def fsync(file):
            self._touch(file if isinstance(file, int) else file.fileno())
            flush(file)

        os.mkdir, os.open, os.fsync = mkdir, open_file, fsync

    def _touch(self, path, times=None, **kwargs):
        if times is None and not kwargs.get('ns'):
            times = (self.now(), self.now())
        self._utime(path, times, **kwargs)


class Locks:
    """Notes who holds and waits for the locks of all hosts.

    :param shared: where the plug-in has them
    :param own: a directory in which this host's locks are instead, seen by
        nobody else: locks that do not reach across hosts
    """

    def __init__(self, ledger, shared, own=None):
        self._ledger = ledger
        self._shared = shared
        self._own = own
        self._lock = lockutils.lock
        lockutils.lock = self.lock

    @contextlib.contextmanager
    def lock(self, name, *args, **kwargs):
        if kwargs.get('lock_path') != self._shared:
            with self._lock(name, *args, **kwargs) as found:
                yield found
            return
        if self._own:
            kwargs['lock_path'] = self._own
        self._ledger.note('asks', name)
        try:
            with self._lock(name, *args, **kwargs) as found:
                self._ledger.note('holds', name)
                yield found
        finally:
            self._ledger.note('leaves', name)


class Masters:
    """Notes when masters appear and disappear."""

    def __init__(self, ledger, layout):
        self._ledger = ledger
        self._names = {(layout.incoming, layout.masters): 'published',
                       (layout.masters, layout.leaving): 'taken',
                       (layout.leaving, layout.masters): 'returned'}
        self._leaving = layout.leaving
        self._rename, self._unlink = os.rename, os.unlink
        os.rename, os.unlink = self.rename, self.unlink

    def unlink(self, path, **kwargs):
        self._unlink(path, **kwargs)
        grave, name = os.path.split(os.fsdecode(path))
        if name == 'image' and os.path.dirname(grave) == self._leaving:
            self._ledger.note('removed', os.path.basename(grave))

    def rename(self, source, target, **kwargs):
        self._rename(source, target, **kwargs)
        if isinstance(source, str) and isinstance(target, str):
            kind = self._names.get((os.path.dirname(source),
                                    os.path.dirname(target)))
            if kind is not None:
                self._ledger.note(kind, os.path.basename(
                    source if kind == 'taken' else target))
