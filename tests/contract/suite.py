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


"""What nova_gpfs.driver.GpfsDriver promises, one test a sentence.

``Contract`` holds on anything that calls itself a GpfsDriver, a real cluster
included. A test case that mixes it in sets the attributes below in setUp.
"""

import os
import pathlib
import stat

from nova_gpfs import driver
from nova_gpfs import errors
from nova_gpfs import model

MIB = 1024 ** 2
NOWHERE = 'nosuchname'


class Contract:
    """The promises that need no simulator to be tested."""

    gpfs: driver.GpfsDriver
    directory: str      # an empty one on GPFS, in `fileset`
    device: str         # the name of its file system
    fileset: str
    outside: str        # an existing file on another kind of file system
    # What is said of a file outside; the privileged daemon refuses it.
    not_gpfs: tuple[type[errors.GpfsError], ...] = (errors.NotGpfs,)
    # Why nothing can be detached in parts here, None if it can be.
    no_parts: str | None = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def file(self, name, content=b'data' * MIB):
        pathlib.Path(self.path(name)).write_bytes(content)
        return self.path(name)

    def master(self, name='master', content=b'data' * MIB):
        path = self.file(name, content)
        self.gpfs.seal(path)
        return path

    def clone(self, name='disk', parent=None):
        self.gpfs.clone(parent or self.master(), self.path(name))
        return self.path(name)

    def content(self, path):
        return pathlib.Path(path).read_bytes()

    def inode(self, path):
        return os.stat(path).st_ino


class TestsOfTheCluster(Contract):

    def test_the_cluster_is_described(self):
        found = self.gpfs.cluster()
        self.assertTrue(found.id and found.name and found.nodes)
        self.assertEqual('active', found.daemon_state)
        self.assertGreaterEqual(found.min_release_level, 1200)
        self.assertIn(found.node_name.split('.')[0],
                      [node.daemon_name.split('.')[0]
                       for node in found.nodes])

    def test_a_file_system_is_described(self):
        found = self.gpfs.file_system(self.device)
        self.assertEqual(self.device, found.name)
        self.assertTrue(os.path.isdir(found.mount_point))
        self.assertGreater(found.block_size, 0)
        self.assertIn(found, self.gpfs.file_systems())

    def test_pools_are_described(self):
        pools = {pool.name: pool for pool in self.gpfs.pools(self.device)}
        self.assertTrue(pools['system'].holds_metadata)
        self.assertGreater(sum(p.total_data for p in pools.values()), 0)
        for pool in pools.values():
            self.assertLessEqual(pool.free_data, pool.total_data)

    def test_filesets_are_described(self):
        filesets = {one.name: one
                    for one in self.gpfs.filesets(self.device)}
        self.assertIn('root', filesets)
        here = filesets[self.fileset]
        self.assertTrue(here.linked)
        self.assertTrue(os.path.realpath(self.directory).startswith(
            os.path.realpath(here.path)))

    def test_disks_are_described(self):
        disks = self.gpfs.disks(self.device)
        self.assertIn('system', {disk.pool for disk in disks})
        nodes = {name.split('.')[0] for node in self.gpfs.cluster().nodes
                 for name in (node.daemon_name, node.admin_name)}
        for disk in disks:
            self.assertEqual(set(), {name.split('.')[0]
                                     for name in disk.servers} - nodes)
        self.assertTrue(any(disk.availability == 'up' for disk in disks))

    def test_an_unknown_file_system_is_an_error_of_its_own(self):
        for ask in (self.gpfs.file_system, self.gpfs.pools,
                    self.gpfs.filesets, self.gpfs.disks):
            self.assertRaises(errors.NoSuchFileSystem, ask, NOWHERE)

    def test_a_quota_is_a_quota_or_none(self):
        found = self.gpfs.quota(self.device, self.fileset)
        if found is not None:
            self.assertGreaterEqual(found.usage, 0)

    def test_the_quota_of_an_unknown_fileset_is_an_error_of_its_own(self):
        self.assertRaises(errors.NoSuchFileset, self.gpfs.quota, self.device,
                          NOWHERE)

    def test_a_name_that_is_no_name_runs_nothing(self):
        for name in ('-a', 'a b', '/dev/fs0', ''):
            self.assertRaises(errors.InvalidName, self.gpfs.pools, name)


