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


class MmchattrTest(simulated.SimulatedTestCase):

    def shown(self, name):
        """Return the labels and values of mmlsattr -L."""
        return {line.partition(':')[0]: line.partition(':')[2].strip()
                for line in self.did('mmlsattr', '-L', name).splitlines()}

    def placed(self, name):
        return {(block.index, block.pool, block.replicas)
                for block in self.cluster.blocks(self.path(name))}


class ReplicasTest(MmchattrTest):

    def test_replicas_are_set_and_multiply_the_space(self):
        self.write('a', b'x' * simulated.BLOCK)
        self.did('mmchattr', '-r', '3', '-m2', 'a')
        shown = self.shown('a')
        self.assertEqual('3 max 3', shown['data replication'])
        self.assertEqual('2 max 3', shown['metadata replication'])
        self.assertEqual(3 * simulated.BLOCK, self.cluster.usage('fs0').data)

    def test_replicas_stay_between_1_and_the_maximum_of_the_file(self):
        self.write('a')
        self.did('mmchattr', '-R', '2', 'a')
        for option, number in (('-r', '0'), ('-r', '3'), ('-m', '4'),
                               ('-R', '4'), ('-M', '0')):
            self.refused(22, 'Invalid number of', 'mmchattr', option, number,
                         'a')
        self.assertEqual('1 max 2', self.shown('a')['data replication'])

    def test_the_maximum_of_a_file_that_holds_data_stays(self):
        self.write('a', b'x')
        self.refused(22, 'empty', 'mmchattr', '-R', '2', 'a')

    def test_the_maximum_of_a_file_with_attributes_stays(self):
        os.setxattr(self.write('a'), 'user.note', b'x')
        self.refused(22, 'attributes', 'mmchattr', '-M', '2', 'a')

    def test_our_own_tag_is_no_attribute_of_the_user(self):
        self.write('a')
        self.did('mmchattr', '-r', '2', 'a')
        self.did('mmchattr', '-R', '2', 'a')

    def test_no_value_is_changed_when_one_is_refused(self):
        self.write('a')
        self.refused(22, 'Invalid', 'mmchattr', '-m', '2', '-r', '9', 'a')
        self.assertEqual('1 max 3', self.shown('a')['metadata replication'])


class FailureGroupsTest(MmchattrTest):
    SPEC = simulated.spec(nsds=[
        {'name': 'a', 'failure_group': '1'},
        {'name': 'b', 'failure_group': '2', 'usage': 'metadataOnly'},
        {'name': 'c', 'failure_group': '1'},
        {'name': 'd', 'pool': 'slow', 'failure_group': '1',
         'usage': 'dataOnly'},
        {'name': 'e', 'pool': 'slow', 'failure_group': '2',
         'usage': 'dataOnly'}])

    def test_more_replicas_than_failure_groups_for_data_are_refused(self):
        self.write('a')
        self.refused(22, 'failure groups (1)', 'mmchattr', '-r', '2', 'a')
        self.did('mmchattr', '-r', '2', '-P', 'slow', 'a')
        self.refused(22, 'failure groups (1)', 'mmchattr', '-P', 'system',
                     'a')

    def test_a_switch_makes_that_a_warning(self):
        self.cluster.set_switch('replicas_beyond_failure_groups', 'warn')
        self.write('a')
        done = self.mm('mmchattr', '-r', '2', 'a')
        self.assertEqual(0, done.returncode)
        self.assertIn('Attention', done.stderr)
        self.assertEqual('2 max 3', self.shown('a')['data replication'])


