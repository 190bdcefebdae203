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

"""Many processes at once, and processes that are killed at any moment."""

import json
import os
import signal
import subprocess
import time

from tests.unit.sim import simulated

_RUNS = 30


class ConcurrencyTest(simulated.SimulatedTestCase):

    def start(self, *arguments, node='node1'):
        program = os.path.join(self.cluster.bin_dir(node), 'mmclone')
        return subprocess.Popen([program, *arguments], cwd=self.directory,
                                stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def test_of_many_who_make_one_target_just_one_succeeds(self):
        self.master('m')
        running = [self.start('copy', 'm', 'target', node=f'node{at % 3 + 1}')
                   for at in range(16)]
        codes = sorted(process.wait(60) for process in running)
        self.assertEqual([0] + [17] * 15, codes)
        self.assertEqual(self.read('m'), self.read('target'))
        self.assertEqual(['nova/target'], [
            child.path for child in self.cluster.tree('fs0')[0].children])
        self.assertEqual([], self.cluster.check())

    def test_of_many_who_seal_one_file_just_one_succeeds(self):
        self.write('m', b'data')
        running = [self.start('snap', 'm') for _at in range(12)]
        codes = sorted(process.wait(60) for process in running)
        self.assertEqual([0] + [30] * 11, codes)

    def test_clones_and_snaps_of_one_tree_at_once_all_count(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'source')
        running = []
        for at in range(8):
            running += [self.start('copy', 'm', f'copy{at}'),
                        self.start('snap', 'source', f'snap{at}')]
        self.assertEqual({0}, {process.wait(60) for process in running})
        self.assertEqual([], self.cluster.check())
        (branch,) = self.cluster.tree('fs0')
        self.assertEqual(9, len(branch.children))
        depth = 0
        while branch.children:
            branch, depth = branch.children[-1], depth + 1
        self.assertEqual(('nova/source', 9), (branch.path, depth))

    def test_every_call_leaves_one_whole_line_in_the_log(self):
        self.master('m')
        running = [self.start('show', 'm', 'na"\\me\n' * 50)
                   for _at in range(12)]
        for process in running:
            process.wait(60)
        calls = self.cluster.calls()
        self.assertEqual(13, len(calls))
        self.assertEqual('na"\\me\n' * 50, calls[-1]['argv'][3])

    def test_arguments_that_are_no_text_are_logged_too(self):
        subprocess.run([os.path.join(self.cluster.bin_dir(), 'mmclone'),
                        'show', b'\xff\x01'], capture_output=True)
        line = json.dumps(self.cluster.calls()[-1]['argv'][2])
        self.assertEqual('"\\udcff\\u0001"', line)


class KillTest(simulated.SimulatedTestCase):
    """The moment of the kill closes in on the one that decides."""

    delay = 0.03

    def kill(self, target, *arguments):
        """Kill mmclone a little after its start; whether target appeared."""
        program = os.path.join(self.cluster.bin_dir('node1'), 'mmclone')
        process = subprocess.Popen([program, *arguments], cwd=self.directory,
                                   stderr=subprocess.DEVNULL)
        time.sleep(self.delay)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        appeared = os.path.exists(self.path(target))
        self.delay *= 0.9 if appeared else 1.1
        return appeared

    def shown(self, name):
        return self.did('mmclone', 'show', name).splitlines()[2].split()

    def test_a_killed_copy_leaves_a_whole_clone_or_nothing(self):
        self.master('m', os.urandom(simulated.BLOCK))
        outcomes = set()
        for _again in range(_RUNS):
            outcomes.add(self.kill('a', 'copy', 'm', 'a'))
            if os.path.exists(self.path('a')):
                self.assertEqual(['no', '1'], self.shown('a')[:2])
                self.assertEqual(self.read('m'), self.read('a'))
                os.unlink(self.path('a'))
            else:
                self.did('mmclone', 'show', 'm')
            self.assertEqual([], self.cluster.check())
        self.assertEqual({True, False}, outcomes)

    def test_a_killed_snap_leaves_both_files_related_or_neither(self):
        outcomes = set()
        for _again in range(_RUNS):
            self.write('a', b'data')
            appeared = self.kill('p', 'snap', 'a', 'p')
            outcomes.add(appeared)
            self.assertEqual(appeared, self.shown('a') != ['a'])
            if appeared:
                self.assertEqual('yes', self.shown('p')[0])
                os.unlink(self.path('p'))
            os.unlink(self.path('a'))
        self.assertEqual([], self.cluster.check())
        self.assertEqual({True, False}, outcomes)
