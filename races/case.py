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
"""A cluster for many hosts, what they are let do on it, and what must hold."""

import os
import random
import shutil
import sys

import fixtures
from oslotest import base
from testtools import content

from nova_gpfs import collection
from nova_gpfs import digest
from nova_gpfs import layout
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs import storage
from nova_gpfs import turns
from races import chosen
from races import images
from races import ledger
from races import stage
from races import verdict
from tests import face
from tests.functional import contents
from tests import local_driver
from tests import refusing

#: Default, the pools of gold before and after, and two replicas.
PLACEMENTS = 4
_CONFIGURATION = '''[DEFAULT]
instances_path = {instances_path}
[libvirt]
images_type = gpfs
[image_cache]
manager_interval = 1
remove_unused_original_minimum_age_seconds = {age}
remove_unused_resized_minimum_age_seconds = {age}
[oslo_concurrency]
lock_path = {directory}
[gpfs]
rootless_commands = {commands}
lock_wait = {lock_wait}
mm_path = {directory}
[gpfs_policy:gold]
pool = fast
[gpfs_policy:silver]
data_replicas = 2
'''
_COMMANDS = ('mmclone mmchattr mmgetstate mmlsattr mmlscluster mmlsconfig '
             'mmlsdisk mmlsfileset mmlsfs mmlsnsd mmlspool mmlsquota '
             'mmrestripefile')


