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
"""A host: one process that does what a seed says, with the plug-in's code."""

import contextlib
import logging
import math
import os
import random
import time
import traceback
import uuid

from nova.compute import task_states
from nova import conf
from nova import objects
import nova.privsep
from nova.virt.libvirt import imagecache
from nova.virt.libvirt import instancejobtracker

from nova_gpfs.cmd import applying
from nova_gpfs.cmd import drift
from nova_gpfs.cmd import host as command_host
from nova_gpfs.compute import backend as gpfs_backend
from nova_gpfs.compute import cache_manager
from nova_gpfs.compute import prefetching
from nova_gpfs.compute import removal
from nova_gpfs import errors
from nova_gpfs import hosts
from nova_gpfs.sim import cluster as sim_cluster
from races import edges
from races import images
from races import ledger
from tests.functional import contents
from tests import refusing

CONF = conf.CONF

#: What a host may do, and how often of all that it does.
ACTS = {'boot': 8, 'delete': 3, 'prefetch': 1, 'cache_pass': 3, 'snapshot': 2,
        'open_snapshot': 1, 'double': 2, 'apply': 1, 'sweep': 1, 'write': 2,
        'announce': 1}
_POLICIES = (None, None, 'gold', 'silver')


class Wrong(Exception):
    """A disk does not hold what it should."""


class _Deleting(removal.Removal):
    """The part of the driver that deletes, without a libvirt."""

    def __init__(self, backend):
        self.image_backend = backend
        self.job_tracker = instancejobtracker.InstanceJobTracker()


