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

"""All trials, with every switch of the simulator in every position."""

import os

import ddt

from nova_gpfs.sim import switches
from nova_gpfs.trials import base
from nova_gpfs.trials import table
from tests import face
from tests.unit.trials import test_trials

#: Trials that see a switch about which they do not ask.
ALSO_SEEN_BY = {'clone_placement': {'snap-placement'},
                'unlink_childless_parent': {'detach'}}


@ddt.ddt
class EverySwitchTest(test_trials.TrialsTestCase):

    usual = None

    def setUp(self):
        super().setUp()
        if self.usual is None:
            type(self).usual = self.made()

    @ddt.data(*sorted(switches.SWITCHES))
    def test_a_switch_is_seen_by_its_own_trials_alone(self, switch):
        if switch == 'superuser' and os.geteuid() != 0:
            self.skipTest('needs root, that others do not count as root')
        seen_by = {trial.name for trial in table.TRIALS
                   if trial.switch == switch}
        others = set(self.usual) - seen_by - ALSO_SEEN_BY.get(switch, set())
        for position in switches.SWITCHES[switch].alternatives:
            with self.subTest(position=position):
                self.put(switch, position)
                found = self.made()
                if switch != 'unlink_childless_parent':
                    self.assertEqual([], os.listdir(self.scratch))
                self.put_back(switch)
                self.assertEqual(self.answers(self.usual, others),
                                 self.answers(found, others))
                for name in filter(self.can_see, seen_by):
                    self.assertEqual(position, test_trials.told(found[name]))
        self.assertEqual([], self.cluster.check())

    def made(self):
        """Make all trials; return {name: finding}."""
        found = {trial.name: base.make(trial, self.bench())
                 for trial in table.TRIALS}
        self.assertEqual([], [each for each in found.values()
                              if each.state == base.UNKNOWN])
        return found

    @staticmethod
    def answers(found, names):
        return {name: (found[name].answer, found[name].state)
                for name in names}

    def can_see(self, name):
        """Whether a trial sees its switch in these tests."""
        if name in test_trials.FOR_USERS:
            return False
        if name.startswith('declone'):
            return not self.no_library
        if name == 'names-below-proc':
            return os.geteuid() == 0
        return (face.is_asked_for() or test_trials.TRIALS[name].switch
                not in test_trials.BY_ERRNO)
