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

"""What two hosts find out about locks together."""

import os

import fixtures
from oslotest import base

from nova_gpfs.trials import base as trials
from nova_gpfs.trials import locks
from nova_gpfs.trials import scratch

ANSWER = {'host': 'node2', 'waiting': 'node1', locks.POSIX: 'taken',
          locks.OFD: 'taken', 'clock_ahead': 0.3}


def between(named='node2', **answer):
    """Return {question: (state, answer)} of an answer."""
    return {one.name: (one.state, one.answer) for one in locks.between(
        'node1', named, {**ANSWER, **answer})}


class BetweenTest(base.BaseTestCase):

    def test_locks_that_are_seen_are_well(self):
        self.assertEqual(
            {'locks-between-hosts': (trials.WORKS, 'across'),
             'ofd-locks-between-hosts': (trials.WORKS, 'across'),
             'clocks': (trials.WORKS, 'close')}, between())

    def test_locks_that_are_not_seen_are_degraded(self):
        for kind, question in ((locks.POSIX, 'locks-between-hosts'),
                               (locks.OFD, 'ofd-locks-between-hosts')):
            self.assertEqual((trials.DEGRADED, 'local'),
                             between(**{kind: 'free'})[question])

    def test_clocks_that_are_apart_are_degraded(self):
        for ahead in (-3600.0, 3600.0):
            self.assertEqual((trials.DEGRADED, 'apart'),
                             between(clock_ahead=ahead)['clocks'])

    def test_a_name_may_have_a_domain(self):
        self.assertEqual(trials.WORKS,
                         between('node2.example.com')['clocks'][0])

    def test_the_wrong_host_says_nothing(self):
        for named, host in (('node2', 'node3'), ('node1', 'node1')):
            self.assertEqual({(trials.SKIPPED, '')},
                             set(between(named, host=host).values()))

    def test_nobody_and_no_answer_say_nothing(self):
        for named, said in (('', '--second-host'),
                            ('node2', 'has not answered')):
            for finding in locks.between('node1', named, None):
                self.assertEqual(trials.SKIPPED, finding.state)
                self.assertIn(said, finding.detail)


class MeetingTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.top = self.useFixture(fixtures.TempDir()).path

    def test_a_host_that_nobody_waits_for_says_so(self):
        self.assertIsNone(locks.meet(self.top, 'node2'))

    def test_a_check_that_was_killed_while_it_waited_does_not_wait(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova_gpfs.trials.locks._SIGN_SECONDS', 0.5))
        with scratch.below(self.top, 'node1', 1000.0) as own:
            room = os.path.join(own.path, 'meeting')
            os.mkdir(room)
            with open(os.path.join(room, 'invitation.json'), 'w') as file:
                file.write('{"host": "node1"}')
            for kind in locks.KINDS:
                with open(os.path.join(room, kind), 'w'):
                    pass
            self.assertIsNone(locks.meet(self.top, 'node2'))

    def test_waiting_ends(self):
        said = []
        with scratch.below(self.top, 'node1', 1000.0) as own:
            self.assertIsNone(locks.invite(own, 'node1', 0.5, said.append,
                                           'nova-gpfs check --meet'))
        self.assertIn('nova-gpfs check --meet', said[0])
        self.assertEqual([], os.listdir(self.top))
