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


"""Any sequence of operations: every disk is what its model says.

A machine asks Nova's API for one operation after the other, as far as the
API allows them in the state that an instance is in, and does the same to a
model. After each step every byte is compared, and what else is there.
"""

import dataclasses
import functools
import os
import random
import sys
import traceback
import uuid

import hypothesis
from hypothesis import stateful
from hypothesis import strategies
from nova.virt.libvirt import imagecache
import testtools

from tests.functional import cloud
from tests.functional import contents
from tests.functional import living

GIB = 2 ** 30
MIB = 2 ** 20
HOSTS = ('node1', 'node2')
MOST_GUESTS = 3
STEPS = 15
EXAMPLES = 4

ON, OFF, MOVED = 'ACTIVE', 'SHUTOFF', 'VERIFY_RESIZE'
RESCUED, PAUSED, SUSPENDED = 'RESCUE', 'PAUSED', 'SUSPENDED'
SHELVED, OFFLOADED = 'SHELVED', 'SHELVED_OFFLOADED'

#: The states in which Nova's API takes an action, as far as it is tried.
ALLOWED = {
    'write': (ON, MOVED, RESCUED),
    'stop': (ON,),
    'start': (OFF,),
    'reboot': (ON, OFF, PAUSED, SUSPENDED),
    'pause': (ON,),
    'unpause': (PAUSED,),
    'suspend': (ON,),
    'resume': (SUSPENDED,),
    'move': (ON, OFF),
    'end of move': (MOVED,),
    'live': (ON, PAUSED),
    'evacuate': (ON, OFF),
    'rebuild': (ON, OFF),
    'rescue': (ON, OFF),
    'unrescue': (RESCUED,),
    'snapshot': (ON, OFF, PAUSED, SUSPENDED),
    'shelve': (ON, OFF, PAUSED, SUSPENDED),
    'offload': (SHELVED,),
    'unshelve': (SHELVED, OFFLOADED),
    'delete': (ON, OFF, MOVED, RESCUED, PAUSED, SUSPENDED, SHELVED,
               OFFLOADED)}

#: What Nova, libvirt and the plug-in keep beside the disks.
BESIDES = {'disk.info', 'console.log', 'unrescue.xml', 'gpfs.json', 'move'}
#: What there is in instances_path that is no instance's.
SHARED = {'_gpfs', '_base', 'locks', 'compute_nodes', 'snapshots'}


@dataclasses.dataclass(frozen=True)
class Flavor:
    """Sizes in GiB, of swap in MiB; a root of 0 is as large as its image."""

    name: str
    root_gb: int = 0
    ephemeral_gb: int = 0
    swap: int = 0

    def holds(self, image):
        """Whether Nova puts this image into such a disk."""
        return not self.root_gb or self.root_gb * GIB >= max(
            image.content.size, image.least_gb * GIB)

    def can_become(self, other):
        """Whether Nova resizes an instance from this flavor to another."""
        return (other != self and other.root_gb >= self.root_gb
                and other.ephemeral_gb >= self.ephemeral_gb)


FLAVORS = (Flavor('exact'), Flavor('small', 1), Flavor('larger', 2),
           Flavor('rich', 1, 1, 16), Flavor('richer', 2, 1, 32))
ANY_HOST = strategies.sampled_from(HOSTS)
ANY_FLAVOR = strategies.sampled_from([flavor.name for flavor in FLAVORS])


def larger(guest):
    """Return the flavors that an instance may be resized to."""
    return [flavor for flavor in FLAVORS if guest.flavor.can_become(flavor)]


def named(name, things):
    """Return the one of this name."""
    return next(each for each in things if each.name == name)


def draw(data, things):
    """Draw something that has a name; who reads it reads the name."""
    return named(data.draw(strategies.sampled_from(
        [each.name for each in things])), things)


