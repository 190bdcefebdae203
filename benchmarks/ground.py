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


"""The file systems that the disks are made on.

As root these are XFS in loop devices: one that can share blocks between
files, as the simulated GPFS needs it to clone without copying, and one that
cannot. GPFS itself cannot share blocks for cp(1), whose reflink calls it
answers with EOPNOTSUPP (measured by the developers of Ceph's GPFS branch), so
the second shows what Nova's own raw disks cost there. Without root the
temporary directory has to do.
"""

import contextlib
import dataclasses
import errno
import fcntl
import os
import shutil
import subprocess
import time

from nova_gpfs.sim import data

XFS = 'xfs'
HERE = 'here'

# XFS frees the blocks of removed files a moment later, in the background.
_MOMENT = 0.05


@dataclasses.dataclass(frozen=True)
class Ground:
    """A directory to work in; ``own`` if nobody else uses its space."""

    path: str
    kind: str
    shares_blocks: bool
    own: bool

    def flush(self):
        """Bring everything to disk, so that it disturbs nobody later."""
        subprocess.run(['sync', '--file-system', self.path], check=True)

    def used(self):
        """Return the bytes taken on the file system; None if not alone."""
        if not self.own:
            return None
        before, now = -1, self._used()
        while before != now:
            time.sleep(_MOMENT)
            before, now = now, self._used()
        return now

    def _used(self):
        self.flush()
        status = os.statvfs(self.path)
        return (status.f_blocks - status.f_bfree) * status.f_frsize


def reason_not_xfs():
    """Return why XFS cannot be mounted here, None if it can."""
    if os.geteuid():
        return 'mounting XFS needs root'
    if not shutil.which('mkfs.xfs'):
        return 'mkfs.xfs is not installed'
    if not os.path.exists('/dev/loop-control'):
        return 'there are no loop devices'
    return None


@contextlib.contextmanager
def xfs(directory, name, size, reflink):
    """Mount a new XFS of ``size`` bytes below a directory."""
    device = os.path.join(directory, f'{name}.img')
    mounted = os.path.join(directory, name)
    os.mkdir(mounted)
    with open(device, 'xb') as f:
        f.truncate(size)
    _run('mkfs.xfs', '-q', '-m', f'reflink={int(reflink)}', device)
    # What is removed gives its space back to where the device lies.
    _run('mount', '-o', 'loop,discard', device, mounted)
    try:
        yield Ground(mounted, XFS, shares_blocks(mounted), own=True)
    finally:
        _run('umount', '--lazy', mounted)
        os.unlink(device)


def here(directory):
    """Return the directory itself as the ground."""
    kind = subprocess.run(['stat', '-f', '-c', '%T', directory], check=True,
                          capture_output=True, text=True).stdout.strip()
    return Ground(directory, kind, shares_blocks(directory), own=False)


def shares_blocks(directory):
    """Whether two files can share blocks there (FICLONE)."""
    names = [os.path.join(directory, f'probe.{end}') for end in 'ab']
    with open(names[0], 'x+b') as source, open(names[1], 'xb') as target:
        source.write(bytes(4096))
        source.flush()
        try:
            fcntl.ioctl(target, data.FICLONE, source.fileno())
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY,
                                   errno.EXDEV, errno.EINVAL):
                raise
            return False
        finally:
            for name in names:
                os.unlink(name)
    return True


def _run(*argv):
    subprocess.run(argv, check=True, capture_output=True, text=True)