class TestsOfLooking(Contract):

    def test_the_attributes_of_a_file_and_a_directory(self):
        found = self.gpfs.attributes(self.file('a'))
        self.assertEqual(self.fileset, found.fileset)
        self.assertGreaterEqual(found.data_replicas, 1)
        self.assertLessEqual(found.data_replicas, found.max_data_replicas)
        self.assertIn(found.pool,
                      [pool.name for pool in self.gpfs.pools(self.device)])
        directory = self.gpfs.attributes(self.directory)
        self.assertIsNone(directory.data_replicas)
        self.assertEqual(self.fileset, directory.fileset)

    def test_a_plain_file_is_neither_clone_nor_parent(self):
        self.assertEqual(model.CloneInfo(),
                         self.gpfs.clone_info(self.file('a')))

    def test_a_clone_names_its_parent(self):
        master = self.master()
        disk = self.clone(parent=master)
        self.assertEqual(self.inode(master),
                         self.gpfs.clone_info(disk).parent_inode)
        self.assertFalse(self.gpfs.clone_info(disk).is_parent)
        self.assertTrue(self.gpfs.clone_info(master).is_parent)
        self.assertIsNone(self.gpfs.clone_info(master).parent_inode)

    def test_a_missing_file_is_an_error_of_its_own(self):
        for ask in (self.gpfs.attributes, self.gpfs.clone_info,
                    self.gpfs.seal):
            self.assertRaises(errors.NoSuchFile, ask, self.path('gone'))

    def test_a_file_elsewhere_is_an_error_of_its_own(self):
        self.assertRaises(errors.NotGpfs, self.gpfs.attributes, self.outside)
        for ask in (self.gpfs.clone_info, self.gpfs.seal):
            self.assertRaises(self.not_gpfs, ask, self.outside)

    def test_a_path_that_is_not_absolute_runs_nothing(self):
        for path in ('a', '-L', '/a/../b'):
            self.assertRaises(errors.InvalidName, self.gpfs.attributes, path)


class TestsOfSealing(Contract):

    def test_a_file_is_sealed_once(self):
        path = self.file('a')
        self.assertIs(model.Change.MADE, self.gpfs.seal(path))
        self.assertTrue(self.gpfs.clone_info(path).is_parent)
        self.assertIs(model.Change.ALREADY, self.gpfs.seal(path))
        self.assertEqual(b'data' * MIB, self.content(path))

    def test_a_sealed_file_with_clones_is_already_sealed(self):
        master = self.master()
        self.clone(parent=master)
        self.assertIs(model.Change.ALREADY, self.gpfs.seal(master))

    def test_a_file_that_is_open_for_writing_is_not_sealed(self):
        path = self.file('a')
        with open(path, 'r+b'):
            self.assertRaises(errors.FileBusy, self.gpfs.seal, path)
        self.assertFalse(self.gpfs.clone_info(path).is_parent)

    def test_a_file_with_hard_links_is_not_sealed(self):
        path = self.file('a')
        os.link(path, self.path('b'))
        self.assertRaises(errors.CannotClone, self.gpfs.seal, path)
        self.assertFalse(self.gpfs.clone_info(path).is_parent)

    def test_a_snapshot_leaves_its_source_writable(self):
        source = self.file('a')
        self.assertIs(model.Change.MADE,
                      self.gpfs.snapshot(source, self.path('snap')))
        with open(source, 'r+b') as disk:
            disk.write(b'new')
        self.assertEqual(b'data' * MIB, self.content(self.path('snap')))
        self.assertTrue(self.gpfs.clone_info(self.path('snap')).is_parent)
        self.assertEqual(self.inode(self.path('snap')),
                         self.gpfs.clone_info(source).parent_inode)

    def test_a_snapshot_replaces_nothing(self):
        source, other = self.file('a'), self.file('b', b'mine')
        self.assertRaises(errors.AlreadyExists, self.gpfs.snapshot, source,
                          other)
        self.assertEqual(b'mine', self.content(other))
        self.assertEqual(model.CloneInfo(), self.gpfs.clone_info(source))

    def test_a_snapshot_of_nothing_makes_nothing(self):
        self.assertRaises(errors.NoSuchFile, self.gpfs.snapshot,
                          self.path('gone'), self.path('snap'))
        self.assertFalse(os.path.lexists(self.path('snap')))


