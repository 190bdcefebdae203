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

import os

from tests.unit.sim import simulated
from tests.unit.sim import test_allocation

AFFINITY = test_allocation.AFFINITY


class MmrestripefileTest(test_allocation.AllocationTest):

    def scanned(self, *arguments, node='node3'):
        """Run the command and compare what it prints with the recording."""
        self.assertEqual(
            f'Scanning {arguments[-1]}\nScan completed successfully.\n',
            self.did('mmrestripefile', *arguments, node=node))

    def pools(self, name):
        return [block.pool for block in self.cluster.blocks(self.path(name))]

    def flags(self, name):
        (line,) = [line for line
                   in self.did('mmlsattr', '-L', name).splitlines()
                   if line.startswith('flags:')]
        return line.partition(':')[2].strip()


class RelocateTest(MmrestripefileTest):

    def moved_instance(self):
        """Make a disk whose blocks are near node2; node3 writes to it now."""
        self.disk('a', 'near', *AFFINITY)
        self.grow('a', 0, 3)
        self.cluster.note_writer(self.path('a'), 'node3')

    def test_blocks_go_to_the_node_that_it_runs_on_or_to_the_writer(self):
        for value, groups in (('caller', '111'), ('writer', '333')):
            self.cluster.set_switch('relocating_node', value)
            self.moved_instance()
            self.assertEqual('222', self.firsts('a'))
            self.scanned('-l', 'a', node='node1')
            self.assertEqual(groups, self.firsts('a'))
            self.grow('a', 3, 1)
            self.assertEqual(groups + '3', self.firsts('a'))
            os.unlink(self.path('a'))

    def test_failure_groups_of_the_file_come_first(self):
        self.moved_instance()
        self.did('mmchattr', '--write-affinity-failure-group', '1,0,1', 'a',
                 node='node2')
        self.assertEqual('222', self.firsts('a'))
        self.scanned('-l', 'a')
        self.assertEqual('111', self.firsts('a'))

    def test_blocks_of_the_clone_parent_stay(self):
        self.disk('m', 'near', *AFFINITY)
        self.grow('m', 0, 3)
        self.did('mmclone', 'snap', 'm', node='node2')
        self.did('mmclone', 'copy', 'm', 'a', node='node2')
        self.grow('a', 1, 1, b'y')
        self.scanned('-l', 'a')
        self.assertEqual('232', self.firsts('a'))

    def test_pool_and_replicas_follow_a_switch_and_not_at_all(self):
        for value, pool in (('no', 'near'), ('yes', 'far')):
            self.cluster.set_switch('relocate_moves_pools', value)
            self.moved_instance()
            self.did('mmchattr', '-P', 'far', '-r', '2', '-I', 'defer', 'a')
            self.scanned('-l', 'a')
            self.assertEqual([pool] * 3, self.pools('a'))
            self.assertEqual([1] * 3, [len(one) for one in self.groups('a')])
            os.unlink(self.path('a'))

    def test_a_flag_that_follows_a_switch_is_gone_afterwards(self):
        self.moved_instance()
        self.did('mmchattr', '--write-affinity-failure-group', '1,0,1', 'a')
        self.assertEqual('', self.flags('a'))
        self.cluster.set_switch('affinity_flag', 'illplaced')
        self.assertEqual('illplaced', self.flags('a'))
        self.scanned('-l', 'a')
        self.assertEqual('', self.flags('a'))


class OptionsTest(MmrestripefileTest):

    def deferred(self):
        self.disk('a', 'far')
        self.grow('a', 0, 3)
        self.did('mmchattr', '-P', 'near', '-r', '2', '-I', 'defer',
                 *AFFINITY, 'a', node='node2')
        self.assertEqual('illplaced,illreplicated', self.flags('a'))

    def test_p_moves_to_the_pool_and_r_restores_replicas(self):
        self.deferred()
        self.scanned('-p', 'a')
        self.assertEqual(['near'] * 3, self.pools('a'))
        self.assertEqual('222', self.firsts('a'))
        self.assertEqual('illreplicated', self.flags('a'))
        self.scanned('-r', 'a')
        self.assertEqual('', self.flags('a'))
        self.assertEqual([2] * 3, [len(one) for one in self.groups('a')])

    def test_b_does_both_and_breaks_locality(self):
        self.deferred()
        self.scanned('-b', '--strict', 'a')
        self.assertEqual(('', '123'), (self.flags('a'), self.firsts('a')))
        self.grow('a', 3, 1)
        self.assertEqual('1232', self.firsts('a'))

    def test_the_others_move_nothing(self):
        self.deferred()
        before = self.groups('a')
        for options in (('-m',), ('-z',), ('-c', '--read-only')):
            self.scanned(*options, 'a')
        self.assertEqual(before, self.groups('a'))

    def test_all_but_z_may_be_silent(self):
        self.cluster.set_switch('restripe_output', 'silent')
        self.write('a')
        self.assertEqual('', self.did('mmrestripefile', '-l', 'a'))
        self.scanned('-z', 'a')

    def test_names_may_be_in_a_file(self):
        self.write('a')
        self.write('b')
        self.write('names', b'a\nb\n')
        self.assertEqual(
            'Scanning a\nScanning b\nScan completed successfully.\n',
            self.did('mmrestripefile', '-r', '-F', 'names'))
        self.refused(2, 'No such file', 'mmrestripefile', '-r', '-F', 'nix')

    def test_one_option_and_a_file_are_needed(self):
        self.write('a')
        for arguments in ((), ('a',), ('-l',), ('-l', '-r', 'a'),
                          ('-x', 'a'), ('-l', '-F', 'a', 'a')):
            self.refused(1, 'Usage', 'mmrestripefile', *arguments)

    def test_what_is_missing_or_elsewhere_is_refused(self):
        for path, code, text in (('nix', 2, 'No such file'),
                                 ('/etc/passwd', 22, 'Not a GPFS file')):
            done = self.mm('mmrestripefile', '-l', path)
            self.assertEqual((code, f'Scanning {path}\n'),
                             (done.returncode, done.stdout))
            self.assertIn(text, done.stderr)

    def test_a_daemon_that_is_down_does_nothing(self):
        self.write('a')
        self.cluster.set_node_state('node1', 'down')
        self.refused(1, 'GPFS is down on this node', 'mmrestripefile', '-l',
                     'a')


class UntouchedTest(simulated.SimulatedTestCase):

    def test_a_file_that_nobody_has_touched_is_relocated(self):
        self.write('a', b'x' * simulated.BLOCK)
        self.did('mmrestripefile', '-l', 'a')
        (block,) = self.cluster.blocks(self.path('a'))
        self.assertEqual(('system', ['1']), (block.pool,
                                             block.failure_groups))
