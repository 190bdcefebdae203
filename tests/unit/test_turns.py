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


"""One host at a time makes a master; who waits asks ever less often."""

import os
import signal
import subprocess
import sys
from unittest import mock

from nova_gpfs import incoming
from nova_gpfs import turns

from tests.unit import test_offer

WAIT = 60.0

# Takes the locks that it is told, and says so.
HOLDER = '''
import contextlib, sys, time
from oslo_concurrency import lockutils
with contextlib.ExitStack() as held:
    for name in sys.argv[2:]:
        held.enter_context(lockutils.lock(
            name, lock_file_prefix='nova-gpfs', external=True,
            lock_path=sys.argv[1]))
    print('held', flush=True)
    sys.stdin.read()
'''


class TurnsTest(test_offer.ClusterTestCase):

    def setUp(self):
        super().setUp()
        self.turns = turns.Turns(self.layout, self.guard, WAIT)
        self.sleeps = []
        self.found = None
        self.gives_up = lambda: None
        patched = mock.patch('time.sleep', autospec=True,
                             side_effect=self.sleep)
        patched.start()
        self.addCleanup(patched.stop)
        self.made_after = 1000.0

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.gives_up()
        if sum(self.sleeps) >= self.made_after:
            self.found = 'made'

    def turn(self):
        return self.turns.turn('key', lambda: self.found,
                               lambda: self.signs())

    def signs(self):
        """Return what is another each time: somebody is at it."""
        return object()

    def test_it_is_this_hosts_turn_if_nobody_else_is_at_it(self):
        with self.turn() as found:
            self.assertIsNone(found)
            with self.turns.alone('key') as alone:
                self.assertFalse(alone)
            with self.turns.alone('another') as alone:
                self.assertTrue(alone)
        with self.turns.alone('key') as alone:
            self.assertTrue(alone)
        self.assertEqual([], self.sleeps)

    def test_who_waits_goes_on_with_what_is_made_and_needs_no_lock(self):
        with self.turns.only_one('key'):
            with self.turn() as found:
                self.assertEqual('made', found)

    def test_who_waits_asks_ever_less_often_and_is_not_late(self):
        for minutes in (1, 10):
            self.made_after, self.found = 60.0 * minutes, None
            del self.sleeps[:]
            with self.turns.only_one('key'), self.turn():
                self.assertLess(len(self.sleeps), 40 * minutes)
                self.assertEqual(sorted(self.sleeps), self.sleeps)
                self.assertLessEqual(sum(self.sleeps) - self.made_after, 2)

    def test_who_waits_takes_over_from_a_host_that_has_made_nothing(self):
        holding = self.turns.only_one('key')
        holding.__enter__()
        self.gives_up = lambda: holding.__exit__(None, None, None)
        with self.turn() as found:
            self.assertIsNone(found)
            self.assertEqual(1, len(self.sleeps))

    # Hosts that hang.

    def hang(self, *names):
        """Let a process hold locks and be stopped (SIGSTOP)."""
        holder = subprocess.Popen(
            [sys.executable, '-c', HOLDER, self.layout.locks, *names],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        self.addCleanup(holder.kill)
        self.assertEqual(b'held\n', holder.stdout.readline())
        holder.send_signal(signal.SIGSTOP)
        os.waitpid(holder.pid, os.WUNTRACED)
        rooms = incoming.Incoming(self.layout, 1.0)
        self.signs = lambda: rooms.signs('key')

    def test_a_host_that_is_stopped_with_the_lock_is_passed_by(self):
        self.hang('key')
        with self.turn() as found:
            self.assertIsNone(found)
        self.assertLess(WAIT, sum(self.sleeps))
        self.assertLess(sum(self.sleeps), 1.5 * WAIT)

    def test_one_of_those_who_have_waited_goes_on_and_not_all_of_them(self):
        self.hang('key')
        with self.turn():
            with self.turns.alone('key.2') as alone:
                self.assertFalse(alone)

    def test_the_wait_is_bounded_however_many_hosts_hang(self):
        self.hang('key', 'key.2', 'key.3')
        with self.turn() as found:
            self.assertIsNone(found)
        self.assertLess(sum(self.sleeps), 3 * 1.5 * WAIT)

    def test_a_host_that_hangs_with_a_room_is_passed_by_later(self):
        self.hang('key')
        room = os.path.join(self.layout.incoming, 'key.host.1')
        os.mkdir(room)
        image = os.path.join(room, 'image')
        with open(image, 'x') as file:
            file.write('half')

        def write():
            if sum(self.sleeps) < 10 * WAIT:
                with open(image, 'a') as file:
                    file.write('more')

        self.gives_up = write
        with self.turn() as found:
            self.assertIsNone(found)
        self.assertLess(10 * WAIT, sum(self.sleeps))
        self.assertLess(sum(self.sleeps), 12.5 * WAIT)

    def test_what_is_made_for_another_image_is_no_sign(self):
        self.hang('key')
        self.gives_up = lambda: os.mkdir(os.path.join(
            self.layout.incoming, f'other.{len(self.sleeps)}'))
        with self.turn():
            self.assertLess(sum(self.sleeps), 1.5 * WAIT)
