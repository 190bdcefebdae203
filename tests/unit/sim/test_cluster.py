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

import json
import os
import subprocess
import sys

import fixtures
import testtools

from nova_gpfs.sim import __main__ as console
from nova_gpfs.sim import cluster
from nova_gpfs.sim import spec
from nova_gpfs.sim import switches
from tests.unit.sim import simulated


class CreateTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.root = self.useFixture(fixtures.TempDir()).path

    def test_the_standard_cluster_has_two_pools_and_three_groups(self):
        found = cluster.create(self.root + '/c')
        self.assertEqual(found.directory,
                         cluster.open(self.root + '/c').directory)
        self.assertTrue(os.path.isdir(found.mount_point('fs0') + '/nova'))
        self.assertEqual(os.path.join(found.directory, 'gpfs', 'fs0'),
                         found.mount_point('fs0'))
        self.assertTrue(os.access(
            os.path.join(found.bin_dir('node3'), 'mmclone'), os.X_OK))

    def test_data_can_be_elsewhere(self):
        found = cluster.create(self.root + '/c', None, self.root + '/d')
        self.assertEqual(os.path.realpath(self.root + '/d/fs0'),
                         os.path.realpath(found.mount_point('fs0')))

    def test_a_cluster_is_not_made_twice(self):
        cluster.create(self.root + '/c')
        self.assertRaises(FileExistsError, cluster.create, self.root + '/c')

    def test_what_is_no_cluster_is_not_opened(self):
        error = self.assertRaises(FileNotFoundError, cluster.open, self.root)
        self.assertEqual(f'no simulated cluster in {self.root}', str(error))

    def test_impossible_clusters_are_refused(self):
        nsd = {'name': 'a'}
        for wrong in (
                {'nodes': []}, {'nodes': ['a', 'a']}, {'nix': 1},
                {'file_systems': [{'name': 'fs0'}]},
                {'file_systems': [{'name': 'fs0', 'nsds': [nsd, nsd]}]},
                {'file_systems': [{'name': 'fs0', 'nsds': [
                    {'name': 'a', 'usage': 'dataOnly'}]}]}):
            self.assertRaises(spec.SpecInvalid, cluster.create,
                              self.root + '/c', wrong)
        self.assertFalse(os.path.exists(self.root + '/c/state.sqlite'))

    def test_a_shared_cluster_is_open_to_other_users(self):
        found = cluster.create(self.root + '/c', {'shared': True})
        for name in ('state.sqlite', 'calls.log', 'lock'):
            path = os.path.join(found.directory, name)
            self.assertEqual(0o666, os.stat(path).st_mode & 0o777)


class ClusterTest(simulated.SimulatedTestCase):

    def test_unknown_names_are_refused(self):
        self.assertRaises(cluster.NotThere, self.cluster.mount_point, 'nix')
        self.assertRaises(cluster.NotThere, self.cluster.set_node_state,
                          'nix', 'up')
        self.assertRaises(cluster.NotThere, self.cluster.set_node_state,
                          'node1', 'nix')
        self.assertRaises(cluster.NotThere, self.cluster.blocks, '/etc')
        for name, value in (('nix', 'yes'), ('copy_mode', 'nix')):
            self.assertRaises(switches.UnknownSwitch,
                              self.cluster.set_switch, name, value)


