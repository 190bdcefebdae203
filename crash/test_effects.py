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
"""The watch itself: it misses no kind of effect, and kills before it."""

import json
import os
import signal
import subprocess

import fixtures
from oslotest import base

from crash import case
from crash import count
from crash import effects
from crash import lists

TRUE = ['/bin/cp', '--version']


def by_descriptor(top):
    room = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    os.close(os.open('a', os.O_WRONLY | os.O_CREAT, dir_fd=room))
    os.link('a', 'b', src_dir_fd=room, dst_dir_fd=room)
    os.rename('b', 'c', src_dir_fd=room, dst_dir_fd=room)
    os.unlink('c', dir_fd=room)
    os.mkdir('d', dir_fd=room)
    os.rmdir('d', dir_fd=room)


def by_path(top):
    path = os.path.join(top, 'a')
    with open(path, 'wb') as file:
        os.ftruncate(file.fileno(), 1)
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
    os.symlink('a', path + '.link')
    os.setxattr(path, 'user.a', b'1')
    os.removexattr(path, 'user.a')
    subprocess.run([*TRUE, path], stdout=subprocess.DEVNULL)


def of_no_account(top):
    with open(os.path.join(top, 'a'), 'rb') as file:
        file.read()
    os.listdir(top)
    subprocess.run(['/bin/true', top])


class WatchTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.top = os.path.realpath(self.useFixture(fixtures.TempDir()).path)
        with open(os.path.join(self.top, 'a'), 'w'):
            pass

    def seen(self, act, end_at=None, when=effects.BEFORE):
        """Return the status of a process that acts, and what it has done."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            watch = effects.Watch({self.top: ''}, end_at, when)
            watch.begin()
            act(self.top)
            os.write(writing, json.dumps(watch.seen).encode())
            os._exit(0)
        os.close(writing)
        with open(reading) as file:
            said = file.read()
        return os.waitpid(child, 0)[1], json.loads(said or '[]')

    def test_what_is_done_relative_to_a_directory_is_seen(self):
        self.assertEqual(
            (0, ['write a', 'link a b', 'rename b c', 'unlink c', 'mkdir d',
                 'rmdir d']), self.seen(by_descriptor))

    def test_what_is_done_by_path_or_by_a_program_is_seen(self):
        self.assertEqual(
            (0, ['write a', 'truncate a', 'chmod a', 'fsync a',
                 'symlink a.link', 'setxattr a', 'removexattr a', 'cp a']),
            self.seen(by_path))

    def test_a_question_is_no_effect(self):
        self.assertEqual((0, []), self.seen(of_no_account))

    def test_death_comes_before_the_effect(self):
        self.assertEqual((signal.SIGKILL, []), self.seen(by_descriptor, 2))
        self.assertEqual(['a', 'b'], sorted(os.listdir(self.top)))

    def test_a_file_that_is_opened_can_be_left_empty(self):
        with open(os.path.join(self.top, 'a'), 'w') as file:
            file.write('full')
        self.seen(by_path, 0)
        self.assertEqual(4, os.stat(os.path.join(self.top, 'a')).st_size)
        self.seen(by_path, 0, effects.AFTER)
        self.assertEqual(0, os.stat(os.path.join(self.top, 'a')).st_size)

    def test_an_effect_that_no_list_has_is_a_failure(self):
        for operation, known in lists.known().items():
            lists.require(self, operation, known)
            for found in (known[:-1], [*known, 'unlink a'], known[::-1]):
                if found != known:
                    self.assertRaises(self.failureException, lists.require,
                                      self, operation, found)


class CountTest(base.BaseTestCase):
    """What is counted was tried."""

    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.useFixture(fixtures.TempDir()).path,
                                 'tried')
        self.useFixture(fixtures.EnvironmentVariable(lists.TRIED, self.file))
        self.useFixture(fixtures.EnvironmentVariable(lists.STEP))
        self.said = self.useFixture(fixtures.StringStream('stdout')).stream
        self.useFixture(fixtures.MonkeyPatch('sys.stdout', self.said))

    def try_all(self):
        for operation, found in lists.known().items():
            for _point in case.chosen(operation, found):
                pass

    def test_nothing_was_tried(self):
        self.assertEqual((0, 1, 0), (sum(lists.tried().values()),
                                     count.main([]), count.main(['some'])))

    def test_all_were_tried(self):
        self.try_all()
        self.assertEqual(0, count.main([]))

    def test_one_that_failed_was_not_tried(self):
        def fail():
            for operation, found in lists.known().items():
                for number, _point in enumerate(
                        case.chosen(operation, found)):
                    if operation == 'spawn' and number == 3:
                        return
        fail()
        self.assertEqual(3, lists.tried()['spawn'])
        self.assertEqual(1, count.main([]))

    def test_a_step_tries_fewer(self):
        self.useFixture(fixtures.EnvironmentVariable(lists.STEP, '1000'))
        self.try_all()
        self.assertEqual(len(lists.known()), sum(lists.tried().values()))
        self.assertEqual(0, count.main([]))