class Fresh:
    """What a program has written that makes up UUIDs: mkfs, mkswap, ..."""

    def __init__(self, size):
        self.size = size

    def __repr__(self):
        return f'<{self.size} fresh bytes>'


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in Glance, and the disk of a guest that boots from it."""

    name: str
    id: str
    content: contents.Content
    least_gb: int = 0


@dataclasses.dataclass
class Guest:
    """An instance as it should be; ``disks`` is by the names of the files.

    ``before`` is what it was before a move, until that is confirmed.
    """

    name: str
    id: str
    host: str
    flavor: Flavor
    image: Image
    config_drive: bool
    ephemeral: str = 'disk.eph0'
    state: str = ON
    runs: bool = True
    disks: dict = dataclasses.field(default_factory=dict)
    before: 'Guest | None' = None

    def __repr__(self):
        return f'{self.name}, {self.state} on {self.host}'

    def may(self, action):
        return self.state in ALLOWED[action] and (
            action != 'write' or self.runs)

    def become(self, state):
        self.state = state
        self.runs = state in (ON, RESCUED)

    def built(self, image=None, root=None):
        """Have new disks, the root disk of an image's content."""
        self.image = image or self.image
        flavor = self.flavor
        self.disks = {'disk': (root or self.image.content).grown(
            flavor.root_gb * GIB)}
        if flavor.ephemeral_gb:
            self.disks[self.ephemeral] = Fresh(flavor.ephemeral_gb * GIB)
        if flavor.swap:
            self.disks['disk.swap'] = Fresh(flavor.swap * MIB)
        if self.config_drive:
            self.disks['disk.config'] = Fresh(None)

    def moved(self, host, flavor):
        """Have a second set of disks; the first is as it was."""
        self.before = dataclasses.replace(self, disks=dict(self.disks))
        self.host, self.flavor, self.state = host, flavor, MOVED
        self.disks['disk'] = self.disks['disk'].grown(flavor.root_gb * GIB)
        if flavor.ephemeral_gb and self.ephemeral not in self.disks:
            self.disks[self.ephemeral] = Fresh(flavor.ephemeral_gb * GIB)
        self.disks.pop('disk.swap', None)
        if flavor.swap:
            self.disks['disk.swap'] = Fresh(flavor.swap * MIB)

    def sets(self):
        """Yield the ends of the directories' names, and what is in them."""
        if self.state != OFFLOADED:
            yield '', self.disks
        if self.before:
            yield '_resize', self.before.disks


def among(action, also=lambda guest: True):
    """Return what tells whether something may be done with some guest."""
    return lambda life: any(guest.may(action) and also(guest)
                            for guest in life.guests)


def operation(possible, **choices):
    """Make a rule of a method; it is not done twice in a row."""
    def decorate(method):
        @functools.wraps(method)
        def noted(life, **drawn):
            life.last = method
            method(life, **drawn)

        return stateful.precondition(
            lambda life: life.last is not method and possible(life))(
                stateful.rule(data=strategies.data(), **choices)(noted))
    return decorate


def asking_for(action, body, state):
    """Return a rule that asks for an action which leaves the disks alone."""
    def ask(life, data):
        life.act(life.pick(data, action), body, state)

    ask.__name__ = action
    return operation(among(action))(ask)


class Strangers:
    """Files that are none of the instances' of this Nova."""

    def __init__(self, test_case):
        """Put them there, an instance of another cell among them."""
        top = test_case.instances_path
        instance = str(uuid.uuid4())
        self.names = {instance, f'{instance}_resize', 'notes'}
        self._roots = [os.path.join(top, name) for name in self.names]
        self._roots.append(os.path.join(
            test_case.gpfs.mount_point('fs0'), 'elsewhere'))
        for root in self._roots:
            os.mkdir(root)
            for name in ('disk', 'disk.eph0', 'disk.rescue', 'notes'):
                with open(os.path.join(root, name), 'wb') as file:
                    file.write(random.randbytes(10000))
        storage = test_case.computes['node1'].driver.image_backend.storage
        storage.parents.make(instance, os.path.join(top, instance, 'disk'))
        self._roots.append(storage.layout.parents_of(instance))
        self._found = self._look()

    def _look(self):
        """Return what each of the files and directories is."""
        found = {}
        for root in self._roots:
            for top, _directories, names in os.walk(root):
                for path in (top, *(os.path.join(top, name)
                                    for name in names)):
                    status = os.lstat(path)
                    found[path] = (
                        status.st_ino, status.st_mode, status.st_mtime_ns,
                        os.path.isfile(path) and cloud.read(path))
        return found

    def assert_untouched(self):
        found = self._look()
        assert found == self._found, sorted(
            {path for path, _each in found.items() ^ self._found.items()})