class TestsOfCloning(Contract):

    def test_a_clone_is_a_writable_copy_of_its_own(self):
        master = self.master()
        target = self.path('disk')
        self.assertIs(model.Change.MADE, self.gpfs.clone(master, target))
        with open(target, 'r+b') as disk:
            disk.write(b'new')
        self.assertEqual(b'data' * MIB, self.content(master))
        self.assertEqual(b'newa' + b'data' * (MIB - 1), self.content(target))

    def test_the_caller_owns_the_clone_and_its_mode_is_0644(self):
        self.addCleanup(os.umask, os.umask(0o077))
        master = self.master()
        for mode in (0o600, 0o400, 0o666):
            os.chmod(master, mode)
            found = os.stat(self.clone(f'disk{mode}', master))
            self.assertEqual((os.geteuid(), 0o644), (
                found.st_uid, stat.S_IMODE(found.st_mode)))

    def test_a_clone_replaces_nothing(self):
        master = self.master()
        kept = self.file('disk', b'mine')
        self.assertRaises(errors.AlreadyExists, self.gpfs.clone, master, kept)
        self.assertEqual(b'mine', self.content(kept))

    def test_an_existing_clone_of_just_that_parent_is_not_taken_over(self):
        master = self.master()
        disk = self.clone(parent=master)
        self.assertRaises(errors.AlreadyExists, self.gpfs.clone, master, disk)

    def test_a_dangling_symbolic_link_is_an_existing_target(self):
        master = self.master()
        os.symlink(self.path('elsewhere'), self.path('disk'))
        self.assertRaises(errors.AlreadyExists, self.gpfs.clone, master,
                          self.path('disk'))
        self.assertFalse(os.path.lexists(self.path('elsewhere')))

    def test_a_missing_parent_or_directory_is_an_error_of_its_own(self):
        master = self.master()
        self.assertRaises(errors.NoSuchFile, self.gpfs.clone,
                          self.path('gone'), self.path('disk'))
        self.assertRaises(errors.NoSuchFile, self.gpfs.clone, master,
                          self.path('gone/disk'))
        self.assertFalse(os.path.lexists(self.path('disk')))

    def test_a_file_that_is_not_sealed_has_no_clones(self):
        self.assertRaises(errors.CloneParentInvalid, self.gpfs.clone,
                          self.file('a'), self.path('disk'))
        self.assertFalse(os.path.lexists(self.path('disk')))

    def test_a_parent_in_another_directory_is_cloned(self):
        os.mkdir(self.path('sub'))
        disk = self.path('sub/disk')
        self.assertIs(model.Change.MADE,
                      self.gpfs.clone(self.master(), disk))
        self.assertEqual(b'data' * MIB, self.content(disk))

    def test_an_empty_file_is_cloned(self):
        self.assertEqual(b'', self.content(self.clone(
            parent=self.master(content=b''))))

    def test_a_name_with_spaces_and_other_letters_is_a_name(self):
        master = self.master('a ~master~ ü')
        disk = self.clone('a  disk, #1 %24HOME', master)
        self.assertEqual(self.inode(master),
                         self.gpfs.clone_info(disk).parent_inode)


