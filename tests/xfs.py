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

"""An XFS file system with reflinks in a file, mounted for a test."""

import os
import shutil
import subprocess

import fixtures

# mkfs.xfs refuses less than 300 MiB.
_SIZE = 400 << 20


def reason_not() -> str | None:
    """Return why XFS cannot be mounted here, None if it can."""
    if os.geteuid():
        return 'mounting XFS needs root'
    if not shutil.which('mkfs.xfs'):
        return 'mkfs.xfs is not installed'
    if not os.path.exists('/dev/loop-control'):
        return 'there are no loop devices'
    return None


class Xfs(fixtures.Fixture):
    """``path`` is the root of a new, empty XFS with reflinks.

    Whoever uses it skips first where ``reason_not()`` gives a reason.
    """

    def __init__(self, size: int = _SIZE) -> None:
        super().__init__()
        self.size = size
        self.path = ''

    def _setUp(self) -> None:
        directory = self.useFixture(fixtures.TempDir()).path
        image = os.path.join(directory, 'image')
        with open(image, 'wb') as file:
            file.truncate(self.size)
        self._run('mkfs.xfs', '-q', '-m', 'reflink=1', image)
        self.path = os.path.join(directory, 'mounted')
        os.mkdir(self.path)
        self._run('mount', '-o', 'loop', image, self.path)
        self.addCleanup(self._run, 'umount', '--lazy', self.path)

    @staticmethod
    def _run(*argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True)
