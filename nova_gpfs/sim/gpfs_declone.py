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

"""gpfs_declone, which the simulated libgpfs runs as a program.

Its arguments are the path of the open file and those of the subroutine. It
prints the new offset, and its exit code is the value of errno.
"""

from __future__ import annotations

import errno

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import declones
from nova_gpfs.sim import messages
from nova_gpfs.sim import program

# The node is looked at here, where it becomes a value of errno.
NEEDS_DAEMON = False

_ERRNO = {'clone.missing': errno.EBADF, 'clone.not_gpfs': errno.EBADF}


def run(call: calls.Call) -> None:
    """Do what the arguments say."""
    try:
        program.require_node(call, True)
        path, *numbers = call.args
        limit, most, offset = map(int, numbers)
        call.say(str(declones.declone(call, path, limit, most, offset)))
    except calls.Refusal as refusal:
        call.code = _errno(refusal)
    except OSError as error:
        call.code = error.errno or errno.EIO


def _errno(refusal: calls.Refusal) -> int:
    if refusal.key in messages.STATES:
        # What the kernel says of files whose daemon is gone.
        return errno.ESTALE
    return _ERRNO.get(refusal.key, refusal.code)
