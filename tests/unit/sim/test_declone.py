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

"""gpfs_declone of a simulated cluster, called as a program would do it."""

import ctypes
import errno
import os
import subprocess
import sys

import fixtures

from nova_gpfs.sim import library
from tests import sim_library
from tests.unit.sim import simulated

BLOCK = simulated.BLOCK
ALL, PARENT_ONLY = 0, 1


class DecloneTestCase(simulated.SimulatedTestCase):

    def setUp(self):
        if reason := sim_library.reason_not():
            self.skipTest(reason)
        super().setUp()
        self.library = ctypes.CDLL(self.cluster.library('node1'),
                                   use_errno=True)
        self.library.gpfs_declone.argtypes = (
            ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p)

    def call(self, fd, limit=ALL, blocks=1, offset=0):
        """Return errno or 0, and the new offset."""
        place = ctypes.c_longlong(offset)
        done = self.library.gpfs_declone(fd, limit, blocks,
                                         ctypes.addressof(place))
        self.assertIn(done, (0, -1))
        return ctypes.get_errno() if done else 0, place.value

    def declone(self, name, *arguments, mode=os.O_RDWR):
        fd = os.open(self.path(name), mode)
        try:
            return self.call(fd, *arguments)
        finally:
            os.close(fd)

    def clone(self):
        """Make a clone whose second block is its own."""
        self.master('m', b'a' * BLOCK + b'b' * BLOCK + b'c' * BLOCK * 2)
        self.did('mmclone', 'copy', 'm', 'disk')
        self.write('disk', b'guest', BLOCK)
        return self.read('disk')

    def own(self, name='disk'):
        """Return the indexes of the blocks that a file has itself."""
        inode = os.stat(self.path(name)).st_ino
        return [block.index for block in self.cluster.blocks(self.path(name))
                if block.inode == inode]

    def shown(self, name):
        return self.did('mmclone', 'show', name).splitlines()[2].split()


class DecloneTest(DecloneTestCase):

    def test_blocks_are_copied_one_by_one_and_own_ones_passed_over(self):
        before, offset, seen = self.clone(), 0, []
        while offset != -1:
            failure, offset = self.declone('disk', ALL, 1, offset)
            seen.append((failure, offset, self.own()))
        self.assertEqual([(0, BLOCK, [0, 1]), (0, 3 * BLOCK, [0, 1, 2]),
                          (0, -1, [0, 1, 2, 3])], seen)
        self.assertEqual(3, self.cluster.copied(self.path('disk')))
        self.assertEqual(before, self.read('disk'))
        self.assertEqual([], self.cluster.check())

    def test_as_many_as_there_are_is_all_of_them(self):
        self.clone()
        self.assertEqual((0, -1), self.declone('disk', ALL, 3))
        self.assertEqual([0, 1, 2, 3], self.own())

    def test_what_was_copied_is_not_copied_again(self):
        self.clone()
        for _again in range(2):
            self.assertEqual((0, -1), self.declone('disk', ALL, 10))
        self.assertEqual(3, self.cluster.copied(self.path('disk')))

    def test_what_lies_before_the_offset_is_left_alone(self):
        self.clone()
        self.assertEqual((0, -1), self.declone('disk', ALL, 10, 3 * BLOCK))
        self.assertEqual([1, 3], self.own())

    def test_the_clone_is_still_a_clone_until_it_is_split(self):
        self.clone()
        parent = self.shown('disk')
        self.declone('disk', ALL, 10)
        self.assertEqual(parent, self.shown('disk'))
        self.did('mmclone', 'split', 'disk')
        self.assertEqual(['disk'], self.shown('disk'))
        self.assertEqual([0, 1, 2, 3], self.own())

    def test_copied_blocks_are_paid_for(self):
        self.clone()
        before = self.cluster.usage('fs0').data
        self.declone('disk', ALL, 2)
        self.assertEqual(before + 2 * BLOCK, self.cluster.usage('fs0').data)

    def test_copied_blocks_are_where_the_clone_is_and_others_stay(self):
        self.clone()
        self.did('mmchattr', '-P', 'fast', '-I', 'defer', 'disk')
        self.declone('disk', ALL, 1)
        self.assertEqual(['fast', 'system', 'system', 'system'], [
            block.pool for block in self.cluster.blocks(self.path('disk'))])


class TreeTest(DecloneTestCase):

    def family(self):
        """Make a clone of a clone; m has all, p has 1, disk has 2."""
        self.master('m', b'a' * BLOCK + b'b' * BLOCK + b'c' * BLOCK * 2)
        self.did('mmclone', 'copy', 'm', 'disk')
        self.write('disk', b'1', BLOCK)
        self.did('mmclone', 'snap', 'disk', 'p')
        self.write('disk', b'2', 2 * BLOCK)

    def test_the_parent_alone_or_all_ancestors(self):
        self.family()
        self.assertEqual((0, -1), self.declone('disk', PARENT_ONLY, 10))
        self.assertEqual([1, 2], self.own())
        self.assertEqual((0, -1), self.declone('disk', ALL, 10))
        self.assertEqual([0, 1, 2, 3], self.own())

    def test_a_parent_made_of_the_clone_takes_the_copied_blocks(self):
        self.family()
        self.declone('disk', ALL, 10)
        self.did('mmclone', 'snap', 'disk', 'q')
        self.assertEqual([], self.own())
        self.assertEqual([0, 1, 2, 3], self.own('q'))

    def test_a_clone_that_leaves_such_a_parent_has_the_blocks(self):
        self.family()
        self.declone('disk', ALL, 10)
        self.did('mmclone', 'snap', 'disk', 'q')
        self.did('mmclone', 'redirect', 'disk')
        self.assertEqual([0, 1, 2, 3], self.own())


