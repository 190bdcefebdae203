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


"""How the driver chooses who runs a command, and what it undoes.

What it promises of GPFS itself is in tests.contract.
"""

import errno
import os
import pathlib

import fixtures
from oslo_config import cfg
from oslotest import base

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import errors
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import run
from tests.unit import test_privsep
from tests.unit import test_run


class TestRoutes(test_privsep.PrivsepTestCase):
    """The daemon's entry points run in this process."""

    def setUp(self):
        super().setUp()
        # Who runs the command can be told by its directory.
        self.mine = self.useFixture(fixtures.TempDir()).path
        for name in ('mmlsattr', 'mmclone'):
            self.program(name, 'echo "the daemon" >&2; exit 1')
            self.program(os.path.join(self.mine, name),
                         'echo "this user" >&2; exit 1')

    def gpfs(self, *rootless):
        conf = cfg.ConfigOpts()
        conf.register_opts(gpfs_conf.OPTIONS, group='gpfs')
        conf.set_override('mm_path', self.mine, group='gpfs')
        if rootless:
            conf.set_override('rootless_commands', list(rootless),
                              group='gpfs')
        return mmdriver.from_conf(conf)

    def ran(self, ask):
        return self.assertRaises(errors.CommandFailed, ask,
                                 self.file('a')).stderr.strip()

    def test_mmlsattr_alone_runs_as_this_user_by_default(self):
        self.assertEqual('this user', self.ran(self.gpfs().attributes))
        self.assertEqual('the daemon', self.ran(self.gpfs().clone_info))

    def test_rootless_commands_run_as_this_user(self):
        gpfs = self.gpfs('mmclone')
        self.assertEqual('this user', self.ran(gpfs.clone_info))
        self.assertEqual('the daemon', self.ran(gpfs.attributes))


class TestOwnership(test_run.ProgramsTestCase):
    """Whose a clone is, and which file counts as one."""

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.master = os.path.join(self.directory, 'master')
        self.target = os.path.join(self.directory, 'disk')
        pathlib.Path(self.master).write_text('data')
        self.gpfs = mmdriver.MmDriver(self.local)

    def test_others_may_read_a_clone(self):
        self.program('mmclone', 'cp "$2" "$3"; chmod 400 "$3"')
        self.gpfs.clone(self.master, self.target)
        self.assertEqual(0o644, os.stat(self.target).st_mode & 0o7777)

    def test_a_clone_of_another_user_is_removed_again(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to make files of another user')
        self.program('mmclone', 'cp "$2" "$3"; chown 12345 "$3"')
        self.assertRaises(errors.NotPermitted, self.gpfs.clone,
                          self.master, self.target)
        self.assertEqual(['master'], os.listdir(self.directory))

    def test_what_a_failed_command_leaves_is_not_removed(self):
        # It may be another's: nobody can tell who made it.
        self.program('mmclone', '[ $1 = copy ] && echo x > "$3"; exit 5')
        self.assertRaises(errors.CommandFailed,
                          self.gpfs.clone, self.master,
                          self.target)
        self.assertEqual('x\n', pathlib.Path(self.target).read_text())

    def test_a_clone_of_another_parent_is_not_the_result(self):
        self.program('mmclone', '''
            if [ $1 = copy ]; then cp "$2" "$3"; exit 5; fi
            echo "------  -----  --------------  ---------"
            if [ "$2" = "$MASTER" ]; then
                echo "   yes      0                  $2"
            else
                echo "    no      1             999  $2"
            fi
        '''.replace('$MASTER', self.master))
        error = self.assertRaises(
            errors.CommandFailed, self.gpfs.clone,
            self.master, self.target)
        self.assertEqual(5, error.rc)

    def test_a_clone_of_another_size_is_looked_at_before_it_is_believed(self):
        self.program('mmclone', '[ $1 = copy ] && echo x > "$3"; exit 0')
        self.assertRaises(errors.GpfsError,
                          self.gpfs.clone, self.master,
                          self.target)


class TestDetaching(test_run.ProgramsTestCase):
    """Another host gives a disk a new parent while it is detached."""

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.mm_path, 'disk')
        self.parent = pathlib.Path(self.mm_path, 'parent')
        self.splits = pathlib.Path(self.mm_path, 'splits')
        # After each split the next parent is there, '-' being none at all.
        self.program('mmclone', '''
            cd "$(dirname "$0")"
            if [ $1 = show ]; then
                echo "------  -----  --------------  ---------"
                read -r inode < parent
                [ $inode = - ] && echo "                  $2" ||
                    echo "    no      1             $inode  $2"
            else
                echo $1 >> splits
                sed -i 1d parent
                [ $(head -n 1 parent) != 7 ] || exit 5
            fi
        ''')

    def detach(self, *parents, ancestors=model.Ancestors.ALL):
        self.splits.write_text('')
        self.parent.write_text('\n'.join(map(str, parents)) + '\n')
        return mmdriver.MmDriver(self.local).detach(
            self.path, ancestors)

    def times(self):
        return len(self.splits.read_text().split())

    def test_a_disk_that_is_sealed_meanwhile_is_split_once_more(self):
        self.assertIs(model.Change.MADE, self.detach(1, 2, '-'))
        self.assertEqual(2, self.times())

    def test_a_split_that_fails_for_it_is_tried_once_more(self):
        self.assertIs(model.Change.MADE, self.detach(1, 7, '-'))
        self.assertEqual(2, self.times())

    def test_a_disk_that_has_its_parent_still_is_not_split_once_more(self):
        error = self.assertRaises(errors.CommandFailed, self.detach, 1, 1)
        self.assertIn('did nothing', error.stderr)
        self.assertEqual(1, self.times())

    def test_a_disk_that_is_sealed_again_and_again_is_busy(self):
        self.assertRaises(errors.FileBusy, self.detach, *range(10, 20))
        self.assertEqual(3, self.times())

    def test_the_parent_of_a_parent_is_what_is_left(self):
        self.assertIs(model.Change.MADE, self.detach(
            1, 2, ancestors=model.Ancestors.PARENT))
        self.assertEqual(1, self.times())


