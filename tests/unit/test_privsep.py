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


"""What the privileged daemon refuses, whoever asks.

Its entry points run here in this process, as they do in the daemon; the
daemon itself is started by tests.contract.test_privsep.
"""

from concurrent import futures
import errno
import os
import pathlib
import stat
import struct
import subprocess
import sys
import time
from unittest import mock

import fixtures
from oslo_config import cfg
from oslo_config import fixture as config_fixture

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import errors
from nova_gpfs import mm
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlscluster
from nova_gpfs.mm import mmlsfs
from nova_gpfs.mm import mmrestripefile
from nova_gpfs import model
from nova_gpfs import pinned
from nova_gpfs import pinning
from nova_gpfs import privileged_closing
from nova_gpfs import privileged_room
from nova_gpfs import privsep
from tests.unit import test_run

USER = 65534

# What GPFS says of an ordinary file system.
_FILE_SYSTEM = {
    'defaultMountPoint': '', 'filesystemVersion': '22.00 (5.0.4.0)',
    'blockSize': 4194304, 'defaultDataReplicas': 1, 'maxDataReplicas': 2,
    'defaultMetadataReplicas': 1, 'maxMetadataReplicas': 2}
_FILESET = {'filesetName': 'root', 'id': 0, 'path': '/', 'status': 'Linked',
            'inodeSpace': 0, 'isInodeSpaceOwner': 1,
            'permChangeFlag': 'chmodAndSetacl'}


def print_table(program, columns, *rows):
    """Return a script that prints a table as -Y does."""
    return 'cat <<END\n' + '\n'.join(
        ':'.join([program, '', kind, '0', '1', '', *map(str, cells), ''])
        for kind, cells in (('HEADER', columns),
                            *(('', row) for row in rows))) + '\nEND\n'


