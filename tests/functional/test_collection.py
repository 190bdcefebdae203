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


"""Masters that nobody needs go, and no other ever does."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from unittest import mock

import fixtures
from oslotest import base

from nova_gpfs import collection
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import plan
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs import storage
from tests import face
from tests import local_driver
from tests import refusing

DAY = 86400
AGES = collection.Ages(original=DAY, copy=3600)
FAST = model.Placement(pool='fast')
CONTENT = 'content' * 1000


class CollectionTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(self.directory, 'gpfs'))
        face.put_on(self.gpfs, self.addCleanup)
        self.instances_path = os.path.join(self.gpfs.mount_point('fs0'),
                                           'nova', 'instances')
        os.mkdir(self.instances_path)
        self.layout = layout.Layout(self.instances_path)
        self.here = self.storage('node1')
        self.useFixture(fixtures.MockPatch('os.unlink', refusing.unlink))

    def storage(self, node, leftover_age=600):
        here = storage.Storage(
            local_driver.make(self.gpfs.bin_dir(node)), self.layout,
            copy=shutil.copyfile, require_clone=True,
            leftover_age=leftover_age)
        here.guard.establish()
        return here

    def fill(self, path):
        with open(path, 'w') as image:
            image.write(CONTENT)
        return plan.MasterInfo(plan.RAW, len(CONTENT), 'image-id')

    def master(self, key='key', wanted=model.Placement(), unused=0):
        """Make a master and note when it was last needed."""
        master, _made = self.here.masters.ensure(key, self.fill, wanted)
        self.age(master.directory, unused)
        return master

    def age(self, directory, seconds):
        """Move the time of the note of a master into the past."""
        path = os.path.join(directory, 'used')
        then = os.stat(path).st_mtime - seconds
        os.utime(path, (then, then))

    def disk(self, name='disk', here=None):
        path = os.path.join(self.instances_path, name)
        here = here or self.here
        with here.new_disk_of(
                lambda: here.masters.ensure('key', self.fill)[0], path):
            pass
        return path

    def collect(self, here=None, **kwargs):
        return [entry.name for entry in
                (here or self.here).collection.collect(AGES, **kwargs)]

    def masters(self):
        return sorted(os.listdir(self.layout.masters))

    def assert_whole(self, name='key'):
        """Assert that a master is there and can be cloned."""
        master = self.here.masters.find(name)
        with open(master.path) as image:
            self.assertEqual(CONTENT, image.read())
        clone = os.path.join(self.instances_path, f'clone-of-{name}')
        with self.here.new_disk(master, clone):
            pass
        os.unlink(clone)
        self.assertEqual([], self.gpfs.check())

    def assert_nothing_left(self):
        for place in (self.layout.incoming, self.layout.leaving,
                      self.layout.trash):
            self.assertEqual([], os.listdir(place))
        self.assertEqual([], self.gpfs.check())


class AgeTest(CollectionTestCase):

    def test_what_nobody_has_needed_for_the_age_goes(self):
        self.master('old', unused=DAY + 60)
        self.master('young', unused=DAY - 60)
        self.assertEqual(['old'], self.collect())
        self.assertEqual(['young'], self.masters())
        self.assert_nothing_left()

    def test_the_clock_of_this_host_does_not_count(self):
        self.master(unused=DAY - 60)
        with mock.patch('time.time', autospec=True, return_value=1e12):
            self.assertEqual([], self.collect())

    def test_a_disk_that_is_made_begins_the_age_anew(self):
        self.master(unused=2 * DAY)
        os.unlink(self.disk())
        self.assertEqual([], self.collect())
        self.assert_whole()

    def test_a_disk_that_was_there_begins_it_anew_with_the_last_pass(self):
        master = self.master()
        disk = self.disk()
        self.age(master.directory, 2 * DAY)
        self.assertEqual([], self.collect())
        os.unlink(disk)
        self.assertEqual([], self.collect())
        self.age(master.directory, 2 * DAY)
        self.assertEqual(['key'], self.collect())

    def test_a_master_without_a_note_is_young(self):
        os.unlink(os.path.join(self.master().directory, 'used'))
        self.assertEqual([], self.collect())
        self.age(self.layout.master('key'), 2 * DAY)
        self.assertEqual(['key'], self.collect())

    def test_a_note_that_may_not_be_written_stops_no_disk(self):
        """Launchpad bug 1809123: another user's base could not be dated."""
        self.master(unused=3600)
        with mock.patch('os.utime', autospec=True,
                        side_effect=PermissionError(errno.EACCES, 'no')
                        ) as utime:
            self.disk()
        utime.assert_called()
        self.assert_whole()

    def test_a_copy_goes_earlier_than_what_it_was_made_from(self):
        self.master(unused=7200)
        self.master(wanted=FAST, unused=7200)
        self.master('alone', wanted=FAST, unused=7200)
        self.assertEqual(['key_on-fast'], self.collect())
        self.assertEqual(['alone_on-fast', 'key'], self.masters())

    def test_of_several_copies_without_an_original_one_stays(self):
        self.master(wanted=FAST, unused=7200)
        self.master(wanted=model.Placement(data_replicas=2), unused=7200)
        self.assertEqual(1, len(self.collect()))
        self.assertEqual(1, len(self.masters()))
        self.assertEqual([], self.collect())

    def test_an_image_that_nova_lists_stays(self):
        self.master(unused=2 * DAY)
        self.assertEqual([], self.collect(keep=['key']))
        self.assertEqual([], self.collect())

    def test_a_dry_run_tells_and_does_nothing(self):
        self.master(unused=2 * DAY)
        self.assertEqual(['key'], self.collect(dry_run=True))
        self.assert_whole()

    def test_one_host_of_all_collects_in_an_interval(self):
        other = self.storage('node2')
        due = [here.collection.is_due(3600)
               for here in (self.here, other, self.here, other)]
        self.assertEqual([True, False, False, False], due)
        then = os.stat(self.layout.collected).st_mtime - 3600
        os.utime(self.layout.collected, (then, then))
        self.assertEqual([True, False], [
            here.collection.is_due(3600) for here in (other, self.here)])


