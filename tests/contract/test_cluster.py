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


"""The contract on a real cluster.

Set NOVA_GPFS_TEST_DIR to a directory on GPFS that may be written to, and run
as root. NOVA_GPFS_TEST_MM_PATH and NOVA_GPFS_TEST_LIBRARY say where GPFS is if
it is not where its packages install it. Everything is made below a new
directory in NOVA_GPFS_TEST_DIR and removed again.
"""

import os
import shutil
import tempfile

import fixtures
from oslotest import base

from nova_gpfs import libgpfs
from nova_gpfs import mmdriver
from nova_gpfs import run
from tests.contract import suite

DIRECTORY = os.environ.get('NOVA_GPFS_TEST_DIR', '')
LIBRARY = os.environ.get('NOVA_GPFS_TEST_LIBRARY',
                         '/usr/lpp/mmfs/lib/libgpfs.so')
MM_PATH = os.environ.get('NOVA_GPFS_TEST_MM_PATH', '/usr/lpp/mmfs/bin')


class TestCluster(suite.Promises, base.BaseTestCase):

    def setUp(self):
        super().setUp()
        if not DIRECTORY:
            self.skipTest('NOVA_GPFS_TEST_DIR names no directory on GPFS')
        self.gpfs = mmdriver.MmDriver(run.Local(MM_PATH, 120.0, 600.0),
                                      libgpfs.Library(LIBRARY))
        if not os.path.exists(LIBRARY):
            self.no_parts = f'there is no {LIBRARY}'
        self.directory = tempfile.mkdtemp(dir=DIRECTORY)
        self.addCleanup(shutil.rmtree, self.directory)
        self.device = self._device()
        self.fileset = self.gpfs.attributes(self.directory).fileset
        self.outside = self.useFixture(fixtures.TempDir()).path

    def _device(self):
        real = os.path.realpath(DIRECTORY)
        return next(one.name for one in self.gpfs.file_systems()
                    if real.startswith(os.path.realpath(one.mount_point)))
