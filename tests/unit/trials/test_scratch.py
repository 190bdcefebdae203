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

"""The directory of trials goes again, and nothing else does."""

import os
import shutil
import signal
from unittest import mock
import uuid

import fixtures
from oslotest import base

from nova_gpfs.trials import scratch

AGE = 1000.0


class ScratchTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.top = self.useFixture(fixtures.TempDir()).path

    def names(self):
        return sorted(os.listdir(self.top))

    def below(self, host='node1'):
        return scratch.below(self.top, host, AGE)

    def left(self, host='node1', age=0.0, owner='made-by'):
        """Make what a killed run leaves; return its path."""
        path = os.path.join(self.top, scratch.PREFIX + uuid.uuid4().hex)
        os.makedirs(os.path.join(path, 'room'))
        if owner:
            with open(os.path.join(path, owner), 'w') as file:
                file.write(host)
        for each in (path, os.path.join(path, owner)):
            then = os.stat(each).st_mtime - age
            os.utime(each, (then, then))
        return path


class OwnTest(ScratchTestCase):

    def test_it_is_there_and_then_it_is_not(self):
        with self.below() as own:
            self.assertEqual([os.path.basename(own.path)], self.names())
            self.assertEqual(0o700, os.stat(own.path).st_mode & 0o777)
            with open(os.path.join(own.path, 'file'), 'w'):
                pass
        self.assertEqual([], self.names())

    def test_it_goes_when_the_trials_fail_or_are_interrupted(self):
        for kind in (ValueError, KeyboardInterrupt):
            with self.assertRaises(kind), self.below():
                raise kind
            self.assertEqual([], self.names())

    def test_it_goes_when_it_was_interrupted_while_it_was_made(self):
        for name in ('flock', 'write'):
            module = scratch.fcntl if name == 'flock' else scratch.os
            with mock.patch.object(module, name,
                                   side_effect=KeyboardInterrupt):
                self.assertRaises(KeyboardInterrupt,
                                  self.below().__enter__)
            self.assertEqual([], self.names())

    def test_parents_go_after_their_clones(self):
        with self.below() as own:
            self.keep_by_clones(own.path)
            for number in range(4):
                with open(os.path.join(own.path, f'{number}'), 'w'):
                    pass
        self.assertEqual([], self.names())

    def keep_by_clones(self, path):
        """Let a file go once the one with the next number is gone."""
        unlink = os.unlink

        def refuse(name, *arguments, **named):
            base_name = os.path.basename(name)
            if base_name.isdigit() and os.path.lexists(os.path.join(
                    path, f'{int(base_name) + 1}')):
                raise OSError(30, 'Read-only file system', name)
            unlink(name, *arguments, **named)
        patched = mock.patch('os.unlink', refuse)
        patched.start()
        self.addCleanup(patched.stop)

    def test_what_cannot_be_removed_is_said_and_stays(self):
        with self.below() as own:
            with open(os.path.join(own.path, 'parent'), 'w'):
                pass
            with mock.patch('os.unlink', side_effect=OSError(30, 'no')):
                self.assertFalse(scratch.remove(own.path))
            self.assertTrue(os.path.exists(own.path))
        self.assertEqual([], self.names())

    def test_no_link_is_followed(self):
        precious = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(precious, 'file'), 'w'):
            pass
        with self.below() as own:
            os.symlink(precious, os.path.join(own.path, 'link'))
        self.assertEqual(['file'], os.listdir(precious))


class SignalsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        for number in (signal.SIGTERM, signal.SIGHUP):
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def test_a_signal_does_what_an_interrupt_does_and_then_what_it_did(self):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with self.assertRaises(KeyboardInterrupt):
            with scratch.ended_by_signals():
                signal.raise_signal(signal.SIGTERM)
        self.assertEqual(signal.SIG_DFL, signal.getsignal(signal.SIGTERM))

    def test_what_is_ignored_stays_so(self):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with scratch.ended_by_signals():
            signal.raise_signal(signal.SIGHUP)


class LeftTest(ScratchTestCase):

    def after_a_run(self, host='node1'):
        """Return what is there after a run on a host."""
        with self.below(host):
            pass
        return self.names()

    def test_what_a_killed_run_of_this_host_has_left_goes(self):
        self.left()
        self.assertEqual([], self.after_a_run())

    def test_what_lives_stays(self):
        with self.below() as other:
            self.assertEqual([os.path.basename(other.path)],
                             self.after_a_run())

    def test_of_another_host_only_what_is_old_goes(self):
        young = self.left('node2', age=AGE / 2)
        self.left('node2', age=AGE * 2)
        self.assertEqual([os.path.basename(young)], self.after_a_run())

    def test_a_sign_of_life_keeps_what_is_long_in_use(self):
        with self.below('node2') as other:
            then = os.stat(other.path).st_mtime - 2 * AGE
            os.utime(os.path.join(other.path, 'made-by'), (then, then))
            other.touch()
            self.assertEqual([os.path.basename(other.path)],
                             self.after_a_run())

    def test_what_nobody_has_signed_goes_when_it_is_old(self):
        young = self.left(owner='')
        self.left(owner='', age=2 * AGE)
        self.assertEqual([os.path.basename(young)], self.after_a_run())

    def test_without_locks_the_age_decides(self):
        young = self.left()
        self.left(age=2 * AGE)
        with mock.patch.object(scratch.fcntl, 'flock',
                               side_effect=OSError(95, 'no locks')):
            self.assertEqual([os.path.basename(young)], self.after_a_run())

    def test_of_other_users_nothing_goes(self):
        path = self.left()
        with mock.patch.object(os, 'geteuid', return_value=54321):
            self.assertEqual([os.path.basename(path)], self.after_a_run())

    def test_what_only_has_a_similar_name_stays(self):
        precious = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(precious, 'made-by'), 'w') as file:
            file.write('node1')
        os.symlink(precious, os.path.join(
            self.top, scratch.PREFIX + uuid.uuid4().hex))
        with open(os.path.join(
                self.top, scratch.PREFIX + uuid.uuid4().hex), 'w'):
            pass
        shutil.copytree(precious, os.path.join(
            self.top, scratch.PREFIX + 'mine'))
        self.assertEqual([], scratch.all_below(self.top))
        before = self.names()
        self.assertEqual(before, self.after_a_run())
        self.assertEqual(['made-by'], os.listdir(precious))