class ConsoleTest(simulated.SimulatedTestCase):

    def console(self, *words, form='json'):
        """Run nova-gpfs-sim; return its exit code and what it printed."""
        stream = self.useFixture(fixtures.StringStream('stdout')).stream
        with fixtures.MonkeyPatch('sys.stdout', stream):
            code = console.main(['--format', form, *words])
        stream.seek(0)
        text = stream.read()
        return code, json.loads(text) if form == 'json' else text

    def test_a_cluster_is_made_and_looked_at(self):
        place = os.path.join(self.cluster.directory, 'another')
        code, made = self.console('create', place, '--nodes', 'a,b')
        self.assertEqual((0, [place + '/bin']), (code, made['bin']))
        self.assertEqual((0, place + '/nodes/b/bin'),
                         self.console('bin', place, '--node', 'b'))
        code, shown = self.console('show', place)
        self.assertEqual(['a', 'b'], [node['name']
                                      for node in shown['nodes']])
        code, text = self.console('show', place, form='text')
        self.assertIn('300.0 GiB', text)
        pools = shown['fs0 pools']
        self.assertEqual([300 << 30] * 2, [pool['size'] for pool in pools])

    def test_a_command_runs_with_the_programs_of_a_node(self):
        code, _none = self.console(
            'run', self.cluster.directory, '--node', 'node2', '--', 'sh',
            '-c', f'mmlsnode > {self.path("out")}; exit 7')
        self.assertEqual(7, code)
        self.assertIn(b'node2', self.read('out'))
        self.assertEqual('node2', self.cluster.calls()[0]['node'])

    def test_check_ends_with_1_when_something_is_wrong(self):
        place = self.cluster.directory
        self.assertEqual((0, []), self.console('check', place))
        os.unlink(self.master('m'))
        self.write('m2')
        self.did('mmclone', 'snap', 'm2')
        self.write('m2', b'x')
        code, problems = self.console('check', place)
        self.assertEqual((1, 1), (code, len(problems)))

    def test_tree_blocks_and_calls_are_printed(self):
        path = self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        place = self.cluster.directory
        (tree,) = self.console('tree', place)[1]
        self.assertEqual('nova/a', tree['children'][0]['path'])
        self.assertIn('  nova/a', self.console('tree', place,
                                               form='text')[1])
        self.assertEqual(3, len(self.console('blocks', place, path)[1]))
        self.assertEqual(2, len(self.console('calls', place)[1]))

    def test_faults_switches_and_states_are_set(self):
        place = self.cluster.directory
        self.console('fault', place, 'add', 'mmclone snap', '--do', 'fail',
                     '--code', '5', '--text', 'bad')
        self.console('fault', place, 'condition', 'stale', '--fs', 'fs0')
        shown = self.console('fault', place, 'list')[1]
        self.assertEqual(('mmclone snap', ['stale', 'fs0', '', '']),
                         (shown['faults'][0]['command'],
                          shown['conditions'][0]))
        self.console('fault', place, 'clear')
        self.console('switch', place, 'set', 'copy_mode', 'umask')
        positions = {row['switch']: row['is']
                     for row in self.console('switch', place, 'list')[1]}
        self.assertEqual('umask', positions['copy_mode'])
        self.console('node', place, 'node1', 'down')
        self.assertEqual('down', self.rows('mmgetstate')[0]['state'])
        self.console('unmount', place, 'fs0')
        self.assertFalse(os.path.islink(self.cluster.mount_point('fs0')))
        self.console('mount', place, 'fs0')
        self.assertTrue(os.path.islink(self.cluster.mount_point('fs0')))

    def test_mistakes_are_told_in_one_line(self):
        stream = self.useFixture(fixtures.StringStream('stderr')).stream
        with fixtures.MonkeyPatch('sys.stderr', stream):
            code = console.main(['show', '/nonexistent'])
        stream.seek(0)
        self.assertEqual(
            (1, 'nova-gpfs-sim: no simulated cluster in /nonexistent\n'),
            (code, stream.read()))

    def test_a_reader_that_leaves_early_is_no_error(self):
        self.did('mmlsnode')
        for words in (('claims', '--rst'), ('calls', self.cluster.directory),
                      ('--format', 'json', 'claims')):
            read, write = os.pipe()
            os.close(read)
            done = subprocess.run(
                [sys.executable, '-m', 'nova_gpfs.sim', *words],
                stdout=write, stderr=subprocess.PIPE, text=True)
            os.close(write)
            self.assertEqual((0, ''), (done.returncode, done.stderr), words)

    def test_the_help_tells_what_a_condition_is_for(self):
        stream = self.useFixture(fixtures.StringStream('stdout')).stream
        with fixtures.MonkeyPatch('sys.stdout', stream):
            self.assertRaises(SystemExit, console.main, ['fault', '--help'])
        stream.seek(0)
        told = ' '.join(stream.read().split())
        for text in ('--node NODE node whose calls the fault or the '
                     'condition is for', '--fs FS file system that the '
                     'condition is for', '--fileset FILESET fileset that the '
                     'condition is for'):
            self.assertIn(text, told)
