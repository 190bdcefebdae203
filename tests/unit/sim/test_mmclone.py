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
import stat

from tests.unit.sim import simulated

HEADER = ('Parent  Depth   Parent inode   File name\n'
          '------  -----  --------------  ---------\n')
NOT_PERMITTED = 'mmclone: Operation not permitted\n'
CROSS_DEVICE = 'mmclone: Invalid cross-device link\n'


class SnapInPlaceTest(simulated.SimulatedTestCase):

    def test_the_file_becomes_a_parent_and_keeps_inode_and_mode(self):
        path = self.write('a', b'data')
        os.chmod(path, 0o640)
        before = os.stat(path)
        self.did('mmclone', 'snap', 'a')
        after = os.stat(path)
        self.assertEqual((before.st_ino, before.st_mode, before.st_mtime_ns),
                         (after.st_ino, after.st_mode, after.st_mtime_ns))
        self.assertEqual(HEADER + '   yes      0' + ' ' * 18 + 'a\n',
                         self.did('mmclone', 'show', 'a'))

    def test_a_parent_is_not_snapped_again(self):
        self.master('a')
        self.refused(30, 'mmclone: Read-only file system\n', 'mmclone',
                     'snap', 'a')
        self.refused(30, 'mmclone: Read-only file system\n', 'mmclone',
                     'snap', 'a', 'b')

    def test_a_file_open_for_writing_is_refused_and_a_reader_is_not(self):
        path = self.write('a')
        with open(path, 'ab'):
            self.refused(16, 'mmclone: Device or resource busy\n', 'mmclone',
                         'snap', 'a')
        with open(path, 'rb'):
            self.did('mmclone', 'snap', 'a')

    def test_a_file_with_hard_links_is_refused(self):
        os.link(self.write('a'), self.path('b'))
        self.refused(1, NOT_PERMITTED, 'mmclone', 'snap', 'a')

    def test_what_is_no_file_here_is_refused(self):
        os.mkdir(self.path('d'))
        self.refused(22, 'mmclone: Invalid argument\n', 'mmclone', 'snap',
                     'd')
        self.refused(22, 'mmclone: Invalid argument\n', 'mmclone', 'snap',
                     '/etc/hostname')
        self.refused(2, 'mmclone: No such file or directory\n', 'mmclone',
                     'snap', 'missing')

    def test_a_clone_that_is_snapped_stays_a_clone(self):
        master = self.master()
        self.did('mmclone', 'copy', 'master', 'a')
        self.did('mmclone', 'snap', 'a')
        row = self.did('mmclone', 'show', 'a').splitlines()[2].split()
        self.assertEqual(['yes', '1', str(os.stat(master).st_ino), 'a'], row)


class SnapTest(simulated.SimulatedTestCase):

    def test_a_new_inode_becomes_the_parent_and_the_source_its_child(self):
        source = self.write('a', b'data')
        inode = os.stat(source).st_ino
        self.did('mmclone', 'snap', 'a', 'base')
        base = os.stat(self.path('base')).st_ino
        self.assertEqual(inode, os.stat(source).st_ino)
        self.assertNotEqual(inode, base)
        self.assertEqual(
            HEADER + '   yes      0' + ' ' * 18 + 'base\n'
            + f'    no      1  {base:>14}  a\n',
            self.did('mmclone', 'show', 'base', 'a'))

    def test_the_parent_keeps_what_the_source_held_then(self):
        self.write('a', b'then')
        self.did('mmclone', 'snap', 'a', 'base')
        self.write('a', b'now!')
        self.assertEqual(b'then', self.read('base'))
        self.assertEqual([], self.cluster.check())

    def test_the_parent_comes_between_a_clone_and_its_former_parent(self):
        master = os.stat(self.master()).st_ino
        self.did('mmclone', 'copy', 'master', 'a')
        self.did('mmclone', 'snap', 'a', 'b')
        between = os.stat(self.path('b')).st_ino
        shown = self.did('mmclone', 'show', 'a', 'b').splitlines()[2:]
        self.assertEqual([['no', '2', str(between), 'a'],
                          ['yes', '1', str(master), 'b']],
                         [line.split() for line in shown])

    def test_a_file_open_for_writing_is_snapped_unless_switched_off(self):
        with open(self.write('a'), 'ab'):
            self.did('mmclone', 'snap', 'a', 'b')
            self.cluster.set_switch('snap_of_open_file', 'refuse')
            self.refused(16, 'busy', 'mmclone', 'snap', 'a', 'c')

    def test_an_existing_target_is_left_alone(self):
        self.write('a', b'a')
        self.write('b', b'b')
        self.refused(17, 'mmclone: File exists\n', 'mmclone', 'snap', 'a',
                     'b')
        self.assertEqual(b'b', self.read('b'))
        self.assertEqual(HEADER + ' ' * 31 + 'a\n',
                         self.did('mmclone', 'show', 'a'))


