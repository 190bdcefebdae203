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
import subprocess
import sys

from nova_gpfs.sim import builder
from tests.unit.sim import simulated

#: What the interpreter brings along is not counted.
_MODULES = """
import sys
before = set(sys.modules)
sys.argv = ['mmclone', 'show', {path!r}]
try:
    exec(open({program!r}).read())
except SystemExit:
    pass
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""


class StartTest(simulated.SimulatedTestCase):

    def loaded(self, path):
        program = os.path.join(self.cluster.bin_dir('node1'), 'mmclone')
        code = _MODULES.format(path=path, program=program)
        done = subprocess.run([sys.executable, '-IS', '-c', code],
                              capture_output=True, text=True, check=True)
        return done.stderr.split()

    def test_mmclone_loads_nothing_that_is_slow_to_load(self):
        loaded = self.loaded(self.write('a'))
        foreign = {name for name in loaded
                   if not name.startswith('nova_gpfs')}
        asked_for = {'__future__', '_sqlite3', 'errno', 'fcntl', 'os', 'stat',
                     'time', '_stat', 'genericpath', 'posixpath', 'os.path'}
        with_sqlite = {'functools', '_functools', 'types', '_types',
                       'collections', '_collections', 'collections.abc',
                       'keyword', 'operator', '_operator', 'reprlib',
                       'itertools', '_collections_abc'}
        self.assertEqual(set(), foreign - asked_for - with_sqlite)

    def test_mmclone_loads_only_the_modules_that_it_needs(self):
        loaded = {name.removeprefix('nova_gpfs.sim.') for name in
                  self.loaded(self.write('a'))
                  if name.startswith('nova_gpfs.sim.')}
        self.assertEqual(
            {'call', 'census', 'clones', 'data', 'drafts', 'faults', 'files',
             'filesystems', 'limits', 'links', 'messages', 'mmclone',
             'program', 'store', 'switches'}, loaded)


class ProgramsTest(simulated.SimulatedTestCase):

    def test_the_environment_names_the_node_of_the_common_programs(self):
        program = os.path.join(self.cluster.bin_dir(), 'mmgetstate')
        for environment, node in (({}, 'node1'),
                                  ({'NOVA_GPFS_SIM_NODE': 'node3'}, 'node3')):
            shown = subprocess.check_output([program, '-Y'], text=True,
                                            env=environment)
            self.assertIn(f':{node}:', shown)

    def test_the_directory_names_the_node_of_the_others(self):
        program = os.path.join(self.cluster.bin_dir('node2'), 'mmgetstate')
        shown = subprocess.check_output(
            [program, '-Y'], text=True,
            env={'NOVA_GPFS_SIM_NODE': 'node3'})
        self.assertIn(':node2:', shown)

    def test_an_interpreter_too_long_for_a_script_is_started_by_a_shell(self):
        directory = os.path.join(self.cluster.directory,
                                 "a directory's name" + 'x' * 120)
        os.mkdir(directory)
        interpreter = os.path.join(directory, 'python')
        os.symlink(os.path.realpath(sys.executable), interpreter)
        script = os.path.join(self.cluster.directory, 'script')
        with open(script, 'w') as file:
            file.write(builder._first_lines(interpreter)
                       + 'import sys\nprint(sys.argv[1:], sys.flags.isolated)')
        os.chmod(script, 0o755)
        self.assertEqual("['a b', '$c'] 1\n", subprocess.check_output(
            [script, 'a b', '$c'], text=True))

    def test_the_log_has_time_node_arguments_code_and_seconds(self):
        self.mm('mmclone', 'show', 'missing', node='node2')
        (call,) = self.cluster.calls()
        self.assertEqual(('node2', ['mmclone', 'show', 'missing'], 2),
                         (call['node'], call['argv'], call['rc']))
        self.assertGreater(call['time'], 1e9)
        self.assertLess(call['seconds'], 10)
