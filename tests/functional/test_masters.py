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

"""Masters and disks among many hosts, each a process of its own."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from unittest import mock

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import incoming
from nova_gpfs import layout
from nova_gpfs import plan
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec
from nova_gpfs import storage
from tests import face
from tests import local_driver

CONTENT = 'content of the image\n' * 1000


class MastersTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(self.directory, 'gpfs'),
                                       self.spec())
        face.put_on(self.gpfs, self.addCleanup)
        self.instances_path = os.path.join(self.gpfs.mount_point('fs0'),
                                           'nova', 'instances')
        os.mkdir(self.instances_path)
        self.layout = layout.Layout(self.instances_path)
        self.downloads = os.path.join(self.directory, 'downloads')

    def storage(self, leftover_age=86400):
        here = storage.Storage(
            local_driver.make(self.gpfs.bin_dir('node1')), self.layout,
            copy=None, require_clone=True, leftover_age=leftover_age)
        here.guard.establish()
        return here

    def spec(self):
        return sim_spec.Spec()

    def host(self, number=1, **wish):
        """Start a process that wants the master ``key``."""
        wish = {'mm_path': self.gpfs.bin_dir(f'node{number % 3 + 1}'),
                'instances_path': self.instances_path, 'key': 'key',
                'downloads': self.downloads, 'content': CONTENT, **wish}
        process = subprocess.Popen(
            [sys.executable, '-m', 'tests.programs.make_master',
             json.dumps(wish)], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end_commands(self):
        """Kill the mm commands that a dead host has left hanging."""
        for entry in os.listdir('/proc'):
            try:
                with open(f'/proc/{entry}/cmdline', 'rb') as f:
                    argv = f.read()
                if (self.directory.encode() in argv
                        and b'fuse_server' not in argv
                        and int(entry) != os.getpid()):
                    os.kill(int(entry), signal.SIGKILL)
            except (OSError, ValueError):
                continue

    def finish(self, process):
        out, err = process.communicate(timeout=120)
        self.assertEqual(0, process.returncode, err)
        return json.loads(out)

    def count_downloads(self):
        with open(self.downloads) as f:
            return len(f.read().split())

    def assert_one_good_master(self):
        self.assertEqual(['key'], os.listdir(self.layout.masters))
        path = os.path.join(self.layout.master('key'), 'image')
        with open(path) as image:
            self.assertEqual(CONTENT * 2, image.read())
        driver = local_driver.make(self.gpfs.bin_dir())
        self.assertTrue(driver.clone_info(path).is_parent)
        self.assertEqual([], self.gpfs.check())


class ManyHostsTest(MastersTestCase):

    def test_eight_hosts_at_once_download_once(self):
        """Launchpad bug 1298420: each that had waited downloaded it again."""
        hosts = [self.host(n, pause=0.3, disk=os.path.join(
            self.instances_path, f'disk{n}')) for n in range(8)]
        answers = [self.finish(host) for host in hosts]
        self.assertEqual(1, [answer['made'] for answer in answers].count(True))
        self.assertEqual(1, self.count_downloads())
        self.assert_one_good_master()
        for number in range(8):
            disk = os.path.join(self.instances_path, f'disk{number}')
            with open(disk) as f:
                self.assertEqual(CONTENT * 2, f.read())
        self.assertEqual([], os.listdir(self.layout.incoming))

    def test_without_locks_work_is_wasted_and_nothing_is_damaged(self):
        """Incus issues 2314, 3515, 3579, LXD issue 15315: seen half made."""
        hosts = [self.host(n, pause=1.0, no_locks=True, disk=os.path.join(
            self.instances_path, f'disk{n}')) for n in range(4)]
        answers = [self.finish(host) for host in hosts]
        self.assertEqual(1, [answer['made'] for answer in answers].count(True))
        self.assertGreater(self.count_downloads(), 1)
        self.assert_one_good_master()
        self.assertEqual([], os.listdir(self.layout.incoming))

    def test_different_images_do_not_wait_for_each_other(self):
        slow = self.host(1, key='slow', pause=20)
        self._wait_for_downloads(1)
        self.finish(self.host(2, key='fast'))
        self.assertIsNone(slow.poll())

    def _wait_for_downloads(self, number):
        for _ in range(600):
            if os.path.exists(self.downloads) and (
                    self.count_downloads() >= number):
                return
            time.sleep(0.1)
        self.fail('no download began')


class CrashTest(MastersTestCase):
    """A host dies while it makes a master; another one goes on."""

    def _die(self, ready, **wish):
        host = self.host(**wish)
        for _ in range(600):
            if ready():
                break
            time.sleep(0.1)
        else:
            self.fail('the host did not get that far')
        os.killpg(host.pid, signal.SIGKILL)
        host.wait()
        self.end_commands()

    def _assert_another_host_goes_on(self):
        self.assertEqual([], os.listdir(self.layout.masters))
        self.gpfs.faults.clear()
        self.assertTrue(self.finish(self.host(2))['made'])
        self.assert_one_good_master()

    def test_in_the_middle_of_the_download(self):
        """CloudStack issues 4024, 8613, 10435: locks outlived their host."""
        self._die(lambda: os.path.exists(self.downloads), pause=60)
        self._assert_another_host_goes_on()

    def test_while_the_image_is_sealed(self):
        self.gpfs.faults.add('mmclone snap', action='hang')
        self._die(lambda: self._snaps_begun())
        self._assert_another_host_goes_on()

    def test_after_the_image_was_sealed_and_before_it_was_published(self):
        self.gpfs.faults.add('mmclone snap', action='hang-after')
        self._die(lambda: self._snaps_begun())
        self._assert_another_host_goes_on()

    def _snaps_begun(self):
        return any(call['argv'][1:2] == ['snap'] for call in self.gpfs.calls())

    def test_what_a_crash_leaves_is_swept_after_an_age_and_not_before(self):
        self._die(lambda: os.path.exists(self.downloads), pause=60)
        (room,) = os.listdir(self.layout.incoming)
        self.assertEqual([], self.storage(86400).masters.sweep())
        self.assertEqual([room], os.listdir(self.layout.incoming))
        old = time.time() - 2 * 86400
        top = os.path.join(self.layout.incoming, room)
        for path in (*(os.path.join(top, n) for n in os.listdir(top)), top):
            os.utime(path, (old, old))
        self.assertEqual([room], self.storage(86400).masters.sweep())
        self.assertEqual([], os.listdir(self.layout.incoming))


class MastersTest(MastersTestCase):

    def _stray(self, name):
        """Make a room in which nothing has happened for long."""
        room = os.path.join(self.layout.incoming, name)
        os.mkdir(room)
        old = time.time() - 2 * 86400
        os.utime(room, (old, old))
        return name

    def test_one_host_of_all_that_make_masters_sweeps_for_a_while(self):
        here, other = self.storage().masters, self.storage().masters
        self._stray('first')
        here.ensure('a', self._fill())
        self.assertEqual([], os.listdir(self.layout.incoming))
        self._stray('second')
        other.ensure('b', self._fill())
        self.assertEqual(['second'], os.listdir(self.layout.incoming))
        then = time.time() - 86400
        os.utime(self.layout.swept, (then, then))
        other.ensure('c', self._fill())
        self.assertEqual([], os.listdir(self.layout.incoming))

    def _leave_all_kinds(self):
        """Leave what was not finished and was not removed, long ago."""
        owner = os.path.join(self.layout.parents, 'deleted')
        os.mkdir(owner)
        os.utime(owner, (1, 1))
        os.mkdir(os.path.join(self.layout.trash, 'thrown'))
        self._stray('stray')

    def _left(self):
        return [name for place in (self.layout.incoming, self.layout.parents,
                                   self.layout.trash)
                for name in os.listdir(place)]

    def test_one_host_of_all_that_start_sweeps_for_a_while(self):
        here, other = self.storage(), self.storage()
        self._leave_all_kinds()
        here.sweep_in_turn()
        self.assertEqual([], self._left())
        self._leave_all_kinds()
        other.sweep_in_turn()
        self.assertEqual(['stray', 'deleted', 'thrown'], self._left())
        os.utime(self.layout.cleared, (1, 1))
        other.sweep_in_turn()
        self.assertEqual([], self._left())

    def test_a_note_of_use_is_renewed_once_a_minute(self):
        here = self.storage().masters
        used = os.path.join(here.ensure('key', self._fill())[0].directory,
                            'used')
        now = time.time()
        for age, stays in ((10, True), (70, False), (-70, False)):
            os.utime(used, (now - age, now - age))
            here.ensure('key', self._fill())
            self.assertEqual(stays, os.stat(used).st_mtime == now - age, age)

    def _fill(self, text=CONTENT * 2):
        def fill(path):
            with open(path, 'w') as image:
                image.write(text)
            return plan.MasterInfo(plan.RAW, len(text), 'image-id')
        return fill

    def test_a_fill_that_fails_leaves_nothing_and_its_error_passes(self):
        masters = self.storage().masters

        def fill(path):
            self._fill()(path)
            raise LookupError('the image is gone')

        self.assertRaises(LookupError, masters.ensure, 'key', fill)
        self.assertIsNone(masters.find('key'))
        self.assertEqual([], os.listdir(self.layout.incoming))

    def test_what_was_known_when_it_was_sealed_is_found_again(self):
        info = plan.MasterInfo(plan.QCOW2, 12345, 'image-id')

        def fill(path):
            self._fill()(path)
            return info

        here = self.storage().masters
        master, made = here.ensure('key', fill)
        self.assertTrue(made)
        self.assertEqual(info, master.info)
        self.assertEqual((master, False),
                         self.storage().masters.ensure('key', self._fill()))

    def test_a_master_is_never_replaced(self):
        here = self.storage().masters
        here.ensure('key', self._fill())
        room = os.path.join(self.layout.incoming, 'room')
        os.mkdir(room)
        with open(os.path.join(room, 'image'), 'w') as image:
            image.write('other')
        self.assertFalse(incoming.Incoming(self.layout, 0).publish(
            room, self.layout.master('key')))
        self.assert_one_good_master()

    def test_a_room_that_was_published_meanwhile_is_not_swept(self):
        self.storage()
        here = incoming.Incoming(self.layout, 0)
        room = os.path.join(self.layout.incoming, 'room')
        os.mkdir(room)
        self._fill()(os.path.join(room, 'image'))
        local_driver.make(self.gpfs.bin_dir()).seal(
            os.path.join(room, 'image'))
        # The sweep has found the room old; now its host goes on.
        self.assertTrue(here.publish(room, self.layout.master('key')))
        self.assertTrue(here._bury(room))
        self.assert_one_good_master()

    def test_what_a_later_release_knows_of_a_master_is_passed_over(self):
        here = self.storage().masters
        here.ensure('key', self._fill())
        path = os.path.join(self.layout.master('key'), 'info.json')
        with open(path) as f:
            fields = json.load(f)
        fields['info']['invented_later'] = fields['later'] = 1
        with open(path, 'w') as f:
            json.dump(fields, f)
        self.assertEqual('image-id', here.find('key').info.image_id)

    def test_a_master_of_before_there_were_digests_and_policies_is_used(self):
        here = self.storage().masters
        here.ensure('key', self._fill())
        path = os.path.join(self.layout.master('key'), 'info.json')
        with open(path) as f:
            fields = json.load(f)
        for name in ('digest', 'placement', 'base'):
            del fields[name]
        with open(path, 'w') as f:
            json.dump(fields, f)
        master, made = here.ensure('key', self._fill())
        self.assertEqual((False, '', 'key'),
                         (made, master.digest, master.base))

    def test_a_stray_file_does_not_stop_the_sweep(self):
        here = self.storage(leftover_age=0).masters
        open(os.path.join(self.layout.incoming, 'stray'), 'w').close()
        self.assertEqual(['stray'], here.sweep())
        self.assertEqual([], os.listdir(self.layout.incoming))

    def test_a_master_that_cannot_be_read_is_an_error_and_not_absent(self):
        here = self.storage().masters
        here.ensure('key', self._fill())
        with open(os.path.join(self.layout.master('key'), 'info.json'),
                  'w') as info:
            info.write('{"info": {')
        self.assertRaises(errors.CloneParentInvalid, here.find, 'key')

    def _disk(self, here):
        master, _made = here.masters.ensure('key', self._fill())
        disk = os.path.join(self.instances_path, 'disk')
        with here.new_disk(master, disk):
            self.assertFalse(os.path.exists(disk))
        with open(disk) as f:
            self.assertEqual(CONTENT * 2, f.read())
        return master, disk

    def _files(self):
        return sorted(name for name in os.listdir(self.instances_path)
                      if name.startswith('disk'))

    def test_a_disk_that_is_there_is_complete(self):
        here = self.storage()
        master, disk = self._disk(here)
        other = disk + '2'
        with contextlib.suppress(LookupError), here.new_disk(master, other):
            raise LookupError
        self.assertEqual(['disk'], self._files())

    def test_a_disk_gets_its_name_where_links_are_not_allowed(self):
        here = self.storage()
        for number in (errno.EPERM, errno.EOPNOTSUPP, errno.EROFS):
            with mock.patch('os.link', autospec=True,
                            side_effect=OSError(number, 'no')):
                _master, disk = self._disk(here)
            self.assertEqual(['disk'], self._files())
            os.unlink(disk)

    def test_a_file_that_is_there_is_not_made_again(self):
        here = self.storage()
        path = os.path.join(self.instances_path, 'disk.swap')
        for write in ('first', 'second'):
            with contextlib.suppress(errors.AlreadyExists), here.new_file(
                    path) as unnamed, open(unnamed, 'w') as f:
                f.write(write)
        with open(path) as f:
            self.assertEqual('first', f.read())
        self.assertEqual(['disk.swap'], self._files())

    def test_the_lock_lies_where_all_hosts_see_it(self):
        """Launchpad bug 1265452: one base was locked under two names."""
        here = self.storage().masters
        seen = []

        def fill(path):
            seen.extend(os.listdir(self.layout.locks))
            return self._fill()(path)

        here.ensure('key', fill)
        self.assertEqual(['nova-gpfs-key'], seen)

    def test_nothing_is_made_when_gpfs_goes_away_while_an_image_comes(self):
        here = self.storage()

        def fill(path):
            info = self._fill()(path)
            self.gpfs.unmount('fs0')
            return info

        before = len(self._seals())
        self.assertRaises(errors.NotMounted, here.masters.ensure, 'key', fill)
        self.assertEqual(before, len(self._seals()))

    def _seals(self):
        return [call for call in self.gpfs.calls()
                if call['argv'][1:2] == ['snap']]

    def test_no_disk_is_made_where_gpfs_is_not_mounted(self):
        here = self.storage()
        master, _made = here.masters.ensure('key', self._fill())
        self.gpfs.unmount('fs0')
        os.makedirs(self.instances_path)
        path = os.path.join(self.instances_path, 'disk')
        for attempt in (here.new_disk(master, path), here.new_file(path)):
            with self.assertRaises(errors.NotMounted), attempt:
                self.fail('a disk was made')
        self.assertEqual([], os.listdir(self.instances_path))

    def test_a_disk_that_came_meanwhile_is_left_alone(self):
        for link in (os.link, mock.Mock(side_effect=OSError(errno.EPERM,
                                                            'no'))):
            here = self.storage()
            master, disk = self._disk(here)
            os.unlink(disk)
            with mock.patch('os.link', link), self.assertRaises(
                    errors.AlreadyExists), here.new_disk(master, disk):
                with open(disk, 'w') as f:
                    f.write('PRECIOUS')
            with open(disk) as f:
                self.assertEqual('PRECIOUS', f.read())
            self.assertEqual(['disk'], self._files())
            os.unlink(disk)

    def test_an_unmounted_file_system_is_noticed_before_the_first_write(self):
        here = self.storage()
        self.gpfs.unmount('fs0')
        os.makedirs(self.layout.incoming)
        os.makedirs(self.layout.locks)
        os.makedirs(self.layout.masters)
        self.assertRaises(errors.NotMounted, here.masters.ensure, 'key',
                          self._fill())
        for directory in (self.layout.incoming, self.layout.locks,
                          self.layout.masters):
            self.assertEqual([], os.listdir(directory))

    def test_a_marker_that_moved_is_verified_again_and_not_believed(self):
        here = self.storage()
        os.rename(self.layout.identity, self.layout.identity + '.old')
        with open(self.layout.identity + '.old') as old, open(
                self.layout.identity, 'w') as new:
            new.write(old.read())
        before = len(self.gpfs.calls())
        here.guard.check()
        self.assertGreater(len(self.gpfs.calls()), before)
        before = len(self.gpfs.calls())
        here.guard.check()
        self.assertEqual(before, len(self.gpfs.calls()))

    def test_a_copy_of_the_tree_elsewhere_is_not_taken_for_gpfs(self):
        here = self.storage()
        self.gpfs.unmount('fs0')
        os.makedirs(self.layout.home)
        with open(self.layout.identity, 'w') as marker:
            marker.write('{}')
        self.assertRaises(errors.NotGpfs, here.guard.check)
