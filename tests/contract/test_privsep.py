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


"""The contract on a simulated cluster, through the privileged daemon itself.

The daemon is a process of its own, with a configuration file of its own, and
needs root; where there is none, the tests are skipped.
"""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

import fixtures
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslotest import base

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import errors
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlscluster
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import privileged_room
from nova_gpfs import privsep
from nova_gpfs.sim import cluster
from tests.contract import simulated
from tests.contract import suite

USER = 65534
_HELPER = 'from oslo_privsep import daemon; daemon.helper_main()'


def write_config(directory, **options):
    """Write the daemon's configuration file; return its path."""
    path = pathlib.Path(directory, 'nova.conf')
    instances = options.pop('instances_path')
    path.write_text('\n'.join(
        [f'[DEFAULT]\ninstances_path = {instances}\n[gpfs]\n']
        + [f'{name} = {value}' for name, value in options.items()]))
    return str(path)


def helper_command(config):
    return shlex.join([sys.executable, '-W', 'ignore', '-c', _HELPER,
                       '--config-file', config])


class DaemonTestCase(base.BaseTestCase):

    # The options of the daemon that is running; it serves the next test too
    # when that wants the same.
    running = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # As long as the daemon, which may outlive a test.
        cls.config_dir = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.config_dir)
        cls.addClassCleanup(cls.stop_daemon)

    @classmethod
    def stop_daemon(cls):
        privsep.context.stop()
        cls.running = None

    def start_daemon(self, **options):
        """Have a daemon with these options, started at the first call."""
        config = self.useFixture(config_fixture.Config(cfg.CONF))
        path = write_config(self.config_dir, **options)
        config.config(group='nova_gpfs_privileged',
                      helper_command=helper_command(path))
        self.addCleanup(privsep.context.set_client_mode,
                        privsep.context.client_mode)
        privsep.context.set_client_mode(True)
        if type(self).running != options:
            self.stop_daemon()
            type(self).running = options

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest('needs root, to be the privileged daemon')


class ClusterTestCase(simulated.ClusterTestCase, DaemonTestCase):

    pin_paths = 'never'

    def make_driver(self, node, command_timeout, copy_timeout):
        options = {'mm_path': self.cluster.bin_dir(node),
                   'command_timeout': command_timeout,
                   'copy_timeout': copy_timeout,
                   'pin_paths': self.pin_paths}
        self.start_daemon(instances_path=self.instances, **options)
        conf = cfg.ConfigOpts()
        gpfs_conf.register(conf)
        for name, value in options.items():
            conf.set_override(name, value, group='gpfs')
        conf.set_override('library', self.library, group='gpfs')
        return mmdriver.from_conf(conf)


class TestPromises(suite.Promises, ClusterTestCase):

    pin_paths = 'always'

    # The daemon touches nothing outside of instances_path.
    not_gpfs = (errors.NotPermitted,)


class TestTrouble(simulated.Trouble, ClusterTestCase):

    not_gpfs = (errors.NotPermitted,)


class TestParents(ClusterTestCase):

    def setUp(self):
        super().setUp()
        room = os.path.join(self.instances, '_gpfs', 'parents', self.id())
        os.makedirs(room)
        self.parents = [os.path.join(room, f'disk.{each}')
                        for each in range(2)]
        self.disk = os.path.join(self.instances, self.id())
        for parent in self.parents:
            with open(self.disk, 'a') as f:
                f.write(parent)
            self.gpfs.snapshot(self.disk, parent)

    def test_a_parent_of_a_disk_is_split_beneath_its_clones(self):
        self.cluster.set_switch('split_parent_with_children', 'allow')
        parent = self.parents[1]
        self.assertEqual(2, os.stat(parent).st_nlink)
        self.gpfs.detach(parent, model.Ancestors.ALL)
        self.assertIsNone(self.gpfs.clone_info(parent).parent_inode)
        for path in (self.disk, parent):
            with open(path) as f:
                self.assertEqual(''.join(self.parents), f.read())
        self.assertEqual([], self.cluster.check())

    def test_a_hard_link_in_its_place_is_not(self):
        link = self.parents[1] + '.link'
        os.link(self.disk, link)
        self.assertRaises(errors.NotPermitted, self.gpfs.detach, link,
                          model.Ancestors.ALL)
        self.assertIsNotNone(self.gpfs.clone_info(self.disk).parent_inode)


