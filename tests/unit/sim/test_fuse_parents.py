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

"""Clone parents at the system calls of a FUSE mount."""

import errno
import os
import subprocess

from tests.unit.sim import served


class ParentTest(served.ServedTestCase):

    def setUp(self):
        super().setUp()
        self.parent = self.master('m')

    def clone(self, name='a'):
        self.did('mmclone', 'copy', 'm', name)
        return self.path(name)

    def open(self, flags):
        os.close(os.open(self.parent, flags))

    def is_whole(self):
        return self.read('m') == b'x' * served.simulated.BLOCK * 3

    def test_it_is_read_and_not_opened_for_writing(self):
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND,
                      os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_CREAT):
            self.fails(errno.EROFS, self.open, flags)
        self.assertTrue(self.is_whole())

    def test_it_is_not_truncated(self):
        self.fails(errno.EROFS, os.truncate, self.parent, 0)
        self.assertTrue(self.is_whole())

    def test_its_extended_attributes_do_not_change(self):
        self.fails(errno.EROFS, os.setxattr, self.parent, 'user.a', b'b')
        self.fails(errno.EROFS, os.removexattr, self.parent, 'user.a')

    def test_mode_owner_and_name_may_change(self):
        self.clone()
        os.chmod(self.parent, 0o640)
        os.chown(self.parent, 1, 2)
        os.rename(self.parent, self.path('n'))
        found = os.stat(self.path('n'))
        self.assertEqual((0o640, 1, 2), (found.st_mode & 0o777, found.st_uid,
                                         found.st_gid))
        self.fails(errno.EROFS, os.unlink, self.path('n'))

    def test_it_gets_no_other_name(self):
        self.fails(errno.EROFS, os.link, self.parent, self.path('n'))
        self.assertEqual(['m'], os.listdir(self.directory))

    def test_it_goes_once_its_last_clone_has_gone(self):
        for name in 'ab':
            self.clone(name)
        for name in 'ab':
            self.fails(errno.EROFS, os.unlink, self.parent)
            os.unlink(self.path(name))
        os.unlink(self.parent)
        self.assertEqual([], os.listdir(self.directory))

    def test_it_goes_once_its_last_clone_was_split(self):
        self.clone()
        self.did('mmclone', 'split', 'a')
        os.unlink(self.parent)

    def test_a_clone_that_is_open_and_has_no_name_still_counts(self):
        with open(self.clone()):
            os.unlink(self.path('a'))
            self.fails(errno.EROFS, os.unlink, self.parent)
        os.unlink(self.parent)

    def test_it_is_not_replaced(self):
        self.clone()
        self.write('other')
        self.fails(errno.EROFS, os.rename, self.path('other'), self.parent)
        self.assertTrue(self.is_whole())

    def test_a_directory_that_holds_it_gets_another_name(self):
        os.mkdir(self.path('made'))
        os.rename(self.parent, self.path('made/m'))
        os.rename(self.path('made'), self.path('published'))
        self.did('mmclone', 'copy', 'published/m', 'a')
        self.fails(errno.EROFS, os.unlink, self.path('published/m'))

    def test_its_links_are_counted_at_once(self):
        counts = []
        for name in 'ab':
            self.clone(name)
        counts.append(os.stat(self.parent).st_nlink)
        self.write('other')
        os.rename(self.path('other'), self.path('a'))
        counts.append(os.stat(self.parent).st_nlink)
        os.unlink(self.path('b'))
        counts.append(os.stat(self.parent).st_nlink)
        self.assertEqual([3, 2, 1], counts)

    def test_a_file_becomes_one_as_soon_as_it_is_closed(self):
        for number in range(5):
            self.did('mmclone', 'snap', self.write(f'file{number}', b'x'))
        with open(self.path('open'), 'w'):
            self.refused(16, '', 'mmclone', 'snap', 'open')

    def test_a_snapshot_is_one_and_its_source_is_not(self):
        disk = self.clone()
        self.did('mmclone', 'snap', 'a', 'snap')
        self.write('a', b'new')
        self.fails(errno.EROFS, os.truncate, self.path('snap'), 0)
        self.fails(errno.EROFS, os.unlink, self.path('snap'))
        os.unlink(disk)
        os.unlink(self.path('snap'))
        os.unlink(self.parent)

    def test_what_is_not_known_is_a_switch(self):
        self.clone()
        calls = {'unlink_parent_with_children': (os.unlink, self.parent),
                 'write_to_parent': (os.truncate, self.parent, 0)}
        for switch, position in (('unlink_parent_with_children', 'EPERM'),
                                 ('unlink_parent_with_children', 'EBUSY'),
                                 ('write_to_parent', 'EPERM'),
                                 ('write_to_parent', 'EACCES')):
            self.switch(switch, position)
            self.fails(getattr(errno, position), *calls[switch])
        self.switch('link_to_parent', 'allow')
        os.link(self.parent, self.path('n'))
        self.switch('link_to_parent', 'EPERM')
        self.fails(errno.EPERM, os.link, self.parent, self.path('o'))
        os.unlink(self.path('a'))
        self.switch('unlink_childless_parent', 'EROFS')
        self.fails(errno.EROFS, os.unlink, self.parent)


