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

"""A simulated cluster whose file system is mounted by FUSE."""

import os
import shutil
import tempfile
import uuid

import testtools

from nova_gpfs.sim import cluster
from nova_gpfs.sim import switches
from tests import face
from tests.unit.sim import simulated


class ServedTestCase(simulated.SimulatedTestCase):
    """One mount for a class, one directory for each test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        face.require()
        top = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, top)
        os.chmod(top, 0o711)
        cls.cluster = cluster.create(os.path.join(top, 'cluster'),
                                     cls.SPEC or simulated.spec())
        cls.addClassCleanup(cls.cluster.serve().close)

    def setUp(self):
        testtools.TestCase.setUp(self)
        self.directory = self.elsewhere('nova', uuid.uuid4().hex)
        os.mkdir(self.directory)
        self.addCleanup(self.cluster.faults.clear)

    def elsewhere(self, *names):
        """Return a path in the mounted file system."""
        return os.path.join(self.cluster.mount_point('fs0'), *names)

    def switch(self, name, value):
        """Move a switch for this test."""
        self.addCleanup(self.cluster.set_switch, name,
                        switches.SWITCHES[name].default)
        self.cluster.set_switch(name, value)

    def fails(self, number, call, *arguments, **options):
        """A system call must fail with a value of errno."""
        error = self.assertRaises(OSError, call, *arguments, **options)
        self.assertEqual(os.strerror(number), os.strerror(error.errno))