class PrivsepTestCase(test_run.ProgramsTestCase):

    def setUp(self):
        super().setUp()
        for name in ('mmclone', 'mmchattr', 'mmlsattr', 'mmlsfs',
                     'mmlscluster', 'mmrestripefile'):
            self.program(name, 'echo "ran $*"')
        self.root = self.useFixture(fixtures.TempDir()).path
        self.configure(self.root)
        self.addCleanup(privsep.context.set_client_mode,
                        privsep.context.client_mode)
        privsep.context.set_client_mode(False)
        self.forget_rooms()
        self.useFixture(fixtures.MonkeyPatch('nova_gpfs.privsep._closing',
                                             privileged_closing.Closing()))
        self.useFixture(fixtures.MonkeyPatch('nova_gpfs.privsep._pinning',
                                             pinning.Pinning()))

    def forget_rooms(self):
        """Let it be as with a new daemon."""
        self.useFixture(fixtures.MonkeyPatch(
            'nova_gpfs.privsep._rooms',
            privileged_room.Rooms(privsep._left_age)))

    def configure(self, instances_path):
        config = self.useFixture(config_fixture.Config(cfg.CONF))
        gpfs_conf.register(cfg.CONF)
        if 'instances_path' not in cfg.CONF:
            config.register_opt(cfg.StrOpt('instances_path'))
        config.config(instances_path=instances_path)
        config.config(group='gpfs', mm_path=self.mm_path,
                      command_timeout=1.0, copy_timeout=1.0,
                      pin_paths='never')

    def require_root(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to own symbolic links')

    def know_names(self):
        """Let the daemon find out that names of open files are taken.

        Root makes files there, too, and can close a directory.
        """
        cfg.CONF.set_override('pin_paths', 'always', 'gpfs')
        cfg.CONF.set_override('command_timeout', 60.0, 'gpfs')
        self.program('mmclone', """
            if [ $1 = copy ]; then exec cp "$2" "$3"; fi
            test -e "$2" || exit 1
            echo '------ '
            echo "   yes      0                  $2"
        """)
        self.program('mmlsattr', """
            test -e "$2" || exit 1
            echo "file name:            $2"
            echo 'metadata replication: 1 max 2'
            echo 'data replication:     1 max 2'
            echo 'immutable:            no'
            echo 'appendOnly:           no'
            echo 'flags:'
            echo 'storage pool name:    system'
            echo 'fileset name:         root'
            echo 'snapshot name:'
        """)
        system = _FILE_SYSTEM | {'defaultMountPoint': self.root}
        self.program('mmlsfs', print_table(
            'mmlsfs', ('deviceName', 'fieldName', 'data', 'remarks'),
            *(('fs0', *each, '') for each in system.items())))
        self.program('mmlsfileset', print_table(
            'mmlsfileset', _FILESET, _FILESET.values()))
        first = mmclone.Copy(self.file('first'), self.path('first.copy'))
        self.assertEqual(0, privsep.run(first).rc)
        for path in first.paths():
            os.unlink(path)
        cfg.CONF.set_override('command_timeout', 1.0, 'gpfs')

    def make_clones(self):
        """Have an mmclone that keeps modes, as that of GPFS does."""
        self.program('mmclone', """
            case $1 in copy|snap) cp --preserve=mode "$2" "$3";; esac
        """)

    def path(self, name):
        return os.path.join(self.root, name)

    def file(self, name, content=''):
        pathlib.Path(self.path(name)).write_text(content)
        return self.path(name)

    def directory(self, name):
        os.makedirs(self.path(name))
        return self.path(name)

    def room(self):
        """Return where root makes files."""
        top = self.path(privileged_room.DIRECTORY)
        return os.path.join(top, *os.listdir(top))

    def assertRefused(self, command):
        error = self.assertRaises(errors.NotPermitted, privsep.run, command)
        kind, *_ = privsep.run_command(mm.spell(type(command)),
                                       _fields(command), 0, 0)
        self.assertEqual('NotPermitted', kind)
        return error


def _fields(command):
    return tuple(vars(command).values())


class TestParents(PrivsepTestCase):
    """A clone parent has a name for each of its clones, as a hard link has."""

    OWNER = '11111111-2222-4333-8444-555555555555'

    def setUp(self):
        super().setUp()
        self.room = self.directory(f'_gpfs/parents/{self.OWNER}')
        self.say('yes', 1)

    def say(self, is_parent, depth, code=0):
        """Let GPFS say what a file is."""
        self.program('mmclone', f"""
            if [ "$1" != show ]; then echo "ran $*"; exit; fi
            echo 'Parent  Depth   Parent inode   File name'
            echo '------  -----  --------------  ---------'
            echo "{is_parent:>6} {depth:>6} {4711:>15}  $2"
            exit {code}""")

    def with_names(self, name):
        path = self.file(name, 'what a disk was')
        os.link(path, path + '.second')
        return path

    def parent(self):
        return self.with_names(f'_gpfs/parents/{self.OWNER}/disk.0')

    def test_a_parent_of_a_disk_is_split_although_it_has_clones(self):
        path = self.parent()
        self.assertEqual(f'ran split {path}\n',
                         privsep.run(mmclone.Split(path)).stdout)

    def test_nothing_else_is_done_to_it(self):
        path = self.parent()
        for command in (mmclone.Redirect(path), mmclone.Seal(path),
                        mmclone.Snap(path, self.path('other')),
                        mmchattr.Change(path, 'fast')):
            self.assertRefused(command)

    def test_a_hard_link_that_gpfs_calls_no_parent_is_refused(self):
        path = self.parent()
        for said in (('no', 1), ('', ''), ('yes', 1, 1), ('yes', 'x')):
            self.say(*said)
            self.assertRefused(mmclone.Split(path))

    def test_a_parent_of_a_third_user_is_refused(self):
        self.require_root()
        path = self.parent()
        os.chown(path, USER, USER)
        self.assertRefused(mmclone.Split(path))
        os.chown(os.path.dirname(self.room), USER, USER)
        self.assertEqual(0, privsep.run(mmclone.Split(path)).rc)

    def test_a_parent_anywhere_else_is_refused(self):
        self.directory(f'_gpfs/masters/{self.OWNER}')
        self.directory(f'_gpfs/parents/{self.OWNER}/deeper')
        for name in ('disk', f'_gpfs/masters/{self.OWNER}/image',
                     '_gpfs/parents/disk',
                     f'_gpfs/parents/{self.OWNER}/deeper/disk'):
            self.assertRefused(mmclone.Split(self.with_names(name)))

    def test_a_way_that_leads_through_a_link_is_refused(self):
        path = self.parent()
        os.rename(self.room, self.room + '.moved')
        os.symlink(self.room + '.moved', self.room)
        self.assertRefused(mmclone.Split(path))


class TestRun(PrivsepTestCase):

    def test_a_command_below_the_root_runs(self):
        self.directory('uuid')
        parent = self.file('uuid/a')
        self.assertEqual(
            model.Result(0, f'ran copy {parent} {self.root}/b\n', ''),
            privsep.run(mmclone.Copy(parent, self.path('b'))))

    def test_a_command_without_paths_runs(self):
        self.assertEqual('ran -Y\n',
                         privsep.run(mmlscluster.List()).stdout)
        self.assertEqual('ran fs0 -Y\n',
                         privsep.run(mmlsfs.List('fs0')).stdout)

    def test_the_root_may_be_named_by_a_symbolic_link_of_roots(self):
        self.require_root()
        elsewhere = self.useFixture(fixtures.TempDir()).path
        os.symlink(self.root, f'{elsewhere}/mount')
        self.directory('instances')
        self.configure(f'{elsewhere}/mount/instances')
        path = f'{elsewhere}/mount/instances/disk'
        self.file('instances/disk')
        self.assertEqual(f'ran snap {path}\n',
                         privsep.run(mmclone.Seal(path)).stdout)
        self.assertRefused(mmclone.Seal(f'{elsewhere}/mount/disk'))

    def test_such_a_link_may_be_relative_and_lead_to_another(self):
        self.require_root()
        top = self.useFixture(fixtures.TempDir()).path
        os.makedirs(f'{top}/real/instances')
        os.makedirs(f'{top}/a/b')
        os.symlink('../../second', f'{top}/a/b/first')
        os.symlink(f'{top}/./real', f'{top}/second')
        self.configure(f'{top}/a/b/first/instances')
        path = f'{top}/a/b/first/instances/disk'
        pathlib.Path(path).touch()
        self.assertEqual(f'ran snap {path}\n',
                         privsep.run(mmclone.Seal(path)).stdout)

    def test_a_link_of_another_user_on_the_way_to_the_root_is_refused(self):
        self.require_root()
        home = self.useFixture(fixtures.TempDir()).path
        os.mkdir(f'{home}/state')
        os.mkdir(f'{home}/state/instances')
        self.configure(f'{home}/state/instances')
        disk = mmclone.Seal(f'{home}/state/instances/shadow')
        pathlib.Path(disk.path).touch()
        self.assertEqual(0, privsep.run(disk).rc)
        for swapped, target in ((f'{home}/state/instances', '/etc'),
                                (f'{home}/state', f'{home}/theirs')):
            os.rename(swapped, f'{home}/theirs')
            os.symlink(target, swapped)
            if not os.path.lexists(disk.path):
                self.assertRaises(errors.NoSuchFile, privsep.run, disk)
            os.lchown(swapped, USER, USER)
            self.assertRefused(disk)
            os.unlink(swapped)
            os.rename(f'{home}/theirs', swapped)

    def test_links_in_a_circle_are_refused(self):
        self.require_root()
        os.symlink('loop', self.path('loop'))
        self.configure(self.path('loop'))
        self.assertRefused(mmclone.Seal(self.path('loop/disk')))

    def test_a_file_with_another_name_is_not_changed(self):
        secret = self.useFixture(fixtures.TempDir()).path + '/secret'
        pathlib.Path(secret).touch()
        os.link(secret, self.path('disk'))
        disk = self.path('disk')
        for command in (mmclone.Seal(disk), mmclone.Split(disk),
                        mmclone.Redirect(disk),
                        mmclone.Snap(disk, self.path('new')),
                        mmchattr.Change(disk, 'fast')):
            self.assertRefused(command)
        self.assertEqual(0, privsep.run(mmlsattr.List(disk)).rc)

    def test_a_parent_may_have_its_clones_for_names(self):
        parent = self.file('parent')
        os.link(parent, self.path('as-if-a-clone'))
        self.assertEqual(0, privsep.run(
            mmclone.Copy(parent, self.path('disk'))).rc)

    def test_the_layout_of_a_parent_may_change(self):
        parent = self.file('parent')
        os.link(parent, self.path('as-if-a-clone'))
        for command in (mmchattr.Change(parent, block_group_factor=2),
                        mmrestripefile.Relocate(parent)):
            privsep.run(command)
        for command in (mmchattr.Change(parent, 'fast'),
                        mmchattr.Change(parent, data_replicas=2)):
            self.assertRefused(command)

    def test_a_directory_has_many_names_and_may_be_changed(self):
        self.directory('uuid')
        self.assertEqual(0, privsep.run(
            mmchattr.Change(self.root, data_replicas=2)).rc)

    def test_the_root_itself_may_be_looked_at(self):
        self.assertEqual(0, privsep.run(mmlsattr.List(self.root)).rc)

    def test_a_path_elsewhere_is_refused(self):
        for path in ('/etc/shadow', '/', os.path.dirname(self.root),
                     f'{self.root}-other/disk', '/proc/self/mem'):
            self.assertRefused(mmclone.Seal(path))

    def test_each_of_several_paths_is_checked(self):
        here, there = self.file('a'), '/etc/shadow'
        self.assertRefused(mmclone.Copy(there, self.path('b')))
        self.assertRefused(mmclone.Copy(here, '/etc/b'))
        self.assertRefused(mmclone.Snap(here, '/etc/b'))

    def test_a_path_through_a_symbolic_link_is_refused(self):
        os.symlink('/etc', self.path('link'))
        os.symlink('/etc/shadow', self.path('disk'))
        self.directory('uuid')
        os.symlink(self.path('uuid'), self.path('same'))
        for name in ('link/shadow', 'disk', 'same/a', 'link/new'):
            self.assertRefused(mmclone.Seal(self.path(name)))

    def test_a_device_or_pipe_is_refused(self):
        os.mkfifo(self.path('pipe'))
        self.assertRefused(mmclone.Seal(self.path('pipe')))

    def test_no_command_runs_on_a_file_that_is_missing(self):
        """Its owner might put a link there before the command looks."""
        log = self.path('log')
        for program in ('mmclone', 'mmchattr', 'mmlsattr', 'mmrestripefile'):
            self.program(program, f'echo ran >> {log}')
        path = self.path('disk')
        for command in (mmclone.Seal(path), mmclone.Show(path),
                        mmclone.Split(path), mmclone.Redirect(path),
                        mmclone.Snap(path, self.path('new')),
                        mmclone.Copy(path, self.path('new')),
                        mmchattr.Change(path, 'fast'), mmlsattr.List(path),
                        mmrestripefile.Relocate(path)):
            self.assertRaises(errors.NoSuchFile, privsep.run, command)
        self.assertFalse(os.path.lexists(log))

    def test_a_missing_directory_is_said_to_be_missing(self):
        self.assertRaises(errors.NoSuchFile, privsep.run,
                          mmclone.Seal(self.path('gone/disk')))

    def test_an_unset_root_permits_nothing(self):
        for unset in ('', 'relative', '/'):
            self.configure(unset)
            self.assertRefused(mmclone.Seal(self.file('a')))
            self.assertRefused(mmclone.Seal('/etc/shadow'))

    def test_time_limits_and_mm_path_are_the_daemons_own(self):
        self.program('mmclone', 'sleep 30')
        error = self.assertRaises(errors.TimedOut, privsep.run,
                                  mmclone.Seal(self.file('a')))
        self.assertEqual(
            ((f'{self.mm_path}/mmclone', 'snap', self.path('a')), 1.0),
            (error.argv, error.seconds))

    def test_a_missing_program_is_reported(self):
        os.unlink(f'{self.mm_path}/mmclone')
        self.assertRaises(errors.ProgramMissing, privsep.run,
                          mmclone.Seal(self.file('a')))

    def test_all_of_a_placement_crosses(self):
        change = mmchattr.Change(self.file('a'), 'fast', 2, None, 1, 128,
                                 '1,1,1')
        self.assertEqual(
            f'ran {" ".join(change.arguments())}\n',
            privsep.run(change).stdout)


class TestSwap(PrivsepTestCase):
    """The owner of a directory puts something else there after the check.

    The programs do it themselves, before they look at what they were given:
    that is the moment in which it would have to be done.
    """

    def setUp(self):
        super().setUp()
        self.elsewhere = self.useFixture(fixtures.TempDir()).path
        self.secret = pathlib.Path(self.elsewhere, 'disk')
        self.secret.write_text('secret')
        self.directory('uuid')
        self.disk = self.file('uuid/disk', 'mine')
        self.know_names()

    def swaps(self, what, target):
        """Return a script that puts a link in the place of something."""
        return f'mv {what} {what}.moved && ln -s {target} {what}\n'

    def assertSpared(self):
        self.assertEqual('secret', self.secret.read_text())
        self.assertEqual(['disk'], os.listdir(self.elsewhere))

    def both_swaps(self):
        """Yield scripts that swap the file, and the directory of it."""
        for what, target in ((self.disk, self.secret),
                             (os.path.dirname(self.disk), self.elsewhere)):
            yield self.swaps(what, target)
            os.unlink(what)
            os.rename(f'{what}.moved', what)

    def test_a_file_that_is_read_is_the_one_that_was_checked(self):
        for swap in self.both_swaps():
            self.program('mmclone', swap + 'cat $2')
            self.assertEqual('mine',
                             privsep.run(mmclone.Show(self.disk)).stdout)

    def test_a_file_that_changes_is_the_one_that_was_checked(self):
        changes = {mmclone.Seal(self.disk): '$2',
                   mmclone.Split(self.disk): '$2',
                   mmclone.Redirect(self.disk): '$2',
                   mmrestripefile.Relocate(self.disk): '$2',
                   mmchattr.Change(self.disk, 'fast'): '$5'}
        for command, word in changes.items():
            for swap in self.both_swaps():
                self.program(command.program,
                             f'{swap} echo changed > {word}')
                self.assertEqual('', privsep.run(command).stderr)
                self.assertSpared()

    def test_both_files_of_a_parent_are_those_that_were_checked(self):
        target = self.path('uuid/parent')
        for swap in self.both_swaps():
            self.program('mmclone', swap + 'cat $2 > $3')
            privsep.run(mmclone.Snap(self.disk, target))
            self.assertSpared()
            moved = os.path.join(os.path.dirname(self.disk) + '.moved',
                                 'parent')
            made = pathlib.Path(
                moved if os.path.lexists(moved) else target)
            self.assertEqual('mine', made.read_text())
            made.unlink()

    def test_a_clone_is_made_where_it_was_checked(self):
        target = self.path('uuid/clone')
        parent = self.file('parent', 'image')
        self.program('mmclone', self.swaps(self.path('uuid'), self.elsewhere)
                     + 'cat $2 > $3')
        privsep.run(mmclone.Copy(parent, target))
        self.assertSpared()
        self.assertEqual('image', pathlib.Path(
            self.path('uuid.moved/clone')).read_text())

    def test_what_the_command_says_is_of_the_paths_that_were_asked_for(self):
        self.program('mmclone', 'echo "$*: out"; echo "$3: err" >&2')
        target = self.path('uuid/new')
        self.assertEqual(
            model.Result(0, f'copy {self.disk} {target}: out\n',
                         f'{target}: err\n'),
            privsep.run(mmclone.Copy(self.disk, target)))
        self.program('mmclone', 'sleep 30')
        error = self.assertRaises(errors.TimedOut, privsep.run,
                                  mmclone.Seal(self.disk))
        self.assertIn(f'snap {self.disk}', ' '.join(error.argv))

    def test_a_descriptor_with_a_longer_number_is_another_file(self):
        names = {'/a': '/proc/1/fd/3', '/b': '/proc/1/fd/31'}
        self.assertEqual(
            ('result', ('/a /b /a: /proc/1/fd/32', 5)),
            pinned.restored(('result', ('/proc/1/fd/3 /proc/1/fd/31 '
                                        '/proc/1/fd/3: /proc/1/fd/32', 5)),
                            names))

    def test_nothing_stays_open(self):
        copy = mmclone.Copy(self.disk, self.path('uuid/new'))
        before = os.listdir('/proc/self/fd')
        privsep.run(copy)
        self.assertRefused(mmclone.Seal(self.path('uuid/disk/below')))
        self.program('mmclone', f'mkdir {copy.target}; cp "$2" "$3"; sleep 9')
        os.unlink(copy.target)
        self.assertRaises(errors.AlreadyExists, privsep.run, copy)
        self.program('mmclone', 'sleep 9')
        self.assertRaises(errors.TimedOut, privsep.run,
                          mmclone.Seal(copy.parent))
        self.assertEqual(before, os.listdir('/proc/self/fd'))

    def test_a_command_that_reads_names_as_text_changes_nothing(self):
        """It would go to the path that the file had, whatever is there."""
        scripts = {name: pathlib.Path(self.mm_path, name).read_text()
                   for name in ('mmclone', 'mmlsattr')}
        target = self.path('uuid/new')
        for name, script in scripts.items():
            self.useFixture(fixtures.MonkeyPatch('nova_gpfs.privsep._pinning',
                                                 pinning.Pinning()))
            self.program(name, script.replace(
                'test -e "$2"', 'test -e "$(readlink "$2" || echo "$2")"'))
            for command in (mmclone.Copy(self.disk, target),
                            mmclone.Seal(self.disk)):
                self.assertIn('pin_paths', str(self.assertRefused(command)))
            self.program(name, script)
        self.assertFalse(os.path.lexists(target))
        self.assertEqual([], os.listdir(self.room()))


class TestNumber(PrivsepTestCase):
    """The daemon leads a session (tests.contract.test_privsep: what for)."""

    def leader(self, *sessions):
        """Let this process be in these sessions, one look after the other."""
        pid = os.getpid()
        self.useFixture(fixtures.MonkeyPatch('os.setsid', mock.Mock(
            side_effect=PermissionError)))
        self.useFixture(fixtures.MonkeyPatch('os.getsid', mock.Mock(
            side_effect=[pid if each else 1 for each in sessions])))

    def test_of_two_threads_one_makes_it(self):
        self.leader(False, True)
        self.assertEqual(0, privsep.run(mmlscluster.List()).rc)

    def test_a_process_that_cannot_lead_one_runs_nothing(self):
        self.leader(False, False)
        self.assertRaises(errors.NotPermitted, privsep.run,
                          mmlscluster.List())


class TestForgedRequests(PrivsepTestCase):
    """Requests that only a caller other than ``privsep.run`` can make."""

    def assertAnswered(self, kind, name, fields):
        self.assertEqual(kind, privsep.run_command(name, fields, 0, 0)[0])

    def test_an_unknown_command_is_refused(self):
        for name in ('mmdelfs.Delete', 'mmclone', 'mmclone.Rm', '',
                     'os.system', 'mmclone.Copy ', '../mmclone.Copy',
                     'mmclone._Clone'):
            self.assertAnswered('NotPermitted', name, ('/a',))

    def test_extra_and_missing_fields_are_refused(self):
        path = self.file('a')
        for fields in ((), (path, path), (path, '-rf'), (path, None, None)):
            self.assertAnswered('NotPermitted', 'mmclone.Seal', fields)

    def test_a_field_that_is_no_path_is_refused(self):
        for value in ('-rf', 'a', f'{self.root}/../etc/shadow',
                      f'{self.root}/./a', f'{self.root}//a', '',
                      f'{self.root}/a\n/etc/shadow', f'{self.root}/a\0', 1,
                      None, b'/a', (self.root,), {'a': 1}):
            self.assertAnswered('InvalidName', 'mmclone.Seal', (value,))

    def test_a_word_for_a_shell_is_refused(self):
        for words in ('$(id)', '`id`', 'a;id', 'a&id', 'a|id', 'a>b', '*',
                      "a'id'", 'a"id"', 'a\\'):
            self.assertAnswered('InvalidName', 'mmclone.Seal',
                                (f'{self.root}/{words}',))
            self.assertAnswered('InvalidName', 'mmlsfs.List', (words,))

    def test_a_name_that_is_an_option_is_refused(self):
        for value in ('-Y', '--help', 'a b', '/etc', 'a;b c'):
            self.assertAnswered('InvalidName', 'mmlsfs.List', (value,))

    def test_a_number_that_is_text_is_refused(self):
        path = self.file('a')
        for value in ('-i', '2', 4, 1.0, True):
            self.assertAnswered(
                'InvalidName', 'mmchattr.Change',
                (path, None, value, None, None, None, None))

    def test_nothing_of_this_has_run_anything(self):
        log = self.useFixture(fixtures.TempDir()).path + '/log'
        for program in ('mmclone', 'mmchattr', 'mmlsfs'):
            self.program(program, f'echo ran >> {log}')
        self.test_an_unknown_command_is_refused()
        self.test_extra_and_missing_fields_are_refused()
        self.test_a_field_that_is_no_path_is_refused()
        self.test_a_word_for_a_shell_is_refused()
        self.test_a_name_that_is_an_option_is_refused()
        self.assertFalse(os.path.exists(log))
        privsep.run(mmlsfs.List('fs0'))
        self.assertTrue(os.path.exists(log))


class TestRunsAsAnother(PrivsepTestCase):
    """A clone has the mode of its source, and root for its owner."""

    def setUp(self):
        super().setUp()
        self.require_root()
        self.make_clones()
        self.source = self.file('source')
        os.chown(self.source, USER, USER)

    def commands(self):
        return (mmclone.Snap(self.source, self.path('new')),
                mmclone.Copy(self.source, self.path('new')),
                mmclone.Seal(self.source), mmclone.Split(self.source),
                mmchattr.Change(self.source, 'fast'))

    def test_what_does_is_no_source(self):
        for mode in (0o4755, 0o2755, 0o6755, 0o4000):
            os.chmod(self.source, mode)
            for command in self.commands():
                error = self.assertRefused(command)
                self.assertIn(f'{mode:04o}', str(error))
            self.assertFalse(os.path.lexists(self.path('new')))

    def test_it_may_be_looked_at(self):
        os.chmod(self.source, 0o4755)
        self.assertEqual(0, privsep.run(mmclone.Show(self.source)).rc)

    def test_what_its_owner_makes_it_meanwhile_is_taken_away(self):
        self.program('mmclone', """
            chmod 6755 "$2"; cp --preserve=mode "$2" "$3"
        """)
        for kind in (mmclone.Snap, mmclone.Copy):
            os.chmod(self.source, 0o755)
            target = self.path(kind.__name__)
            self.assertEqual(0, privsep.run(kind(self.source, target)).rc)
            self.assertEqual((0, 0o755), (
                os.stat(target).st_uid,
                stat.S_IMODE(os.stat(target).st_mode)))

    def test_a_directory_that_gives_its_group_is_no_such_thing(self):
        room = self.directory('room')
        os.chmod(room, 0o2775)
        self.assertEqual(0, privsep.run(mmlsattr.List(room)).rc)
        self.assertEqual(0, privsep.run(
            mmclone.Copy(self.source, self.path('room/new'))).rc)


class TestMaking(PrivsepTestCase):
    """A file is made in a room of root's, and then gets its name."""

    def setUp(self):
        super().setUp()
        self.make_clones()
        self.image = self.file('image', 'image')
        self.target = self.path('disk')
        self.copy = mmclone.Copy(self.image, self.target)
        self.elsewhere = self.useFixture(fixtures.TempDir()).path

    def assertNothingLeft(self):
        self.assertEqual([], os.listdir(self.room()))

    def owned(self, uid=USER, gid=USER):
        """Let the daemon make a clone for a user; return its answer."""
        return privsep.run_command(mm.spell(mmclone.Copy), _fields(self.copy),
                                   uid, gid)

    def test_a_file_gets_its_name_and_nothing_is_left(self):
        for command in (self.copy,
                        mmclone.Snap(self.image, self.path('parent'))):
            self.assertEqual(0, privsep.run(command).rc)
            made, = command.made()
            self.assertEqual('image', pathlib.Path(made).read_text())
            self.assertNothingLeft()

    def test_the_name_is_known_only_when_the_file_is_whole(self):
        self.know_names()
        self.program('mmclone', f"""
            [ ! -e {self.target} ] && cp "$2" "$3"
        """)
        for choice in ('never', 'always'):
            cfg.CONF.set_override('pin_paths', choice, 'gpfs')
            self.assertEqual(0, privsep.run(self.copy).rc)
            os.unlink(self.target)

    def test_a_link_that_has_the_name_meanwhile_leads_nowhere(self):
        victim = os.path.join(self.elsewhere, 'victim')
        self.program('mmclone', f"""
            ln -s {victim} {self.target}; cat "$2" > "$3"
        """)
        self.assertRaises(errors.AlreadyExists, privsep.run, self.copy)
        self.assertEqual([], os.listdir(self.elsewhere))
        self.assertNothingLeft()

    def test_whatever_has_the_name_stays(self):
        pathlib.Path(self.target).write_text('a disk')
        self.program('mmclone', f'rm -f {self.target}')
        error = self.assertRaises(errors.AlreadyExists, privsep.run,
                                  self.copy)
        self.assertIn(self.target, str(error))
        os.unlink(self.target)
        self.program('mmclone', f"""
            echo another > {self.target}; cp "$2" "$3"
        """)
        self.assertRaises(errors.AlreadyExists, privsep.run, self.copy)
        self.assertEqual('another\n', pathlib.Path(self.target).read_text())

    def test_what_a_command_that_fails_has_made_is_there_to_be_seen(self):
        self.program('mmclone', 'cp "$2" "$3"; exit 5')
        self.assertEqual(5, privsep.run(self.copy).rc)
        self.assertEqual('image', pathlib.Path(self.target).read_text())

    def test_what_a_command_that_hangs_has_made_too(self):
        self.program('mmclone', 'cp "$2" "$3"; sleep 30')
        self.assertRaises(errors.TimedOut, privsep.run, self.copy)
        self.assertEqual('image', pathlib.Path(self.target).read_text())

    def test_what_is_no_file_gets_no_name(self):
        for make in ('mkfifo "$3"', f'ln -s {self.image} "$3"'):
            self.program('mmclone', make)
            self.assertRaises((errors.NotPermitted, errors.CommandFailed),
                              self._run_and_raise)
            self.assertFalse(os.path.lexists(self.target))
            self.assertNothingLeft()

    def _run_and_raise(self):
        self.copy.outcome(privsep.run(self.copy))

    def test_nobody_else_gets_at_it_before(self):
        self.require_root()
        for directory in (os.path.dirname(self.root), self.root):
            os.chmod(directory, 0o777)
        self.know_names()
        self.program('mmclone', f"""
            cp "$2" "$3" && chmod 6755 "$3"
            for file in "$2" "$3" "$(readlink -f "$3")"; do
                setpriv --reuid {USER} --clear-groups test -e "$file" &&
                    echo "$file"
            done
            setpriv --reuid {USER} --clear-groups test -e {self.image} &&
                echo "the image"
        """)
        self.assertEqual('the image\n', privsep.run(self.copy).stdout)
        self.assertEqual((0, 0o755), (
            os.stat(self.target).st_uid,
            stat.S_IMODE(os.stat(self.target).st_mode)))

    def test_an_acl_lets_nobody_in(self):
        """A room has it from the directory that it is made in.

        On GPFS it may grant more than mkdir(2) was told; here, as if it did.
        """
        self.require_root()
        os.chmod(self.root, 0o755)
        mkdir = os.mkdir

        def with_acl(path, mode, *, dir_fd):
            mkdir(path, mode, dir_fd=dir_fd)
            made = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
            try:
                os.setxattr(made, 'system.posix_acl_access',
                            _everything_to(USER))
            except OSError as error:
                self.skipTest(f'no ACLs: {error.strerror}')
            finally:
                os.close(made)

        with mock.patch('os.mkdir', with_acl):
            self.test_nobody_else_gets_at_it_before()

    def test_a_room_that_is_not_roots_alone_is_refused(self):
        self.require_root()
        top = self.path(privileged_room.DIRECTORY)
        privsep.run(self.copy)
        os.unlink(self.target)
        inner = self.room()
        for room in (top, inner):
            for spoil, mend in (
                    (lambda: os.chown(room, USER, USER),
                     lambda: os.chown(room, 0, 0)),
                    (lambda: os.chmod(room, 0o710),
                     lambda: os.chmod(room, 0o700)),
                    (lambda: (os.rename(room, room + '.moved'),
                              os.symlink(self.elsewhere, room)),
                     lambda: (os.unlink(room),
                              os.rename(room + '.moved', room)))):
                spoil()
                self.assertIn('remove it', str(self.assertRefused(self.copy)))
                mend()
        self.assertEqual(0, privsep.run(self.copy).rc)
        self.assertEqual([], os.listdir(self.elsewhere))

    def test_a_room_in_a_full_file_system_is_an_error_of_its_own(self):
        with mock.patch('os.mkdir', side_effect=OSError(
                errno.ENOSPC, os.strerror(errno.ENOSPC))):
            said = privsep.run(self.copy)
        self.assertRaises(errors.NoSpace, self.copy.outcome, said)

    def test_a_room_that_cannot_be_closed_stays_not_open(self):
        privsep.run(self.copy)
        os.unlink(self.target)
        before = os.listdir('/proc/self/fd')
        for _time in range(3):
            self.forget_rooms()
            with mock.patch('os.fchmod', side_effect=PermissionError(
                    errno.EPERM, os.strerror(errno.EPERM))):
                self.assertEqual(1, privsep.run(self.copy).rc)
        self.assertEqual(before, os.listdir('/proc/self/fd'))

    def test_another_file_system_in_its_place_is_refused(self):
        """Of which a user may say that it is root's alone."""
        self.require_root()
        room = self.path(privileged_room.DIRECTORY)
        os.mkdir(room, 0o700)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=0700',
                           'tmpfs', room], check=False).returncode:
            self.skipTest('no file system can be mounted here')
        self.addCleanup(subprocess.run, ['umount', room], check=True)
        self.assertIn('remove it', str(self.assertRefused(self.copy)))

    def test_what_was_left_goes_an_hour_after_it_was_seen(self):
        self.require_gone(((0, True), (61, True), (119, True), (122, False)))

    def test_or_later_where_commands_may_take_longer(self):
        cfg.CONF.set_override('command_timeout', 3600.0, 'gpfs')
        self.require_gone(((0, True), (122, True), (242, False)))

    def require_gone(self, moments):
        """Look at what was left after so many minutes."""
        privsep.run(self.copy)
        room = pathlib.Path(self.room())
        (room / 'left').touch()
        begun = time.monotonic()
        for minutes, there in moments:
            os.unlink(self.target)
            with mock.patch('nova_gpfs.privileged_room.time.monotonic',
                            return_value=begun + 60 * minutes):
                privsep.run(self.copy)
            self.assertEqual(there, (room / 'left').exists(), minutes)

    def test_a_clone_becomes_the_users(self):
        self.require_root()
        os.chown(self.root, USER, USER)
        os.chmod(self.image, 0o600)
        self.assertEqual('result', self.owned()[0])
        found = os.stat(self.target)
        self.assertEqual((USER, USER, 0o644), (
            found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)))

    def test_or_whosever_gpfs_has_made_it(self):
        """That of its source, for one: it is not documented."""
        self.require_root()
        os.chown(self.root, USER, USER)
        for owner in (USER, 12345):
            self.program('mmclone', f"""
                cp "$2" "$3" && chown {owner} "$3" && chmod 6755 "$3"
            """)
            self.assertEqual('result', self.owned()[0])
            found = os.stat(self.target)
            self.assertEqual((USER, USER, 0o644), (
                found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)))
            os.unlink(self.target)

    def test_a_new_daemon_closes_a_room_before_it_uses_it(self):
        """The one that has made it may have been killed before."""
        privsep.run(self.copy)
        top = self.path(privileged_room.DIRECTORY)
        for room in (top, self.room()):
            os.unlink(self.target)
            os.chmod(room, 0o755)
            self.forget_rooms()
            self.assertEqual(0, privsep.run(self.copy).rc)
            self.assertEqual(0o700, stat.S_IMODE(os.stat(room).st_mode))

    def test_a_room_that_another_daemon_has_made_anew_is_closed(self):
        """Its owner renames the directory that was closed already."""
        privsep.run(self.copy)
        os.unlink(self.target)
        top, room = self.path(privileged_room.DIRECTORY), self.room()
        os.rename(top, top + '.moved')
        os.makedirs(room)
        for directory in (top, room):
            os.chmod(directory, 0o755)
        self.assertEqual(0, privsep.run(self.copy).rc)
        for directory in (top, room):
            self.assertEqual(0o700, stat.S_IMODE(os.stat(directory).st_mode))

    def test_nothing_of_that_room_is_touched(self):
        privsep.run(self.copy)
        inside = os.path.join(self.room(), 'left')
        pathlib.Path(inside).touch()
        for command in (mmclone.Seal(inside), mmclone.Show(inside),
                        mmclone.Copy(inside, self.path('new')),
                        mmclone.Copy(self.image, inside + '.new'),
                        mmlsattr.List(os.path.dirname(self.room()))):
            self.assertIn('root makes', str(self.assertRefused(command)))
        self.assertEqual(['left'], os.listdir(self.room()))

    def test_of_two_that_make_one_name_one_succeeds(self):
        """Both find it free, and wait for each other."""
        self.program('mmclone', f"""
            cp "$2" "$3"; echo $3 >> {self.path('both')}
            until [ $(wc -l < {self.path('both')}) = 2 ]; do sleep 0.1; done
        """)
        cfg.CONF.set_override('command_timeout', 60.0, 'gpfs')
        with futures.ThreadPoolExecutor(2) as threads:
            kinds = [each.result()[0] for each in [
                threads.submit(self.owned, 0, 0) for _time in range(2)]]
        self.assertEqual(['AlreadyExists', 'result'], sorted(kinds))
        self.assertNothingLeft()

    def test_the_root_itself_is_not_made(self):
        self.assertRefused(mmclone.Copy(self.image, self.root))
        self.assertEqual(['image'], os.listdir(self.root))

    def test_a_parent_stays_roots(self):
        self.require_root()
        os.chown(self.root, USER, USER)
        snap = mmclone.Snap(self.image, self.target)
        self.assertEqual('result', privsep.run_command(
            mm.spell(mmclone.Snap), _fields(snap), USER, USER)[0])
        self.assertEqual(0, os.stat(self.target).st_uid)

    def test_a_clone_is_made_for_who_owns_its_place_and_nobody_else(self):
        self.require_root()
        os.chown(self.root, USER, USER)
        for uid, gid in ((33, USER), (USER, 42), (33, 42), (USER, 0),
                         (-1, USER), (USER, -1)):
            self.assertEqual('NotPermitted', self.owned(uid, gid)[0])
            self.assertFalse(os.path.lexists(self.target))

    def test_or_for_who_owns_what_is_ours_there(self):
        self.require_root()
        self.assertEqual('NotPermitted', self.owned()[0])
        os.chown(self.directory('_gpfs'), USER, USER)
        self.assertEqual('result', self.owned()[0])


