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

from tests.unit.sim import simulated

BLOCK = simulated.BLOCK
QUOTA = 'mmclone: Disk quota exceeded\n'
SPACE = 'mmclone: No space left on device\n'


class QuotaTest(simulated.SimulatedTestCase):
    SPEC = simulated.spec(filesets=[
        {'name': 'nova', 'path': 'nova', 'hard': 4 * BLOCK}])

    def test_a_full_fileset_takes_no_clone(self):
        self.master('m', b'x' * 3 * BLOCK)
        self.did('mmclone', 'copy', 'm', 'a')
        self.write('a', b'y')
        self.refused(122, QUOTA, 'mmclone', 'copy', 'm', 'b')
        self.refused(122, QUOTA, 'mmclone', 'snap', 'a', 'b')

    def test_switches_let_it(self):
        self.master('m', b'x' * 4 * BLOCK)
        for name, value in (('copy_over_quota', 'allow'),
                            ('fill_check', 'off')):
            self.cluster.set_switch(name, value)
            self.did('mmclone', 'copy', 'm', name)
            self.cluster.set_switch('copy_over_quota', 'refuse')


class SpaceTest(simulated.SimulatedTestCase):
    SPEC = simulated.spec(nsds=[{'name': 'a', 'size': 2 * BLOCK}])

    def test_a_full_pool_takes_no_clone_where_that_is_looked_at(self):
        self.master('m', b'x' * 2 * BLOCK)
        self.did('mmclone', 'copy', 'm', 'a')
        self.cluster.set_switch('fill_check', 'all')
        self.refused(28, SPACE, 'mmclone', 'copy', 'm', 'b')

    def test_conditions_are_met_on_the_node_and_fileset_they_name(self):
        self.master('m')
        self.cluster.faults.add_condition('no-space', node='node2')
        self.cluster.faults.add_condition('quota', fileset='nova',
                                          node='node3')
        self.refused(28, SPACE, 'mmclone', 'copy', 'm', 'a', node='node2')
        self.refused(122, QUOTA, 'mmclone', 'copy', 'm', 'a', node='node3')
        self.did('mmclone', 'copy', 'm', 'a')
        self.cluster.faults.clear()
        self.did('mmclone', 'copy', 'm', 'b', node='node2')