class PinnedTestCase(suite.Contract, ClusterTestCase):
    """The daemon finds out whether commands take names of open files."""

    seen = 0

    def setUp(self):
        super().setUp()
        # It keeps what it has found out.
        self.stop_daemon()
        self.addCleanup(self.stop_daemon)
        list(self.argv())

    def argv(self):
        """Yield what each command was given since the last look."""
        calls = self.cluster.calls()
        yield from (' '.join(call['argv']) for call in calls[self.seen:])
        self.seen = len(calls)

    def take_names(self, how):
        self.addCleanup(self.cluster.set_switch, 'names_below_proc', 'follow')
        self.cluster.set_switch('names_below_proc', how)

    def change(self):
        master = self.master()
        disk, parent = self.path('disk'), self.path('parent')
        made = model.Change.MADE
        self.assertEqual(made, self.gpfs.clone(master, disk))
        self.assertEqual(made, self.gpfs.snapshot(disk, parent))
        self.assertEqual(os.stat(parent).st_ino,
                         self.gpfs.clone_info(disk).parent_inode)
        self.assertEqual(made, self.gpfs.place(
            disk, model.Placement('fast', data_replicas=1)))
        self.assertEqual(made, self.gpfs.detach(disk, model.Ancestors.ALL))
        self.assertEqual(made, self.gpfs.seal(disk))
        self.assertEqual('fast', self.gpfs.attributes(disk).pool)

    def given_paths(self):
        """Return the commands of the daemon that got a path."""
        return [argv for argv in self.argv() if self.instances in argv
                and not argv.startswith('mmlsattr')]


class TestPinned(PinnedTestCase):
    """Nothing that root does can be led elsewhere, by default."""

    pin_paths = 'always'

    def test_it_is_the_default(self):
        conf = cfg.ConfigOpts()
        gpfs_conf.register(conf)
        self.assertEqual(self.pin_paths, conf.gpfs.pin_paths)

    def test_every_change_is_made(self):
        self.change()
        self.assertEqual([], self.given_paths())

    def test_where_commands_do_not_take_them_nothing_is_made(self):
        self.require_nothing_made('refuse')

    def test_nor_where_they_read_them_as_text(self):
        self.require_nothing_made('text')

    def require_nothing_made(self, how):
        plain, master = self.file('plain'), self.master()
        list(self.argv())
        self.take_names(how)
        for change, *arguments in (
                (self.gpfs.clone, master, self.path('disk')),
                (self.gpfs.snapshot, plain, self.path('disk')),
                (self.gpfs.seal, plain),
                (self.gpfs.place, plain, model.Placement('fast'))):
            self.stop_daemon()
            error = self.assertRaises(errors.NotPermitted, change, *arguments)
            self.assertIn('pin_paths', str(error))
            self.assertFalse(os.path.lexists(self.path('disk')))
        # By a path, it was looked whether GPFS knows the files at all.
        self.assertEqual(set(), {' '.join(argv.split()[:2])
                                 for argv in self.given_paths()}
                         - {'mmclone show'})
        self.cluster.set_switch('names_below_proc', 'follow')
        self.stop_daemon()
        self.assertFalse(self.gpfs.clone_info(plain).is_parent)


class TestPinnedIfTaken(PinnedTestCase):

    pin_paths = 'auto'

    def test_where_they_do_every_command_gets_them(self):
        self.change()
        self.assertEqual([], self.given_paths())

    def test_where_they_do_not_commands_get_paths(self):
        self.require_paths('refuse')

    def test_where_they_read_them_as_text_they_do_too(self):
        self.require_paths('text')

    def require_paths(self, how):
        self.take_names(how)
        self.change()
        given = [argv for argv in self.argv() if '/proc/' in argv]
        # It was asked by the first command, twice.
        self.assertEqual(2, len(given))