class TestsOfDetaching(Contract):

    def family(self):
        """Return the grandparent, the parent and a clone of the parent."""
        master = self.master()
        disk = self.clone('disk', master)
        self.gpfs.snapshot(disk, self.path('snap'))
        return master, self.path('snap'), disk

    def test_a_clone_is_detached_from_all_its_ancestors(self):
        _, _, disk = self.family()
        self.assertIs(model.Change.MADE,
                      self.gpfs.detach(disk, model.Ancestors.ALL))
        self.assertEqual(model.CloneInfo(), self.gpfs.clone_info(disk))
        self.assertEqual(b'data' * MIB, self.content(disk))

    def test_a_clone_is_detached_from_its_parent_alone(self):
        master, _, disk = self.family()
        self.assertIs(model.Change.MADE,
                      self.gpfs.detach(disk, model.Ancestors.PARENT))
        self.assertEqual(self.inode(master),
                         self.gpfs.clone_info(disk).parent_inode)
        self.assertEqual(b'data' * MIB, self.content(disk))

    def test_a_file_that_is_no_clone_is_detached_already(self):
        for path in (self.file('a'), self.master()):
            for ancestors in model.Ancestors:
                self.assertIs(model.Change.ALREADY,
                              self.gpfs.detach(path, ancestors))


class TestsOfDetachingInParts(Contract):

    def need_parts(self):
        if self.no_parts:
            self.skipTest(self.no_parts)

    def parts(self, path, blocks=1, offset=0):
        """Detach a file in parts; return where each of them ended."""
        ends = []
        while offset is not None:
            offset = self.gpfs.detach_part(path, blocks, offset)
            ends.append(offset)
        return ends

    def disk(self):
        """Make a clone of three blocks and return it with its content."""
        self.need_parts()
        block_size = self.gpfs.file_system(self.device).block_size
        content = os.urandom(3 * block_size)
        return self.clone(parent=self.master(content=content)), content

    def test_part_by_part_the_blocks_are_copied_and_the_clone_stays_one(self):
        disk, content = self.disk()
        before = self.gpfs.clone_info(disk)
        *ends, last = self.parts(disk)
        self.assertIsNone(last)
        self.assertEqual(sorted(set(ends)), ends)
        self.assertGreaterEqual(len(ends), 2)
        self.assertEqual(before, self.gpfs.clone_info(disk))
        self.assertEqual(content, self.content(disk))
        self.assertIs(model.Change.MADE,
                      self.gpfs.detach(disk, model.Ancestors.ALL))
        self.assertEqual(content, self.content(disk))

    def test_many_blocks_are_one_part(self):
        disk, content = self.disk()
        self.assertEqual([None], self.parts(disk, blocks=100))
        self.assertEqual(content, self.content(disk))

    def test_to_begin_again_is_harmless(self):
        disk, content = self.disk()
        self.assertIsNotNone(self.gpfs.detach_part(disk, 1, 0))
        self.assertIsNone(self.parts(disk)[-1])
        self.assertEqual([None], self.parts(disk, blocks=100))
        self.assertEqual(content, self.content(disk))

    def test_of_a_file_that_is_no_clone_there_is_nothing_to_copy(self):
        self.need_parts()
        self.assertIsNone(self.gpfs.detach_part(self.file('a'), 1, 0))

    def test_a_missing_file_or_one_elsewhere_is_an_error_of_its_own(self):
        self.need_parts()
        for path, kind in ((self.path('gone'), errors.NoSuchFile),
                           (self.path('a/b'), errors.NoSuchFile),
                           (self.outside, errors.NotGpfs)):
            self.assertRaises(kind, self.gpfs.detach_part, path, 1, 0)

    def test_a_symbolic_link_is_not_followed(self):
        disk, _content = self.disk()
        os.symlink(disk, self.path('link'))
        self.assertRaises(errors.GpfsError, self.gpfs.detach_part,
                          self.path('link'), 1, 0)


