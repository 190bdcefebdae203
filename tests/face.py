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

"""Which face of the simulated file systems the tests look at.

NOVA_GPFS_TEST_FACE=fuse gives them the FUSE mount, where the rules of GPFS
hold at system calls, instead of plain files.
"""

import contextlib
import os
import shutil
import unittest

from nova_gpfs.sim import faces
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import store


# The mounts of each cluster's directory, and what they are mounts of.
_mounts = {}


def put_on(cluster, add_cleanup, *names, node=''):
    """Mount file systems of a cluster by FUSE, if the tests ask for that.

    :param add_cleanup: takes what ends the mount
    :param names: the file systems; fs0 by default
    :param node: as which node the tests see them; '' is no node, so that
        what befalls one is not seen
    """
    if not is_asked_for():
        return
    require()
    mounts = _mounts[cluster.directory] = []
    add_cleanup(_end, cluster)
    for name in names or ('fs0',):
        arguments = (name, node, bool(node))
        mounts.append((cluster.serve(*arguments), arguments))


@contextlib.contextmanager
def off(cluster):
    """Take the mounts away for a while, if there are any."""
    wanted = [arguments for _face, arguments in _end(cluster)]
    try:
        yield
    finally:
        if wanted:
            _mounts[cluster.directory] = [
                (cluster.serve(*arguments), arguments)
                for arguments in wanted]


def _end(cluster):
    mounts = _mounts.pop(cluster.directory, [])
    for face, _arguments in mounts:
        face.close()
    return mounts


def require():
    """Skip tests of a mount where it is not asked for or cannot be had."""
    reason = (faces.reason_not() if is_asked_for()
              else 'NOVA_GPFS_TEST_FACE is not fuse; see tox -e fuse')
    if reason:
        raise unittest.SkipTest(reason)


def is_asked_for():
    return os.environ.get('NOVA_GPFS_TEST_FACE') == 'fuse'


def serves(path):
    """Whether a file is on a FUSE mount, whoever has made that."""
    if not is_asked_for():
        return False
    real = os.path.realpath(os.fsdecode(path))
    with open('/proc/self/mounts') as mounts:
        places = [line.split(' ')[1] for line in mounts
                  if ' fuse.gpfs ' in line]
    return any(real.startswith(place + '/') for place in places)


def behind(cluster, path):
    """Return where the bytes of a file are, to be damaged where GPFS refuses.

    That is what a disk does which forgets.
    """
    with store.Store(cluster.directory) as state:
        return filesystems.real_path(state, path)


def remove(directory):
    """Remove a directory, clones before their parents.

    A parent goes once its clones have gone, so it is tried level by level.
    """
    before = None
    while (left := sum(len(files) for _, _, files in os.walk(directory))
           ) != before:
        before = left
        shutil.rmtree(directory, ignore_errors=True)
    if os.path.lexists(directory):
        shutil.rmtree(directory)
