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

"""Blocks, quotas and full disks at the system calls of a FUSE mount."""

import errno
import os

from tests.unit.sim import served

BLOCK = served.simulated.BLOCK


class BlocksTest(served.ServedTestCase):
    """IBM documentation, File clones and disk space management (5.2.3)."""

    def blocks(self, *names):
        """Return how many file-system blocks each file pays for."""
        return [os.stat(self.path(name)).st_blocks * 512 / BLOCK
                for name in names]

    def family(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')

    def test_a_fresh_clone_has_no_blocks_and_its_parent_all_of_them(self):
        self.family()
        self.assertEqual([3, 0], self.blocks('m', 'a'))
        self.assertEqual(3 * BLOCK, os.stat(self.path('a')).st_size)

    def test_one_byte_costs_a_block_whatever_was_there_before(self):
        self.family()
        self.write('a', b'x', at=BLOCK)
        self.assertEqual([3, 1], self.blocks('m', 'a'))
        self.write('a', b'xx', at=2 * BLOCK - 1)
        self.assertEqual([3, 2], self.blocks('m', 'a'))
        self.assertEqual([0, 1, 1], [
            block.inode == os.stat(self.path('a')).st_ino
            for block in self.cluster.blocks(self.path('a'))])

    def test_what_lies_beyond_the_parent_is_the_clones(self):
        self.family()
        os.truncate(self.path('a'), 8 * BLOCK)
        self.assertEqual([0], self.blocks('a'))
        self.write('a', b'x', at=7 * BLOCK)
        self.assertEqual([1], self.blocks('a'))

    def test_a_snapshot_takes_the_blocks_of_its_source(self):
        self.family()
        self.write('a', b'new')
        self.did('mmclone', 'snap', 'a', 's')
        self.assertEqual([3, 1, 0], self.blocks('m', 's', 'a'))
        self.write('a', b'x', at=BLOCK)
        self.assertEqual([3, 1, 1], self.blocks('m', 's', 'a'))

    def test_a_split_clone_pays_for_everything(self):
        self.family()
        self.did('mmclone', 'split', 'a')
        self.assertEqual([3], self.blocks('a'))

    def test_replicas_are_paid_for(self):
        self.write('a', b'x' * BLOCK)
        self.did('mmchattr', '-r', '2', 'a')
        self.assertEqual([2], self.blocks('a'))

    def test_a_hole_and_an_empty_file_cost_nothing(self):
        self.write('a', b'x', at=5 * BLOCK)
        self.write('b')
        self.assertEqual([8192 / BLOCK, 0], self.blocks('a', 'b'))


class QuotaTest(served.ServedTestCase):
    SPEC = served.simulated.spec(filesets=[
        {'name': 'nova', 'path': 'nova', 'hard': 4 * BLOCK},
        {'name': 'other', 'path': 'other'}])

    def tearDown(self):
        for name in sorted(os.listdir(self.directory)):
            os.unlink(self.path(name))
        super().tearDown()

    def test_a_write_beyond_the_limit_of_the_fileset_is_refused(self):
        path = self.write('a', b'x' * 4 * BLOCK)
        self.fails(errno.EDQUOT, self.write, 'a', b'x', at=4 * BLOCK)
        self.fails(errno.EDQUOT, self.write, 'b', b'x')
        self.assertEqual(4 * BLOCK, os.stat(path).st_size)

    def test_what_has_its_blocks_may_be_written_again(self):
        self.write('a', b'x' * 4 * BLOCK)
        self.write('a', b'y' * BLOCK, at=2 * BLOCK)

    def test_what_is_removed_makes_room(self):
        self.write('a', b'x' * 4 * BLOCK)
        os.unlink(self.path('a'))
        self.write('b', b'x' * 4 * BLOCK)

    def test_a_clone_needs_room_for_what_is_written_to_it(self):
        self.master('m', b'x' * 3 * BLOCK)
        self.did('mmclone', 'copy', 'm', 'a')
        self.write('a', b'x')
        self.fails(errno.EDQUOT, self.write, 'a', b'x', at=BLOCK)
        self.write('a', b'y', at=1)
        os.unlink(self.path('a'))

    def test_replicas_are_charged(self):
        self.write('a')
        self.did('mmchattr', '-r', '2', 'a')
        self.write('a', b'x' * 2 * BLOCK)
        self.fails(errno.EDQUOT, self.write, 'a', b'x', at=2 * BLOCK)

    def test_space_is_reserved_within_the_limit(self):
        with open(self.write('a'), 'r+b') as file:
            self.fails(errno.EDQUOT, os.posix_fallocate, file.fileno(), 0,
                       5 * BLOCK)

    def test_other_filesets_are_not_limited(self):
        path = self.elsewhere('other', 'a')
        with open(path, 'wb') as file:
            file.write(b'x' * 5 * BLOCK)
        os.unlink(path)


class SpaceTest(served.ServedTestCase):
    SPEC = served.simulated.spec(nsds=[{'name': 'a', 'size': 2 * BLOCK}])

    def test_a_full_pool_takes_no_more_where_that_is_looked_at(self):
        self.switch('fill_check', 'all')
        self.write('a', b'x' * 2 * BLOCK)
        self.fails(errno.ENOSPC, self.write, 'b', b'x')
        self.write('a', b'y')
        os.unlink(self.path('a'))
        self.write('b', b'x')

    def test_conditions_hold_for_what_needs_a_block(self):
        self.write('a', b'x')
        self.cluster.faults.add_condition('no-space')
        self.fails(errno.ENOSPC, self.write, 'a', b'x', at=BLOCK)
        self.write('a', b'y')
        self.cluster.faults.clear()
        self.cluster.faults.add_condition('quota', fileset='nova')
        self.fails(errno.EDQUOT, self.write, 'a', b'x', at=BLOCK)
        self.cluster.faults.clear()
        self.write('a', b'x', at=BLOCK)
