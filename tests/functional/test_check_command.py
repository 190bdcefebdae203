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

"""nova-gpfs check, as a program on a simulated cluster."""

import json
import os
import signal
import subprocess
import time
from unittest import mock

import fixtures

from nova_gpfs.cmd import checking
from nova_gpfs.cmd import host as hosts
from nova_gpfs import errors
from nova_gpfs.trials import base as trials
from nova_gpfs.trials import scratch
from nova_gpfs.trials import table
from tests import face
from tests.functional import test_policy_commands as commands
from tests import sim_library

SECONDS = 120
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What the simulator on plain files is known to do otherwise than GPFS.
KINDER = {'unlink-parent-with-children', 'replace-parent-with-children',
          'write-parent', 'truncate-parent', 'mount-table'}


def tree(top):
    """Return all that is below a directory, with times and content."""
    found = {}
    for path, directories, files in os.walk(top):
        for name in directories + files:
            each = os.path.join(path, name)
            status = os.lstat(each)
            with open(each, 'rb') if name in files else open(
                    os.devnull, 'rb') as file:
                found[each] = (status.st_ino, status.st_mode,
                               status.st_nlink, file.read())
            if name in files:
                found[each] += (status.st_mtime_ns,)
    return found


class CheckTestCase(commands.CommandsTestCase):

    def setUp(self):
        super().setUp()
        if not sim_library.reason_not():
            self.configure(f'library = {self.gpfs.library("node1")}')
        self.fs = self.gpfs.mount_point('fs0')

    def words(self, *words, conf=None):
        conf = conf or self.nova_conf
        return [*commands.PROGRAM, f'--config-file={conf}',
                f'--config-dir={os.path.dirname(conf)}', '--format=json',
                'check', self.instances_path, *words]

    def start(self, *words, conf=None):
        process = subprocess.Popen(
            self.words(*words, conf=conf), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=commands.TOP, preexec_fn=self.heed)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    @staticmethod
    def heed():
        """Heed signals, also where the shell has them ignored."""
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def run_check(self, *words, conf=None):
        """Run it to its end; return exit code, document and stderr."""
        process = self.start(*words, conf=conf)
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, json.loads(out) if out else None, err

    def wait_until(self, condition):
        end = time.monotonic() + SECONDS
        while not condition():
            self.assertLess(time.monotonic(), end, 'it did not come to that')
            time.sleep(0.02)

    def scratches(self):
        return scratch.all_below(self.instances_path)

    def interrupted(self, number):
        """End a run by a signal amid its trials; return the exit code."""
        before = self.scratches()
        process = self.start()
        self.wait_until(lambda: any(
            os.path.exists(os.path.join(each, 'clone-depth', 'parent1'))
            for each in set(self.scratches()) - set(before)))
        process.send_signal(number)
        process.communicate(timeout=SECONDS)
        return process.returncode


