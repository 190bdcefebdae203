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

from nova_gpfs.sim import store
from tests.unit.sim import simulated


class LinkCountTest(simulated.SimulatedTestCase):
    """IBM documentation, Listing file clones (5.2.3), sample output."""

    def count(self, name):
        return os.stat(self.path(name)).st_nlink

    def looked_at(self, name):
        """Return the count after mmclone show, which puts it right."""
        self.did('mmclone', 'show', name)
        return self.count(name)

    def test_a_parent_counts_its_clones_as_in_the_sample(self):
        self.write('test01.img', b'x')
        self.did('mmclone', 'snap', 'test01.img', 'base.img')
        self.did('mmclone', 'copy', 'base.img', 'test02.img')
        self.assertEqual((3, 1, 1), (self.count('base.img'),
                                     self.count('test01.img'),
                                     self.count('test02.img')))

    def test_a_clone_that_is_gone_counts_no_more_once_somebody_looks(self):
        self.master('m')
        for name in 'ab':
            self.did('mmclone', 'copy', 'm', name)
        os.unlink(self.path('a'))
        self.assertEqual(2, self.looked_at('m'))
        os.unlink(self.path('b'))
        self.assertEqual(1, self.looked_at('m'))

    def test_names_may_change(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        os.rename(self.path('m'), self.path('n'))
        os.rename(self.path('a'), self.path('b'))
        self.assertEqual(2, self.looked_at('n'))

    def test_a_snapped_clone_counts_for_the_new_parent(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        self.did('mmclone', 'snap', 'a', 's')
        self.assertEqual((2, 2, 1), tuple(map(self.count, 'msa')))
        self.assertEqual((2, 2), tuple(map(self.looked_at, 'ms')))

    def test_a_redirected_clone_counts_for_the_grandparent(self):
        self.test_a_snapped_clone_counts_for_the_new_parent()
        self.did('mmclone', 'redirect', 'a')
        self.assertEqual((3, 1), tuple(map(self.count, 'ms')))
        self.assertEqual((3, 1), tuple(map(self.looked_at, 'ms')))

    def test_a_split_clone_counts_for_nobody(self):
        self.test_a_snapped_clone_counts_for_the_new_parent()
        self.did('mmclone', 'split', 'a')
        self.assertEqual((2, 1), tuple(map(self.count, 'ms')))
        self.assertEqual((2, 1), tuple(map(self.looked_at, 'ms')))

    def test_with_the_switch_a_parent_counts_as_a_plain_file(self):
        self.cluster.set_switch('parent_link_count', 'plain')
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        self.assertEqual((1, 1), (self.count('m'), self.looked_at('m')))
        self.cluster.set_switch('parent_link_count', 'counts')
        self.assertEqual(2, self.looked_at('m'))

    def test_the_links_are_not_seen_and_change_nothing(self):
        self.master('m')
        before = self.cluster.usage('fs0').files
        self.did('mmclone', 'copy', 'm', 'a')
        self.assertEqual(['a', 'm'], sorted(os.listdir(self.directory)))
        self.assertEqual(before + 1, self.cluster.usage('fs0').files)
        self.assertEqual([], self.cluster.check())

    def test_a_parent_that_went_before_its_clones_is_still_found(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        os.unlink(self.path('m'))
        (problem,) = self.cluster.check()
        self.assertIn('its clone parent is gone', problem)

    def test_files_without_another_name_are_let_go(self):
        self.master('m')
        self.master('other')
        self.did('mmclone', 'copy', 'm', 'a')
        os.unlink(self.path('a'))
        os.unlink(self.path('m'))
        self.looked_at('other')
        with store.Store(self.cluster.directory) as state:
            (system,) = simulated.cluster.filesystems.all_of(state)
            self.assertEqual([], os.listdir(system.links))

    def test_a_file_with_hard_links_is_refused_and_a_fresh_clone_is_not(self):
        self.master('m')
        self.did('mmclone', 'copy', 'm', 'a')
        os.link(self.path('a'), self.path('second'))
        self.refused(1, '', 'mmclone', 'snap', 'a')
        os.unlink(self.path('second'))
        self.did('mmclone', 'snap', 'a')