class CopyTest(simulated.SimulatedTestCase):

    def test_a_clone_has_the_data_and_not_the_attributes(self):
        path = self.master(data=b'data')
        os.setxattr(path, 'user.note', b'mine')
        self.did('mmclone', 'copy', 'master', 'a')
        self.assertEqual(b'data', self.read('a'))
        self.assertNotIn('user.note', os.listxattr(self.path('a')))

    def test_a_clone_is_writable_and_the_parent_does_not_change(self):
        self.master(data=b'data')
        self.did('mmclone', 'copy', 'master', 'a')
        self.write('a', b'DATA')
        self.assertEqual(b'data', self.read('master'))
        self.assertEqual([], self.cluster.check())

    def test_holes_stay_holes(self):
        path = self.write('master', b'x')
        os.truncate(path, 1 << 30)
        self.did('mmclone', 'snap', 'master')
        self.did('mmclone', 'copy', 'master', 'a')
        status = os.stat(self.path('a'))
        self.assertEqual(1 << 30, status.st_size)
        self.assertLess(status.st_blocks * 512, 1 << 20)

    def test_only_a_parent_can_be_copied(self):
        self.write('a')
        self.refused(1, NOT_PERMITTED, 'mmclone', 'copy', 'a', 'b')
        self.assertFalse(os.path.exists(self.path('b')))

    def test_an_existing_target_is_left_alone(self):
        self.master()
        self.write('a', b'mine')
        os.symlink('nowhere', self.path('link'))
        os.mkdir(self.path('d'))
        self.refused(17, 'mmclone: File exists\n', 'mmclone', 'copy',
                     'master', 'a')
        self.refused(17, 'mmclone: File exists\n', 'mmclone', 'copy',
                     'master', 'link')
        self.refused(21, 'mmclone: Is a directory\n', 'mmclone', 'copy',
                     'master', 'd')
        self.assertEqual(b'mine', self.read('a'))

    def test_the_target_directory_must_exist(self):
        self.master()
        self.refused(2, 'No such file', 'mmclone', 'copy', 'master', 'd/a')

    def test_a_clone_stays_in_its_file_system(self):
        self.master()
        self.refused(18, CROSS_DEVICE, 'mmclone', 'copy', 'master',
                     os.path.join(self.cluster.directory, 'a'))

    def test_a_clone_stays_in_its_fileset_unless_switched_off(self):
        self.master()
        self.refused(18, CROSS_DEVICE, 'mmclone', 'copy', 'master',
                     '../other/a')
        self.refused(18, CROSS_DEVICE, 'mmclone', 'copy', 'master', '../a')
        self.cluster.set_switch('clone_across_filesets', 'allow')
        self.did('mmclone', 'copy', 'master', '../other/a')
        self.assertEqual([], self.cluster.check())

    def test_the_mode_is_as_the_switch_says(self):
        os.chmod(self.master(), 0o664)
        self.addCleanup(os.umask, os.umask(0o027))
        for value, mode in (('parent', 0o640), ('umask', 0o640),
                            ('private', 0o600)):
            self.cluster.set_switch('copy_mode', value)
            self.did('mmclone', 'copy', 'master', value)
            found = stat.S_IMODE(os.stat(self.path(value)).st_mode)
            self.assertEqual((value, mode), (value, found))

    def test_the_relation_survives_renames_and_not_a_replacement(self):
        self.master()
        self.did('mmclone', 'copy', 'master', 'a')
        os.rename(self.path('master'), self.path('m'))
        os.rename(self.path('a'), self.path('b'))
        inode = os.stat(self.path('m')).st_ino
        shown = self.did('mmclone', 'show', 'b').splitlines()[2].split()
        self.assertEqual(['no', '1', str(inode), 'b'], shown)
        self.write('new')
        os.rename(self.path('new'), self.path('b'))
        self.assertEqual(HEADER + ' ' * 31 + 'b\n',
                         self.did('mmclone', 'show', 'b'))

    def test_a_reused_inode_is_a_new_file(self):
        path = self.master()
        inode = os.stat(path).st_ino
        for attempt in range(200):
            os.unlink(path)
            self.write('master', b'new')
            if os.stat(path).st_ino == inode:
                break
        else:
            self.skipTest('the file system does not reuse inodes here')
        self.assertEqual(HEADER + ' ' * 31 + 'master\n',
                         self.did('mmclone', 'show', 'master'))

    def test_file_systems_older_than_clones_refuse(self):
        found = simulated.cluster.create(
            os.path.join(self.cluster.directory, 'old'),
            simulated.spec(version='11.05 (3.3.0.2)'))
        path = os.path.join(found.mount_point(), 'nova', 'a')
        open(path, 'x').close()
        self.cluster = found
        self.refused(124, 'mmclone: Wrong medium type', 'mmclone', 'snap',
                     path)


