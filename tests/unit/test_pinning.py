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

"""Names of open files are given up only where they are not taken."""

import contextlib
import os
from unittest import mock

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs.mm import mmclone
from nova_gpfs import model
from nova_gpfs import pinned
from nova_gpfs import pinning

_CLONE = """Parent  Depth   Parent inode   File name
------  -----  --------------  ---------
   yes      0                  {}
"""
_ATTRIBUTES = """file name:            {}
metadata replication: 1 max 2
data replication:     1 max 2
immutable:            no
appendOnly:           no
flags:
storage pool name:    system
fileset name:         root
snapshot name:
"""
_UNKNOWN = model.Result(1, '', 'mmclone: No such file or directory')
_DOWN = model.Result(1, '', 'mmclone: GPFS is down on this node.')


class PinningTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.path = self.useFixture(fixtures.TempDir()).join('disk')
        open(self.path, 'x').close()
        file = os.open(self.path, os.O_PATH)
        self.addCleanup(os.close, file)
        self.names = {self.path: pinned.name(file)}
        self.asked = []
        self.pinning = pinning.Pinning()

    def gpfs(self, command):
        """Answer a query; names are taken."""
        self.asked.append(command.path)
        said = (_CLONE if isinstance(command, mmclone.Show)
                else _ATTRIBUTES)
        return model.Result(0, said.format(command.path), '')

    def answers(self, *answers):
        """Return a transport that answers so; None is as GPFS does."""
        left = list(answers)
        return lambda command: left.pop(0) or self.gpfs(command)

    def without_names(self, command):
        found = self.gpfs(command)
        return found if command.path == self.path else _UNKNOWN

    def sample(self):
        return contextlib.nullcontext(*self.names.items())

    def to_look(self, transport, choice='auto', names=None):
        return self.pinning.is_wanted_to_look(
            choice, transport, self.names if names is None else names)

    def to_change(self, transport, choice='auto'):
        return self.pinning.is_wanted_to_change(choice, transport,
                                                self.sample)

    def test_they_are_wanted_where_they_are_taken(self):
        for ask in (self.to_look, self.to_change):
            self.asked.clear()
            self.assertTrue(ask(self.gpfs))
            self.assertEqual(2 * list(self.names.values()), self.asked)
            self.assertTrue(ask(self.without_names))
            self.assertEqual(2, len(self.asked))
        self.assertEqual('', self.log.output)

    def test_they_are_not_where_only_the_path_is_known(self):
        for ask in (self.to_look, self.to_change):
            self.pinning = pinning.Pinning()
            self.asked.clear()
            self.assertFalse(ask(self.without_names))
            self.assertEqual(3, len(self.asked))
            self.assertIn('does not take names below /proc', self.log.output)
            self.assertFalse(ask(self.gpfs))
            self.assertEqual(3, len(self.asked))

    def test_what_a_query_has_found_out_is_not_enough_to_change(self):
        self.assertTrue(self.to_look(self.gpfs))
        self.assertRaises(errors.NotPermitted, self.to_change,
                          self.without_names, 'always')
        self.assertFalse(self.to_look(self.gpfs))

    def test_nobody_is_asked_where_they_are_never_wanted(self):
        self.assertFalse(self.to_look(self.gpfs, 'never'))
        self.assertFalse(self.to_change(self.gpfs, 'never'))
        self.assertEqual([], self.asked)

    def test_nothing_runs_where_they_always_are_and_are_not_taken(self):
        for ask in (self.to_look, self.to_change):
            self.pinning = pinning.Pinning()
            for _time in range(2):
                error = self.assertRaises(
                    errors.NotPermitted, ask, self.without_names, 'always')
                self.assertIn('pin_paths', str(error))
            self.assertFalse(ask(self.without_names))

    def test_a_refusal_that_passes_tells_nothing(self):
        """Who finds the file by its name then has told that it does."""
        for ask in (self.to_look, self.to_change):
            self.pinning = pinning.Pinning()
            self.assertTrue(ask(self.answers(_UNKNOWN, None, None, None),
                                'always'))
            self.assertEqual('', self.log.output)

    def test_gpfs_that_is_not_well_tells_nothing(self):
        """Not even where it is well for the path, in between."""
        for answers in ((_DOWN, None, _DOWN), (_UNKNOWN, _DOWN, _UNKNOWN),
                        (_UNKNOWN, None, _DOWN)):
            self.assertTrue(self.to_look(self.answers(*answers), 'always'))
            self.assertTrue(self.to_change(self.answers(*answers)))
            self.assertRaises(errors.NotReady, self.to_change,
                              self.answers(*answers), 'always')
        self.assertFalse(self.to_look(self.without_names))
        self.assertFalse(self.to_change(self.without_names))

    def test_nothing_changes_while_it_cannot_be_told(self):
        lost = self.answers(_UNKNOWN, _UNKNOWN)
        self.assertRaises(errors.NoSuchFile, self.to_change, lost, 'always')
        with mock.patch.object(self, 'sample', side_effect=OSError):
            self.assertRaises(OSError, self.to_change, self.gpfs, 'always')
            self.assertTrue(self.to_change(self.gpfs))
        self.assertTrue(self.to_change(self.gpfs, 'always'))

    def test_a_file_that_somebody_removes_meanwhile_tells_nothing(self):
        """Another one is put in its place, which has the path."""
        def removes(command):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            return self.without_names(command)

        self.assertTrue(self.to_look(removes))
        self.assertTrue(self.to_look(removes))

    def test_what_is_no_file_is_not_asked_about(self):
        directory = os.open(os.path.dirname(self.path), os.O_PATH)
        self.addCleanup(os.close, directory)
        for name in (pinned.name(directory), pinned.name(directory, 'new')):
            self.assertTrue(self.to_look(self.gpfs, names={self.path: name}))
        self.assertEqual([], self.asked)

    def test_a_command_that_hangs_is_not_waited_for_again(self):
        transport = mock.Mock(side_effect=errors.TimedOut(('mmclone',), 1.0))
        for ask in (self.to_look, self.to_change):
            self.assertRaises(errors.TimedOut, ask, transport, 'always')
        self.assertEqual(2, transport.call_count)
