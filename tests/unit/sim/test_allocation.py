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

"""In which failure groups blocks lie, before and after somebody writes."""

import os

import testtools

from nova_gpfs.sim import __main__ as console
from nova_gpfs.sim import allocation
from nova_gpfs.sim import cluster
from tests.unit.sim import simulated

BLOCK = simulated.BLOCK
AFFINITY = ('--write-affinity-depth', '1')


def _spec(**changes):
    """Return pools near, which allows write affinity, and far."""
    disks = [{'name': 'meta', 'usage': 'metadataOnly'}]
    disks += [{'name': f'{pool}{group}', 'pool': pool, 'usage': 'dataOnly',
               'failure_group': f'{group},0,{group}',
               'servers': f'node{group},node9'}
              for pool in ('near', 'far') for group in (1, 2, 3)]
    return dict(simulated.spec(
        nsds=disks, write_affinity_pools=['near'], **changes),
        nodes=['node1', 'node2', 'node3', 'node4', 'node9'])


class AllocationTest(simulated.SimulatedTestCase):
    SPEC = _spec()

    def groups(self, name):
        """Return the failure groups of each block, by their first number."""
        return [[group.partition(',')[0] for group in block.failure_groups]
                for block in self.cluster.blocks(self.path(name))]

    def firsts(self, name):
        """Return the first replicas' failure groups, in one word."""
        return ''.join(groups[0] for groups in self.groups(name))

    def grow(self, name, start, count, byte=b'x'):
        """Write some blocks of a file."""
        self.write(name, byte * BLOCK * count, start * BLOCK)

    def disk(self, name='a', pool='near', *options, node='node2'):
        """Make an empty file in a pool from a node."""
        self.write(name)
        self.did('mmchattr', '-P', pool, *options, name, node=node)
        return name


class ReplicasTest(AllocationTest):

    def test_blocks_go_round_the_failure_groups(self):
        for pool in ('near', 'far'):
            self.disk(pool, pool)
            self.grow(pool, 0, 4)
            self.assertEqual([['1'], ['2'], ['3'], ['1']],
                             self.groups(pool))

    def test_replicas_never_share_a_failure_group(self):
        for options in ((), AFFINITY, ('--write-affinity-depth', '2'),
                        ('--write-affinity-failure-group',
                         '1,0,1;1,0,1;*,0,*')):
            self.disk('a', 'near', '-r', '3', *options)
            self.grow('a', 0, 4)
            for groups in self.groups('a'):
                self.assertEqual(['1', '2', '3'], sorted(groups))
            os.unlink(self.path('a'))

    def test_a_pool_with_too_few_failure_groups_has_fewer_replicas(self):
        fresh = cluster.create(self.cluster.directory + '/c', simulated.spec(
            nsds=[{'name': 'a'}, {'name': 'b'}]))
        path = fresh.mount_point() + '/nova/x'
        with open(path, 'wb') as file:
            file.write(b'x')
        fresh.set_switch('replicas_beyond_failure_groups', 'warn')
        self.mm(os.path.join(fresh.bin_dir(), 'mmchattr'), '-r', '2', path)
        (block,) = fresh.blocks(path)
        self.assertEqual((2, ['1']), (block.replicas, block.failure_groups))

    def test_more_replicas_leave_the_first_one_where_it_is(self):
        self.disk('a', 'near', *AFFINITY)
        self.grow('a', 0, 2)
        self.did('mmchattr', '-r', '2', 'a', node='node3')
        self.assertEqual('22', self.firsts('a'))
        self.assertEqual([2, 2], [len(one) for one in self.groups('a')])


