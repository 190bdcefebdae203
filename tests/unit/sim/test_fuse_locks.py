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

"""Locks of fcntl(2) where each node has a FUSE mount of its own."""

import errno
import fcntl
import os
import struct
import subprocess
import sys
import threading
import time

from oslo_concurrency import lockutils

from nova_gpfs.sim import switches
from nova_gpfs.trials import locks
from nova_gpfs.trials import scratch
from tests.unit.sim import served

SWITCH = 'locks_across_nodes'
_FLOCK = struct.Struct('hhqqi0q')
# Holds a lock until its standard input ends, whatever becomes of it.
_HOLDER = """import fcntl, sys
file = open(sys.argv[1], 'r+b')
fcntl.lockf(file, fcntl.LOCK_EX)
print('held', flush=True)
sys.stdin.read()
"""


class LocksTest(served.ServedTestCase):
    """node2 and node3 have mounts of their own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.faces = {}
        for node in ('node2', 'node3'):
            cls.faces[node] = cls.cluster.serve(node=node)
            cls.addClassCleanup(cls.faces[node].close)

    def setUp(self):
        super().setUp()
        self.write('a', b'data')

    def on(self, node, name='a'):
        """Return the path of a file of this test as a node sees it."""
        return os.path.join(
            self.faces[node].path, os.path.relpath(self.directory,
                                                   self.elsewhere()), name)

    def open(self, node):
        file = open(self.on(node), 'r+b')
        self.addCleanup(file.close)
        return file

    def take(self, file, kind, start=0, length=0, command=fcntl.F_OFD_SETLK):
        """Take a lock or give it back; whether nobody was in the way."""
        try:
            fcntl.fcntl(file, command, _FLOCK.pack(
                kind, os.SEEK_SET, start, length, 0))
        except OSError as error:
            self.assertIn(error.errno, (errno.EAGAIN, errno.EACCES))
            return False
        return True

    def take_in_the_end(self, file):
        """Take a lock of an open file description that was closed.

        The kernel sends FUSE_RELEASE, all that a server hears of its end, and
        does not wait for the answer: close(2) may return before.
        """
        deadline = time.monotonic() + 60
        while not self.take(file, fcntl.F_WRLCK):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def both_kinds(self):
        return ((fcntl.F_SETLK, fcntl.F_GETLK),
                (fcntl.F_OFD_SETLK, fcntl.F_OFD_GETLK))

    def test_what_one_node_has_locked_another_one_cannot(self):
        first, second = self.open('node2'), self.open('node3')
        for command, _look in self.both_kinds():
            self.assertTrue(self.take(first, fcntl.F_WRLCK, command=command))
            for other, _look in self.both_kinds():
                self.assertFalse(self.take(second, fcntl.F_RDLCK,
                                           command=other))
            self.assertTrue(self.take(first, fcntl.F_UNLCK, command=command))
        self.assertTrue(self.take(second, fcntl.F_WRLCK))

    def test_or_sees_nothing_of_it(self):
        self.switch(SWITCH, 'local')
        first, second, same = (self.open('node2'), self.open('node3'),
                               self.open('node2'))
        self.assertTrue(self.take(first, fcntl.F_WRLCK))
        self.assertFalse(self.take(same, fcntl.F_WRLCK))
        self.assertTrue(self.take(second, fcntl.F_WRLCK))

    def test_who_looks_sees_it(self):
        first, second = self.open('node2'), self.open('node3')
        wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 5, 1, 0)
        for command, look in self.both_kinds():
            self.assertTrue(self.take(first, fcntl.F_WRLCK, 5, 1, command))
            self.assertEqual(
                (fcntl.F_WRLCK, os.SEEK_SET, 5, 1),
                _FLOCK.unpack(fcntl.fcntl(second, look, wanted))[:4])
            self.assertEqual(fcntl.F_UNLCK, _FLOCK.unpack(
                fcntl.fcntl(first, look, wanted))[0])
            self.assertTrue(self.take(first, fcntl.F_UNLCK, 5, 1, command))

    def test_only_the_same_bytes_are_in_the_way(self):
        first, second = self.open('node2'), self.open('node3')
        self.assertTrue(self.take(first, fcntl.F_RDLCK, 0, 10))
        self.assertTrue(self.take(second, fcntl.F_RDLCK, 0, 10))
        self.assertTrue(self.take(second, fcntl.F_WRLCK, 10, 5))
        self.assertFalse(self.take(first, fcntl.F_WRLCK, 14, 1))
        self.assertTrue(self.take(first, fcntl.F_WRLCK, 15, 1))

    def test_who_closes_a_file_gives_back_what_it_held(self):
        for command, _look in self.both_kinds():
            first, second = self.open('node2'), self.open('node3')
            self.assertTrue(self.take(first, fcntl.F_WRLCK, command=command))
            first.close()
            self.assertTrue(self.take_in_the_end(second))
            second.close()

    def test_who_is_killed_gives_back_what_it_held(self):
        holder = subprocess.Popen(
            [sys.executable, '-c', _HOLDER, self.on('node2')],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.communicate)
        self.assertEqual('held\n', holder.stdout.readline())
        second = self.open('node3')
        self.assertFalse(self.take(second, fcntl.F_WRLCK))
        holder.kill()
        holder.wait()
        self.assertTrue(self.take(second, fcntl.F_WRLCK))

    def test_nobody_waits_in_the_server(self):
        first, second = self.open('node2'), self.open('node3')
        fcntl.lockf(first, fcntl.LOCK_EX)
        self.fails(errno.ENOLCK, fcntl.lockf, second, fcntl.LOCK_EX)
        fcntl.lockf(first, fcntl.LOCK_UN)
        fcntl.lockf(second, fcntl.LOCK_EX)

    def test_a_node_that_ends_holds_nothing(self):
        first, second = self.open('node2'), self.open('node3')
        self.assertTrue(self.take(first, fcntl.F_WRLCK))
        self.faces['node2'].close()
        self.fails(errno.ENOTCONN, first.close)
        self.assertTrue(self.take(second, fcntl.F_WRLCK))
        type(self).faces['node2'] = self.cluster.serve(node='node2')
        self.addClassCleanup(self.faces['node2'].close)

    def test_the_locks_of_the_product_are_among_them(self):
        def lock(node):
            return lockutils.lock('name', external=True, blocking=False,
                                  lock_path=os.path.dirname(self.on(node)),
                                  semaphores=lockutils.Semaphores())
        with lock('node2'):
            self.assertRaises(lockutils.AcquireLockFailedException,
                              lock('node3').__enter__)
            self.switch(SWITCH, 'local')
            with lock('node3'):
                pass

    def test_a_check_on_two_hosts_finds_it_out(self):
        top = os.path.dirname(self.on('node2'))
        for position in switches.SWITCHES[SWITCH].alternatives:
            self.switch(SWITCH, position)
            answers = []
            with scratch.below(top, 'node2', 1000.0) as own:
                host = threading.Thread(target=lambda: answers.append(
                    locks.invite(own, 'node2', 60.0, lambda _text: None, '')))
                host.start()
                met = None
                while met is None and host.is_alive():
                    met = locks.meet(os.path.dirname(self.on('node3')),
                                     'node3')
                host.join()
            found = {one.switch: one.answer for one in
                     locks.between('node2', 'node3', answers[0])
                     if one.switch}
            self.assertEqual({SWITCH: position}, found)
