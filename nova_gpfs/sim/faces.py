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

"""The second face of a file system: a FUSE mount at its mount point.

The first one is a symbolic link to plain files, which refuse nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess  # nosec: runs this package's server and umount
import sys
import time

from nova_gpfs.sim import mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import filesystems
    from nova_gpfs.sim import store

# Seconds that a mount may take on a busy machine.
_PATIENCE = 60.0
_POLL = 0.02
# Seconds that a server may take to end; nobody can be served any more.
_GRACE = 10.0
# Where a node has mounts of its own, below the directory of the cluster.
_OWN = 'nodes/{node}/gpfs'
# <linux/capability.h>
_CAP_SYS_ADMIN = 21
_ABORT = '/sys/fs/fuse/connections/{}/abort'


class CannotServe(Exception):
    """There can be no FUSE mount here, or the server has given up."""


def reason_not() -> str | None:
    """Return why there can be no FUSE mount here, None if there can."""
    if os.geteuid():
        return 'a FUSE mount for all users needs root'
    if not _may_mount():
        return 'root may not mount here (CAP_SYS_ADMIN)'
    if not os.path.exists('/dev/fuse'):
        return 'there is no /dev/fuse'
    if not shutil.which('fusermount3'):
        return 'libfuse 3 is not installed (fuse3)'
    if importlib.util.find_spec('mfusepy') is None:
        return 'mfusepy is not installed'
    return None


def _may_mount() -> bool:
    """Whether this process has CAP_SYS_ADMIN, which containers may lack."""
    with open('/proc/self/status') as status:
        have = next(line for line in status if line.startswith('CapEff:'))
    return bool(int(have.split()[1], 16) >> _CAP_SYS_ADMIN & 1)


class Face:
    """A FUSE mount; it ends with ``close`` or with this process."""

    def __init__(self, directory: str, fs: str, node: str, place: str,
                 data: str = '') -> None:
        """Serve a file system of the cluster in ``directory``.

        :param node: whose view it is; '' is no node's
        :param data: what a symbolic link shall point to afterwards
        :raises CannotServe: it was not mounted
        """
        reason = reason_not()
        if reason:
            raise CannotServe(reason)
        self.path = place
        self._data = data
        self._log = os.path.join(directory, 'fuse.log')
        with open(self._log, 'ab') as log:
            self.server = subprocess.Popen(  # nosec: no shell
                [sys.executable, '-m', 'nova_gpfs.sim.fuse_server',
                 directory, fs, node, place], cwd='/', stdout=log, stderr=log,
                stdin=subprocess.PIPE, env=_environment())
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not os.path.ismount(self.path):
            if (self.server.poll() is not None
                    or time.monotonic() > deadline):
                self.server.kill()
                self.server.wait()
                with open(self._log, errors='replace') as log:
                    raise CannotServe(log.read()[-2000:])
            time.sleep(_POLL)

    def close(self) -> None:
        """Unmount, whoever has files open, and end the server.

        What is open gets ENOTCONN from then on. "Already done" means that
        the server has died: the mount is then still there.
        """
        connection = _connection(self.path)
        subprocess.run(['umount', '--lazy', self.path],  # nosec: no shell
                       capture_output=True)
        if connection:
            _abort(connection)
        if self.server.stdin:
            self.server.stdin.close()
        try:
            self.server.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        if self._data:
            _put_link(self.path, self._data)


def _connection(place: str) -> str:
    """Return the number of the FUSE connection of a mount, '' if none.

    The file system itself is not asked: it may not answer.
    """
    with open('/proc/self/mountinfo') as mounts:
        for line in mounts:
            _id, _parent, device, _root, where = line.split(' ')[:5]
            if where == place:
                return device.partition(':')[2]
    return ''


def _abort(connection: str) -> None:
    """Let all who wait for a server wait no longer."""
    with contextlib.suppress(OSError):
        # Nova's tests refuse open() here.
        control = os.open(_ABORT.format(connection), os.O_WRONLY)
        try:
            os.write(control, b'1')
        finally:
            os.close(control)


def serve(state: store.Store, system: filesystems.FileSystem, node: str,
          for_all: bool) -> Face:
    """Mount a file system for a node, or in place of the symbolic link.

    :param for_all: at the latter place what ``node`` sees
    :raises CannotServe: it was not mounted
    """
    if node and not for_all:
        place = os.path.join(state.directory, _OWN.format(node=node),
                             system.mount_name)
        os.makedirs(place, exist_ok=True)
        return Face(state.directory, system.name, node, place)
    place = mount.path(state, system)
    if not os.path.islink(place):
        raise CannotServe(f'{place} is no link to the files of {system.name}')
    os.unlink(place)
    os.mkdir(place)
    try:
        return Face(state.directory, system.name, node, place, system.data)
    except CannotServe:
        _put_link(place, system.data)
        raise


def _put_link(place: str, data: str) -> None:
    """Let the symbolic link be the mount point again."""
    os.rmdir(place)
    os.symlink(data, place)


def _environment() -> dict[str, str]:
    """Return an environment in which the server finds this package."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    old = os.environ.get('PYTHONPATH')
    return dict(os.environ, PYTHONPATH=package + (f':{old}' if old else ''))