class CheckTest(CheckTestCase):

    def node2_conf(self):
        """Write the configuration of a second host; return its path."""
        with open(self.nova_conf) as file:
            text = file.read().replace(self.mm_path,
                                       self.gpfs.bin_dir('node2'))
        os.mkdir(os.path.join(self.directory, 'node2'))
        path = os.path.join(self.directory, 'node2', 'nova.conf')
        with open(path, 'w') as file:
            file.write(text)
        return path

    def test_a_cluster_is_tried_out_and_left_as_it_was(self):
        record = os.path.join(self.directory, 'record.json')
        node2, before = self.node2_conf(), tree(self.fs)
        mark = len(self.gpfs.calls())
        first = self.start('--second-host=node2', '--wait=100',
                           f'--record={record}')
        self.wait_until(lambda: any(
            os.path.exists(os.path.join(each, 'meeting', 'invitation.json'))
            for each in self.scratches()))
        met, answer, _err = self.run_check('--meet', conf=node2)
        out, _err = first.communicate(timeout=SECONDS)
        document = json.loads(out)
        states = {one['name']: one['state'] for one in document['findings']}
        self.assertEqual((0, {'taken'}), (met, {
            row['found'] for row in answer['locks']}))
        self.assert_kinder(first.returncode, states)
        for name in ('locks-between-hosts', 'ofd-locks-between-hosts',
                     'clocks'):
            self.assertEqual(trials.WORKS, states[name], document)
        self.assertEqual(before, tree(self.fs))
        self.assertEqual([], self.gpfs.check())
        self.assert_only_in_scratch(self.gpfs.calls()[mark:])
        self.assert_record(record, document)

    def assert_kinder(self, code, states):
        """Plain files allow what GPFS does not, and a FUSE mount refuses."""
        bad = {name for name, state in states.items() if state in (
            trials.WRONG, trials.DEGRADED, trials.UNKNOWN)}
        kinder = set() if face.is_asked_for() else KINDER - {'mount-table'}
        self.assertEqual(bool(kinder), bool(code))
        # Some of this is a matter of the machine.
        self.assertEqual(kinder, bad - {'mount-table', 'declone',
                                        'link-count'})

    def assert_only_in_scratch(self, calls):
        """Look whether files were named outside the scratch directory."""
        self.assertGreater(len(calls), len(table.TRIALS))
        top = os.path.realpath(self.instances_path)
        own = os.path.join(top, scratch.PREFIX)
        for call in calls:
            for word in call['argv'][1:]:
                if os.path.realpath(word) == top:
                    self.assertIn('mmlsattr', call['argv'][0])
                elif word.startswith('/proc/'):
                    # What the trial of such names had open itself.
                    self.assertRegex(word, '^/proc/[0-9]+/fd/[0-9]+(/disk)?$')
                elif word.startswith('/'):
                    self.assertTrue(os.path.realpath(word).startswith(own),
                                    call)

    def assert_record(self, path, document):
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)
        with open(path) as file:
            record = json.load(file)
        self.assertEqual(1, record['version'])
        self.assertEqual(document['findings'], record['findings'])
        self.assertEqual(table.NOT_TRIED, record['not_tried'])
        self.assertIn('mmclone copy', {row['command'] for row
                                       in record['times']})
        self.assertEqual('node1', record['cluster']['node_name'])
        self.assertLess(100, len(record['calls']))

    def test_an_outage_is_watched_until_it_is_over(self):
        before = tree(self.fs)
        process = self.start('--outage=daemon-down', f'--wait={SECONDS}')

        def wait_for(word):
            for line in process.stderr:
                if line.rstrip().endswith(word):
                    return
            self.fail(f'it has not said {word}')

        wait_for(': opened')
        self.gpfs.unmount('fs0')
        wait_for(': ENOENT')
        self.gpfs.mount('fs0')
        wait_for(': opened')
        document = json.loads(process.communicate(timeout=SECONDS)[0])
        found = {one['name']: one for one in document['findings']}
        self.assertEqual(
            (trials.WORKS, 'ENOENT', 'opened, then ENOENT, then opened'),
            tuple(found['open-without-daemon'][field]
                  for field in ('state', 'answer', 'detail')))
        for name in ('open-when-expelled', 'open-without-quorum'):
            self.assertEqual(trials.SKIPPED, found[name]['state'])
        self.assertEqual(before, tree(self.fs))

    def test_one_that_is_not_over_is_reported_and_what_is_there_is_left(self):
        before = tree(self.fs)
        process = self.start('--outage=daemon-down', '--wait=30')
        for line in process.stderr:
            if line.rstrip().endswith(': opened'):
                break
        self.gpfs.unmount('fs0')
        document = json.loads(process.communicate(timeout=SECONDS)[0])
        self.assertEqual(2, process.returncode)
        found = {one['name']: one.get('answer')
                 for one in document['findings']}
        self.assertEqual('ENOENT', found['open-without-daemon'])
        stopped, left = document['troubles']
        self.assertIn('still away', stopped['why'])
        self.gpfs.mount('fs0')
        path, = self.scratches()
        self.assertIn(os.path.basename(path), left['trouble'])
        self.run_check()
        self.assertEqual(before, tree(self.fs))

    def test_a_second_host_that_nobody_waits_for_says_how_to_begin(self):
        code, document, err = self.run_check('--meet')
        self.assertEqual((2, {'locks': []}), (code, document))
        self.assertIn('--second-host node1', err)

    def test_an_interrupted_run_leaves_nothing(self):
        before = tree(self.fs)
        for number in ENDING:
            self.assertEqual(2, self.interrupted(number))
            self.assertEqual(before, tree(self.fs))
        self.assertEqual([], self.gpfs.check())

    def test_the_next_run_removes_what_a_killed_one_has_left(self):
        before = tree(self.fs)
        self.assertEqual(-signal.SIGKILL, self.interrupted(signal.SIGKILL))
        self.assertEqual(1, len(self.scratches()))
        # The next run is cut off, too, once it has begun.
        self.assertEqual(2, self.interrupted(signal.SIGTERM))
        self.assertEqual(before, tree(self.fs))

    def test_a_cluster_that_goes_away_ends_it_with_a_report(self):
        self.gpfs.faults.add('mmclone copy', 'fail', nth=1, text=(
            'Failed to connect to file system daemon: No such process'))
        self.gpfs.faults.add('mmclone show', 'fail', nth=0, text=(
            'Failed to connect to file system daemon: No such process'))
        code, document, _err = self.run_check('--record=/no/such/record')
        self.assertEqual(2, code)
        stopped, unkept = document['troubles']
        self.assertIn('mmgetstate', stopped['why'])
        self.assertIn('/no/such/record', unkept['why'])
        self.assertEqual([], self.scratches())

    def test_a_daemon_that_is_down_is_said_and_nothing_is_written(self):
        before = tree(self.fs)
        self.gpfs.set_node_state('node1', 'down')
        code, document, err = self.run_check()
        self.assertEqual((2, None), (code, document))
        self.assertIn('GPFS is not ready on this host', err)
        self.assertEqual(before, tree(self.fs))

    def test_nothing_is_written_where_no_file_system_is_mounted(self):
        self.gpfs.unmount('fs0')
        os.makedirs(self.instances_path)
        code, document, _err = self.run_check()
        self.assertEqual((2, None, []), (
            code, document, os.listdir(self.instances_path)))

    def test_a_user_hears_where_the_privileged_daemon_does_nothing(self):
        self.configure(rootless='mmlsattr')
        host = hosts.from_files([self.nova_conf], [self.directory])
        with mock.patch.object(os, 'geteuid', return_value=1000):
            checking.require_reach(host, self.instances_path)
            checking.require_reach(host, self.instances_path + '/below')
            for other in (self.fs, self.instances_path + '.old'):
                self.assertRaises(errors.NotPermitted,
                                  checking.require_reach, host, other)
        checking.require_reach(host, self.fs)

    def test_a_record_that_is_there_is_left_alone(self):
        code, _document, err = self.run_check(f'--record={self.nova_conf}')
        self.assertEqual(2, code)
        self.assertIn('exists', err)
        self.assertEqual([], self.scratches())

    def test_it_needs_no_nova_conf_where_the_programs_are_known(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'mm')
        with open(path, 'w') as file:
            file.write(f'[gpfs]\nmm_path = {self.mm_path}\n'
                       f'rootless_commands = {commands.ALL_COMMANDS}\n')
        self.gpfs.set_node_state('node1', 'down')
        code, _document, err = self.run_check(conf=path)
        self.assertEqual(2, code)
        self.assertIn('GPFS is not ready on this host', err)
