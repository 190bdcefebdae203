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

"""Every moment at which the making of a file may end, one after the other.

A process that dies leaves its draft unlocked; the tests leave it so at each
step of the order that ``clones`` keeps.
"""

import os

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import clones
from nova_gpfs.sim import drafts
from nova_gpfs.sim import store
from tests.unit.sim import simulated


class Died(BaseException):
    """The process has ended here."""


class DyingTest(simulated.SimulatedTestCase):

    def die_in(self, name, after):
        """Make a method of Draft end the process, before or after it."""
        real = getattr(drafts.Draft, name)

        def die(draft, *arguments):
            if after:
                real(draft, *arguments)
            os.close(draft.fd)
            raise Died

        self.addCleanup(setattr, drafts.Draft, name, real)
        setattr(drafts.Draft, name, die)
        if name != 'close':
            close = drafts.Draft.close
            self.addCleanup(setattr, drafts.Draft, 'close', close)
            drafts.Draft.close = lambda draft: None

    def run_dying(self, work, *names):
        state = store.Store(self.cluster.directory)
        self.addCleanup(state.close)
        call = calls.Call('mmclone', 'node1', [], state)
        self.assertRaises(Died, work, call, *map(self.path, names))

    def shown(self, name):
        return self.did('mmclone', 'show', name).splitlines()[2].split()

    def test_a_copy_that_ends_before_its_name_appears_never_was(self):
        self.master('m')
        self.die_in('publish', after=False)
        self.run_dying(clones.copy, 'm', 'a')
        self.assertEqual(1, len(self.cluster.check()))
        self.did('mmclone', 'show', 'm')
        self.assertEqual([], self.cluster.check())
        self.assertEqual([], self.cluster.tree('fs0')[0].children)

    def test_a_copy_that_ends_after_its_name_appeared_is_whole(self):
        self.master('m')
        self.die_in('publish', after=True)
        self.run_dying(clones.copy, 'm', 'a')
        self.assertEqual(['no', '1'], self.shown('a')[:2])
        self.assertEqual(1, os.stat(self.path('a')).st_nlink)
        self.assertEqual([], self.cluster.check())

    def test_a_snap_that_ends_before_the_name_appears_is_undone(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        before = self.shown('a')
        self.die_in('publish', after=False)
        self.run_dying(clones.snap, 'a', 'p')
        self.assertEqual(before, self.shown('a'))
        self.assertEqual([], self.cluster.check())

    def test_a_snap_of_a_plain_file_is_undone_to_a_plain_file(self):
        self.write('a', b'data')
        self.did('mmchattr', '-P', 'fast', '-I', 'defer', 'a')
        self.die_in('publish', after=False)
        self.run_dying(clones.snap, 'a', 'p')
        self.assertEqual(['a'], self.shown('a'))
        (block,) = self.cluster.blocks(self.path('a'))
        self.assertEqual('system', block.pool)

    def test_a_target_that_appears_meanwhile_is_left_alone(self):
        self.write('a', b'data')
        real = drafts.Draft.publish

        def late(draft, target):
            self.write('p', b'theirs')
            real(draft, target)

        self.addCleanup(setattr, drafts.Draft, 'publish', real)
        drafts.Draft.publish = late
        state = store.Store(self.cluster.directory)
        self.addCleanup(state.close)
        call = calls.Call('mmclone', 'node1', [], state)
        self.assertRaises(FileExistsError, clones.snap, call, self.path('a'),
                          self.path('p'))
        self.assertEqual(b'theirs', self.read('p'))
        self.assertEqual(['a'], self.shown('a'))
        self.assertEqual([], self.cluster.check())

    def test_a_file_that_is_sealed_meanwhile_is_not_sealed_twice(self):
        self.write('a', b'data')
        real = clones._hold

        def late(path):
            self.did('mmclone', 'snap', 'a')
            return real(path)

        self.addCleanup(setattr, clones, '_hold', real)
        clones._hold = late
        state = store.Store(self.cluster.directory)
        self.addCleanup(state.close)
        call = calls.Call('mmclone', 'node1', [], state)
        refusal = self.assertRaises(calls.Refusal, clones.snap_in_place, call,
                                    self.path('a'))
        self.assertEqual('clone.sealed', refusal.key)