class FileTest(served.ServedTestCase):
    """What is not about clones works as on any file system."""

    def as_another(self, *argv):
        """Run a program as a user who owns nothing."""
        os.chmod(self.elsewhere('nova'), 0o711)
        subprocess.run(argv, check=True, capture_output=True, user=1, group=1,
                       extra_groups=(), cwd=self.directory)

    def test_a_file_that_is_open_may_go_and_nobody_sees_it(self):
        path = self.write('a', b'data')
        with open(path, 'r+b') as file:
            os.unlink(path)
            self.assertEqual((0, []), (os.fstat(file.fileno()).st_nlink,
                                       os.listdir(self.directory)))
            self.assertEqual(b'data', file.read())
            os.rmdir(self.directory)
        os.mkdir(self.directory)

    def test_data_and_holes_are_told_apart(self):
        path = self.write('a', b'x' * 65536, at=1 << 20)
        with open(path, 'rb') as file:
            self.assertEqual(1 << 20, os.lseek(file.fileno(), 0,
                                               os.SEEK_DATA))
            self.assertEqual(0, os.lseek(file.fileno(), 0, os.SEEK_HOLE))

    def test_what_is_appended_stands_at_the_end(self):
        for word in ('one', 'two'):
            with open(self.path('a'), 'a') as file:
                file.write(word)
        self.assertEqual(b'onetwo', self.read('a'))

    def test_extended_attributes_are_kept_and_a_clone_has_none(self):
        path = self.write('a', b'x')
        os.setxattr(path, 'user.mine', b'1')
        self.did('mmclone', 'snap', 'a')
        self.did('mmclone', 'copy', 'a', 'b')
        self.assertEqual((['user.mine'], []), (
            os.listxattr(path), os.listxattr(self.path('b'))))
        self.assertEqual(b'1', os.getxattr(path, 'user.mine'))
        self.fails(errno.ENODATA, os.getxattr, path, 'user.nova_gpfs_sim')

    def test_times_are_set_to_the_nanosecond(self):
        path = self.write('a')
        os.utime(path, ns=(1, 123456789123456789))
        self.assertEqual(123456789123456789, os.stat(path).st_mtime_ns)
        os.utime(path)
        self.assertLess(123456789123456789, os.stat(path).st_mtime_ns)

    def test_the_caller_owns_what_it_makes(self):
        os.chmod(self.directory, 0o2777)
        os.chown(self.directory, -1, 7)
        for argv in (['mkdir', 'made'], ['ln', '-s', 'nowhere', 'link'],
                     ['touch', 'file']):
            self.as_another(*argv)
        for name in ('made', 'link', 'file'):
            found = os.lstat(self.path(name))
            self.assertEqual((1, 7), (found.st_uid, found.st_gid))

    def test_nobody_does_what_the_mode_forbids(self):
        path = self.write('a', b'secret')
        os.chmod(path, 0o600)
        self.assertRaises(subprocess.CalledProcessError, self.as_another,
                          'cat', path)
        os.chmod(path, 0o604)
        self.as_another('cat', path)

    def test_nothing_moves_to_another_fileset(self):
        path, target = self.write('a'), self.elsewhere('other', 'a')
        self.fails(errno.EXDEV, os.rename, path, target)
        self.fails(errno.EXDEV, os.link, path, target)
        self.switch('rename_across_filesets', 'allow')
        os.rename(path, target)
        os.unlink(target)

    def test_commands_and_the_mount_speak_of_one_file(self):
        path = self.write('a', b'x')
        self.did('mmclone', 'snap', 'a')
        self.did('mmclone', 'copy', 'a', self.path('b'))
        self.assertIn(str(os.stat(path).st_ino),
                      self.did('mmclone', 'show', self.path('b')))
        self.assertEqual([], self.cluster.check())
        self.assertEqual(1, len(self.cluster.blocks(path)))
