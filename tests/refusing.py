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

"""os.unlink as on GPFS, which does not let go of parents that have clones.

Only for simulated clusters: a simulated parent has a link for each clone. On a
FUSE mount the file system refuses by itself.
"""

import contextlib
import errno
import os
from unittest import mock

import fixtures

from nova_gpfs import errors
from tests import face

_unlink = os.unlink


def unlink(path, *args, **kwargs):
    """Remove a file, unless it is a master or parent that has clones.

    The name goes first. A clone that is begun later finds no file, and one
    that was begun before is counted.
    """
    if not _is_sealed(path) or face.serves(path):
        return _unlink(path, *args, **kwargs)
    hidden = path + '.unlinking'
    os.rename(path, hidden)
    if os.stat(hidden).st_nlink > 1:
        os.rename(hidden, path)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
    _unlink(hidden)


def _is_sealed(path):
    path = os.fsdecode(path)
    return os.path.basename(path) == 'image' or '/_gpfs/parents/' in path


@contextlib.contextmanager
def with_clones():
    """Let os.unlink refuse what GPFS refuses."""
    with mock.patch('os.unlink', unlink):
        yield


class Unlink(fixtures.Fixture):
    """Let os.unlink refuse what GPFS refuses, until the end of a test.

    ``driver`` is asked first, since a simulated cluster counts the clones of
    a parent when it is asked.
    """

    def __init__(self, driver):
        super().__init__()
        self._driver = driver

    def _setUp(self):
        self.useFixture(fixtures.MonkeyPatch('os.unlink', self._unlink))

    def _unlink(self, path, *, dir_fd=None):
        if dir_fd is not None:
            path = os.path.join(os.readlink(f'/proc/self/fd/{dir_fd}'),
                                os.fsdecode(path))
        if _is_sealed(path):
            with contextlib.suppress(errors.GpfsError):
                self._driver.clone_info(path)
        unlink(path)