class TestPlacing(test_run.ProgramsTestCase):
    """Another host places a file elsewhere just when it was placed."""

    def place(self, *pools):
        """Place a file; return how often the command was run.

        :param pools: where it is each time that somebody looks
        """
        path = os.path.join(self.mm_path, 'disk')
        changes = pathlib.Path(self.mm_path, 'changes')
        changes.write_text('')
        pathlib.Path(self.mm_path, 'pools').write_text(
            '\n'.join([*pools, '']))
        self.program('mmchattr', 'cd "$(dirname "$0")"; echo 1 >> changes')
        self.program('mmlsattr', f"""
            cd "$(dirname "$0")"
            echo 'file name:            {path}'
            echo 'metadata replication: 1 max 3'
            echo 'data replication:     1 max 3'
            echo 'flags:'
            echo "storage pool name:    $(head -n 1 pools)"
            echo 'fileset name:         nova'
            sed -i 1d pools
        """)
        try:
            made = mmdriver.MmDriver(self.local).place(
                path, model.Placement('fast'))
        finally:
            self.times = len(changes.read_text().split())
        return made

    def test_a_file_that_was_placed_elsewhere_is_placed_once_more(self):
        self.assertIs(model.Change.MADE,
                      self.place('system', 'system', 'fast'))
        self.assertEqual(2, self.times)

    def test_a_command_that_does_nothing_each_time_is_an_error(self):
        error = self.assertRaises(errors.CommandFailed, self.place,
                                  *['system'] * 9)
        self.assertIn('did nothing', error.stderr)
        self.assertEqual(3, self.times)


class TestSealing(test_run.ProgramsTestCase):
    """Another host detaches a disk just when it was sealed."""

    def snapshot(self, row):
        """Make a parent of a disk that is no clone any more."""
        target = os.path.join(self.mm_path, 'parent')
        self.program('mmclone', f'''
            if [ $1 = snap ]; then touch "$3"; exit; fi
            echo "------  -----  --------------  ---------"
            case "$2" in
                */parent) echo "{row}  $2";;
                *) echo "                                  $2";;
            esac
        ''')
        return mmdriver.MmDriver(self.local).snapshot(
            os.path.join(self.mm_path, 'disk'), target)

    def test_the_parent_alone_tells_that_it_was_made(self):
        self.assertIs(model.Change.MADE, self.snapshot(
            '   yes      0                '))

    def test_a_file_that_is_no_parent_tells_nothing(self):
        error = self.assertRaises(errors.GpfsError, self.snapshot,
                                  '    no      1               3')
        self.assertIsInstance(error, errors.CommandFailed)


class TestQuota(test_run.ProgramsTestCase):

    def setUp(self):
        super().setUp()
        self.gpfs = mmdriver.MmDriver(self.local)
        self.program('mmlsquota', '''
            echo "$2: no such fileset in quota enabled file systems" >&2
            exit 1
        ''')

    def test_a_fileset_that_exists_has_no_quota_where_quotas_are_off(self):
        self.program('mmlsfileset', '''
            echo "mmlsfileset::HEADER:version:reserved:reserved:\
filesetName:id:status:path:inodeSpace:isInodeSpaceOwner:"
            echo mmlsfileset::0:1:::nova:1:Linked:/g/nova:0:0:
        ''')
        self.assertIsNone(self.gpfs.quota('fs0', 'nova'))
        self.assertRaises(errors.NoSuchFileset, self.gpfs.quota, 'fs0',
                          'nope')


