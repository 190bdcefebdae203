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

BLOCK = simulated.BLOCK


class BlocksTest(simulated.SimulatedTestCase):

    def holders(self, name):
        """Return index and name of the holder of each block."""
        names = {os.stat(self.path(one)).st_ino: one
                 for one in os.listdir(self.directory)}
        return [(block.index, names[block.inode])
                for block in self.cluster.blocks(self.path(name))]

    def test_a_fresh_clone_owns_nothing(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        self.assertEqual([(0, 'm'), (1, 'm'), (2, 'm')], self.holders('a'))
        self.assertEqual(3 * BLOCK, self.cluster.usage('fs0').data)
        self.assertEqual(6 * BLOCK, self.cluster.usage('fs0').full_copies)

    def test_one_byte_costs_a_whole_block(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        self.write('a', b'y', BLOCK + 5)
        self.assertEqual([(0, 'm'), (1, 'a'), (2, 'm')], self.holders('a'))
        self.assertEqual(4 * BLOCK, self.cluster.usage('fs0').data)

    def test_a_snapped_file_gives_its_blocks_to_the_parent(self):
        self.write('a', b'x' * BLOCK * 2)
        self.did('mmclone', 'snap', 'a', 'm')
        self.assertEqual([(0, 'm'), (1, 'm')], self.holders('a'))
        self.assertEqual(2 * BLOCK, self.cluster.usage('fs0').data)

    def test_each_generation_holds_what_it_changed(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'b')
        self.write('b', b'1', BLOCK)
        self.did('mmclone', 'snap', 'b')
        self.did('mmclone', 'copy', 'b', 'c')
        self.write('c', b'2', 2 * BLOCK)
        self.assertEqual([(0, 'm'), (1, 'b'), (2, 'c')], self.holders('c'))

    def test_a_grown_clone_owns_what_lies_past_its_parent(self):
        self.master('m', b'x' * BLOCK)
        self.did('mmclone', 'copy', 'm', 'a')
        os.truncate(self.path('a'), 100 * BLOCK)
        self.assertEqual([(0, 'm')], self.holders('a'))
        self.write('a', b'y', 50 * BLOCK)
        self.assertEqual([(0, 'm'), (50, 'a')], self.holders('a'))

    def test_the_tail_of_a_file_takes_fragments(self):
        self.write('a', b'x' * (BLOCK + 1))
        sizes = [block.size for block in self.cluster.blocks(self.path('a'))]
        self.assertEqual([BLOCK, 8192], sizes)

    def test_blocks_left_behind_go_with_the_rest_to_a_new_parent(self):
        self.write('a', b'x' * BLOCK)
        self.did('mmchattr', '-P', 'fast', '-I', 'defer', 'a')
        self.did('mmclone', 'snap', 'a', 'm')
        (block,) = self.cluster.blocks(self.path('a'))
        self.assertEqual(('system', 'm'), (block.pool,
                                           self.holders('a')[0][1]))

    def test_usage_is_counted_for_filesets_and_pools(self):
        self.write('a', b'x' * BLOCK)
        self.write('../other/b', b'x' * 2 * BLOCK)
        self.did('mmchattr', '-P', 'fast', '-r', '2', 'a')
        self.assertEqual(2 * BLOCK, self.cluster.usage('fs0', 'other').data)
        self.assertEqual({'fast': 2 * BLOCK, 'system': 2 * BLOCK},
                         self.cluster.usage('fs0').pools)