class RacesTestCase(base.BaseTestCase):
    """``number`` hosts on one cluster; ``seed`` says what they do."""

    number = 4
    seed = 1
    images = 2
    #: Seconds; a master that nobody needs is removed at once with 0.
    master_age = 0
    #: Seconds; more than a host here stands still that does not hang.
    lock_wait = 600

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stage = stage.Stage()

    @classmethod
    def tearDownClass(cls):
        cls.stage.end()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.random = random.Random(self.seed)
        self.addDetail('seed', content.text_content(
            f'{chosen.SEED}={self.seed}'))
        self.begin_anew()

    def begin_anew(self):
        """Have a cluster on which nothing has been done."""
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.nodes = [f'node{1 + n}' for n in range(max(3, self.number))]
        self.gpfs = sim_cluster.create(
            os.path.join(self.directory, 'gpfs'), {'nodes': self.nodes})
        self.instances_path = os.path.join(self.gpfs.mount_point('fs0'),
                                           'nova', 'instances')
        os.mkdir(self.instances_path)
        self.layout = layout.Layout(self.instances_path)
        self.driver = local_driver.make(self.gpfs.bin_dir('node1'))
        self.storage = storage.Storage(
            self.driver, self.layout, shutil.copyfile, require_clone=True,
            leftover_age=0)
        self.storage.guard.establish()
        self._give_nodes_mounts()

    def _give_nodes_mounts(self):
        """Let each node see the file system in a mount of its own, or not."""
        self._mounts = {}
        if face.is_asked_for():
            face.put_on(self.gpfs, self.addCleanup)
            for name in self.nodes[:self.number]:
                mounted = self.gpfs.serve(node=name)
                self.addCleanup(mounted.close)
                self._mounts[name] = mounted.path

    def say(self, text):
        """Tell who runs this, however it ends."""
        print(f'{self.id()}: {text}', file=sys.stderr, flush=True)

    # Hosts

    def configuration(self, age):
        """Write nova.conf for hosts whose masters may go at an age."""
        path = os.path.join(self.directory, f'nova-{age}.conf')
        with open(path, 'w') as file:
            file.write(_CONFIGURATION.format(
                instances_path=self.instances_path, age=age,
                directory=self.directory, lock_wait=self.lock_wait,
                commands=','.join(_COMMANDS.split())))
        return path

    def wish(self, place, **more):
        """Return what a host is to be and to do; see ``host.Host``."""
        name = self.nodes[place]
        return {'name': name, 'mm_path': self.gpfs.bin_dir(name),
                'config': self.configuration(self.master_age),
                'mount': self._mounts.get(name),
                'mount_point': self.gpfs.mount_point('fs0'),
                'ledgers': self.directory, 'seed': self.seed,
                'images': self.images, **more}

    def lose_locks(self):
        """Let no host see the locks of another one, from now on.

        Returns {what wishes need for that: functions of a host's number}.
        """
        if self._mounts:
            self.gpfs.set_switch('locks_across_nodes', 'local')
            return {}
        # Plain files are on one node, whose kernel knows all locks.
        return {'own_locks': self.own_locks}

    def own_locks(self, number):
        """Return a directory of locks that no other host sees."""
        path = os.path.join(self.directory, f'locks-{number}')
        os.makedirs(path, exist_ok=True)
        return path

    def play(self, wishes):
        """Let hosts live, and see that each has done what it should.

        Returns {instance: [image, what was written]}.
        """
        return self.disks_of(self.stage.play(wishes))

    def disks_of(self, heard):
        """Return the disks of hosts that have failed at nothing."""
        self.assertEqual([], [(one['name'], *failure) for one in heard
                              for failure in one['failures']])
        return self.all_disks(heard)

    @staticmethod
    def all_disks(heard):
        disks = {}
        for one in heard:
            disks.update(one['disks'])
        return disks

    def play_all(self, acts=100, **more):
        """Let each host boot, and then do what its seed says.

        :param acts: how many at most
        :param more: functions of the host's number, for what it is to be
        """
        return self.play([self.wish(n, number=acts, before=['boot'], **{
            name: choose(n) for name, choose in more.items()})
            for n in range(self.number)])

    # What must hold

    def verdict(self):
        return verdict.Verdict(ledger.read(self.directory), PLACEMENTS)

    def assert_no_needless_work(self):
        """What locks are for, which hosts see of each other."""
        found = self.verdict()
        self.assertEqual([], list(found.needless_downloads()))
        self.assertEqual([], list(found.downloads_at_once()))
        self.assertEqual([], list(found.starved()))
        self.assertEqual([], list(found.beyond(self.longest_wait())))

    def longest_wait(self):
        """Return the seconds after which nobody waits for a host any more.

        For each lock of an image it is twice what ``turns`` says.
        """
        return 2 * turns.LOCKS * self.lock_wait

    def assert_nobody_waits_for_a_host_that_hangs(self):
        """Let one stop with the lock of an image that all the others want.

        They end, or this would not; then the one goes on. Returns how often
        the image was fetched.
        """
        hanging, others = self.stage.silence(
            self.wish(0, acts=['boot'], policies=[None],
                      stop_at=r'rename \S+ _gpfs/masters/'),
            [self.wish(n, acts=['boot'], policies=[None])
             for n in range(1, self.number)])
        self.assertIsNotNone(others, 'it did not come to make a master')
        disks = self.disks_of([hanging, *others])
        self.assertEqual(self.number, len(disks))
        found = self.verdict()
        self.assertEqual([], list(found.beyond(self.longest_wait())))
        self.assertEqual(1, found.count('published'))
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)
        return len(found.downloads)

    def assert_no_damage(self, disks, failed=()):
        """Every master and disk is what it should be, and nothing else is.

        :param failed: instances whose disks could not be made
        """
        self.assertEqual([], self.gpfs.check())
        self.assert_masters_are_whole()
        for name, (number, written) in disks.items():
            path = os.path.join(self.instances_path, name, 'disk')
            self.assertEqual(images.disk(images.Image(number), written),
                             contents.of(path), path)
        self.assertEqual(
            {*disks, *failed},
            set(os.listdir(self.instances_path)) - {'_gpfs'})
        for name in (*disks, *failed):
            self.assertLessEqual(
                set(os.listdir(os.path.join(self.instances_path, name))),
                {'disk', 'disk.info', 'gpfs.json'})

    def assert_masters_are_whole(self):
        expected = {image.key: image.content for image in
                    map(images.Image, range(self.images))}
        for _name, master in self.storage.masters.all():
            self.assertTrue(self.driver.clone_info(master.path).is_parent)
            self.assertEqual(master.digest, digest.of_file(master.path))
            self.assertEqual(expected[master.base],
                             contents.of(master.path))

    def assert_nothing_is_left(self, disks):
        """Once all instances are deleted, two days later."""
        with refusing.Unlink(self.driver):
            for name in disks:
                self.storage.trash.discard(
                    os.path.join(self.instances_path, name))
                self.storage.parents.forget(name)
            for _time in range(2):
                self._be_long_ago()
                self.storage.sweep()
                self.storage.collection.collect(collection.Ages(0, 0))
        self.assertEqual(['_gpfs'], os.listdir(self.instances_path))
        for path in (self.layout.incoming, self.layout.masters,
                     self.layout.placed, self.layout.leaving,
                     self.layout.parents, self.layout.trash):
            self.assertEqual([], os.listdir(path), path)
        self.assertEqual([], self.gpfs.check())

    def _be_long_ago(self):
        """Let everything be old, whoever's clock it has its time from."""
        for top in (self.layout.masters, self.layout.placed,
                    self.layout.leaving, self.layout.incoming,
                    self.layout.parents):
            for directory, _names, files in os.walk(top):
                os.utime(directory, (1, 1))
                for name in files:
                    if name == 'used' or top == self.layout.placed:
                        os.utime(os.path.join(directory, name), (1, 1))