class TestDisks(test_run.ProgramsTestCase):

    def setUp(self):
        super().setUp()
        self.gpfs = mmdriver.MmDriver(run.Local(self.mm_path, 1.0, 1.0))
        columns = ('nsdName:failureGroup:storagePool:data:metadata:status:'
                   'availability')
        self.program('mmlsdisk', f'''
            echo "mmlsdisk::HEADER:version:reserved:reserved:{columns}:"
            echo mmlsdisk::0:1:::a:1:system:yes:yes:ready:up:
            echo mmlsdisk::0:1:::b:2:system:yes:yes:ready:up:
        ''')

    def servers(self):
        return [disk.servers for disk in self.gpfs.disks('fs0')]

    def test_a_disk_has_the_servers_that_mmlsnsd_names(self):
        columns = 'fileSystem:diskName:volumeId:serverList'
        self.program('mmlsnsd', f'''
            echo "mmlsnsd:nsd:HEADER:version:reserved:reserved:{columns}:"
            echo mmlsnsd:nsd:0:1:::fs0:b:9:two,one:
        ''')
        self.assertEqual([(), ('two', 'one')], self.servers())

    def test_disks_are_listed_where_mmlsnsd_fails(self):
        for script in ('echo "mmlsnsd: Boo" >&2; exit 1', 'echo nonsense',
                       'exit 0', 'sleep 60'):
            self.program('mmlsnsd', script)
            self.assertEqual([(), ()], self.servers())

    def test_disks_are_listed_where_there_is_no_mmlsnsd(self):
        self.assertEqual([(), ()], self.servers())

    def test_a_failing_mmlsdisk_is_a_failure(self):
        self.program('mmlsdisk', 'echo "mmlsdisk: Boo" >&2; exit 1')
        self.assertRaises(errors.CommandFailed, self.gpfs.disks, 'fs0')


class TestRelocating(test_run.ProgramsTestCase):

    def relocate(self, before, after):
        """Relocate a file that has these flags before and after."""
        path = os.path.join(self.mm_path, 'file')
        pathlib.Path(path).write_text(before)
        self.program('mmrestripefile', f'echo "{after}" > "$2"')
        self.program('mmlsattr', '''
            echo "metadata replication: 1 max 2"
            echo "flags:                $(cat "$2")"
            echo "storage pool name:    fast"
            echo "fileset name:         nova"
        ''')
        return mmdriver.MmDriver(self.local).relocate(path)

    def test_a_flag_that_was_there_before_is_no_failure(self):
        for before, after in (('', ''), ('illplaced', ''),
                              ('illplaced', 'illplaced'),
                              ('illplaced,illreplicated', 'illreplicated'),
                              ('', 'unbalanced')):
            self.assertIs(model.Change.MADE, self.relocate(before, after))

    def test_a_flag_that_was_not_there_before_is_a_failure(self):
        for before, after in (('', 'illreplicated'),
                              ('illplaced', 'illplaced illreplicated'),
                              ('illplaced', 'illplaced,illreplicated')):
            error = self.assertRaises(errors.CommandFailed, self.relocate,
                                      before, after)
            self.assertIn('illreplicated', error.stderr)


class TestLooking(base.BaseTestCase):

    def test_a_file_system_that_is_gone_is_not_a_missing_file(self):
        for number, kind in ((errno.ESTALE, errors.NotMounted),
                             (errno.ENODEV, errors.NotMounted),
                             (errno.ENOTCONN, errors.NotMounted),
                             (errno.EACCES, errors.NotPermitted),
                             (errno.ENOENT, errors.NoSuchFile),
                             (errno.ENOTDIR, errors.NoSuchFile),
                             (errno.EIO, OSError)):
            self.useFixture(fixtures.MonkeyPatch(
                'os.lstat', _failing(number)))
            self.assertRaises(kind, _driver().clone, '/g/a', '/g/b')

    def test_a_placement_with_nothing_in_it_runs_nothing(self):
        self.assertIs(model.Change.ALREADY,
                      _driver().place('/g/a', model.Placement()))


def _driver():
    return mmdriver.MmDriver(run.Local('/nowhere', 1.0, 1.0))


def _failing(number):
    def lstat(path):
        raise OSError(number, os.strerror(number), path)
    return lstat