class PoolTest(MmchattrTest):

    def test_an_unknown_pool_is_refused(self):
        self.write('a')
        self.refused(22, 'Invalid storage pool name nix', 'mmchattr', '-P',
                     'nix', 'a')

    def test_a_directory_stays_in_the_system_pool(self):
        os.mkdir(self.path('d'))
        self.refused(22, 'cannot be assigned', 'mmchattr', '-P', 'fast', 'd')

    def test_blocks_move_at_once(self):
        self.write('a', b'x' * simulated.BLOCK)
        self.did('mmchattr', '-P', 'fast', '-I', 'yes', 'a')
        self.assertEqual('fast', self.shown('a')['storage pool name'])
        self.assertEqual({(0, 'fast', 1)}, self.placed('a'))

    def test_deferred_blocks_stay_and_new_ones_go_to_the_new_pool(self):
        self.write('a', b'x' * simulated.BLOCK)
        self.did('mmchattr', '-P', 'fast', '-r', '2', '-I', 'defer', 'a')
        self.write('a', b'y' * simulated.BLOCK, simulated.BLOCK)
        self.assertEqual('illplaced,illreplicated', self.shown('a')['flags'])
        self.assertEqual({(0, 'system', 1), (1, 'fast', 2)},
                         self.placed('a'))
        self.did('mmchattr', '-P', 'fast', '-I', 'yes', 'a')
        self.assertEqual({(0, 'fast', 2), (1, 'fast', 2)}, self.placed('a'))
        self.assertEqual('', self.shown('a')['flags'])

    def test_blocks_stay_without_I_where_the_switch_says_so(self):
        self.write('a', b'x' * simulated.BLOCK)
        self.cluster.set_switch('move_now', 'defer')
        self.did('mmchattr', '-P', 'fast', 'a')
        self.assertEqual({(0, 'system', 1)}, self.placed('a'))

    def test_on_a_clone_only_blocks_written_later_are_concerned(self):
        self.master('m', b'x' * simulated.BLOCK * 2)
        self.did('mmclone', 'copy', 'm', 'a')
        self.did('mmchattr', '-P', 'fast', '-r', '2', 'a')
        self.write('a', b'y', simulated.BLOCK)
        self.assertEqual({(0, 'system', 1), (1, 'fast', 2)},
                         self.placed('a'))
        self.assertEqual('system', self.shown('m')['storage pool name'])

    def test_only_root_moves_files_where_the_switch_says_so(self):
        self.write('a')
        self.cluster.set_switch('superuser', 'root')
        if os.geteuid():
            self.refused(1, 'Operation not permitted', 'mmchattr', '-P',
                         'fast', 'a')
            self.cluster.set_switch('pool_change', 'anyone')
        self.did('mmchattr', '-P', 'fast', 'a')


class OtherTest(MmchattrTest):
    SPEC = simulated.spec(write_affinity_pools=['fast'])

    def test_write_affinity_is_for_pools_that_allow_it(self):
        self.write('a')
        affinity = ('--write-affinity-depth', '1', '--block-group-factor=2',
                    '--write-affinity-failure-group', '1,0,1')
        self.refused(22, 'does not allow write affinity', 'mmchattr',
                     *affinity, 'a')
        self.did('mmchattr', '-P', 'fast', *affinity, 'a')
        self.write('b')
        self.cluster.set_switch('write_affinity_elsewhere', 'ignore')
        self.did('mmchattr', *affinity, 'b')

    def test_an_immutable_file_keeps_its_attributes_until_released(self):
        self.write('a')
        self.did('mmchattr', '-i', 'yes', 'a')
        self.assertEqual('yes', self.shown('a')['immutable'])
        self.refused(30, 'Read-only', 'mmchattr', '-r', '2', 'a')
        self.did('mmchattr', '-i', 'no', '-r', '2', 'a')
        self.assertEqual('no', self.shown('a')['immutable'])

    def test_unknown_options_and_values_are_explained(self):
        self.write('a')
        for arguments in (('a',), ('-r', 'x', 'a'), ('-I', 'no', '-r1', 'a'),
                          ('--nix', 'a'), ('-r', '1'), ('-i', 'maybe', 'a')):
            self.refused(1, '[-I {yes | defer}]', 'mmchattr', *arguments)

    def test_what_is_missing_or_elsewhere_is_refused(self):
        self.refused(2, 'No such file', 'mmchattr', '-r', '1', 'missing')
        self.refused(22, 'Not a GPFS file', 'mmchattr', '-r', '1', '/etc')
