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


"""Count what making a disk takes: programs, locks, bytes.

Nothing of the product is changed for it. Programs are seen by an audit hook
of the interpreter, locks at the one function of oslo.concurrency through
which Nova and the plug-in take them, bytes by the kernel's own accounting,
system calls by strace.
"""

import collections
import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from unittest import mock

from oslo_concurrency import lockutils


@dataclasses.dataclass
class Counts:
    """What was counted; ``written`` in bytes."""

    programs: collections.Counter = dataclasses.field(
        default_factory=collections.Counter)
    inner_locks: int = 0
    external_locks: int = 0
    written: int = 0


@contextlib.contextmanager
def counted():
    """Give the counts of all threads; complete when the block is left."""
    counts = Counts()
    before = written()
    with _programs.into(counts.programs), _locks(counts):
        yield counts
    counts.written = written() - before


def written():
    """Return bytes that this process and its ended children have written.

    These are bytes that go to storage (write_bytes in proc(5)), so writing
    to pipes or sharing blocks is not in it.
    """
    with open('/proc/self/io') as lines:
        return int(dict(line.split(': ') for line in lines)['write_bytes'])


def read():
    """Return bytes that this process and its ended children have read.

    These are all that read(2) and its like have given (rchar in proc(5)),
    the modules of Python programs among them.
    """
    with open('/proc/self/io') as lines:
        return int(dict(line.split(': ') for line in lines)['rchar'])


@contextlib.contextmanager
def system_calls():
    """Give a list that gets the number of system calls, children's too.

    It stays empty where strace is missing or may not trace this process.
    """
    found = []
    if not shutil.which('strace'):
        yield found
        return
    with (tempfile.NamedTemporaryFile('r') as summary,
          subprocess.Popen(
              ('strace', '--follow-forks', '--summary-only',
               f'--output={summary.name}', f'--attach={os.getpid()}'),
              stderr=subprocess.PIPE, text=True) as tracer):
        attached = 'attached' in tracer.stderr.readline()
        try:
            yield found
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        if attached:
            found.append(_total(summary.read()))


def _total(summary):
    """Return the calls in strace's last line: % seconds usecs calls ..."""
    return int(summary.splitlines()[-1].split()[3])


def program(argv):
    """Return the name of what an argv runs, with its first plain word.

    Nova starts qemu-img through oslo.concurrency's prlimit and env(1), each
    of which becomes the next by exec, so it is one process.
    """
    words = list(argv)
    limited = 'oslo_concurrency.prlimit' in words
    if limited:
        words = words[words.index('--') + 1:]
    if words[0] == 'env':
        words = [word for word in words[1:] if '=' not in word]
    name = os.path.basename(words[0])
    if name in ('qemu-img', 'mmclone'):
        name = f'{name} {words[1]}'
    return f'{name} (prlimit)' if limited else name


class _Programs:
    """The audit hook, which can be set once and never be removed."""

    def __init__(self):
        self._counter = None
        self._set = False
        self._lock = threading.Lock()

    def __call__(self, event, arguments):
        if event == 'subprocess.Popen' and self._counter is not None:
            with self._lock:
                self._counter[program(map(os.fsdecode, arguments[1]))] += 1

    @contextlib.contextmanager
    def into(self, counter):
        if not self._set:
            sys.addaudithook(self)
            self._set = True
        self._counter = counter
        try:
            yield
        finally:
            self._counter = None


_programs = _Programs()


@contextlib.contextmanager
def _locks(counts):
    take = lockutils.lock
    guard = threading.Lock()

    def lock(name, lock_file_prefix=None, external=False, *args, **kwargs):
        with guard:
            counts.external_locks += bool(external)
            counts.inner_locks += not external
        return take(name, lock_file_prefix, external, *args, **kwargs)

    with mock.patch.object(lockutils, 'lock', lock):
        yield