class RefusalTest(DecloneTestCase):

    def test_a_file_without_write_access(self):
        self.clone()
        self.assertEqual((errno.EACCES, 0),
                         self.declone('disk', mode=os.O_RDONLY))

    def test_what_is_no_open_file_or_not_on_gpfs(self):
        self.assertEqual((errno.EBADF, 5), self.call(9999, offset=5))
        outside = self.useFixture(fixtures.TempDir()).join('file')
        with open(outside, 'wb') as file:
            self.assertEqual((errno.EBADF, 0), self.call(file.fileno()))

    def test_no_place_for_the_offset(self):
        self.assertEqual(-1, self.library.gpfs_declone(0, ALL, 1, None))
        self.assertEqual(errno.EFAULT, ctypes.get_errno())

    def test_arguments_that_cannot_be(self):
        self.clone()
        for arguments in ((2, 1, 0), (ALL, 0, 0), (ALL, 1, -1)):
            self.assertEqual((errno.EINVAL, arguments[2]),
                             self.declone('disk', *arguments))
        self.assertEqual([1], self.own())

    def test_what_is_no_regular_file(self):
        os.mkfifo(self.path('fifo'))
        self.assertEqual((errno.EPERM, 0), self.declone('fifo'))

    def test_a_file_that_is_no_clone(self):
        self.write('a', b'data')
        self.assertEqual((0, -1), self.declone('a'))
        self.cluster.set_switch('declone_of_plain_file', 'refuse')
        self.assertEqual((errno.EPERM, 0), self.declone('a'))

    def test_no_space_and_no_quota_leave_the_clone_as_it_was(self):
        self.clone()
        for kind, number in (('no-space', errno.ENOSPC),
                             ('quota', errno.EDQUOT)):
            self.cluster.faults.add_condition(kind)
            self.assertEqual((number, 0), self.declone('disk'))
            self.cluster.faults.clear()
        self.assertEqual([1], self.own())

    def test_a_daemon_that_is_down_whatever_commands_exit_with(self):
        self.clone()
        self.cluster.set_node_state('node1', 'down')
        for how in ('errno', 'zero', 'one'):
            self.cluster.set_switch('exit_code_on_failure', how)
            self.assertEqual((errno.ESTALE, 0), self.declone('disk'))


class FaultTest(DecloneTestCase):

    def test_a_fault_is_a_value_of_errno(self):
        self.clone()
        self.cluster.faults.add('gpfs_declone', 'fail', code=errno.ENOSYS)
        self.assertEqual((errno.ENOSYS, 0), self.declone('disk'))
        self.assertEqual([1], self.own())

    def test_a_fault_afterwards_has_copied(self):
        self.clone()
        self.cluster.faults.add('gpfs_declone', 'fail-after', code=28)
        self.assertEqual((28, 0), self.declone('disk'))
        self.assertEqual([0, 1], self.own())

    def test_what_is_no_answer_is_an_error_of_input_and_output(self):
        self.clone()
        for action in ('kill', 'garbage'):
            self.cluster.faults.add('gpfs_declone', action)
            self.assertEqual((errno.EIO, 0), self.declone('disk'))

    def test_calls_are_counted(self):
        self.clone()
        self.declone('disk', ALL, 2, BLOCK)
        call = self.cluster.calls()[-1]
        self.assertEqual(
            (['gpfs_declone', os.path.realpath(self.path('disk')), '0', '2',
              str(BLOCK)], 0, 'node1'),
            (call['argv'], call['rc'], call['node']))


class LibraryTest(simulated.SimulatedTestCase):

    def run_program(self, **environment):
        return subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'nova_gpfs.sim',
             'library', self.cluster.directory, '--node', 'node2'],
            env={**os.environ, **environment}, capture_output=True,
            text=True)

    def test_the_program_prints_where_it_is_and_makes_it_once(self):
        if reason := sim_library.reason_not():
            self.skipTest(reason)
        path = self.run_program().stdout
        before = os.stat(path.strip())
        self.assertTrue(path.endswith('/nodes/node2/lib/libgpfs.so\n'))
        self.assertEqual(path, self.run_program(CC='/bin/false').stdout)
        self.assertEqual(before, os.stat(path.strip()))

    def test_without_a_compiler_it_says_so(self):
        done = self.run_program(CC='no-such-compiler')
        self.assertEqual((1, ''), (done.returncode, done.stdout))
        self.assertIn('there is no C compiler', done.stderr)

    def test_a_compiler_that_fails_leaves_nothing(self):
        done = self.run_program(CC='false')
        self.assertEqual(1, done.returncode)
        self.assertIn('makes no library', done.stderr)
        self.assertFalse(os.path.exists(os.path.join(
            self.cluster.directory, 'nodes', 'node2', 'lib', library.NAME)))

    def test_any_path_is_a_string_of_c(self):
        self.assertEqual(r'"\042\134\303\274"', library._literal('"\\ü'))
