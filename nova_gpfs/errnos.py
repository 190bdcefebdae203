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

"""Which of our errors a system call that has failed is.

What GPFS answers on a node that has lost its file system is ENODEV or ESTALE
(IBM documentation, "GPFS daemon went down", 5.2.0, and "Quorum loss", 6.0.1).
"""

from __future__ import annotations

import errno
import os

from nova_gpfs import errors

#: By the value of errno; what is not here tells nothing.
ERRORS: dict[int, type[errors.GpfsError]] = {
    errno.ENOENT: errors.NoSuchFile,
    errno.ENOTDIR: errors.NoSuchFile,
    errno.EACCES: errors.NotPermitted,
    errno.EPERM: errors.NotPermitted,
    errno.EROFS: errors.ReadOnly,
    errno.ENOSPC: errors.NoSpace,
    errno.EDQUOT: errors.QuotaExceeded,
    errno.ESTALE: errors.NotMounted,
    errno.ENODEV: errors.NotMounted,
    errno.ENOTCONN: errors.NotMounted,
}


def meaning(error: OSError) -> errors.GpfsError | None:
    """Return our error for that of a system call, None if it has none."""
    kind = ERRORS.get(error.errno or 0)
    if kind is None:
        return None
    what = os.fsdecode(error.filename) if error.filename else ''
    said = f'{what}: {error.strerror}' if what else f'{error.strerror}'
    return kind(said)