class Life(stateful.RuleBasedStateMachine):
    """The lives of a few instances on two hosts."""

    def __init__(self):
        super().__init__()
        self.cloud = None
        self.guests = []
        self.images = []
        self.named = 0
        self.last = None
        self.written = 0

    @stateful.initialize(
        data=strategies.data(),
        tosses=strategies.tuples(*[strategies.booleans()] * 16),
        max_clone_depth=strategies.sampled_from((2, 8)),
        keeps_formats=strategies.booleans(), flavor=ANY_FLAVOR)
    def the_hosts_start(self, data, tosses, max_clone_depth, keeps_formats,
                        flavor):
        # Hypothesis begins with the simplest examples, where all choices
        # are the first one: a rule again and again, which is no life.
        hypothesis.assume(sum(tosses) > 3)
        self.max_clone_depth = max_clone_depth
        self.keeps_formats = keeps_formats
        self.cloud = living.Cloud(max_clone_depth, keeps_formats)
        self.cloud.start()
        for each in FLAVORS:
            self.cloud.flavor(**dataclasses.asdict(each))
        self.images = [self.image('raw'), self.image('qcow2')]
        self.strangers = Strangers(self.cloud)
        # There is always one, so that there is always much to be done.
        self.boot(data, 'node1', named(flavor, FLAVORS), False)

    def image(self, disk_format):
        """Put an image into Glance that holds what no other one does."""
        path = os.path.join(self.cloud.directory, disk_format)
        raw = cloud.partitioned_disk(path + '.raw', 2 * MIB,
                                     seed=disk_format.encode())
        cloud.qemu_img('convert', '-f', 'raw', '-O', disk_format, raw, path)
        kept = disk_format if self.keeps_formats else 'raw'
        return Image(
            disk_format, self.cloud.glance.add_content(
                disk_format, contents.of(path), disk_format),
            dataclasses.replace(contents.of(raw), format=kept))

    def new_name(self, kind):
        self.named += 1
        return f'{kind}{self.named}'

    def pick(self, data, action, also=lambda guest: True):
        """Draw a guest with which this may be done."""
        return draw(data, [guest for guest in self.guests
                           if guest.may(action) and also(guest)])

    def act(self, guest, action, state):
        """Have an action done and wait until the guest is in a state."""
        self.cloud.act(guest.id, action)
        self.settle(guest, state)

    def settle(self, guest, state):
        self.cloud.settle(guest.id, state)
        guest.become(state)

    def where(self, guest):
        return self.cloud.api.get_server(guest.id)['OS-EXT-SRV-ATTR:host']

    @staticmethod
    def other(host):
        return HOSTS[1 - HOSTS.index(host)]

    # Instances come and go.

    @operation(lambda self: len(self.guests) < MOST_GUESTS, host=ANY_HOST,
               flavor=ANY_FLAVOR, config_drive=strategies.booleans())
    def boot_another(self, data, host, flavor, config_drive):
        self.boot(data, host, named(flavor, FLAVORS), config_drive)

    def boot(self, data, host, flavor, config_drive):
        image = draw(data, list(filter(flavor.holds, self.images)))
        server = self.cloud.boot(image.id, flavor.name, host=host,
                                 config_drive=config_drive)
        guest = Guest(self.new_name('guest'), server['id'], host, flavor,
                      image, config_drive)
        if not flavor.ephemeral_gb:
            # What Nova calls one that comes with a later flavor.
            guest.ephemeral = 'disk.local'
        guest.built()
        self.guests.append(guest)
        for name in guest.disks:
            # What replaces one of them later does not pass for it.
            self.compare(guest, '', guest.disks, name)
            if name != 'disk.config':
                self.write_to(guest, name, contents.CHUNK)

    @operation(lambda self: len(self.guests) > 1)
    def delete(self, data):
        self.deleted(self.pick(data, 'delete'))

    def deleted(self, guest):
        self.cloud.api.delete_server(guest.id)
        self.cloud.vanish(guest.id)
        self.guests.remove(guest)

    # What guests do, and what is done to them where they are.

    @operation(among('write'), at=strategies.integers(0, 255),
               times=strategies.integers(1, 4))
    def write(self, data, at, times):
        guest = self.pick(data, 'write')
        name = data.draw(strategies.sampled_from(sorted(
            name for name in guest.disks if name != 'disk.config')))
        for number in range(at, at + times):
            self.write_to(guest, name, contents.CHUNK * number)

    def write_to(self, guest, name, offset):
        """Let a guest write what is nowhere else, unless its disk ends."""
        self.written += 1
        piece = b'write %d ' % self.written
        had = guest.disks[name]
        if offset + len(piece) <= had.size:
            contents.write(self.file(guest, '', name), had.format, offset,
                           piece)
            guest.disks[name] = had.written(offset, piece)

    stop = asking_for('stop', {'os-stop': None}, OFF)
    start = asking_for('start', {'os-start': None}, ON)
    reboot = asking_for('reboot', {'reboot': {'type': 'HARD'}}, ON)
    pause = asking_for('pause', {'pause': None}, PAUSED)
    unpause = asking_for('unpause', {'unpause': None}, ON)
    suspend = asking_for('suspend', {'suspend': None}, SUSPENDED)
    resume = asking_for('resume', {'resume': None}, ON)

    @operation(among('rebuild'))
    def rebuild(self, data):
        guest = self.pick(data, 'rebuild')
        image = draw(data, list(filter(guest.flavor.holds, self.images)))
        self.act(guest, {'rebuild': {'imageRef': image.id}}, guest.state)
        guest.built(image)

    @operation(lambda self: self.rescuable())
    def rescue(self, data):
        guest = draw(data, self.rescuable())
        self.act(guest, {'rescue': None}, RESCUED)
        guest.disks['disk.rescue'] = guest.image.content
        if guest.config_drive:
            guest.disks['disk.config.rescue'] = Fresh(None)

    def rescuable(self):
        """Return the guests of whose image there can be a second disk."""
        return [guest for guest in self.guests
                if guest.may('rescue') and guest.image in self.images]

    @operation(among('unrescue'))
    def unrescue(self, data):
        guest = self.pick(data, 'unrescue')
        self.act(guest, {'unrescue': None}, ON)
        for name in ('disk.rescue', 'disk.config.rescue'):
            guest.disks.pop(name, None)

    # Moves.

    @operation(among('move'))
    def migrate(self, data):
        guest = self.pick(data, 'move')
        self.cloud.act(guest.id, {'migrate': None})
        self.cloud.settle(guest.id, MOVED)
        guest.moved(self.other(guest.host), guest.flavor)

    @operation(among('move', larger), stay=strategies.booleans())
    def resize(self, data, stay):
        guest = self.pick(data, 'move', larger)
        flavor = draw(data, larger(guest))
        host = guest.host if stay else self.other(guest.host)
        with self.cloud.only(host):
            self.cloud.act(guest.id, {'resize': {'flavorRef': flavor.name}})
            self.cloud.settle(guest.id, MOVED)
        guest.moved(host, flavor)

    @operation(among('end of move'))
    def confirm(self, data):
        guest = self.pick(data, 'end of move')
        before = guest.before
        self.act(guest, {'confirmResize': None}, before.state)
        guest.before = None
        if before.host != guest.host:
            self.cloud.undefine(guest.id, before.host)

    @operation(among('end of move'))
    def revert(self, data):
        guest = self.pick(data, 'end of move')
        before = guest.before
        self.act(guest, {'revertResize': None}, before.state)
        guest.host, guest.flavor, guest.disks, guest.before = (
            before.host, before.flavor, before.disks, None)

    @operation(among('live'))
    def live_migrate(self, data):
        guest = self.pick(data, 'live')
        host = self.other(guest.host)
        self.cloud.live_migrate(guest.id, host, guest.state)
        guest.host = host

    @operation(among('evacuate'), host=ANY_HOST)
    def a_host_dies_and_comes_back(self, data, host):
        """Its guests run on somewhere else, and here, until it is back."""
        away = [guest for guest in self.guests
                if guest.host == host and guest.may('evacuate')]
        self.cloud.put_down(host)
        for guest in away:
            if data.draw(strategies.booleans(), f'{guest.name} moves'):
                self.evacuate(guest)
        self.cloud.bring_up(host)

    def evacuate(self, guest):
        self.act(guest, {'evacuate': {}}, guest.state)
        guest.host = self.other(guest.host)
        if guest.config_drive:
            guest.disks['disk.config'] = Fresh(None)

    # Images.

    @operation(among('snapshot'))
    def snapshot(self, data):
        guest = self.pick(data, 'snapshot')
        name = self.new_name('snapshot')
        image_id = self.cloud.act(
            guest.id, {'createImage': {'name': name}})['image_id']
        self.settle(guest, guest.state)
        glance = self.cloud.glance
        self.cloud.assertEqual(guest.disks['disk'], glance.disk(image_id))
        self.images.append(Image(
            name, image_id, guest.disks['disk'],
            glance.images[image_id]['min_disk']))

    @operation(lambda self: len(self.images) > 2)
    def delete_image(self, data):
        image = draw(data, self.images[2:])
        self.cloud.glance.delete(None, image.id)
        self.images.remove(image)

    @operation(among('shelve'), offload=strategies.booleans())
    def shelve(self, data, offload):
        guest = self.pick(data, 'shelve')
        self.cloud.flags(shelved_offload_time=0 if offload else -1)
        self.act(guest, {'shelve': None}, OFFLOADED if offload else SHELVED)

    offload = asking_for('offload', {'shelveOffload': None}, OFFLOADED)

    @operation(among('unshelve'))
    def unshelve(self, data):
        guest = self.pick(data, 'unshelve')
        offloaded = guest.state == OFFLOADED
        self.act(guest, {'unshelve': None}, ON)
        guest.host = self.where(guest)
        if offloaded:
            guest.built(root=guest.disks['disk'])

    @operation(lambda self: True, host=ANY_HOST, old=strategies.booleans())
    def look_after_images(self, data, host, old):
        """Run the periodic task for the image cache on a host."""
        if old:
            self.cloud.age_masters()
        self.cloud.run_pass(host)
        if old:
            self.every_master_is_needed()

    def every_master_is_needed(self):
        """Somebody's disk hangs on it, or somebody's image it is."""
        children = self.cloud.children()
        keys = {imagecache.get_cache_fname(guest.image.id)
                for guest in self.guests}
        for key in self.cloud.masters():
            path = os.path.join(self.cloud.home, 'masters', key, 'image')
            assert children[path] or key in keys, f'{key} stays'

    # What always holds.

    @stateful.invariant()
    def every_guest_is_where_and_what_it_should_be(self):
        found = {server['id']: (server['OS-EXT-SRV-ATTR:host'],
                                server['status'])
                 for server in self.cloud.api.get_servers()}
        self.cloud.assertEqual(
            {guest.id: (None if guest.state == OFFLOADED else guest.host,
                        guest.state) for guest in self.guests}, found)

    @stateful.invariant()
    def every_disk_holds_what_it_should(self):
        for guest in self.guests:
            for suffix, disks in guest.sets():
                for name in disks:
                    self.compare(guest, suffix, disks, name)

    def compare(self, guest, suffix, disks, name):
        path = self.file(guest, suffix, name)
        if not isinstance(disks[name], Fresh):
            found = contents.of(path, disks[name].format)
            self.cloud.assertEqual(disks[name], found, path)
            return
        found = contents.of(path)
        assert disks[name].size in (None, found.size), path
        if name == guest.ephemeral:
            assert found in self.formatted(), f'{path} is not empty'
        disks[name] = found

    @stateful.invariant()
    def every_guest_is_told_the_format_of_its_disks(self):
        for guest in self.guests:
            if guest.state in (ON, MOVED, RESCUED, PAUSED):
                told = self.cloud.formats(guest.id, guest.host)
                formats = {self.file(guest, '', name): disk.format
                           for name, disk in guest.disks.items()}
                if guest.state == RESCUED:
                    # It has its root disk and what it is rescued with.
                    formats = {path: formats[path] for path in told}
                self.cloud.assertEqual(formats, told)

    def formatted(self):
        """Return what each master holds."""
        return [contents.of(os.path.join(
            self.cloud.home, 'masters', key, 'image'))
            for key in self.cloud.masters()]

    @stateful.invariant()
    def there_is_nothing_else(self):
        expected = SHARED | self.strangers.names
        for guest in self.guests:
            for suffix, disks in guest.sets():
                expected.add(guest.id + suffix)
                found = set(os.listdir(self.file(guest, suffix)))
                self.cloud.assertEqual(set(disks), found - BESIDES)
        self.cloud.assertEqual(set(), self.cloud.directories() - expected)
        snapshots = os.path.join(self.cloud.instances_path, 'snapshots')
        if os.path.exists(snapshots):
            self.cloud.assertEqual([], os.listdir(snapshots))

    @stateful.invariant()
    def no_file_is_two_disks(self):
        inodes = [os.stat(self.file(guest, suffix, name)).st_ino
                  for guest in self.guests
                  for suffix, disks in guest.sets() for name in disks]
        self.cloud.assertEqual(len(inodes), len(set(inodes)))

    @stateful.invariant()
    def every_parent_has_a_reason(self):
        top = os.path.join(self.cloud.home, 'parents')
        children = self.cloud.children()
        known = {guest.id: guest for guest in self.guests}
        for owner in set(os.listdir(top)) - self.strangers.names:
            assert owner in known, f'{owner} is gone and has parents'
            for name in os.listdir(os.path.join(top, owner)):
                path = os.path.join(top, owner, name)
                assert children.get(path) or self.was_taken_off(
                    known[owner]), f'nothing hangs on {path}'

    def was_taken_off(self, guest):
        """Whether a disk may have hung on a parent until a move began.

        A disk with as many ancestors as are allowed is taken off the nearest
        one before it is moved. That one goes when the move has ended.
        """
        return guest.state == MOVED and self.max_clone_depth == 2

    @stateful.invariant()
    def the_storage_is_consistent(self):
        self.cloud.assert_storage_is_consistent()
        for name in ('trash', 'leaving'):
            self.cloud.assertEqual([], os.listdir(
                os.path.join(self.cloud.home, name)))

    @stateful.invariant()
    def nothing_else_was_touched(self):
        self.strangers.assert_untouched()
        self.cloud.ssh.assert_not_called()

    def file(self, guest, suffix, *names):
        return os.path.join(self.cloud.instances_path, guest.id + suffix,
                            *names)

    # The end.

    def teardown(self):
        if self.cloud is None:
            return
        failure = sys.exc_info()[1]
        try:
            if failure is None:
                self.everything_is_deleted()
            else:
                self.tell(failure)
        finally:
            self.cloud.stop()

    def tell(self, failure):
        """Print why an example failed: run again it may not fail."""
        if isinstance(failure, Exception):
            print(self.cloud.last_words(), file=sys.stderr)
            traceback.print_exception(failure)

    def everything_is_deleted(self):
        while self.guests:
            self.deleted(self.guests[0])
        self.there_is_nothing_else()
        self.every_parent_has_a_reason()
        self.the_storage_is_consistent()
        self.cloud.age_masters()
        self.cloud.run_pass()
        self.cloud.assertEqual([], self.cloud.masters())
        self.the_storage_is_consistent()
        self.nothing_else_was_touched()


class LifeTest(testtools.TestCase):
    """No time limit for all examples together; each has that of a test."""

    def test_whatever_is_done_every_disk_is_what_it_should_be(self):
        asked = os.environ.get('NOVA_GPFS_LIFE_EXAMPLES')
        stateful.run_state_machine_as_test(Life, settings=hypothesis.settings(
            max_examples=int(asked or EXAMPLES),
            stateful_step_count=STEPS, deadline=None,
            # What fails for one who has changed nothing helps nobody.
            derandomize=asked is None,
            print_blob=True, report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            # A shorter sequence would take as many clouds to find.
            phases=(hypothesis.Phase.reuse, hypothesis.Phase.generate)))
