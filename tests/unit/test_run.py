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


import dataclasses
import gc
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from typing import Annotated

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs.mm import base as commands
from nova_gpfs.mm import fields
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlsfs
from nova_gpfs import model
from nova_gpfs import run


class ProgramsTestCase(base.BaseTestCase):
    """Programs written for one test, where mm_path would be."""

    def setUp(self):
        super().setUp()
        self.mm_path = self.useFixture(fixtures.TempDir()).path
        self.local = run.Local(self.mm_path, 10.0, 10.0)

    def program(self, name, script):
        path = pathlib.Path(self.mm_path, name)
        path.write_text('#!/bin/sh\n' + textwrap.dedent(script))
        path.chmod(0o755)

    def left_behind(self, word):
        """Return the processes that have a word in their command line.

        One that has been killed takes a moment to go.
        """
        until = time.monotonic() + 5.0
        while (found := _processes(word)) and time.monotonic() < until:
            time.sleep(0.05)
        return found


def _processes(word):
    found = []
    for entry in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if word.encode() in entry.read_bytes().split(b'\0'):
                found.append(entry)
        except OSError:
            continue
    return found


Anything = Annotated[str, fields.Kind('anything', lambda value: True)]


@dataclasses.dataclass(frozen=True)
class Say(commands.Effect):
    """A command whose words may be any."""

    program = 'mmclone'
    first: Anything
    second: Anything
    third: Anything
    fourth: Anything

    def arguments(self):
        return self.first, self.second, self.third, self.fourth


class TestLocal(ProgramsTestCase):

    def show(self, path='/a'):
        return self.local(mmclone.Show(path))

    def test_a_result_is_what_the_program_said(self):
        self.program('mmclone', 'echo out; echo err >&2; exit 22')
        self.assertEqual(model.Result(22, 'out\n', 'err\n'), self.show())

    def test_a_signal_is_a_negative_exit_code(self):
        self.program('mmclone', 'kill -9 $$')
        self.assertEqual(-signal.SIGKILL, self.show().rc)

    def test_arguments_reach_the_program_as_they_are(self):
        self.program('mmclone', 'printf "%s|" "$@"')
        words = ('/a b/$(id)', '\'"*;\\ü', '', '-n')
        self.assertEqual(''.join(f'{word}|' for word in words),
                         self.local(Say(*words)).stdout)

    def test_bytes_that_are_no_text_survive(self):
        self.program('mmclone', "printf '%s \\377' \"$2\"")
        path = os.fsdecode(b'/a\xfe')
        self.assertEqual(b'/a\xfe \xff', os.fsencode(self.show(path).stdout))

    def test_the_environment_is_clean(self):
        self.useFixture(fixtures.EnvironmentVariable('LC_ALL', 'C.UTF-8'))
        self.useFixture(fixtures.EnvironmentVariable('LD_PRELOAD_X', 'evil'))
        self.useFixture(fixtures.EnvironmentVariable('PATH', '/evil:/bin'))
        self.program('mmclone', 'exec /usr/bin/env')
        found = dict(line.split('=', 1)
                     for line in self.show().stdout.splitlines())
        found.pop('PWD', None)
        found.pop('OLDPWD', None)
        found.pop('SHLVL', None)
        found.pop('_', None)
        self.assertEqual({'PATH', 'LC_ALL', 'HOME'}, set(found))
        self.assertEqual('C', found['LC_ALL'])
        self.assertNotIn('evil', found['PATH'])

    def test_files_are_made_with_the_usual_umask(self):
        self.addCleanup(os.umask, os.umask(0))
        self.program('mmclone', 'umask')
        self.assertEqual(0o022, int(self.show().stdout, 8))

    def test_there_is_nothing_to_read(self):
        self.program('mmclone', 'cat; echo end')
        self.assertEqual('end\n', self.show().stdout)

    def test_a_program_elsewhere_on_the_path_is_not_run(self):
        elsewhere = self.useFixture(fixtures.TempDir()).path
        self.program('mmclone', 'echo wrong')
        os.rename(f'{self.mm_path}/mmclone', f'{elsewhere}/mmclone')
        self.useFixture(fixtures.EnvironmentVariable('PATH', elsewhere))
        self.assertRaises(errors.ProgramMissing, self.show)

    def test_a_missing_program_or_directory_is_named(self):
        error = self.assertRaises(errors.ProgramMissing, self.show)
        self.assertIn(f'{self.mm_path}/mmclone', str(error))
        os.mkdir(f'{self.mm_path}/mmclone')
        self.local = run.Local(f'{self.mm_path}/nowhere', 1.0, 1.0)
        self.assertRaises(errors.ProgramMissing, self.show)

    def test_a_program_that_may_not_be_run(self):
        self.program('mmclone', 'echo')
        os.chmod(f'{self.mm_path}/mmclone', 0o644)
        self.assertRaises(errors.NotPermitted, self.show)

    def test_a_file_that_is_no_program(self):
        pathlib.Path(self.mm_path, 'mmclone').write_bytes(b'\x00\x01')
        os.chmod(f'{self.mm_path}/mmclone', 0o755)
        self.assertRaises(errors.CommandFailed, self.show)