class TestDaemon(DaemonTestCase):
    """The daemon as a process."""

    def setUp(self):
        super().setUp()
        self.mm_path = self.useFixture(fixtures.TempDir()).path
        self.root = self.useFixture(fixtures.TempDir()).path
        self.program('mmlscluster', 'cat /proc/self/status; umask')
        self.program('mmclone', 'echo "$@"')
        pathlib.Path(self.root, 'a').touch()
        self.start_daemon(instances_path=self.root, mm_path=self.mm_path,
                          command_timeout=2.0, pin_paths='never')

    def program(self, name, script):
        path = pathlib.Path(self.mm_path, name)
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)

    def call(self, name, *arguments):
        """Call whatever a caller may name in the daemon."""
        privsep.run(mmlscluster.List())
        return privsep.context.channel.remote_call(name, arguments, {}, None)

    def test_an_mm_command_is_fully_root(self):
        status = privsep.run(mmlscluster.List()).stdout
        said = dict(line.split(':\t', 1) for line in status.splitlines()
                    if ':\t' in line)
        self.assertEqual('0', said['Uid'].split()[1])
        self.assertEqual(said['CapBnd'], said['CapEff'])

    def test_an_mm_command_makes_files_with_the_usual_umask(self):
        self.assertEqual(0o022, int(privsep.run(
            mmlscluster.List()).stdout.split()[-1], 8))

    def test_it_does_nothing_but_its_one_function(self):
        for name in ('os.system', 'os.unlink', 'nova_gpfs.run.execute',
                     'nova_gpfs.privsep.run', 'nova_gpfs.privsep._run_held'):
            self.assertRaises(NameError, self.call, name, '/etc/shadow')
        self.assertEqual(
            ('result', 0, f'snap {self.root}/a\n', ''),
            self.call('nova_gpfs.privsep.run_command', 'mmclone.Seal',
                      (f'{self.root}/a',), 0, 0))

    def test_it_makes_clones_where_its_capabilities_are_needed(self):
        self.program('mmclone', f'cp "$2" "$3"; chown {USER} "$3"')
        os.chown(self.root, USER, USER)
        os.chmod(self.root, 0o700)
        self.assertEqual(0, self.call(
            'nova_gpfs.privsep.run_command', 'mmclone.Copy',
            (f'{self.root}/a', f'{self.root}/b'), USER, USER)[1])
        self.assertEqual((USER, USER), (os.stat(f'{self.root}/b').st_uid,
                                        os.stat(f'{self.root}/b').st_gid))
        room = os.path.join(self.root, privileged_room.DIRECTORY)
        for path in (room, os.path.join(room, *os.listdir(room))):
            found = os.stat(path)
            self.assertEqual((0, 0o40700), (found.st_uid, found.st_mode))

    def test_its_root_is_its_own(self):
        # The caller's idea of instances_path does not matter.
        self.assertRaises(errors.NotPermitted, privsep.run,
                          mmclone.Seal('/etc/shadow'))
        self.assertEqual('NotPermitted', self.call(
            'nova_gpfs.privsep.run_command', 'mmclone.Seal',
            ('/etc/shadow',), 0, 0)[0])

    def test_its_configuration_is_read_at_the_first_call(self):
        privsep.run(mmlscluster.List())
        os.rename(f'{self.config_dir}/nova.conf',
                  f'{self.config_dir}/moved.conf')
        self.assertEqual(0, privsep.run(mmclone.Seal(f'{self.root}/a')).rc)

    def test_a_configuration_that_is_gone_permits_nothing(self):
        privsep.context.start()
        type(self).running = None
        os.unlink(f'{self.config_dir}/nova.conf')
        self.assertRaises(errors.NotPermitted, privsep.run,
                          mmlscluster.List())

    def test_names_that_are_no_text_cross_it(self):
        path = f'{self.root}/' + os.fsdecode(b'a\xfe')
        pathlib.Path(path).touch()
        self.assertEqual(f'snap {path}\n',
                         privsep.run(mmclone.Seal(path)).stdout)

    def test_a_time_out_crosses_it(self):
        self.program('mmclone', 'sleep 60')
        error = self.assertRaises(errors.TimedOut, privsep.run,
                                  mmclone.Seal(f'{self.root}/a'))
        self.assertEqual(2.0, error.seconds)

    def test_its_death_is_a_failed_command_and_the_next_one_works(self):
        # The daemon is the parent of the program that it runs.
        self.program('mmclone', 'kill -9 $PPID')
        self.assertRaises(errors.CommandFailed, privsep.run,
                          mmclone.Seal(f'{self.root}/a'))
        self.assertEqual(0, privsep.run(mmlscluster.List()).rc)

    def test_a_command_that_outlives_it_keeps_its_number_from_others(self):
        """The names that a command has been given have it in them."""
        said = os.path.join(self.root, 'said')
        # It waits in a process of its own, too, as a command does that starts
        # another one.
        self.program('mmclone', f'echo $PPID $$ > {said}; kill -9 $PPID; '
                                'sleep 600; true')
        self.assertRaises(errors.CommandFailed, privsep.run,
                          mmclone.Seal(f'{self.root}/a'))
        number, command = map(int, pathlib.Path(said).read_text().split())
        self.addCleanup(_end_group, command)
        until = time.monotonic() + 60.0
        while os.path.exists(f'/proc/{number}'):
            if time.monotonic() > until:
                self.skipTest('nobody reaps orphans here, as in a container '
                              'without an init')
            time.sleep(0.05)
        self.assertTrue(os.path.exists(f'/proc/{command}'))
        self.assertNotIn(number, [_next_process(number)
                                  for _time in range(20)])
        # That is not for want of trying.
        _end_group(command)
        while _next_process(number) != number:
            self.assertLess(time.monotonic(), until)

    def test_a_helper_that_cannot_start_is_not_permitted(self):
        self.stop_daemon()
        cfg.CONF.set_override('helper_command', '/bin/false',
                              group='nova_gpfs_privileged')
        self.assertRaises(errors.NotPermitted, privsep.run,
                          mmlscluster.List())

    def test_a_helper_that_is_missing_is_not_permitted(self):
        self.stop_daemon()
        cfg.CONF.set_override('helper_command', '/nowhere/privsep-helper',
                              group='nova_gpfs_privileged')
        self.assertRaises(errors.NotPermitted, privsep.run,
                          mmlscluster.List())


