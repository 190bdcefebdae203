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


"""A cloud of many compute hosts on one file system, and what they do.

All that is done is done by the plug-in's own classes, one set of them for
each host, as in as many processes. Only what is beneath them is a model.
"""

import collections
import os
import random
import re
import tempfile
import types
import uuid

from nova import conf
from nova.virt.disk import api as disk_api
from nova.virt.libvirt import imagecache

from benchmarks import backends
from benchmarks.scale import clock as clocks
from benchmarks.scale import commands
from benchmarks.scale import watch
from nova_gpfs import collection
from nova_gpfs.compute import following
from nova_gpfs.compute import image
from nova_gpfs.compute import placing
from nova_gpfs import hosts
from nova_gpfs import layout
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import offer
from nova_gpfs import placements
from nova_gpfs import policy
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec
from nova_gpfs import storage
from nova_gpfs import whereabouts

MIB = 2 ** 20
IMAGE_SIZE = 4 * MIB
DISK_SIZE = 16 * MIB
GROUPS = 3
#: The flavor of instances whose blocks are to be near their host.
NEAR = {'gpfs:policy': 'near'}

_RULES = policy.Rules({'near': {
    'pool': 'fpo', 'write_affinity_depth': 1,
    'write_affinity_failure_group': policy.LOCAL}})