class TestTimeLimit(ProgramsTestCase):

    def setUp(self):
        super().setUp()
        self.local = run.Local(self.mm_path, 0.5, 0.5)
        self.nap = f'{86400 + os.getpid()}.25'

    def assertEnded(self, command):
        before = time.monotonic()
        error = self.assertRaises(errors.TimedOut, self.local, command)
        # Not a measure of speed: the nap is a day.
        self.assertLess(time.monotonic() - before, 60.0)
        self.assertEqual([], self.left_behind(self.nap))
        return error

    def test_a_command_is_ended_at_its_time_limit(self):
        self.program('mmlsfs', f'exec sleep {self.nap}')
        error = self.assertEnded(mmlsfs.List('fs0'))
        self.assertEqual(
            (f'{self.mm_path}/mmlsfs', 'fs0', '-Y'), error.argv)
        self.assertEqual(0.5, error.seconds)

    def test_what_it_has_started_is_ended_too(self):
        self.program('mmlsfs', f'''
            sleep {self.nap} &
            (sleep {self.nap} & exec sleep {self.nap})
        ''')
        self.assertEnded(mmlsfs.List('fs0'))

    def test_a_command_that_ignores_signals_is_ended(self):
        self.program('mmlsfs', f'''
            trap "" TERM INT HUP
            while :; do sleep {self.nap}; done
        ''')
        self.assertEnded(mmlsfs.List('fs0'))

    def test_a_child_that_keeps_the_output_open_is_not_waited_for(self):
        self.program('mmlsfs', f'sleep {self.nap} & echo done')
        self.assertEnded(mmlsfs.List('fs0'))

    def test_no_zombie_and_no_open_pipe_stays(self):
        note = f'{self.mm_path}/pid'
        self.program('mmlsfs', f'echo $$ > {note}; exec sleep {self.nap}')
        # What other tests have left open may be closed at any time.
        gc.collect()
        before = len(os.listdir('/proc/self/fd'))
        self.assertEnded(mmlsfs.List('fs0'))
        self.assertEqual(before, len(os.listdir('/proc/self/fd')))
        # Other tests of this process may have children of their own.
        pid = int(pathlib.Path(note).read_text())
        self.assertRaises(ChildProcessError, os.waitpid, pid, os.WNOHANG)

    def test_commands_that_copy_data_have_a_limit_of_their_own(self):
        self.local = run.Local(self.mm_path, 0.5, 10.0)
        for name in ('mmclone', 'mmlsattr'):
            self.program(name, 'sleep 1')
        self.assertEqual(0, self.local(mmclone.Split('/a')).rc)
        self.assertRaises(errors.TimedOut, self.local, mmclone.Seal('/a'))
        self.assertRaises(errors.TimedOut, self.local, mmlsattr.List('/a'))


