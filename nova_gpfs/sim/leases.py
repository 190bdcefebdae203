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

"""Whether a file is open for writing.

A read lease is only granted on a file that nobody on this machine has open
for writing, mapped files included, and makes who opens it for writing wait.
It needs the file's owner (or CAP_LEASE) and a local file system; elsewhere
the open files of all visible processes are looked through, which misses other
users' processes for an ordinary user and can be overtaken by a new writer.
"""

from __future__ import annotations

import errno
import fcntl
import os

# A lease that somebody wants to break is announced by a signal whose default
# action must not end the process: 23 is SIGURG on Linux.
_SIGURG = 23


def hold(file: int) -> bool:
    """Take a lease on an open file; False when somebody writes to it.

    The lease ends when ``file`` is closed.
    """
    fcntl.fcntl(file, fcntl.F_SETSIG, _SIGURG)
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return False
        return not written_to(os.fstat(file))
    return True


def written_to(status: os.stat_result) -> bool:
    """Whether a process that may be looked at has the file open to write."""
    for process in filter(str.isdigit, os.listdir('/proc')):
        try:
            numbers = os.listdir(f'/proc/{process}/fd')
        except OSError:
            continue
        if any(_writes(process, number, status) for number in numbers):
            return True
    return False


def _writes(process: str, number: str, status: os.stat_result) -> bool:
    try:
        found = os.stat(f'/proc/{process}/fd/{number}')
        if not os.path.samestat(found, status):
            return False
        with open(f'/proc/{process}/fdinfo/{number}') as lines:
            flags = [line.split()[1] for line in lines
                     if line.startswith('flags:')]
    except OSError:
        return False
    return any(int(flag, 8) & os.O_ACCMODE != os.O_RDONLY for flag in flags)
