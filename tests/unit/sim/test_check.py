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

from nova_gpfs.sim import drafts
from nova_gpfs.sim import store
from tests.unit.sim import simulated


class CheckTest(simulated.SimulatedTestCase):

    def setUp(self):
        super().setUp()
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        self.did('mmclone', 'snap', 'a', 's')

    def problem(self, *words):
        """Assert that there is one problem, and that it has these words."""
        (found,) = self.cluster.check()
        for word in words:
            self.assertIn(word, found)

    def test_a_cluster_that_was_used_properly_is_consistent(self):
        self.write('a', b'new')
        os.rename(self.path('m'), self.path('renamed'))
        os.chmod(self.path('renamed'), 0o640)
        self.assertEqual([], self.cluster.check())

    def test_a_removed_parent_is_found(self):
        os.unlink(self.path('s'))
        self.problem('/a: its clone parent is gone', 'nova/s')

    def test_a_replaced_parent_is_found(self):
        self.write('new', b'x' * simulated.BLOCK * 3)
        os.rename(self.path('new'), self.path('s'))
        self.problem('/a: its clone parent is gone')

    def test_a_childless_parent_may_go(self):
        os.unlink(self.path('a'))
        os.unlink(self.path('s'))
        os.unlink(self.path('m'))
        self.assertEqual([], self.cluster.check())

    def test_a_written_or_cut_parent_is_found(self):
        self.write('m', b'y')
        self.problem('/m: changed since it became a clone parent')

    def test_a_clone_moved_to_another_fileset_is_found(self):
        os.rename(self.path('a'), self.path('../other/a'))
        self.problem('other/a: its clone parent is in another fileset')

    def test_files_below_an_unmounted_mount_point_are_found(self):
        self.cluster.unmount('fs0')
        path = os.path.join(self.cluster.mount_point('fs0'), 'disk')
        open(path, 'x').close()
        self.problem('disk: written while fs0 was not mounted')
        self.assertRaises(OSError, self.cluster.mount, 'fs0')
        os.unlink(path)
        self.cluster.mount('fs0')
        self.assertEqual([], self.cluster.check())

    def test_a_draft_that_nobody_holds_is_found_and_swept(self):
        state = store.Store(self.cluster.directory)
        self.addCleanup(state.close)
        (system,) = simulated.cluster.filesystems.all_of(state)
        draft = drafts.Draft(system)
        self.assertEqual([], self.cluster.check())
        os.close(draft.fd)
        self.problem('left by a command that was killed')
        self.did('mmclone', 'show', 'm')
        self.assertEqual([], self.cluster.check())


class TreeTest(simulated.SimulatedTestCase):

    def test_the_tree_has_the_living_and_what_they_hang_on(self):
        self.master('m')
        for name in ('a', 'b', 'c'):
            self.did('mmclone', 'copy', 'm', name)
        self.did('mmclone', 'snap', 'a', 's')
        self.write('plain')
        os.unlink(self.path('c'))
        (root,) = self.cluster.tree('fs0')
        self.assertEqual(('nova/m', True, 0),
                         (root.path, root.is_parent, root.depth))
        self.assertEqual(['nova/b', 'nova/s'],
                         [child.path for child in root.children])
        self.assertEqual(['nova/a'], [
            child.path for child in root.children[1].children])
        os.unlink(self.path('m'))
        self.assertIsNone(self.cluster.tree('fs0')[0].path)
