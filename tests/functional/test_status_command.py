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

"""nova-gpfs status, as a program on a simulated cluster."""

import json
import os
import signal
import subprocess
import time

from nova_gpfs import hosts
from nova_gpfs.trials import scratch
from tests.functional import test_check_command as checks
from tests.functional import test_policy_commands as commands


class StatusTest(commands.CommandsTestCase):

    def setUp(self):
        super().setUp()
        self.home = self.storage.layout.home

    def words(self, *words):
        return [*commands.PROGRAM, f'--config-file={self.nova_conf}',
                f'--config-dir={self.directory}', 'status', *words]

    def status(self, *words):
        """Return exit code, document and [level, what] of troubles."""
        done = subprocess.run(
            self.words('--format=json', *words), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, cwd=commands.TOP,
            timeout=checks.SECONDS)
        document = json.loads(done.stdout)
        return done.returncode, document, [
            (row['level'], row.get('why', '')) for row in document['health']]

    def assertTrouble(self, code, level, text, *words):
        """Expect one trouble; return the document."""
        found, document, troubles = self.status(*words)
        self.assertEqual((code, [level]),
                         (found, [each for each, _what in troubles]),
                         troubles)
        self.assertIn(text, troubles[0][1])
        return document

    def announce(self, age=0.0):
        self.storage.hosts.announce(hosts.Host('node1', '192.0.2.1'))
        path = self.storage.layout.host('node1')
        os.utime(path, (time.time() - age,) * 2)

    def test_a_host_on_which_all_is_well(self):
        self.boot()
        self.announce()
        before = checks.tree(self.home)
        code, document, troubles = self.status()
        self.assertEqual((0, [('ok', '')]), (code, troubles))
        self.assertEqual(('node1', 'active'), (
            document['cluster'][0]['node'], document['cluster'][0]['daemon']))
        self.assertEqual(('yes', 'fs0', 'nova'), tuple(
            document['instances'][0][name]
            for name in ('mounted', 'file_system', 'fileset')))
        self.assertEqual(
            {'pool system', 'pool fast', 'fileset nova'},
            {row['what'] for row in document['pools']})
        (masters,) = document['masters']
        self.assertEqual((1, 3 * commands.MIB),
                         (masters['masters'], masters['held_bytes']))
        self.assertEqual([('node1', 'yes')], [
            (row['host'], row['alive']) for row in document['hosts']])
        self.assertEqual(before, checks.tree(self.home))

    def test_it_is_told_to_people(self):
        done = subprocess.run(self.words(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True,
                              cwd=commands.TOP, timeout=checks.SECONDS)
        self.assertEqual(0, done.returncode)
        self.assertIn('total GiB', done.stdout)
        self.assertIn('300.0', done.stdout)

    def test_a_daemon_that_is_down(self):
        self.gpfs.set_node_state('node1', 'down')
        document = self.assertTrouble(2, 'broken', 'mmstartup')
        self.assertEqual('down', document['cluster'][0]['daemon'])

    def test_a_file_system_that_is_not_mounted(self):
        self.gpfs.unmount('fs0')
        os.makedirs(self.instances_path)
        document = self.assertTrouble(2, 'broken', 'GPFS file system')
        self.assertEqual('no', document['instances'][0]['mounted'])
        self.assertEqual([], os.listdir(self.instances_path))

    def test_a_file_system_that_is_mounted_read_only(self):
        if os.geteuid():
            self.skipTest('mounting needs root')
        data = os.path.realpath(self.gpfs.mount_point('fs0'))
        subprocess.run(['mount', '--bind', data, data], check=True)
        self.addCleanup(subprocess.run, ['umount', '--lazy', data])
        subprocess.run(['mount', '-o', 'remount,ro,bind', data], check=True)
        self.assertTrouble(2, 'broken', 'Read-only')

    def test_another_file_system(self):
        identity = self.storage.layout.identity
        with open(identity) as file:
            text = file.read()
        with open(identity, 'w') as file:
            file.write(text.replace('"nova"', '"other"'))
        self.assertTrouble(2, 'broken', 'Another file system')

    def test_a_directory_that_nova_compute_has_never_used(self):
        os.rename(self.home, self.home + '.away')
        self.assertTrouble(1, 'warning', 'identity.json is not there')

    def test_a_host_that_hangs_takes_no_longer_than_is_wanted(self):
        self.gpfs.faults.add('mmlspool', 'hang', nth=0)
        # A day is how long it would hang.
        document = self.assertTrouble(2, 'broken', 'pools', '--timeout=6')
        self.assertEqual('active', document['cluster'][0]['daemon'])

    def test_what_hangs_is_ended_with_it(self):
        self.gpfs.faults.add('mmgetstate', 'hang', nth=0)
        process = subprocess.Popen(
            self.words('--timeout=4'), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, cwd=commands.TOP,
            start_new_session=True)
        self.addCleanup(process.kill)
        self.assertEqual(2, process.wait(timeout=checks.SECONDS))
        self.assertEqual([], self.hanging())

    def hanging(self):
        """Return the processes of mmgetstate of this cluster."""
        mine = os.path.join(self.mm_path, 'mmgetstate').encode()
        return [pid for pid in filter(str.isdigit, os.listdir('/proc'))
                if mine in command_line(pid)]

    def test_space_that_runs_out(self):
        self.configure('low_space_percent = 100')
        found, _document, troubles = self.status()
        self.assertEqual(1, found)
        self.assertEqual({'warning'}, {level for level, _what in troubles})
        self.assertIn('low space: storage pool', troubles[0][1])

    def test_hosts_that_are_silent(self):
        self.announce(age=3600.0)
        document = self.assertTrouble(1, 'warning', 'no compute host')
        self.assertEqual('no', document['hosts'][0]['alive'])

    def test_leftovers(self):
        for directory in (self.storage.layout.trash,
                          self.storage.layout.incoming):
            path = os.path.join(directory, 'left')
            os.mkdir(path)
            os.utime(path, (time.time() - 3 * 86400,) * 2)
        os.mkdir(os.path.join(self.storage.layout.leaving, 'kept'))
        found, document, troubles = self.status()
        self.assertEqual((1, 2), (found, len(troubles)))
        self.assertEqual([1, 1, 1], [row['number'] for row
                                     in document['leftovers']])

    def test_the_directory_of_a_check_that_was_killed(self):
        os.mkdir(os.path.join(self.instances_path,
                              scratch.PREFIX + 32 * 'a'))
        self.assertTrouble(1, 'warning', scratch.PREFIX)

    def test_it_can_be_interrupted(self):
        self.gpfs.faults.add('mmgetstate', 'hang', nth=0)
        process = subprocess.Popen(
            self.words(), stdin=subprocess.DEVNULL, cwd=commands.TOP,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT,
                                             signal.default_int_handler))
        self.addCleanup(process.kill)
        end = time.monotonic() + checks.SECONDS
        while not self.hanging() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=checks.SECONDS)
        self.assertEqual((2, True), (process.returncode,
                                     'interrupted' in err))


def command_line(pid):
    """Return the words of a process, nothing of one that is gone."""
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            return file.read()
    except OSError:
        return b''