class TestUnderEventlet(ProgramsTestCase):
    """Nova up to 2025.2 patches the standard library; a process of its own."""

    def test_it_runs_and_ends_commands_there_too(self):
        self.program('mmlsfs', 'echo out; exit 3')
        nap = f'{86400 + os.getpid()}.75'
        self.program('mmlscluster', f'sleep {nap} & sleep {nap}')
        answer = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', textwrap.dedent('''
                import sys, time
                try:
                    import eventlet
                except ImportError:
                    sys.exit('no eventlet')
                eventlet.monkey_patch()
                from nova_gpfs import errors, run
                from nova_gpfs.mm import mmlscluster, mmlsfs
                local = run.Local(sys.argv[1], 1.0, 1.0)
                ticks = []
                def tick():
                    while True:
                        ticks.append(1)
                        eventlet.sleep(0.05)
                eventlet.spawn(tick)
                print(local(mmlsfs.List('fs0')))
                try:
                    local(mmlscluster.List())
                except errors.TimedOut as error:
                    print(type(error).__name__, len(ticks) > 5)
            '''), self.mm_path], capture_output=True, text=True, timeout=60)
        if 'no eventlet' in answer.stderr:
            self.skipTest('eventlet is not installed')
        self.assertEqual(
            "Result(rc=3, stdout='out\\n', stderr='')\nTimedOut True\n",
            answer.stdout, answer.stderr)
        self.assertEqual([], self.left_behind(nap))


class TestAlone(ProgramsTestCase):
    """What must not be started again while it has not ended."""

    def setUp(self):
        super().setUp()
        self.program('look', f'echo >> {self.mm_path}/begun; '
                             f'cat {self.mm_path}/answer')
        self.look = run.Alone((f'{self.mm_path}/look',), 60.0)
        self.answer = pathlib.Path(self.mm_path, 'answer')

    def begun(self):
        return len(pathlib.Path(self.mm_path, 'begun').read_text())

    def test_each_call_runs_it_and_tells_what_it_said(self):
        for text in ('one', 'two'):
            self.answer.write_text(text)
            self.assertEqual(model.Result(0, text, ''), self.look())
        self.assertEqual(2, self.begun())

    def test_while_one_waits_there_is_no_second_one(self):
        self._wait_in_vain()
        for _ in range(3):
            error = self.assertRaises(errors.TimedOut, self.look)
        self.assertEqual((f'{self.mm_path}/look',), error.argv)
        self.assertEqual(1, self.begun())
        self._let_go()

    def test_what_a_late_one_says_is_not_taken_for_the_answer_of_now(self):
        self._wait_in_vain()
        self._let_go('of then')
        self.answer.unlink()
        self.answer.write_text('of now')
        self.look.seconds = 60.0
        self.assertEqual('of now', self.look().stdout)
        self.assertEqual(2, self.begun())

    def _wait_in_vain(self):
        os.mkfifo(self.answer)
        self.look.seconds = 1.0
        self.assertRaises(errors.TimedOut, self.look)

    def _let_go(self, text=''):
        with open(self.answer, 'w') as waited_for:
            waited_for.write(text)
        self.look._process.wait(60.0)


class TestHostileOutput(ProgramsTestCase):
    """What a program prints that is not what it should be."""

    def setUp(self):
        super().setUp()
        self.nap = f'{86400 + os.getpid()}.75'

    def test_endless_output_ends_the_command(self):
        self.useFixture(fixtures.MonkeyPatch('nova_gpfs.run._MOST_PRINTED',
                                             1000))
        for stream in (1, 2):
            self.program('mmlsfs', f'''
                sleep {self.nap} &
                while :; do echo much too much; done >&{stream}
            ''')
            error = self.assertRaises(errors.CommandFailed, self.local,
                                      mmlsfs.List('fs0'))
            self.assertIn('printed', str(error))
            self.assertEqual([], self.left_behind(self.nap))

    def test_a_command_that_takes_long_is_read_to_its_end(self):
        self.program('mmlsfs', 'echo one; sleep 0.6; echo two; echo err >&2')
        self.assertEqual(model.Result(0, 'one\ntwo\n', 'err\n'),
                         self.local(mmlsfs.List('fs0')))

    def test_no_error_forges_a_line_or_speaks_to_a_terminal(self):
        texts = (b'\x1b[2J\x1b]0;title\x07', b'a\nERROR forged', b'\x00',
                 b'\xff\xfe', b'\r\x08\x7f', b'\xc2\x9b31m',
                 '\u202e\u2028'.encode(), b'x' * 10 ** 6)
        for text in texts:
            pathlib.Path(self.mm_path, 'said').write_bytes(text)
            for known in ('', 'is not known to the GPFS cluster'):
                self.program('mmlsfs', f'''
                    cat {self.mm_path}/said
                    echo "File system fs0 {known}" >&2
                    cat {self.mm_path}/said >&2
                    exit 1
                ''')
                command = mmlsfs.List('fs0')
                error = self.assertRaises(
                    errors.GpfsError, command.outcome, self.local(command))
                self.assertTrue(str(error).isprintable(), repr(str(error)))
                self.assertLess(len(str(error)), 3000)
                str(error).encode()


class TellerTest(ProgramsTestCase):

    def teller(self, script):
        self.program('tell', script)
        teller = run.Teller((f'{self.mm_path}/tell',))
        self.addCleanup(teller.end)
        return teller

    def test_lines_come_as_they_are_said(self):
        teller = self.teller('printf "one\\ntwo\\nthr"; sleep 0.1; echo ee; '
                             'sleep 4711.5')
        self.assertEqual(['one', 'two', 'three'],
                         [teller.line(60.0) for _time in range(3)])
        self.assertRaises(errors.TimedOut, teller.line, 0.1)
        self.assertEqual(1, len(self.left_behind('4711.5')))
        teller.end()
        self.assertEqual([], self.left_behind('4711.5'))
        teller.end()

    def test_its_end_is_told(self):
        teller = self.teller('echo one; printf two; exit 3')
        self.assertEqual('one', teller.line(60.0))
        error = self.assertRaises(errors.CommandFailed, teller.line, 60.0)
        self.assertEqual((3, 'two'), (error.rc, error.stdout))
        self.assertRaises(OSError, run.Teller, ('/no/such/program',))