def _everything_to(uid):
    """Return an ACL as the attribute that has it (acl(5), xattr)."""
    entries = ((0x01, 7, 0xffffffff), (0x02, 7, uid), (0x04, 7, 0xffffffff),
               (0x10, 7, 0xffffffff), (0x20, 7, 0xffffffff))
    return struct.pack('<I', 2) + b''.join(
        struct.pack('<HHI', *entry) for entry in entries)


class TestFailures(PrivsepTestCase):

    def test_every_one_can_cross(self):
        special = {errors.CommandFailed: (('mmclone',), 1, 'out', 'err'),
                   errors.TimedOut: (('mmclone',), 2.0)}
        for name, kind in vars(errors).items():
            if isinstance(kind, type):
                error = kind(*special.get(kind, ('why',)))
                crossed = privsep._FAILURES[name](*error.args)
                self.assertEqual(
                    (kind, str(error)), (type(crossed), str(crossed)))

    def test_what_is_only_met_on_the_way_crosses(self):
        cfg.CONF.set_override('pin_paths', 'always', 'gpfs')
        seal = mmclone.Seal(self.file('disk'))
        for kind, script in (
                (errors.NotReady,
                 'echo "mmclone: GPFS is down on this node." >&2; exit 1'),
                (errors.OutputNotUnderstood, 'echo Boo')):
            self.program('mmclone', script)
            self.assertRaises(kind, privsep.run, seal)


class TestContext(PrivsepTestCase):

    def test_its_capabilities_are_three_and_its_threads_are_many(self):
        # In a process of its own, as in the daemon: oslo.config forgets
        # defaults that a library has set when a test resets it.
        said = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c',
             'from oslo_privsep import capabilities as caps\n'
             'from nova_gpfs import privsep\n'
             'conf = privsep.context.conf\n'
             'print(*(caps.CAPS_BYVALUE[c] for c in conf.capabilities))\n'
             'print(conf.thread_pool_size)'],
            capture_output=True, text=True, check=True).stdout
        self.assertEqual(
            ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH',
             '32'], said.split())

    def test_only_one_function_can_be_called(self):
        callable_from_outside = [
            name for name, value in vars(privsep).items()
            if privsep.context.is_entrypoint(value)]
        self.assertEqual(['run_command'], callable_from_outside)
