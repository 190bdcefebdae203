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

"""Callers who are not root, played by changing the effective user."""

import os
import pwd

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import leases
from nova_gpfs.sim import mmchattr
from nova_gpfs.sim import mmclone
from nova_gpfs.sim import mmlsfileset
from nova_gpfs.sim import mmrestripefile
from nova_gpfs.sim import program
from nova_gpfs.sim import store
from tests.unit.sim import simulated

NOBODY = 65534
# Loaded before the user changes, who may not be able to.
LOADED = (mmchattr, mmclone, mmlsfileset, mmrestripefile, pwd)


class UsersTest(simulated.SimulatedTestCase):
    SPEC = dict(simulated.spec(filesets=[
        {'name': 'nova', 'path': 'nova', 'mode': 0o777}]), shared=True)

    def setUp(self):
        if os.geteuid():
            self.skipTest('changing the user needs root')
        super().setUp()
        parent = os.path.dirname(self.cluster.directory)
        os.chmod(parent, 0o755)

    def as_nobody(self, name, *arguments):
        """Run a command as another user; return its code and stderr."""
        os.seteuid(NOBODY)
        try:
            with store.Store(self.cluster.directory) as state:
                call = calls.Call(name, 'node1', [
                    self.path(word) if word in set('abcmp') else word
                    for word in arguments], state)
                program.serve(call)
        finally:
            os.seteuid(0)
        return call.code, ' '.join(call.err)

    def test_the_caller_owns_the_parent_and_the_clone(self):
        self.write('a', b'data')
        self.assertEqual((0, ''), self.as_nobody('mmclone', 'snap', 'a', 'p'))
        self.assertEqual((0, ''), self.as_nobody('mmclone', 'copy', 'p', 'c'))
        self.assertEqual([0, NOBODY, NOBODY],
                         [os.stat(self.path(name)).st_uid for name in 'apc'])
        self.assertEqual([], self.cluster.check())

    def test_a_source_that_cannot_be_read_is_refused(self):
        os.chmod(self.write('a'), 0o600)
        self.assertEqual((13, 'mmclone: Permission denied'),
                         self.as_nobody('mmclone', 'snap', 'a', 'p'))

    def test_a_file_that_cannot_be_looked_at_is_refused(self):
        self.write('a')
        os.chmod(self.directory, 0o700)
        for command, *arguments in (('mmchattr', '-r', '2'),
                                    ('mmrestripefile', '-l')):
            code, said = self.as_nobody(command, *arguments, 'a')
            self.assertEqual((13, True), (code, 'Permission denied' in said))

    def test_relocating_is_for_the_owner_and_root(self):
        os.chown(self.write('a'), NOBODY, -1)
        self.write('b')
        self.assertEqual(0, self.as_nobody('mmrestripefile', '-l', 'a')[0])
        self.assertEqual(1, self.as_nobody('mmrestripefile', '-l', 'b')[0])

    def test_a_directory_that_cannot_be_written_is_refused(self):
        self.master('m')
        os.chmod(self.directory, 0o755)
        self.assertEqual((13, 'mmclone: Permission denied'),
                         self.as_nobody('mmclone', 'copy', 'm', 'c'))
        self.assertEqual([], self.cluster.check())
        self.assertEqual([], self.cluster.tree('fs0')[0].children)

    def test_a_switch_keeps_mmclone_for_root(self):
        self.master('m')
        self.cluster.set_switch('nonroot_mmclone', 'refuse')
        self.assertEqual((1, 'mmclone: Operation not permitted'),
                         self.as_nobody('mmclone', 'copy', 'm', 'c'))

    def test_filesets_are_shown_to_root_alone_in_the_recorded_words(self):
        user = pwd.getpwuid(NOBODY).pw_name
        self.assertEqual(
            (2, f'No filesets found owned by this user {user}\n'
             'mmlsfileset: tslsfileset failed. Error code 2.\n'
             'mmlsfileset: Command failed. Examine previous error messages '
             'to determine cause.'),
            self.as_nobody('mmlsfileset', 'fs0', '-Y'))
        self.assertEqual(1, len(self.rows('mmlsfileset', 'fs0', 'nova')))
        self.cluster.set_switch('nonroot_lists', 'allow')
        self.assertEqual((0, ''), self.as_nobody('mmlsfileset', 'fs0', '-Y'))

    def test_pools_are_for_root_and_replicas_for_the_owner(self):
        os.chown(self.write('a'), NOBODY, -1)
        self.write('b')
        self.assertEqual(1, self.as_nobody('mmchattr', '-P', 'fast', 'a')[0])
        self.assertEqual(0, self.as_nobody('mmchattr', '-r', '2', 'a')[0])
        self.assertEqual(1, self.as_nobody('mmchattr', '-r', '2', 'b')[0])
        self.cluster.set_switch('pool_change', 'anyone')
        self.assertEqual(0, self.as_nobody('mmchattr', '-P', 'fast', 'a')[0])

    def test_a_file_open_for_writing_is_found_without_a_lease(self):
        with open(self.write('a'), 'ab'):
            found = os.stat(self.path('a'))
            self.assertTrue(leases.written_to(found))
        self.assertFalse(leases.written_to(found))
