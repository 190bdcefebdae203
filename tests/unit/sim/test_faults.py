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
import signal
import subprocess
import time

from nova_gpfs.sim import faultlist
from tests.unit.sim import simulated


class FaultsTest(simulated.SimulatedTestCase):

    def setUp(self):
        super().setUp()
        self.master('m')

    def exists(self, name):
        return os.path.exists(self.path(name))

    def test_only_the_nth_call_from_now_is_spoilt(self):
        self.cluster.faults.add('mmclone copy', 'fail', nth=2, code=5,
                                text='mmclone: bad')
        self.did('mmclone', 'copy', 'm', 'a')
        self.did('mmclone', 'show', 'm')
        self.refused(5, 'mmclone: bad\n', 'mmclone', 'copy', 'm', 'b')
        self.assertFalse(self.exists('b'))
        self.did('mmclone', 'copy', 'm', 'b')

    def test_a_fault_can_be_for_one_node_and_for_every_call(self):
        self.cluster.faults.add('mmclone', 'fail', nth=0, node='node2')
        for _again in range(2):
            self.refused(1, '', 'mmclone', 'show', 'm', node='node2')
        self.did('mmclone', 'show', 'm')

    def test_exit_0_with_an_error_text_and_no_effect(self):
        self.cluster.faults.add('mmclone copy', 'fail', code=0,
                                text='mmclone: Input/output error')
        self.refused(0, 'Input/output error', 'mmclone', 'copy', 'm', 'a')
        self.assertFalse(self.exists('a'))

    def test_effect_and_a_failure_all_the_same(self):
        self.cluster.faults.add('mmclone copy', 'fail-after', code=5)
        self.refused(5, '', 'mmclone', 'copy', 'm', 'a')
        self.assertTrue(self.exists('a'))

    def test_delay(self):
        self.cluster.faults.add('mmclone', 'delay', seconds=0.4)
        begun = time.monotonic()
        self.did('mmclone', 'show', 'm')
        self.assertGreater(time.monotonic() - begun, 0.4)

    def test_killed_before_and_after_the_effect(self):
        self.cluster.faults.add('mmclone', 'kill')
        self.cluster.faults.add('mmclone', 'kill-after', nth=2)
        for effect in (False, True):
            done = self.mm('mmclone', 'copy', 'm', 'a')
            self.assertEqual(-signal.SIGKILL, done.returncode)
            self.assertEqual(effect, self.exists('a'))
        self.assertEqual([-9, -9],
                         [call['rc'] for call in self.cluster.calls()[-2:]])

    def test_a_hanging_call_can_have_a_child_that_outlives_it(self):
        self.cluster.faults.add('mmclone', 'hang', child=True)
        program = os.path.join(self.cluster.bin_dir('node1'), 'mmclone')
        process = subprocess.Popen([program, 'show', 'm'],
                                   stdout=subprocess.PIPE, cwd=self.directory,
                                   start_new_session=True)
        self.addCleanup(self._end, process.pid)
        self.addCleanup(process.stdout.close)
        child = self._child_of(process.pid)
        self.assertIsNone(process.poll())
        process.kill()
        process.wait()
        self.assertEqual(
            os.readlink(f'/proc/self/fd/{process.stdout.fileno()}'),
            os.readlink(f'/proc/{child}/fd/1'))
        self.assertIsNone(self.cluster.calls()[-1]['rc'])

    def _child_of(self, parent):
        """Return the number of a process's child, once there is one."""
        deadline = time.monotonic() + 60
        children = f'/proc/{parent}/task/{parent}/children'
        while time.monotonic() < deadline:
            with open(children) as found:
                number = found.read().strip()
            if number:
                return number
            time.sleep(0.01)
        self.fail('no second process')

    def _end(self, group):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def test_garbage_and_truncated_rows(self):
        self.cluster.faults.add('mmgetstate', 'garbage')
        self.cluster.faults.add('mmgetstate', 'truncate', nth=2)
        program = os.path.join(self.cluster.bin_dir('node1'), 'mmgetstate')
        garbage = subprocess.check_output([program, '-Y'])
        self.assertRaises(UnicodeDecodeError, garbage.decode)
        lines = self.did('mmgetstate', '-Y').splitlines()
        self.assertIn('HEADER', lines[0])
        self.assertLess(lines[1].count(':'), lines[0].count(':'))

    def test_faults_are_listed_and_cleared(self):
        number = self.cluster.faults.add('mmclone', 'kill')
        self.cluster.faults.add('mmlsfs', 'fail')
        self.assertEqual(['mmclone', 'mmlsfs'], [
            fault.command for fault in self.cluster.faults.all()])
        self.cluster.faults.clear(number)
        self.did('mmclone', 'show', 'm')
        self.cluster.faults.clear()
        self.assertEqual([], self.cluster.faults.all())

    def test_unknown_faults_are_refused(self):
        faults = self.cluster.faults
        self.assertRaises(faultlist.FaultInvalid, faults.add, 'mmclone', 'x')
        self.assertRaises(faultlist.FaultInvalid, faults.add_condition, 'x')