class Host:
    """What a process is and does.

    ``wish`` has: name, mm_path, config (a file), ledgers (a directory), seed,
    images (how many there are) and, as far as needed: acts (a list of them),
    number (how many acts), seconds (after which it begins none), before (acts
    that come first), mount (what it shall see at mount_point), own_locks,
    wrong_by, file_times, stop_at, policies.
    """

    def __init__(self, wish):
        self.wish = wish
        if wish.get('mount'):
            edges.see(wish['mount'], wish['mount_point'])
        self.random = random.Random(f'{wish["seed"]} {wish["name"]}')
        CONF(['--config-file', wish['config']], project='nova')
        CONF.set_override('mm_path', wish['mm_path'], 'gpfs')
        CONF.set_override('host', wish['name'])
        nova.privsep.sys_admin_pctxt.set_client_mode(False)
        self.nova = gpfs_backend.GpfsBackend(False)
        self.storage = self.nova.storage
        self.layout = self.storage.layout
        self.ledger = ledger.Ledger(wish['ledgers'], wish['name'])
        #: {instance: [image's number, [(offset, text)]]}
        self.disks = {}
        #: Instances of which no disk was made.
        self.failed = []
        self.instances = {}

    def live(self):
        """Do it all; return what disks there are and what went wrong."""
        self._meet_the_others()
        self.storage.guard.establish()
        failures = []
        for name in self._acts():
            self.ledger.act += 1
            self.ledger.note('begins', name)
            try:
                getattr(self, name)()
            except Exception:
                failures.append((self.ledger.act, name,
                                 traceback.format_exc()))
            self.ledger.note('ends', name)
        return {'name': self.wish['name'], 'disks': self.disks,
                'failed': self.failed, 'failures': failures,
                'effects': self._pace.seen}

    def _meet_the_others(self):
        wish = self.wish
        edges.Locks(self.ledger, self.layout.locks, wish.get('own_locks'))
        refusing.Unlink(self.storage.driver).setUp()
        edges.Masters(self.ledger, self.layout)
        if wish.get('wrong_by'):
            edges.Clock(wish['wrong_by'], wish['file_times'])
        self._pace = edges.Pace(
            {os.path.realpath(self.layout.instances_path): ''},
            random.Random(self.random.random()), wish.get('stop_at'))

    def _acts(self):
        for act in self.wish.get('before', ()):
            # Not watched, so that the effects are those of the acts alone.
            getattr(self, act)()
        self._pace.begin()
        if 'acts' in self.wish:
            yield from self.wish['acts']
            return
        names, weights = zip(*ACTS.items())
        end = time.monotonic() + self.wish.get('seconds', math.inf)
        for _number in range(self.wish['number']):
            if time.monotonic() > end:
                return
            yield self.random.choices(names, weights)[0]

    # Glance

    def _image(self):
        return images.Image(self.random.randrange(self.wish['images']))

    def _fetch(self, target, image_id, **kwargs):
        """Download an image, in two parts."""
        image = next(image for image in map(
            images.Image, range(self.wish['images'])) if image.id == image_id)
        data = image.data()
        self.ledger.note('downloads', image.key)
        with open(target, 'wb') as file:
            file.write(data[:len(data) // 2])
            file.flush()
            time.sleep(self.random.random() * 0.3)
            file.write(data[len(data) // 2:])
        self.ledger.note('downloaded', image.key)

    # Instances

    def boot(self):
        """Make the root disk of a new instance as Nova does."""
        image = self._image()
        policy = self.random.choice(self.wish.get('policies', _POLICIES))
        instance = objects.Instance(
            uuid=str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            system_metadata={}, task_state=None, vm_state=None,
            flavor=objects.Flavor(extra_specs={
                'gpfs:policy': policy} if policy else {}))
        os.mkdir(self._directory(instance))
        self.failed.append(instance.uuid)
        disk = self._disk(instance)
        self.ledger.note('wants', image.key)
        disk.cache(fetch_func=self._fetch, context=None,
                   filename=imagecache.get_cache_fname(image.id),
                   image_id=image.id, size=images.DISK_SIZE,
                   trusted_certs=None)
        self.ledger.note('has', image.key)
        self.failed.remove(instance.uuid)
        self.instances[instance.uuid] = instance
        self.disks[instance.uuid] = [image.number, []]
        self._require_right(instance, disk.path)
        self._write(instance)

    def write(self):
        instance = self._any()
        if instance is not None:
            self._write(instance)

    def _write(self, instance):
        """Let the guest write who it is."""
        text = f'{instance.uuid} {self.random.random()}'
        offset = self.random.choice(images.OFFSETS)
        with open(self._disk(instance).path, 'r+b') as disk:
            disk.seek(offset)
            disk.write(text.encode())
        self.disks[instance.uuid][1].append((offset, text))

    def delete(self):
        instance = self._any()
        if instance is None:
            return
        instance.task_state = task_states.DELETING
        self.disks.pop(instance.uuid)
        self.instances.pop(instance.uuid)
        if not _Deleting(self.nova).delete_instance_files(instance):
            raise Wrong(f'{instance.uuid} is not deleted')

    def double(self):
        """Do what a move does: another disk, and the first one is deleted."""
        instance = self._any()
        if instance is None:
            return
        disk = self._disk(instance).path
        self.storage.double(instance.uuid, disk, disk + '.moved')
        self._require_right(instance, disk + '.moved')
        self._require_right(instance, disk)
        os.rename(disk + '.moved', disk)
        self.storage.parents.tidy(instance.uuid, [os.path.dirname(disk)])
        self._require_right(instance, disk)

    def snapshot(self):
        """Make a file of what the disk of a guest is that is off."""
        self._snapshot(lambda disk, target: disk.snapshot_extract(
            target, 'raw'))

    def open_snapshot(self):
        """Seal the disk while a guest has it open."""
        def extract(disk, target):
            with open(disk.path, 'r+b'):
                parent, _depth = self.storage.parents.make_of_open(
                    os.path.basename(os.path.dirname(disk.path)), disk.path,
                    contextlib.nullcontext())
                os.symlink(parent, target)
        self._snapshot(extract)

    def _snapshot(self, extract):
        instance = self._any()
        if instance is None:
            return
        disk = self._disk(instance)
        target = f'{self.wish["ledgers"]}/{instance.uuid}.snapshot'
        expected = self._expected(instance)
        extract(disk, target)
        self._write(instance)
        found = contents.of(target)
        os.unlink(target)
        if found != expected:
            raise Wrong(f'the snapshot of {instance.uuid} is {found!r}')
        self.storage.parents.tidy(instance.uuid, [os.path.dirname(disk.path)])

    # All hosts

    def prefetch(self):
        image = self._image()
        self.ledger.note('wants', image.key)
        prefetching.prefetch(
            self.storage, self.nova.placing, self._fetch,
            imagecache.get_cache_fname(image.id), context=None,
            image_id=image.id, trusted_certs=None,
            names=[name for name in set(self.wish.get('policies', _POLICIES))
                   if name])
        self.ledger.note('has', image.key)

    def cache_pass(self):
        cache_manager.GpfsImageCacheManager(
            self.storage, self.nova.splitting)._collect([])

    def sweep(self):
        """Do what a host does when it starts."""
        self.storage.sweep()

    def apply(self):
        """Have another policy, and apply it to some instances of any host."""
        rules = self.nova.placing.rules
        pool = self.random.choice(('fast', 'system'))
        rules = type(rules)(
            {**rules.policies, 'gold': {'pool': pool}}, rules.defaults,
            rules.flavor_may_set, rules.image_may_set)
        here = command_host.Host(rules, self.storage, self.nova.placing.facts)
        seen = sorted({disk.instance for disk in drift.disks(
            self.layout.instances_path)})
        for name in self.random.sample(seen, min(2, len(seen))):
            self._apply(here, name)

    def _apply(self, here, name):
        try:
            answer, _code = applying.apply(
                here, [name], applying.Options(detach=True), _silently)
        except errors.NoSuchInstance:
            return
        failed = [row for row in answer['disks']
                  if row['result'] == applying.FAILED
                  and not self._has_another_policy(row)]
        if failed:
            raise Wrong(f'policy apply: {failed}')

    def _has_another_policy(self, row):
        """Whether another host has placed a disk where it is in the end."""
        directory = self.wish['mm_path'].partition('/nodes/')[0]
        return row['why'] and all(any(
            call['node'] != self.wish['name']
            and call['argv'][:3] == ['mmchattr', '-P',
                                     why.removeprefix('pool is ')]
            and f'/{row["instance"]}/' in call['argv'][-1]
            for call in sim_cluster.open(directory).calls())
            for why in row['why'])

    def announce(self):
        number = 1 + int(self.wish['name'].removeprefix('node'))
        self.storage.hosts.announce(hosts.Host(self.wish['name'],
                                               f'192.0.2.{number}'))
        if not self.storage.hosts.share(f'192.0.2.{number}'):
            raise Wrong('a host does not know itself')

    def two_days_later(self):
        """Do what hosts do when a host was silent for two days.

        Whatever is there is older than any age, and nothing is cached that
        no disk hangs on.
        """
        home = self.layout.home
        for name in ('collected', 'swept'):
            path = os.path.join(home, name)
            if os.path.exists(path):
                os.utime(path, (1, 1))
        for name in os.listdir(self.layout.leaving):
            os.utime(os.path.join(self.layout.leaving, name), (1, 1))
        real = time.time
        time.time = lambda: real() + 2 * 86400
        try:
            self.sweep()
            self.cache_pass()
        finally:
            time.time = real

    def _any(self):
        names = sorted(self.instances)
        return self.instances[self.random.choice(names)] if names else None

    def _directory(self, instance):
        return os.path.join(self.layout.instances_path, instance.uuid)

    def _disk(self, instance):
        return self.nova.by_name(instance, 'disk', 'gpfs')

    def _expected(self, instance):
        number, written = self.disks[instance.uuid]
        return images.disk(images.Image(number), written)

    def _require_right(self, instance, path):
        found, expected = contents.of(path), self._expected(instance)
        if found != expected:
            raise Wrong(f'{path} is {found!r} and not {expected!r}')


def prepare():
    """Do what all hosts need, in the process that they are forks of."""
    objects.register_all()
    logging.getLogger().setLevel(logging.ERROR)


def _silently(line):
    pass