# What differs between files of a kind.
_NAMES = ((re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'), 'UUID'),
          (re.compile(r'[0-9a-f]{32,40}'), 'IMAGE'),
          (re.compile(r'host[0-9]+'), 'HOST'),
          (re.compile(r'incoming/.*'), 'incoming/ROOM'))
_AGES = collection.Ages(86400, 3600)


def _spec():
    spec = sim_spec.Spec()
    system = spec.file_systems[0]
    system.nsds += [sim_spec.Nsd(f'fpo{group}', str(group), 'fpo',
                                 usage='dataOnly')
                    for group in range(1, GROUPS + 1)]
    system.write_affinity_pools = ['fpo']
    return spec


def _refuse_copy(source, target):
    raise AssertionError(f'{source} was to be copied to {target}')


class Cloud:
    """The cluster, the watch, and the hosts by number."""

    def __init__(self, directory, wish):
        """``wish`` are the options of the command line."""
        backends.configure(os.path.join(directory, 'locks'))
        cluster = sim_cluster.create(os.path.join(directory, 'gpfs'), _spec())
        self.path = os.path.join(cluster.mount_point('fs0'), 'nova')
        conf.CONF.set_override('instances_path', self.path)
        disk_api.is_image_extendable = lambda _image: False
        self.layout = layout.Layout(self.path)
        self.downloads = collections.Counter()
        self.clock = clocks.Clock(os.stat(self.path).st_mtime)
        self.commands = commands.Commands(
            self.clock, cluster.bin_dir(), wish.mm, wish.mm_latency)
        self.watch = watch.Watch(self.clock, self.commands, self.path,
                                 watch.Costs(wish.call, wish.hand_over))
        self._download_takes = wish.download
        self._random = random.Random(wish.seed)
        with self.watch.watching():
            self.hosts = [Host(self, number) for number in range(wish.hosts)]
            # The simulator counts what a full file system holds by looking.
            self.hosts[0].learn()
            for host in self.hosts:
                host.announce()

    def name(self, path):
        """Return what a path is, in the words of ``nova_gpfs.layout``."""
        found = os.path.relpath(path, self.path)
        for pattern, word in _NAMES:
            found = pattern.sub(word, found)
        return found.removeprefix('_gpfs/')

    def new_uuid(self):
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def moments(self, number, seconds):
        """Return so many moments within a time, in order."""
        return sorted(self._random.uniform(0, seconds)
                      for _each in range(number))

    def download(self, _context=None, target=None, image_id=None, **_rest):
        """Do as Nova's fetch function."""
        self.downloads[image_id] += 1
        self.clock.spend(self._download_takes)
        with open(target, 'xb') as file:
            file.truncate(IMAGE_SIZE)

    def populate(self, instances):
        """Make the directories of instances that have run for long."""
        records = [_record(str(group)) for group in range(1, GROUPS + 1)]
        for number in range(instances):
            name = self.new_uuid()
            path = os.path.join(self.path, name)
            os.mkdir(path)
            with open(os.path.join(path, placements.NAME), 'x') as file:
                file.write(records[number % GROUPS])
            # One in ten has been moved, and has a clone parent.
            if not number % 10:
                os.mkdir(self.layout.parents_of(name))


def _record(group):
    """Return the text of a record beside a disk in a failure group."""
    given = model.Placement('fpo', write_affinity_depth=1,
                            write_affinity_failure_group=group)
    with tempfile.TemporaryDirectory() as directory:
        placements.write(directory, placements.Record().with_disk(
            'disk', given))
        with open(os.path.join(directory, placements.NAME)) as file:
            return file.read()


class Host:
    """A compute host: its own objects of the plug-in."""

    def __init__(self, cloud, number):
        self._cloud = cloud
        self.name = f'host{number}'
        self.address = f'10.0.{number // 256}.{number % 256}'
        driver = mmdriver.MmDriver(cloud.commands)
        self.storage = storage.Storage(
            driver, cloud.layout, _refuse_copy, require_clone=True,
            leftover_age=86400.0)
        self.storage.guard.establish()
        self.storage.whereabouts = whereabouts.Whereabouts(
            cloud.layout, self.storage.guard, clock=self._now)
        self._group = str(number % GROUPS + 1)
        facts = offer.Facts(driver, lambda: 'fs0', clock=self._now,
                            write_affinity_pools=['fpo'],
                            fileset=lambda: 'nova')
        placed = self._placing = placing.Placing(_RULES, facts, self._group)
        self._disk = type('Gpfs', (image.Gpfs,), {
            'storage': self.storage, 'placing': placed,
            'following': following.Following(self.storage, placed, None)})

    def _now(self):
        return self._cloud.clock.now

    def instance(self, instance_uuid, extra_specs=None):
        """Return what the image backend looks at of an instance."""
        return types.SimpleNamespace(
            uuid=instance_uuid, system_metadata={}, task_state=None,
            flavor={'extra_specs': extra_specs or {}})

    def boot(self, instance_uuid, image_id, extra_specs=None):
        """Make the root disk of a new instance, in a new directory."""
        os.mkdir(os.path.join(self._cloud.path, instance_uuid))
        self._have_disk(instance_uuid, image_id, extra_specs)

    def evacuate(self, instance_uuid, image_id, extra_specs=None):
        """Take an instance over whose host has failed."""
        self._have_disk(instance_uuid, image_id, extra_specs)

    def _have_disk(self, instance_uuid, image_id, extra_specs):
        disk = self._disk(self.instance(instance_uuid, extra_specs), 'disk')
        disk.cache(fetch_func=self._cloud.download, context=None,
                   filename=imagecache.get_cache_fname(image_id),
                   image_id=image_id, size=DISK_SIZE, trusted_certs=None)

    def learn(self):
        """Ask what the cluster offers, as a host does every few minutes."""
        self._placing.facts.current()

    def announce(self):
        self.storage.hosts.announce(hosts.Host(self.name, self.address))

    def report(self):
        """Do what a host does each minute, without the facts of GPFS."""
        self.announce()
        self.storage.hosts.number()

    def may_move_to(self, address):
        """See whether a cold migration finds another host here.

        Nova is to ask over ssh otherwise, which is nothing to count.
        """
        if not self.storage.hosts.share(address):
            raise AssertionError(f'{address} is not known to share')

    def find_near(self):
        """Find the instances near this host, for the scheduler."""
        self.storage.whereabouts.in_group(self._group)

    def pass_cache(self, interval):
        """Look after the masters, if it is this host's turn."""
        if self.storage.collection.is_due(interval):
            self.storage.collection.collect(_AGES)

    def start(self):
        """Clear up as nova-compute does when it starts."""
        self.storage.sweep_in_turn()