class NodeStatesTest(simulated.SimulatedTestCase):

    def test_a_down_daemon_is_reported_in_the_recorded_words(self):
        self.cluster.set_node_state('node1', 'down')
        self.refused(1, 'Failed to connect to file system daemon: No such '
                     'process\nmmlsquota: GPFS is down on this node.\n'
                     'mmlsquota: Command failed. Examine previous error '
                     'messages to determine cause.\n', 'mmlsquota', '-Y')
        self.did('mmlsfs', 'fs0', '-Y', node='node2')

    def test_states_stop_what_needs_the_daemon_and_nothing_else(self):
        self.write('a')
        for state, text in (('down', 'GPFS is down'),
                            ('expelled', 'GPFS is down'),
                            ('quorum-lost', '6027-725'),
                            ('arbitrating', '6027-725')):
            self.cluster.set_node_state('node1', state)
            for arguments in (('mmclone', 'snap', 'a'),
                              ('mmchattr', '-r', '2', 'a'),
                              ('mmlsattr', '-L', 'a'), ('mmlspool', 'fs0'),
                              ('mmlsfileset', 'fs0'), ('mmdf', 'fs0')):
                self.refused(1, text, *arguments)
            for name in ('mmgetstate', 'mmlscluster', 'mmlsconfig',
                         'mmlsnsd', 'mmlsnode'):
                self.did(name)
        self.cluster.set_node_state('node1', 'up')
        self.did('mmclone', 'snap', 'a')

    def test_a_node_of_no_cluster_says_so(self):
        self.cluster.set_node_state('node1', 'no-cluster')
        self.refused(1, 'mmlscluster: This node does not belong to a GPFS '
                     'cluster.\n', 'mmlscluster', '-Y')

    def test_stale_and_not_mounted_hold_on_the_node_they_name(self):
        self.write('a')
        faults = self.cluster.faults
        faults.add_condition('stale', fs='fs0', node='node1')
        faults.add_condition('not-mounted', fs='fs0', node='node2')
        self.refused(116, 'mmclone: Stale file handle\n', 'mmclone', 'snap',
                     'a')
        self.refused(1, '6027-602', 'mmclone', 'snap', 'a', node='node2')
        self.did('mmclone', 'snap', 'a', node='node3')

    def test_an_unmounted_file_system_leaves_an_empty_directory(self):
        self.write('a')
        self.cluster.unmount('fs0')
        mounted = self.cluster.mount_point('fs0')
        self.assertEqual([], os.listdir(mounted))
        self.directory = mounted
        self.refused(22, 'Error code 22', 'mmlsattr', '-L', mounted)
        self.cluster.mount('fs0')
        self.assertTrue(os.path.exists(os.path.join(mounted, 'nova/a')))