class DetachTest(simulated.SimulatedTestCase):

    def setUp(self):
        super().setUp()
        self.master('m0')
        self.did('mmclone', 'copy', 'm0', 'm1')
        self.did('mmclone', 'snap', 'm1')
        self.did('mmclone', 'copy', 'm1', 'a')

    def shown(self, name):
        return self.did('mmclone', 'show', name).splitlines()[2].split()

    def test_redirect_leads_to_the_grandparent(self):
        self.did('mmclone', 'redirect', 'a')
        grandparent = str(os.stat(self.path('m0')).st_ino)
        self.assertEqual(['no', '1', grandparent, 'a'], self.shown('a'))
        self.did('mmclone', 'redirect', 'a')
        self.assertEqual(['a'], self.shown('a'))

    def test_split_leaves_a_plain_file(self):
        self.did('mmclone', 'split', 'a')
        self.assertEqual(['a'], self.shown('a'))
        self.assertEqual({os.stat(self.path('a')).st_ino},
                         {block.inode
                          for block in self.cluster.blocks(self.path('a'))})
        self.assertEqual([], self.cluster.check())

    def test_a_file_that_is_no_clone_is_refused_unless_switched_off(self):
        self.write('plain')
        for keyword in ('split', 'redirect'):
            self.refused(1, NOT_PERMITTED, 'mmclone', keyword, 'plain')
        self.cluster.set_switch('split_of_plain_file', 'ignore')
        self.did('mmclone', 'split', 'plain')

    def test_a_parent_with_children_is_refused_until_they_are_gone(self):
        self.refused(1, NOT_PERMITTED, 'mmclone', 'split', 'm1')
        os.unlink(self.path('a'))
        self.did('mmclone', 'split', 'm1')
        self.assertEqual(['yes', '0', 'm1'], self.shown('m1'))

    def test_depth_of_descendants_stays_as_it_was(self):
        self.cluster.set_switch('split_parent_with_children', 'allow')
        self.did('mmclone', 'split', 'm1')
        self.assertEqual('2', self.shown('a')[1])

    def test_of_several_files_the_good_ones_are_done(self):
        done = self.mm('mmclone', 'split', 'missing', 'a')
        self.assertEqual((2, 'mmclone: No such file or directory\n'),
                         (done.returncode, done.stderr))
        self.assertEqual(['a'], self.shown('a'))

    def test_a_switch_stops_at_the_first_failure(self):
        self.cluster.set_switch('several_files', 'stop')
        self.mm('mmclone', 'split', 'missing', 'a')
        self.assertEqual('no', self.shown('a')[0])


class CallersTest(simulated.SimulatedTestCase):

    def test_a_missing_keyword_or_name_is_explained(self):
        for arguments in ((), ('copy', 'a'), ('show',), ('merge', 'a', 'b'),
                          ('snap', 'a', 'b', 'c')):
            self.refused(1, 'Usage:', 'mmclone', *arguments)

    def test_exit_codes_follow_the_switch(self):
        self.master()
        for value, code in (('zero', 0), ('one', 1), ('errno', 30)):
            self.cluster.set_switch('exit_code_on_failure', value)
            self.refused(code, 'Read-only', 'mmclone', 'snap', 'master')

    def test_placement_of_clones_follows_the_switch(self):
        self.write('m', b'data')
        self.did('mmchattr', '-P', 'fast', '-r', '2', 'm')
        self.did('mmclone', 'snap', 'm')
        for value, pool, replicas in (('source', 'fast', 2),
                                      ('defaults', 'system', 1)):
            self.cluster.set_switch('clone_placement', value)
            self.did('mmclone', 'copy', 'm', value)
            self.write(value, b'mine')
            (block,) = self.cluster.blocks(self.path(value))
            self.assertEqual((pool, replicas), (block.pool, block.replicas))

    def test_the_mode_of_a_snapped_parent_follows_the_switch(self):
        os.chmod(self.write('a'), 0o604)
        self.addCleanup(os.umask, os.umask(0o022))
        for value, mode in (('source', 0o604), ('umask', 0o644)):
            self.cluster.set_switch('snap_mode', value)
            self.did('mmclone', 'snap', 'a', value)
            found = stat.S_IMODE(os.stat(self.path(value)).st_mode)
            self.assertEqual((value, mode), (value, found))