class TestsOfPlacing(Contract):

    def other_pool(self, path):
        here = self.gpfs.attributes(path).pool
        pools = [pool.name for pool in self.gpfs.pools(self.device)
                 if pool.holds_data and pool.name != here]
        if not pools:
            self.skipTest('there is but one pool for data')
        return pools[0]

    def test_a_file_gets_the_pool_once(self):
        path = self.file('a')
        placement = model.Placement(pool=self.other_pool(path))
        self.assertIs(model.Change.MADE, self.gpfs.place(path, placement))
        self.assertEqual(placement.pool, self.gpfs.attributes(path).pool)
        self.assertIs(model.Change.ALREADY, self.gpfs.place(path, placement))

    def test_a_file_gets_the_replicas_once(self):
        path = self.file('a')
        groups = {disk.failure_group for disk in self.gpfs.disks(self.device)
                  if disk.holds_data
                  and disk.pool == self.gpfs.attributes(path).pool}
        if (self.gpfs.attributes(path).max_data_replicas < 2
                or len(groups) < 2):
            self.skipTest('files have one replica here')
        placement = model.Placement(data_replicas=2)
        self.assertIs(model.Change.MADE, self.gpfs.place(path, placement))
        self.assertEqual(2, self.gpfs.attributes(path).data_replicas)
        self.assertIs(model.Change.ALREADY, self.gpfs.place(path, placement))

    def test_a_clone_can_be_placed(self):
        disk = self.clone()
        placement = model.Placement(pool=self.other_pool(disk))
        self.assertIs(model.Change.MADE, self.gpfs.place(disk, placement))
        self.assertEqual(b'data' * MIB, self.content(disk))

    def test_nothing_asked_for_is_there_already(self):
        self.assertIs(model.Change.ALREADY, self.gpfs.place(
            self.file('a'), model.Placement()))

    def test_an_unknown_pool_is_an_error_of_its_own(self):
        path = self.file('a')
        before = self.gpfs.attributes(path)
        self.assertRaises(errors.NoSuchPool, self.gpfs.place, path,
                          model.Placement(pool=NOWHERE))
        self.assertEqual(before, self.gpfs.attributes(path))

    def test_replicas_that_cannot_be_are_refused(self):
        path = self.file('a')
        self.assertRaises(
            (errors.PlacementRefused, errors.InvalidName), self.gpfs.place,
            path, model.Placement(
                data_replicas=self.gpfs.attributes(path).max_data_replicas
                + 1))

    def test_a_missing_file_is_not_placed(self):
        self.assertRaises(errors.NoSuchFile, self.gpfs.place,
                          self.path('gone'), model.Placement(pool='system'))


class TestsOfRelocating(Contract):

    def test_a_relocated_file_is_as_it_was(self):
        path = self.file('a')
        before = self.gpfs.attributes(path)
        for _ in range(2):
            self.assertIs(model.Change.MADE, self.gpfs.relocate(path))
        self.assertEqual(before, self.gpfs.attributes(path))
        self.assertEqual(b'data' * MIB, self.content(path))

    def test_a_clone_is_relocated(self):
        disk = self.clone()
        with open(disk, 'r+b') as file:
            file.write(b'new')
        self.assertIs(model.Change.MADE, self.gpfs.relocate(disk))
        self.assertEqual(b'newa' + b'data' * (MIB - 1), self.content(disk))
        self.assertIsNotNone(self.gpfs.clone_info(disk).parent_inode)

    def test_a_missing_file_is_not_relocated(self):
        self.assertRaises(errors.NoSuchFile, self.gpfs.relocate,
                          self.path('gone'))

    def test_a_file_elsewhere_is_not_relocated(self):
        self.assertRaises(errors.NotGpfs, self.gpfs.relocate, self.outside)


class Promises(TestsOfTheCluster, TestsOfLooking, TestsOfSealing,
               TestsOfCloning, TestsOfDetaching, TestsOfDetachingInParts,
               TestsOfPlacing, TestsOfRelocating):
    """All of them."""
