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

"""What a check sees while GPFS is away from its host."""

import errno
import os
import signal
import sys
from unittest import mock

from nova_gpfs.sim import switches
from nova_gpfs.trials import base
from nova_gpfs.trials import outages
from nova_gpfs.trials import scratch
from tests.unit.sim import served

NODE = 'node2'
STATES = {'daemon-down': 'down', 'expelled': 'expelled',
          'no-quorum': 'quorum-lost'}


class OutagesTest(served.ServedTestCase):
    """The check runs on node2, which has a mount of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.face = cls.cluster.serve(node=NODE)
        cls.addClassCleanup(cls.face.close)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.heal)
        self.own = scratch.Scratch(os.path.join(
            self.face.path,
            os.path.relpath(self.directory, self.elsewhere())))

    def heal(self):
        self.cluster.set_node_state(NODE, 'up')
        self.cluster.faults.clear()
        self.face.server.send_signal(signal.SIGCONT)

    def watch(self, outage, begin=lambda: None, seconds=60.0):
        """Return the finding of an outage that ends once it was seen."""
        path = os.path.join(self.own.path, 'outage')
        seen = []

        def say(text):
            if not text.startswith(path):
                return
            seen.append(text)
            (begin if len(seen) == 1 else self.heal)()

        findings = {one.name: one for one in outages.watch(
            self.own, outage, seconds, say)}
        own = findings.pop(outages.TRIALS[outage].name)
        self.assertEqual({base.SKIPPED},
                         {one.state for one in findings.values()})
        self.heal()
        os.unlink(path)
        return own

    def instead(self, program):
        """Let something else be run than what opens the file."""
        return mock.patch.object(outages, '_OPEN', program)

    def test_each_position_of_the_switches_is_told(self):
        for outage, state in STATES.items():
            name = outages.TRIALS[outage].switch
            for position in switches.SWITCHES[name].alternatives:
                with self.subTest(outage, position=position):
                    self.switch(name, position)
                    found = self.watch(outage, lambda state=state: (
                        self.cluster.set_node_state(NODE, state)))
                    self.assertEqual(
                        (base.WORKS, position,
                         f'opened, then {position}, then opened'),
                        (found.state, found.answer, found.detail))

    def test_a_file_system_that_is_not_mounted_has_no_such_file(self):
        found = self.watch('daemon-down', lambda: (
            self.cluster.faults.add_condition('not-mounted', node=NODE)))
        self.assertEqual((base.WORKS, 'ENOENT'), (found.state, found.answer))

    def test_a_file_system_that_does_not_answer_holds_nothing_up(self):
        with mock.patch.object(outages, '_OPEN_SECONDS', 1.0):
            found = self.watch('no-quorum', lambda: (
                self.face.server.send_signal(signal.SIGSTOP)))
        self.assertEqual((base.WORKS, 'hangs'), (found.state, found.answer))

    def test_an_errno_that_nobody_knows_is_to_be_sent(self):
        with self.instead(outages._OPEN.replace(
                'os.close(', f'raise OSError({errno.EIO}, "")\n        '
                'os.close(')):
            found = self.watch('expelled', seconds=1.0)
        self.assertEqual((base.UNKNOWN, 'EIO'), (found.state, found.answer))

    def test_nor_is_one_forgotten_that_comes_after_a_known_one(self):
        with self.instead('import time\n'
                          'print("ENODEV\\nEIO", flush=True)\n'
                          'time.sleep(60)'):
            found = self.watch('expelled', seconds=1.0)
        self.assertEqual((base.UNKNOWN, 'EIO', 'ENODEV, then EIO, then hangs'),
                         (found.state, found.answer, found.detail))

    def test_a_program_that_ends_is_no_outage(self):
        for program in ('import sys; sys.exit(3)', 'print("opened")'):
            with self.instead(program):
                found = self.watch('expelled')
            self.assertEqual((base.UNKNOWN, ''), (found.state, found.answer))
            self.assertIn('exit code', found.detail)
            self.assertFalse(self.own.is_out_of_reach)
        with mock.patch.object(sys, 'executable', '/no/such/program'):
            found = self.watch('expelled')
        self.assertEqual(base.UNKNOWN, found.state)
        self.assertIn('ENOENT', found.detail)

    def test_a_file_that_cannot_be_made_is_a_finding(self):
        self.own.path += '/missing'
        found, = (one for one in outages.watch(
            self.own, 'expelled', 60.0, self.fail)
            if one.state != base.SKIPPED)
        self.assertEqual(base.UNKNOWN, found.state)
        self.assertIn('ENOENT', found.detail)

    def test_what_is_away_at_the_end_is_left_alone(self):
        with mock.patch.object(outages, '_OPEN_SECONDS', 1.0), \
                scratch.below(self.own.path, NODE, 60.0) as own:
            mine, self.own = self.own, own
            for _answer in outages.watch(own, 'no-quorum', 3.0, lambda text: (
                    self.face.server.send_signal(signal.SIGSTOP))):
                pass
            self.assertTrue(own.is_out_of_reach)
        # All of it happened while nothing there answered.
        self.assertFalse(own.is_gone())
        self.heal()
        self.assertEqual(['made-by', 'outage'], sorted(os.listdir(own.path)))
        self.assertTrue(scratch.remove(own.path))
        self.own = mine

    def test_nothing_is_found_where_nothing_happens(self):
        found = self.watch('expelled', seconds=1.0)
        self.assertEqual((base.SKIPPED, ''), (found.state, found.answer))
        self.assertIn('could be opened all the time', found.detail)
