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

"""Do work that may hang, and wait no longer than is wanted.

A process that waits for a file system which does not answer cannot be ended,
not even by SIGKILL, so the work is done in a process of its own that nobody
waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import os
import select
import signal
import sys
import time
import traceback

Write = Callable[[str], None]

# For a command that is to be ended with the process that has started it.
_END_SECONDS = 2.0
_READ = 65536


def lines(work: Callable[[Write], None], seconds: float) -> Iterator[str]:
    """Yield the lines that ``work`` writes, until it ends or time is up.

    ``work`` runs in a copy of this process. What it raises is printed there.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        _work(work, writer)
    os.close(writer)
    try:
        yield from _lines(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        _end(child)


def _work(work: Callable[[Write], None], writer: int) -> None:
    """Work, in the copy; never returns."""
    code = 1
    try:
        # Commands are ended with who has started them.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        with os.fdopen(writer, 'w', buffering=1, encoding='utf-8') as pipe:
            work(lambda line: print(line, file=pipe))
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def _lines(reader: int, end: float) -> Iterator[str]:
    rest = b''
    while (left := end - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0]:
            return
        part = os.read(reader, _READ)
        if not part:
            return
        *whole, rest = (rest + part).split(b'\n')
        yield from (line.decode() for line in whole)


def _end(child: int) -> None:
    """End a process, and wait for that only if it is soon."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)
    end = time.monotonic() + _END_SECONDS
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
