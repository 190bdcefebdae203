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

from unittest import mock

from nova_gpfs import turns

from tests.unit import test_offer


class TurnsTest(test_offer.ClusterTestCase):

    def setUp(self):
        super().setUp()
        self.turns = turns.Turns(self.layout, self.guard)
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
        return self.turns.turn('key', lambda: self.found)

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
