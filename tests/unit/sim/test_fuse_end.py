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

"""No mount outlives what it was for, and nobody waits for a server in vain."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time

import fixtures

from nova_gpfs.sim import cluster
from nova_gpfs.sim import faces
from tests import face
from tests.unit.sim import served

#: Seconds for what takes a moment on an idle machine.
PATIENCE = 60


class EndTest(served.ServedTestCase):

    def setUp(self):
        super().setUp()
        top = self.useFixture(fixtures.TempDir()).path
        self.cluster = cluster.create(os.path.join(top, 'cluster'))
        self.served = self.cluster.serve()
        self.addCleanup(self.end)
        self.place = self.elsewhere('nova')

    def end(self):
        if self.served is not None:
            self.served.close()

    def close(self):
        served, self.served = self.served, None
        served.close()

    def assertEnded(self):
        """The files are there, and no mount."""
        self.assertFalse(self.is_mounted())
        self.assertTrue(os.path.islink(self.cluster.mount_point('fs0')))
        os.listdir(self.place)

    def is_mounted(self):
        with open('/proc/self/mountinfo') as mounts:
            return self.cluster.directory in mounts.read()

    def test_the_mount_ends_and_the_files_are_there(self):
        os.mkdir(os.path.join(self.place, 'kept'))
        server = self.served.server
        self.close()
        self.assertEnded()
        self.assertEqual(['kept'], os.listdir(self.place))
        self.assertEqual(0, server.returncode)

    def test_it_may_be_taken_away_for_a_while(self):
        self.close()
        with fixtures.Fixture() as mounts:
            face.put_on(self.cluster, mounts.addCleanup)
            with face.off(self.cluster):
                self.assertEnded()
            self.assertTrue(os.path.ismount(self.cluster.mount_point('fs0')))
        self.assertEnded()

    def test_a_file_that_is_open_ends_with_it(self):
        file = os.open(os.path.join(self.place, 'a'), os.O_CREAT | os.O_RDWR)
        self.close()
        self.assertEnded()
        self.fails(errno.ENOTCONN, os.write, file, b'x')
        self.fails(errno.ENOTCONN, os.close, file)

    def test_a_server_that_is_killed_is_an_error_and_no_wait(self):
        self.served.server.kill()
        self.served.server.wait()
        self.fails(errno.ENOTCONN, os.listdir, self.place)
        self.close()
        self.assertEnded()

    def test_whoever_waits_for_a_server_that_hangs_is_let_go(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova_gpfs.sim.faces._GRACE', 0.1))
        self.served.server.send_signal(signal.SIGSTOP)
        with tempfile.TemporaryFile() as said:
            waiting = subprocess.Popen(['ls', self.place], stderr=said)
            self.assertRaises(subprocess.TimeoutExpired, waiting.wait, 0.5)
            self.close()
            self.assertNotEqual(0, waiting.wait())
        self.assertEnded()

    def test_the_server_ends_with_who_has_started_it(self):
        self.close()
        subprocess.run(
            [sys.executable, '-c', 'import sys\n'
             'from nova_gpfs.sim import cluster\n'
             'cluster.open(sys.argv[1]).serve()', self.cluster.directory],
            env=faces._environment(), check=True)
        deadline = time.monotonic() + PATIENCE
        while self.is_mounted() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertFalse(self.is_mounted())