def _next_process(number):
    """Have Linux give a number to a new process; return which it got."""
    try:
        pathlib.Path('/proc/sys/kernel/ns_last_pid').write_text(
            str(number - 1))
    except OSError as error:
        raise unittest.SkipTest(f'ns_last_pid: {error.strerror}') from error
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def _end_group(number):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(number, signal.SIGKILL)


_AS_USER = '''
    import os, sys
    from oslo_config import cfg
    from nova_gpfs import conf, mmdriver, privsep
    config, helper, directory, user = sys.argv[1:]
    cfg.CONF(['--config-file', config], project='nova')
    conf.register(cfg.CONF)
    cfg.CONF.set_override('helper_command', helper, 'nova_gpfs_privileged')
    privsep.context.start()
    os.setgroups([])
    os.setresgid(*[int(user)] * 3)
    os.setresuid(*[int(user)] * 3)
    os.umask(0o077)
    gpfs = mmdriver.from_conf(cfg.CONF)
    master, disk = directory + '/master', directory + '/disk'
    with open(master, 'w') as file:
        file.write('data')
    print(gpfs.seal(master).name, gpfs.clone(master, disk).name)
    with open(disk, 'r+') as file:
        file.write('mine')
    found = os.stat(disk)
    print(found.st_uid, found.st_gid, oct(found.st_mode & 0o7777))
    print(gpfs.attributes(disk).fileset)
    os.unlink(disk)
'''


class TestOrdinaryUser(DaemonTestCase):
    """A process that is not root, as nova-compute, and the daemon."""

    def test_an_ordinary_user_gets_a_disk_of_its_own(self):
        top = self.useFixture(fixtures.TempDir()).path
        for directory in (top, tempfile.gettempdir()):
            os.chmod(directory, 0o755)
        sim = cluster.create(os.path.join(top, 'sim'))
        instances = os.path.join(sim.mount_point('fs0'), 'nova')
        directory = os.path.join(instances, 'instance')
        os.mkdir(directory)
        os.chmod(instances, 0o755)
        os.chown(directory, USER, USER)
        # The interpreter of the simulator may be closed to this user.
        config = write_config(top, instances_path=instances,
                              mm_path=sim.bin_dir(simulated.NODE),
                              rootless_commands='')
        said = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(_AS_USER),
             config, helper_command(config), directory, str(USER)],
            capture_output=True, text=True, timeout=120,
            cwd=pathlib.Path(__file__).parents[2])
        self.assertEqual(
            ['MADE MADE', f'{USER} {USER} 0o644', 'nova'],
            said.stdout.splitlines(), said.stderr)
