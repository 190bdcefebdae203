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
import shutil
import subprocess

from nova_gpfs import errors
from nova_gpfs import guard
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import parents
from nova_gpfs.sim import switches

from tests import local_driver
from tests.unit.sim import simulated

OWNER = '8af6c6d8-917f-47c5-8a53-d77d29098074'
DEPTH = 3
AGE = 3600.0


class ParentsTest(simulated.SimulatedTestCase):

    def setUp(self):
        super().setUp()
        self.layout = layout.Layout(self.directory)
        self.driver = local_driver.make(self.cluster.bin_dir('node1'))
        self.guard = guard.MountGuard(self.driver, self.layout)
        self.guard.establish()
        self.parents = parents.Parents(
            self.driver, self.layout, self.guard, max_depth=DEPTH,
            leftover_age=AGE)
        self.home = self.path(OWNER)
        os.mkdir(self.home)
        self.disk = self.make_disk('disk')

    def make_disk(self, name, data=b'disk' * simulated.BLOCK):
        return self.write(f'{OWNER}/{name}', data)

    def double(self, source, target):
        """Have a disk twice, as a move does; return the parent."""
        parent = self.parents.make(OWNER, source)
        self.driver.clone(parent, target)
        return parent

    def move(self):
        """Move the instance and confirm that; return the parent."""
        os.rename(self.home, self.home + '_resize')
        os.mkdir(self.home)
        parent = self.double(self.home + '_resize/disk', self.disk)
        shutil.rmtree(self.home + '_resize')
        return parent

    def mm_calls(self):
        return [' '.join(call['argv'][1:2]) for call in self.cluster.calls()]

    def tidy(self):
        return self.parents.tidy(OWNER, [self.home, self.home + '_resize'])

    def assertThere(self, *paths):
        self.assertEqual([True] * len(paths), list(map(os.path.exists, paths)))
        self.assertEqual([], self.cluster.check())

    def set_age(self, seconds):
        room = self.layout.parents_of(OWNER)
        then = os.stat(room).st_mtime - seconds
        os.utime(room, (then, then))

    def test_a_disk_that_gets_a_parent_stays_what_it_was(self):
        before = os.stat(self.disk)
        done = len(self.mm_calls())
        parent = self.parents.make(OWNER, self.disk)
        self.assertEqual(['show', 'snap', 'show'], self.mm_calls()[done:])
        after = os.stat(self.disk)
        self.assertEqual((before.st_ino, before.st_size),
                         (after.st_ino, after.st_size))
        self.assertTrue(self.driver.clone_info(parent).is_parent)
        self.assertFalse(self.driver.clone_info(self.disk).is_parent)
        self.write(f'{OWNER}/disk', b'changed')
        self.assertThere(parent)

    def test_parents_are_never_in_the_directory_of_an_instance(self):
        parent = self.parents.make(OWNER, self.disk)
        self.assertEqual(self.layout.parents_of(OWNER),
                         os.path.dirname(parent))
        self.assertEqual(['disk'], os.listdir(self.home))

    def test_a_parent_has_the_pool_and_replicas_of_its_disk(self):
        placement = model.Placement(pool='fast', data_replicas=2)
        for inherited in switches.SWITCHES['clone_placement'].alternatives:
            self.cluster.set_switch('clone_placement', inherited)
            disk = self.make_disk(inherited)
            self.driver.place(disk, placement)
            parent = self.driver.attributes(
                self.parents.make(OWNER, disk, placement))
            self.assertEqual(('fast', 2),
                             (parent.pool, parent.data_replicas))

    def test_a_parent_that_cannot_be_placed_is_a_parent_all_the_same(self):
        self.cluster.set_switch('clone_placement', 'defaults')
        placement = model.Placement(pool='fast')
        self.driver.place(self.disk, placement)
        self.cluster.faults.add('mmchattr', 'fail', nth=1, code=22,
                                text='mmchattr: no')
        self.assertThere(self.parents.make(OWNER, self.disk, placement))

    def test_a_parent_stays_while_a_disk_hangs_on_it(self):
        parent = self.double(self.disk, self.path(f'{OWNER}/other'))
        self.assertEqual([], self.tidy())
        os.rename(self.home, self.home + '_resize')
        self.assertEqual([], self.tidy())
        self.assertThere(parent)

    def test_a_parent_that_no_disk_hangs_on_goes(self):
        lost = self.parents.make(OWNER, self.make_disk('disk.eph0'))
        os.unlink(self.path(f'{OWNER}/disk.eph0'))
        kept = self.parents.make(OWNER, self.disk)
        self.assertEqual([lost], self.tidy())
        self.assertThere(kept)

    def test_the_parent_of_a_parent_stays(self):
        found = [self.move(), self.move()]
        self.assertEqual([], self.tidy())
        self.assertThere(*found)

    def test_a_file_that_is_not_finished_keeps_its_parent(self):
        parent = self.double(self.disk, self.path(f'{OWNER}/disk.1f.new'))
        os.unlink(self.disk)
        self.assertEqual([], self.tidy())
        self.assertThere(parent)

    def test_nothing_is_asked_where_there_is_no_parent(self):
        done = len(self.mm_calls())
        self.assertEqual([], self.tidy())
        self.assertEqual(done, len(self.mm_calls()))

    def test_without_an_answer_every_parent_stays(self):
        parent = self.parents.make(OWNER, self.disk)
        os.unlink(self.disk)
        self.make_disk('disk')
        self.cluster.faults.add('mmclone show', 'fail', code=5,
                                text='mmclone: Input/output error')
        self.assertRaises(errors.CommandFailed, self.tidy)
        self.assertThere(parent)
        self.assertEqual([parent], self.tidy())

    def test_all_parents_of_a_deleted_instance_go(self):
        found = {self.move(), self.move(), self.move()}
        shutil.rmtree(self.home)
        self.assertEqual(found, set(self.parents.forget(OWNER)))
        self.assertEqual([], os.listdir(self.layout.parents))

    def test_what_gpfs_refuses_to_remove_stays(self):
        """The file is immutable here, which is refused likewise."""
        parent, other = (self.parents.make(OWNER, self.disk),
                         self.parents.make(OWNER, self.disk))
        self._freeze(parent)
        self.assertEqual([other], self.parents.forget(OWNER))
        self.assertTrue(os.path.exists(parent))
        self._thaw(parent)
        self.assertEqual([parent], self.parents.forget(OWNER))

    def _freeze(self, path):
        done = subprocess.run(['chattr', '+i', path], capture_output=True)
        if done.returncode:
            self.skipTest('needs root and a file system with attributes')
        self.addCleanup(self._thaw, path)

    def _thaw(self, path):
        subprocess.run(['chattr', '-i', path], capture_output=True)

    def test_the_sweep_takes_what_has_been_abandoned_long_enough(self):
        parent = self.parents.make(OWNER, self.disk)
        shutil.rmtree(self.home)
        self.assertEqual([], self.parents.sweep())
        self.set_age(AGE + 60)
        done = len(self.mm_calls())
        self.assertEqual([parent], self.parents.sweep())
        self.assertEqual(done, len(self.mm_calls()))
        self.assertEqual([], os.listdir(self.layout.parents))

    def test_the_sweep_leaves_an_instance_that_has_any_directory(self):
        parent = self.parents.make(OWNER, self.disk)
        for suffix in ('', '_resize', '_del'):
            os.rename(self.home, self.home + suffix)
            self.home += suffix
            self.set_age(AGE + 60)
            self.assertEqual([], self.parents.sweep(), suffix)
            os.rename(self.home, self.path(OWNER))
            self.home = self.path(OWNER)
        self.assertThere(parent)

    def test_a_long_chain_loses_its_last_link_and_no_data(self):
        for number in range(DEPTH + 2):
            self.write(f'{OWNER}/disk', b'%d' % number,
                       number * simulated.BLOCK)
            self.move()
            self.tidy()
            self.assertLessEqual(self.driver.clone_info(self.disk).depth,
                                 DEPTH)
        content = self.read(f'{OWNER}/disk')
        for number in range(DEPTH + 2):
            self.assertEqual(b'%d' % number,
                             content[number * simulated.BLOCK:][:1])
        self.assertEqual(DEPTH, len(os.listdir(
            self.layout.parents_of(OWNER))))
        self.assertThere(self.disk)

    def test_a_chain_that_cannot_be_shortened_grows(self):
        for _ in range(DEPTH):
            self.move()
        self.cluster.faults.add('mmclone redirect', 'fail', code=28,
                                text='mmclone: No space left on device')
        self.move()
        self.assertEqual(DEPTH + 1, self.driver.clone_info(self.disk).depth)

    def test_a_disk_that_may_still_be_worked_on_is_left_alone(self):
        for _ in range(DEPTH):
            self.move()
        self.parents._driver = local_driver.make(
            self.cluster.bin_dir('node1'), copy_timeout=2.0)
        self.cluster.faults.add('mmclone redirect', 'hang')
        self.assertRaises(errors.TimedOut, self.parents.make, OWNER,
                          self.disk)
        self.assertEqual(DEPTH, self.driver.clone_info(self.disk).depth)

    def test_what_is_not_known_of_gpfs_does_not_matter(self):
        """A move works with every switch of the simulator in any position."""
        for name, switch in switches.SWITCHES.items():
            for position in switch.alternatives[1:]:
                self.cluster.set_switch(name, position)
                if name == 'nonroot_mmclone' and os.geteuid():
                    continue
                content = self.read(f'{OWNER}/disk')
                self.move()
                self.tidy()
                self.assertEqual(content, self.read(f'{OWNER}/disk'))
                self.assertThere(self.disk)
            self.cluster.set_switch(name, switch.default)

    def test_an_open_disk_is_refused_where_gpfs_refuses_it(self):
        self.cluster.set_switch('snap_of_open_file', 'refuse')
        with open(self.disk, 'r+b'):
            self.assertRaises(errors.FileBusy, self.parents.make, OWNER,
                              self.disk)
        self.assertEqual([], os.listdir(self.layout.parents_of(OWNER)))