class WriterTest(AllocationTest):

    def test_depth_1_keeps_the_first_replica_near_the_writer(self):
        self.disk('a', 'near', '-r', '2', *AFFINITY)
        self.grow('a', 0, 4)
        self.assertEqual('2222', self.firsts('a'))
        self.assertEqual('1331', ''.join(two for _, two in self.groups('a')))

    def test_depth_2_follows_the_switch(self):
        self.disk('a', 'near', '-r', '2', '--write-affinity-depth', '2')
        self.grow('a', 0, 4)
        for value, seconds in (('together', '1111'), ('spread', '1331')):
            self.cluster.set_switch('depth_two', value)
            self.assertEqual('2222', self.firsts('a'))
            self.assertEqual(seconds, ''.join(
                two for _, two in self.groups('a')))

    def test_depth_0_spreads(self):
        self.disk('a', 'near', '--write-affinity-depth', '0')
        self.grow('a', 0, 3)
        self.assertEqual('123', self.firsts('a'))

    def test_a_writer_without_disks_spreads(self):
        self.disk('a', 'near', *AFFINITY, node='node4')
        self.grow('a', 0, 3)
        self.assertEqual('123', self.firsts('a'))

    def test_a_pool_without_write_affinity_does_not_know_it(self):
        self.cluster.set_switch('write_affinity_elsewhere', 'ignore')
        self.disk('a', 'far', *AFFINITY)
        self.grow('a', 0, 3)
        self.assertEqual('123', self.firsts('a'))

    def test_a_new_writer_gets_the_new_blocks_alone(self):
        self.disk('a', 'near', *AFFINITY)
        self.grow('a', 0, 2)
        self.cluster.note_writer(self.path('a'), 'node3')
        self.assertEqual('22', self.firsts('a'))
        self.grow('a', 2, 2)
        self.assertEqual('2233', self.firsts('a'))

    def test_a_writer_that_comes_back_does_not_move_what_others_wrote(self):
        self.disk('a', 'near', *AFFINITY)
        self.grow('a', 0, 2)
        for at, node in ((2, 'node3'), (3, 'node1')):
            self.cluster.note_writer(self.path('a'), node)
            self.grow('a', at, 1)
        self.did('mmchattr', '-m', '2', '-I', 'yes', 'a', node='node2')
        self.assertEqual('2231', self.firsts('a'))

    def test_a_block_that_is_written_again_stays_in_place(self):
        self.disk('a', 'near', *AFFINITY)
        self.grow('a', 0, 2)
        self.cluster.note_writer(self.path('a'), 'node3')
        self.grow('a', 0, 2, b'y')
        self.assertEqual('22', self.firsts('a'))

    def test_mmchattr_makes_its_node_the_writer(self):
        self.disk('a', 'near', *AFFINITY)
        self.grow('a', 0, 1)
        self.did('mmchattr', '-m', '2', 'a', node='node1')
        self.grow('a', 1, 1)
        self.assertEqual('21', self.firsts('a'))

    def test_nobody_writes_from_a_node_or_to_a_file_that_is_not_there(self):
        path = self.write('a')
        for where, node in ((path, 'node5'), (path + 'x', 'node1'),
                            ('/etc/passwd', 'node1')):
            self.assertRaises(cluster.NotThere, self.cluster.note_writer,
                              where, node)

    def test_the_console_notes_a_writer_and_shows_failure_groups(self):
        self.disk('a', 'near', *AFFINITY)
        directory, path = self.cluster.directory, self.path('a')
        self.assertEqual(0, console.main(['writer', directory, path,
                                          'node1']))
        self.grow('a', 0, 1)
        (block,) = self.cluster.blocks(path)
        self.assertEqual(['1,0,1'], block.failure_groups)
        self.assertIn('failure_groups', block.__slots__)


class PoolDefaultsTest(AllocationTest):
    SPEC = _spec(write_affinity_depth=1, block_group_factor=2)

    def test_a_file_takes_what_it_does_not_say_from_the_pool(self):
        self.disk('a', 'near')
        self.disk('b', 'near', '--write-affinity-depth', '0')
        for name, groups in (('a', '2222'), ('b', '1122')):
            self.grow(name, 0, 4)
            self.assertEqual(groups, self.firsts(name))


class ChunksTest(AllocationTest):

    def test_the_blocks_of_a_chunk_lie_alike(self):
        self.disk('a', 'near', '--block-group-factor', '3', '-r', '2')
        self.grow('a', 0, 7)
        self.assertEqual('1112223', self.firsts('a'))
        self.assertEqual(['1', '2'], self.groups('a')[2])

    def test_attributes_that_are_given_one_by_one_add_up(self):
        self.disk('a', 'near', *AFFINITY)
        self.did('mmchattr', '--block-group-factor', '2', 'a', node='node2')
        self.grow('a', 0, 4)
        self.assertEqual('2222', self.firsts('a'))


class FailureGroupsTest(AllocationTest):

    def disk_in(self, groups, *options):
        self.disk('a', 'near', '--write-affinity-failure-group', groups,
                  *options)
        self.grow('a', 0, 4)
        return self.groups('a')

    def test_they_come_before_the_depth_and_the_writer(self):
        self.assertEqual([['3']] * 4, self.disk_in('3,0,3', *AFFINITY))

    def test_one_for_each_replica(self):
        self.assertEqual([['3', '1']] * 4,
                         self.disk_in('3,0,3;1,0,1', '-r', '2'))

    def test_a_replica_that_has_none_goes_round(self):
        self.assertEqual([['3', '1'], ['3', '2'], ['3', '1'], ['3', '1']],
                         self.disk_in('3,0,3', '-r', '2'))

    def test_a_pattern_goes_round_what_it_matches(self):
        self.assertEqual('2232', ''.join(
            one for one, in self.disk_in('[2-3],0,*')))

    def test_one_that_no_disk_is_in_leaves_the_block_elsewhere(self):
        self.assertEqual([['1'], ['2'], ['3'], ['1']], self.disk_in('7,0,7'))

    def test_blocks_that_are_there_stay_when_it_changes(self):
        self.disk_in('3,0,3')
        self.did('mmchattr', '--write-affinity-failure-group', '1,0,1', 'a',
                 node='node2')
        self.grow('a', 4, 1)
        self.assertEqual('33331', self.firsts('a'))

    def test_a_value_of_two_words_is_refused(self):
        self.disk('a', 'near')
        self.refused(1, 'Usage', 'mmchattr',
                     '--write-affinity-failure-group', '1 2', 'a')


