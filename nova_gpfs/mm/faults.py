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


"""What the error texts of mm commands mean.

A table is a sequence of (pattern, error). Texts come from IBM's message
catalogue, from terminal output that others published, and from strerror():
mmclone is known to say ``mmclone: Read-only file system``. What no table
knows is ``CommandFailed`` with all that was said: a wrong guess about a
failure is worse than none.
"""

from __future__ import annotations

from collections.abc import Sequence
import re

from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs import printable

Table = Sequence[tuple[str, type[errors.GpfsError]]]

# Terminal output, published by a user of the command.
NO_CLUSTER: Table = (
    (r'This node does not belong to a GPFS cluster', errors.NotReady),
)

# Sources: IBM documentation, messages 6027-665, -725, -666, -650, -602, -314,
# -695 and -1600, "GPFS daemon does not come up"; terminal output published in
# the repositories rapidu, dirscape and INFN StoRM.
STATES: Table = (
    (r'GPFS is down on this node', errors.NotReady),
    (r'Failed to connect to file system daemon', errors.NotReady),
    (r'not ready to handle commands yet', errors.NotReady),
    (r'Failed to determine file system manager', errors.NotReady),
    (r'daemon is shutting down', errors.NotReady),
    (r'file system( \S+)? (is )?not mounted', errors.NotMounted),
    (r'command requires .* authority to execute', errors.NotPermitted),
    (r'Non root user is not permitted', errors.NotPermitted),
    (r'only root can run most GPFS commands', errors.NotPermitted),
    (r'File system is read-only', errors.ReadOnly),
    (r'the following nodes are available', errors.NotReady),
    *NO_CLUSTER,
)

# English texts of strerror(), which is what LC_ALL=C gives.
ERRNO: Table = (
    (r'No such file or directory', errors.NoSuchFile),
    (r'File exists', errors.AlreadyExists),
    (r'Read-only file system', errors.ReadOnly),
    (r'Invalid cross-device link', errors.CannotClone),
    (r'No space left on device', errors.NoSpace),
    (r'Disk quota exceeded', errors.QuotaExceeded),
    (r'Device or resource busy', errors.FileBusy),
    (r'Stale (NFS )?file handle', errors.NotMounted),
    (r'No such device(?! or address)', errors.NotMounted),
    (r'Transport endpoint is not connected', errors.NotMounted),
    (r'Permission denied', errors.NotPermitted),
    (r'Operation not permitted', errors.NotPermitted),
)

NO_SUCH_FILE_SYSTEM: Table = (
    (r'File system \S+ is not known to the GPFS cluster',
     errors.NoSuchFileSystem),
)


def recognise(table: Table, argv: tuple[str, ...], result: model.Result,
              paths: tuple[str, ...] = ()) -> errors.GpfsError:
    """Return the error that a failed command reports.

    ``paths`` are cut out before anything is looked for, so that no file can
    be named after an error text. The full report is the error's cause.
    """
    failure = errors.CommandFailed(argv, result.rc, result.stdout,
                                   result.stderr)
    said = f'{result.stderr}\n{result.stdout}'
    for path in sorted(paths, key=len, reverse=True):
        said = said.replace(path, '<path>')
    for pattern, kind in table:
        if re.search(pattern, said, re.IGNORECASE):
            error = kind(_told(argv, result))
            error.__cause__ = failure
            return error
    return failure


def _told(argv: tuple[str, ...], result: model.Result) -> str:
    said = printable.line(result.stderr or result.stdout, 300)
    return f'"{" ".join(argv)}" said "{said}"'
