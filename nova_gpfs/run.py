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


"""Run an mm command on this host, as the current user.

The only module that starts programs. A program is named by its absolute path
below ``[gpfs] mm_path``; it gets no shell, no input, the C locale and an
environment of its own. What it starts is ended with it at the time limit.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
import select
import shlex
import signal
import subprocess
import time
from typing import Any, cast, IO

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs import model
from nova_gpfs import printable

LOG = logging.getLogger(__name__)

_SEARCH_PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

# A process that waits for a disk cannot be killed. Nobody waits for it longer
# than this; subprocess reaps it whenever it ends.
_REAP_SECONDS = 5.0
# For the end of a program that was waited for in vain the last time.
_LATE_SECONDS = 1.0

# Nothing that is asked for comes near to this. Who prints more has lost its
# mind, and is to cost nova-compute neither its memory nor its life.
_MOST_PRINTED = 64 * 2 ** 20
# How long a command may print until somebody looks how much it was. One that
# prints as fast as it can fills some hundred mebibytes meanwhile.
_LOOK_SECONDS = 0.25


@dataclasses.dataclass(frozen=True)
class Local:
    """The transport that runs a command right here; times in seconds.

    A command gets a session of its own, or stays in the caller's and gets a
    process group of its own.
    """

    mm_path: str
    command_timeout: float
    copy_timeout: float
    stays_in_session: bool = False

    def __call__(self, command: base.Command[Any]) -> model.Result:
        """Run ``command`` to its end.

        :raises errors.TimedOut: it was ended at its time limit
        :raises errors.ProgramMissing: ``mm_path`` has no such program
        :raises errors.NotPermitted: this user may not run it
        """
        program, *arguments = command.argv()
        return execute((os.path.join(self.mm_path, program), *arguments),
                       self.copy_timeout if command.copies_data
                       else self.command_timeout, self.stays_in_session)


def execute(argv: tuple[str, ...], seconds: float,
            stays_in_session: bool = False) -> model.Result:
    """Run a program by its absolute path; raises as ``Local`` does."""
    begun = time.monotonic()
    try:
        process = _start(argv, stays_in_session)
    except (FileNotFoundError, NotADirectoryError):
        raise errors.ProgramMissing(argv[0]) from None
    except PermissionError:
        raise errors.NotPermitted(f'cannot execute {argv[0]}') from None
    except OSError as error:
        raise errors.CommandFailed(argv, error.errno or -1, '',
                                   str(error)) from error
    try:
        stdout, stderr = _output(process, argv, seconds)
    finally:
        _end(process)
    LOG.debug('Exit code %(rc)d in %(ms).1f ms: %(command)s',
              {'rc': process.returncode,
               'ms': (time.monotonic() - begun) * 1000,
               'command': printable.escape(shlex.join(argv))})
    return model.Result(process.returncode, os.fsdecode(stdout),
                        os.fsdecode(stderr))


class Alone:
    """A harmless program that is run again and again, one at a time.

    What waits for a file system that does not answer cannot be ended. It is
    left waiting, and nothing joins it: the next call only looks whether it
    has come to its end.
    """

    def __init__(self, argv: tuple[str, ...], seconds: float) -> None:
        """``argv`` begins with an absolute path."""
        self.argv = argv
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> model.Result:
        """Run the program and return what it says now.

        :raises errors.TimedOut: it has not ended in time, or that of an
            earlier call is not over yet
        """
        if self._process is not None:
            self._finish(self._process, _LATE_SECONDS)
        self._process = _start(self.argv)
        return self._finish(self._process, self.seconds)

    def _finish(self, process: subprocess.Popen[bytes],
                seconds: float) -> model.Result:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except Exception as error:
            if not _is_expiry(error):
                raise
            raise errors.TimedOut(self.argv, self.seconds) from None
        self._process = None
        return model.Result(process.returncode, os.fsdecode(stdout),
                            os.fsdecode(stderr))


class Teller:
    """A program that says one line after the other, until it is ended.

    It is started once, in good time: a new process has the open files of its
    parent for a moment, and to close one of a file system that does not answer
    may take for ever.
    """

    def __init__(self, argv: tuple[str, ...]) -> None:
        """``argv`` begins with an absolute path; raises OSError."""
        self.argv = argv
        self._process = _start(argv)
        self._output = cast(IO[bytes], self._process.stdout).fileno()
        self._said = b''

    def line(self, seconds: float) -> str:
        """Return the next line, without its end.

        :raises errors.TimedOut: there is none within so many seconds
        :raises errors.CommandFailed: the program has ended
        """
        while b'\n' not in self._said:
            if not select.select([self._output], [], [], seconds)[0]:
                raise errors.TimedOut(self.argv, seconds)
            more = os.read(self._output, 4096)
            if not more:
                raise errors.CommandFailed(self.argv, self._process.wait(),
                                           os.fsdecode(self._said), '')
            self._said += more
        line, _newline, self._said = self._said.partition(b'\n')
        return os.fsdecode(line)

    def end(self) -> None:
        """End the program; one that waits for a disk takes a moment more."""
        _end(self._process)


def _output(process: subprocess.Popen[bytes], argv: tuple[str, ...],
            seconds: float) -> tuple[bytes, bytes]:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            return process.communicate(timeout=min(left, _LOOK_SECONDS))
        except Exception as error:
            if not _is_expiry(error):
                raise
            _require_bounded(error, argv)
    raise errors.TimedOut(argv, seconds)


def _require_bounded(expiry: Any, argv: tuple[str, ...]) -> None:
    """Refuse a command that has printed more than any answer has."""
    printed = len(expiry.stdout or b'') + len(expiry.stderr or b'')
    if printed > _MOST_PRINTED:
        raise errors.CommandFailed(
            argv, -1, '', f'ended because it printed {printed} bytes')


def _start(argv: tuple[str, ...],
           stays_in_session: bool = False) -> subprocess.Popen[bytes]:
    """Start a program in a session or a process group of its own.

    Not by processutils.execute: that always passes a preexec_fn, for which
    Python has to fork all of nova-compute where it could use vfork(2).
    """
    # A privileged daemon has no umask. There is no shell (B603), see above.
    return subprocess.Popen(  # nosec B603
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd='/', env=_environment(),
        start_new_session=not stays_in_session,
        process_group=0 if stays_in_session else None, umask=0o022)


def _environment() -> dict[str, str]:
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        home = '/'
    return {'PATH': _SEARCH_PATH, 'LC_ALL': 'C', 'HOME': home}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a command's process group and close its pipes.

    Nothing is left after a normal end: then there is a return code, and the
    number of the process group may already be another's.
    """
    if process.returncode is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()
    try:
        process.wait(timeout=_REAP_SECONDS)
    except Exception as error:
        if not _is_expiry(error):
            raise


def _is_expiry(error: Exception) -> bool:
    """Whether subprocess has come to a time limit.

    By name: eventlet runs a copy of subprocess whose exception is a class
    that cannot be had by importing anything.
    """
    return type(error).__name__ == subprocess.TimeoutExpired.__name__