class PatternTest(testtools.TestCase):

    def test_numbers_wildcards_and_ranges(self):
        for pattern, groups in (
                ('1', '1'), ('1,0,2', '1,0,2'), ('*', '7'),
                ('1,*,*', '1,0,2'), ('[1-3],0,2', '2,0,2'), ('[2]', '2')):
            self.assertTrue(allocation.matches(pattern, groups), pattern)
        for pattern, groups in (
                ('1', '2'), ('1', '1,0,2'), ('1,*', '1,0,2'), ('', '1'),
                ('[1-3]', '4'), ('[1-]', '1'), ('[x]', '1'), ('[1-3]', 'x')):
            self.assertFalse(allocation.matches(pattern, groups), pattern)


class ClonesTest(AllocationTest):

    def shared_master(self):
        """Make a master in near, its blocks on node2's disks."""
        self.disk('m', 'near', '-r', '2', *AFFINITY)
        self.grow('m', 0, 3)
        self.did('mmclone', 'snap', 'm', node='node2')

    def test_the_node_that_makes_a_clone_writes_to_it(self):
        self.shared_master()
        self.did('mmclone', 'copy', 'm', 'a', node='node3')
        self.grow('a', 1, 1, b'y')
        self.assertEqual('232', self.firsts('a'))

    def test_a_snapped_file_leaves_its_blocks_in_place(self):
        for placement in ('source', 'defaults'):
            for affinity in ('source', 'none'):
                self.cluster.set_switch('clone_placement', placement)
                self.cluster.set_switch('clone_affinity', affinity)
                self.disk('a', 'near', '-r', '2', *AFFINITY)
                self.grow('a', 0, 3)
                before = self.placed('a')
                self.did('mmclone', 'snap', 'a', 'p', node='node3')
                self.assertEqual(before, self.placed('a'))
                self.assertEqual(before, self.placed('p'))
                self.grow('a', 0, 1, b'y')
                self.assertEqual('322', self.firsts('a'))
                os.unlink(self.path('a'))
                os.unlink(self.path('p'))

    def placed(self, name):
        return [(block.pool, block.replicas, block.failure_groups)
                for block in self.cluster.blocks(self.path(name))]

    def test_what_a_clone_starts_with_follows_the_switches(self):
        self.shared_master()
        for placement, pool, replicas in (('source', 'near', 2),
                                          ('defaults', 'near', 1)):
            for affinity, first in (('source', '3'), ('none', '1')):
                self.cluster.set_switch('clone_placement', placement)
                self.cluster.set_switch('clone_affinity', affinity)
                self.did('mmclone', 'copy', 'm', 'a', node='node3')
                self.grow('a', 0, 1, b'y')
                mine = self.placed('a')[0]
                self.assertEqual((pool, replicas, first), (
                    mine[0], mine[1], mine[2][0].partition(',')[0]))
                os.unlink(self.path('a'))

    def test_a_split_writes_the_shared_blocks_on_its_own_node(self):
        self.shared_master()
        self.did('mmclone', 'copy', 'm', 'a', node='node3')
        self.grow('a', 1, 1, b'y')
        self.did('mmclone', 'split', 'a', node='node1')
        self.assertEqual('131', self.firsts('a'))


class MovesTest(AllocationTest):

    def test_blocks_that_come_into_a_pool_with_affinity(self):
        for value, groups in (('anew', '333'), ('spread', '123')):
            self.cluster.set_switch('moved_blocks', value)
            self.disk('a', 'far')
            self.grow('a', 0, 3)
            self.did('mmchattr', '-P', 'near', *AFFINITY, 'a', node='node3')
            self.assertEqual(groups, self.firsts('a'))
            self.grow('a', 3, 1)
            self.assertEqual(groups + '3', self.firsts('a'))
            os.unlink(self.path('a'))

    def test_blocks_that_are_left_behind_keep_their_failure_groups(self):
        self.disk('a', 'near', *AFFINITY)
        self.grow('a', 0, 3)
        self.did('mmchattr', '-P', 'far', '-I', 'defer', 'a', node='node3')
        self.grow('a', 3, 1)
        self.assertEqual('2221', self.firsts('a'))
        self.did('mmchattr', '-P', 'near', '-I', 'yes', 'a', node='node3')
        self.assertEqual('2223', self.firsts('a'))