class NeededTest(CollectionTestCase):

    def test_a_master_with_clones_stays_however_silent_their_host_is(self):
        master = self.master()
        self.disk(here=self.storage('node2'))
        self.age(master.directory, 100 * DAY)
        self.assertEqual([], self.collect())
        self.assert_whole()

    def test_what_gpfs_does_not_let_go_is_back_and_whole(self):
        self.gpfs.set_switch('parent_link_count', 'plain')
        for number in (errno.EROFS, errno.EPERM, errno.EBUSY, errno.EIO):
            master = self.master()
            disk = self.disk()
            self.age(master.directory, 2 * DAY)
            with mock.patch('os.unlink', autospec=True,
                            side_effect=OSError(number, 'no')) as unlink:
                self.assertEqual([], self.collect())
                self.assertEqual(1, unlink.call_count)
                # It is known to be needed now, so it is not tried again.
                self.assertEqual([], self.collect())
                self.assertEqual(1, unlink.call_count)
            self.assert_whole()
            os.unlink(disk)
        self.assert_nothing_left()

    def test_a_master_that_another_host_works_on_is_left_alone(self):
        """Launchpad bug 1265452: one base was locked under two names."""
        self.master(unused=2 * DAY)
        holder = subprocess.Popen(
            [sys.executable, '-c', 'import fcntl, sys\n'
             'f = open(sys.argv[1], "a")\nfcntl.lockf(f, fcntl.LOCK_EX)\n'
             'print("held", flush=True)\nsys.stdin.read()',
             os.path.join(self.layout.locks, 'nova-gpfs-key')],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(b'held\n', holder.stdout.readline())
        self.assertEqual([], self.collect())
        holder.communicate(b'')
        self.assertEqual(['key'], self.collect())

    def test_nothing_is_removed_where_gpfs_cannot_be_asked(self):
        self.master(unused=2 * DAY)
        self.gpfs.set_node_state('node1', 'down')
        self.assertRaises(errors.NotReady, self.collect)
        self.gpfs.set_node_state('node1', 'up')
        self.assert_whole()

    def test_nothing_is_done_where_gpfs_is_not_mounted(self):
        self.master(unused=2 * DAY)
        self.gpfs.unmount('fs0')
        self.assertRaises(errors.NotMounted, self.collect)
        self.assertRaises(errors.NotMounted,
                          self.here.collection.is_due, 3600)
        self.gpfs.mount('fs0')
        self.assert_whole()


class CrashTest(CollectionTestCase):
    """A host has died after it took a master out of sight."""

    def leave(self, age):
        master = self.here.masters.find('key')
        grave = os.path.join(self.layout.leaving, 'key.0123abc')
        os.rename(master.directory, grave)
        then = os.stat(grave).st_mtime - age
        os.utime(grave, (then, then))
        return grave

    def test_it_may_still_be_at_it_for_a_while(self):
        self.master()
        grave = self.leave(age=60)
        self.assertEqual([], self.collect())
        self.assertTrue(os.path.exists(grave))

    def test_what_nobody_needs_is_removed(self):
        self.master()
        self.leave(age=700)
        self.assertEqual([], self.collect())
        self.assertEqual([], self.masters())
        self.assert_nothing_left()

    def test_what_has_clones_is_a_master_again(self):
        self.master()
        self.disk()
        self.leave(age=700)
        self.collect()
        self.assert_whole()
        self.assert_nothing_left()

    def test_beside_a_new_master_it_stays_until_its_clones_are_gone(self):
        self.master()
        disk = self.disk()
        grave = self.leave(age=700)
        self.disk('second')
        self.collect()
        self.assertTrue(os.path.exists(grave))
        self.assert_whole()
        os.unlink(disk)
        then = os.stat(grave).st_mtime - 700
        os.utime(grave, (then, then))
        self.collect()
        self.assert_whole()
        self.assert_nothing_left()


class RaceTest(CollectionTestCase):
    """Hosts make disks while others remove the master; all real processes."""

    def start(self, number, **wish):
        wish = {'mm_path': self.gpfs.bin_dir(f'node{number % 3 + 1}'),
                'instances_path': self.instances_path,
                'downloads': os.path.join(self.directory, 'downloads'),
                **wish}
        process = subprocess.Popen(
            [sys.executable, '-m', 'tests.programs.churn_masters',
             json.dumps(wish)], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        out, err = process.communicate(timeout=300)
        self.assertEqual(0, process.returncode, err)
        return int(out)

    def race(self, **wish):
        self.master()
        end = os.path.join(self.directory, 'end')
        removers = [self.start(n, until=end, **wish) for n in range(2)]
        while self.masters():
            self.assertIsNone(removers[0].poll())
            time.sleep(0.05)
        makers = [self.start(n, disks=f'disk{n}', rounds=6, **wish)
                  for n in range(2)]
        self.assertEqual([6, 6], [self.finish(maker) for maker in makers])
        open(end, 'x').close()
        removed = sum(self.finish(remover) for remover in removers)
        self.assertEqual([], self.gpfs.check())
        for number in range(2):
            with open(os.path.join(self.instances_path,
                                   f'disk{number}-5')) as f:
                self.assertEqual(CONTENT, f.read())
        return removed

    def test_every_disk_is_made_and_none_loses_its_master(self):
        """Launchpad bugs 1256838, 1470437: removed while it was copied."""
        self.assertGreater(self.race(), 0)

    def test_and_so_it_is_without_locks(self):
        self.assertGreater(self.race(no_locks=True), 0)

    def test_a_master_that_vanishes_before_it_is_cloned_is_made_again(self):
        asked = []

        def ensure():
            master = self.here.masters.ensure('key', self.fill)[0]
            if not asked:
                self.age(master.directory, 2 * DAY)
                self.assertEqual(['key'], self.collect())
            asked.append(master)
            return master

        disk = os.path.join(self.instances_path, 'disk')
        with self.here.new_disk_of(ensure, disk):
            pass
        with open(disk) as f:
            self.assertEqual(CONTENT, f.read())
        self.assertEqual(2, len(asked))
        self.assertEqual([], self.gpfs.check())

    def test_a_master_that_vanishes_as_it_is_published_is_made_again(self):
        """A host that does not see the lock takes it away."""
        rename, taken = os.rename, []

        def and_take(source, target, **kwargs):
            rename(source, target, **kwargs)
            if os.path.dirname(target) == self.layout.masters and not taken:
                taken.append(os.path.join(self.layout.leaving, 'key'))
                rename(target, *taken)

        with mock.patch.object(os, 'rename', and_take):
            master, made = self.here.masters.ensure('key', self.fill)
        self.assertTrue(made)
        self.assertEqual(['key'], self.masters())
        self.assertTrue(os.path.isdir(*taken))
        with open(master.path) as f:
            self.assertEqual(CONTENT, f.read())
