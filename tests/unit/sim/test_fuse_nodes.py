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

"""What the nodes of a FUSE mount see while one of them is sick."""

import errno
import os
import subprocess

from tests.unit.sim import served

FAULTS = {'down': 'ENODEV', 'unknown': 'ENODEV', 'no-cluster': 'ENODEV',
          'expelled': 'ESTALE', 'quorum-lost': 'ENODEV',
          'arbitrating': 'ENODEV'}


class NodesTest(served.ServedTestCase):
    """node2 has a mount of its own, the others share one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.face = cls.cluster.serve(node='node2')
        cls.addClassCleanup(cls.face.close)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.cluster.set_node_state, 'node2', 'up')
        self.there = self.write('a', b'data')
        self.here = os.path.join(
            self.face.path, os.path.relpath(self.there, self.elsewhere()))

    def use(self):
        """Open, read and close the file on node2."""
        with open(self.here, 'rb') as file:
            return file.read()

    def opened(self):
        """Open the file on node2, to be written to as well."""
        handle = os.open(self.here, os.O_RDWR)
        self.addCleanup(self.close, handle)
        return handle

    def close(self, handle):
        """Close what may be stale."""
        try:
            os.close(handle)
        except OSError as error:
            self.assertIn(error.errno, (errno.ESTALE, errno.ENODEV))

    def test_two_nodes_see_one_file(self):
        self.write('a', b'DATA')
        self.assertEqual((b'DATA', os.stat(self.there).st_ino),
                         (self.use(), os.stat(self.here).st_ino))

    def test_a_sick_node_gets_errors_and_the_others_go_on(self):
        for state, name in FAULTS.items():
            self.cluster.set_node_state('node2', state)
            number = getattr(errno, name)
            for call in (os.stat, os.unlink, os.truncate):
                self.fails(number, call, self.here,
                           *([0] if call is os.truncate else []))
            self.fails(number, os.listdir, self.face.path)
            self.fails(number, os.mkdir, self.here + 'b')
            self.fails(number, self.use)
            self.assertEqual(b'data', self.read('a'))
        self.cluster.set_node_state('node2', 'up')
        self.assertEqual(b'data', self.use())

    def test_what_was_open_is_stale_when_the_node_is_back(self):
        for state in FAULTS:
            handle = self.opened()
            self.cluster.set_node_state('node2', state)
            self.cluster.set_node_state('node2', 'up')
            for call in ((os.read, handle, 1), (os.write, handle, b'x'),
                         (os.fsync, handle)):
                self.fails(errno.ESTALE, *call)
            self.assertEqual(b'data', self.use())

    def test_without_quorum_what_is_open_is_stale_already(self):
        handle = self.opened()
        self.cluster.set_node_state('node2', 'quorum-lost')
        self.fails(errno.ESTALE, os.read, handle, 1)
        self.cluster.set_node_state('node2', 'down')
        self.fails(errno.ENODEV, os.read, handle, 1)

    def test_what_is_not_known_is_a_switch(self):
        for state, switch, position in (
                ('down', 'file_access_daemon_down', 'ESTALE'),
                ('expelled', 'file_access_expelled', 'ENODEV'),
                ('quorum-lost', 'open_without_quorum', 'ENOENT')):
            self.cluster.set_node_state('node2', state)
            self.switch(switch, position)
            self.fails(getattr(errno, position), self.use)

    def test_a_stale_file_system_is_stale_on_the_node_it_is_said_of(self):
        handle = self.opened()
        self.cluster.faults.add_condition('stale', node='node2')
        self.fails(errno.ESTALE, os.stat, self.here)
        self.fails(errno.ESTALE, os.read, handle, 1)
        self.assertEqual(b'data', self.read('a'))

    def test_where_it_is_not_mounted_a_local_directory_is_in_its_place(self):
        self.cluster.faults.add_condition('not-mounted', node='node2')
        self.assertEqual([], os.listdir(self.face.path))
        with open(os.path.join(self.face.path, 'lost'), 'w') as file:
            file.write('lost')
        self.assertFalse(os.path.exists(self.elsewhere('lost')))
        self.assertIn('lost: written while fs0 was not mounted',
                      ''.join(self.cluster.check()))
        os.unlink(os.path.join(self.face.path, 'lost'))
        self.cluster.faults.clear()
        self.assertEqual(b'data', self.use())

    def test_an_unmounted_file_system_is_away_for_all(self):
        self.cluster.unmount()
        self.addCleanup(self.cluster.mount)
        for path in (self.face.path, self.elsewhere()):
            self.assertEqual([], os.listdir(path))
        os.mkdir(self.elsewhere('lost'))
        self.assertRaises(OSError, self.cluster.mount)
        os.rmdir(self.elsewhere('lost'))
        self.cluster.mount()
        self.assertEqual(b'data', self.read('a'))

    def test_a_process_may_have_the_mount_of_its_node_at_the_usual_place(self):
        self.cluster.set_node_state('node2', 'expelled')
        done = subprocess.run(
            ['unshare', '--mount', 'sh', '-c',
             'mount --bind "$0" "$1" && cat "$2"', self.face.path,
             self.elsewhere(), self.there], capture_output=True, text=True)
        self.assertIn('Stale file handle', done.stderr)
        self.assertEqual(b'data', self.read('a'))

    def test_a_command_works_on_the_mount_of_its_node(self):
        self.did('mmclone', 'snap', self.here, node='node2')
        self.fails(errno.EROFS, os.truncate, self.there, 0)
        self.fails(errno.EROFS, os.truncate, self.here, 0)
