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
"""Two hosts whose nova-compute can be killed, and what must hold then."""

import contextlib
import faulthandler
import json
import os
import signal
import time
import traceback
from unittest import mock

import fixtures
from nova import conf
from nova import context
from nova.network import model as network_model
from nova import objects
from nova.tests import fixtures as nova_fixtures
from nova.virt import fake
from nova.virt import libvirt
from oslo_utils import uuidutils

from crash import effects
from crash import lasting_glance
from crash import lists
from crash import snapshot
from tests.functional import cloud
from tests.functional import contents

from nova_gpfs import digest
from nova_gpfs import privileged_room

CONF = conf.CONF

# What nova-compute has of an instance that it works on.
EXPECTED = ('flavor', 'info_cache', 'metadata', 'migration_context',
            'numa_topology', 'pci_devices', 'pci_requests', 'resources',
            'security_groups', 'services', 'system_metadata', 'tags',
            'trusted_certs', 'vcpu_model', 'device_metadata')
DAYS = 2 * 86400
#: Seconds for what takes some, on an idle machine.
LONGEST = 300
STEP = lists.STEP


def chosen(operation, found):
    """Yield the crash points of a list of effects that are to be tried.

    One counts as tried once the next one is asked for.
    """
    for point in list(effects.points(found))[::int(os.environ.get(STEP, 1))]:
        yield point
        lists.note(operation)


class CrashTestCase(cloud.CloudTestCase):
    """Nova's drivers and database, with nothing that runs by itself.

    One operation each: ``prepare`` it, ``act``, and after a crash ``go_on``
    with a new nova-compute. Every process that may die is a fork of this one,
    so that it begins with all that Nova knew.
    """

    hosts = ('node1', 'node2')
    #: raw, or qcow2, which is then kept (force_raw_images)
    disk_format = 'raw'

    def setUp(self):
        self.watch = None
        self.gone = lasting_glance.Gone()
        super().setUp()
        self.flags(force_raw_images=self.disk_format == 'raw')
        self.connections = {}
        self.make_migratable()
        self.drivers = {name: self.new_driver(name) for name in self.hosts}
        for name, driver in self.drivers.items():
            self.be(name)
            driver.get_available_resource(name)
        self.be('node1')

    def make_migratable(self):
        """Answer what Nova would ask of libvirt or of the other host."""
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.volume.remotefs.RemoteFilesystem.create_file',
            mock.Mock(side_effect=AssertionError('ssh'))))

    def start_service(self, name, host=None, **kwargs):
        """Start nothing: a process with threads cannot be forked."""

    def make_glance(self):
        return lasting_glance.lasting(cloud.Glance, self)

    def happen(self, effect):
        """Tell of an effect that no file and no command shows."""
        if self.watch is not None:
            self.watch.happen(effect)

    # Hosts

    def be(self, name):
        """Let this process be nova-compute of a host from now on."""
        CONF.set_override('host', name)
        CONF.set_override('mm_path', self.gpfs.bin_dir(name), 'gpfs')
        CONF.set_override('my_ip', f'192.0.2.{1 + self.hosts.index(name)}')

    def go_on_as(self, name):
        """Return the driver of a host that goes on after a crash.

        The host that crashed has to start again, the others live.
        """
        self.be(name)
        return (self.new_driver(name) if name == self.hosts[0]
                else self.drivers[name])

    def new_driver(self, name):
        """Start the driver of a host whose guests, if any, run on."""
        self.be(name)
        libvirtd = nova_fixtures.libvirt
        known = self.connections.get(name)
        opening = mock.patch.object(libvirtd, 'openAuth', autospec=True,
                                    return_value=known)
        with opening if known else mock.patch.object(
                libvirtd.Connection, 'getHostname', autospec=True,
                return_value=name):
            driver = libvirt.LibvirtDriver(fake.FakeVirtAPI(), False)
            driver.init_host(name)
            connection = driver._host.get_connection()
        connection.getHostname = lambda: name
        self.connections[name] = connection
        return driver

    def storage(self, name='node1'):
        return self.drivers[name].image_backend.storage

    # Instances

    @property
    def context(self):
        return context.get_admin_context()

    def instance(self, image_id, host='node1', **flavor):
        """Return an instance that the scheduler has given to a host."""
        name = self.flavor(uuidutils.generate_uuid(), **flavor)
        found = objects.Instance(
            self.context, uuid=uuidutils.generate_uuid(), host=host,
            node=host, compute_id=1, image_ref=image_id, project_id='project',
            user_id='user', vm_state='building', root_device_name='/dev/vda',
            system_metadata={}, metadata={}, launch_index=0,
            flavor=objects.Flavor.get_by_flavor_id(self.context, name),
            old_flavor=None, new_flavor=None, availability_zone='nova',
            os_type=None, hostname='guest', display_name='guest',
            config_drive='', info_cache=objects.InstanceInfoCache(
                network_info=self.network),
            numa_topology=None)
        found.root_gb = found.flavor.root_gb
        found.ephemeral_gb = found.flavor.ephemeral_gb
        found.memory_mb = found.flavor.memory_mb
        found.vcpus = found.flavor.vcpus
        found.create()
        return objects.Instance.get_by_uuid(
            self.context, found.uuid, expected_attrs=EXPECTED)

    @staticmethod
    def devices():
        return {'root_device_name': '/dev/vda', 'ephemerals': [],
                'swap': None, 'block_device_mapping': [], 'image': []}

    network = network_model.NetworkInfo([])

    def spawn(self, instance, driver=None):
        """Let a host make and start a guest, as Nova would."""
        driver = driver or self.drivers[instance.host]
        meta = objects.ImageMeta.from_dict(
            self.glance.show(self.context, instance.image_ref))
        driver.spawn(self.context, instance, meta, [], None, {},
                     network_info=self.network,
                     block_device_info=self.devices())
        instance.vm_state = 'active'
        instance.save()

    def destroy(self, instance, driver):
        """Delete an instance, as Nova does."""
        driver.destroy(self.context, instance, self.network, self.devices())

    def disk(self, instance, suffix=''):
        return os.path.join(self.instances_path, instance.uuid + suffix,
                            'disk')

    def write(self, instance, text=b'of the guest', offset=512 * 1024):
        """Let the guest write something."""
        contents.write(self.disk(instance), self.disk_format, offset, text)
        return self.content(instance)

    def content(self, instance, suffix=''):
        """Return what the guest sees of its disk."""
        return contents.of(self.disk(instance, suffix), self.disk_format)

    # Crashes

    def fork(self, function, watch=None):
        """Run something in a process of its own.

        Returns (its exit status, what it left in its report).
        """
        report = os.path.join(self.directory, 'report')
        child = os.fork()
        if not child:
            status = 1
            # A process that hangs says where, and ends.
            hung = open(f'{report}.hung', 'w')
            faulthandler.dump_traceback_later(LONGEST, exit=True, file=hung)
            try:
                if watch is not None:
                    self.watch = watch
                    watch.begin()
                function()
                seen = list(watch.seen) if watch is not None else []
                # Not an effect of what was watched.
                if watch is not None:
                    watch.happen(effects.END)
                    watch.roots = {}
                with open(report, 'w') as f:
                    json.dump(seen, f)
                status = 0
            except BaseException:
                with open(report, 'w') as f:
                    json.dump(traceback.format_exc(), f)
            finally:
                os._exit(status)
        _pid, status = os.waitpid(child, 0)
        if not os.WIFEXITED(status):
            return status, None
        with open(f'{report}.hung') as hung:
            said = hung.read()
        if said:
            return status, said
        with open(report) as f:
            return status, json.load(f)

    def run_alone(self, function, watch=None):
        """Run something in a process of its own, which has to end well."""
        status, said = self.fork(function, watch)
        self.assertEqual(0, status, said)
        return said

    def effects(self, end_at=None, when=effects.BEFORE):
        return effects.Watch(self.roots(), end_at, when)

    def roots(self):
        """Return {directory: how names below it begin}."""
        return {os.path.realpath(self.instances_path): ''}

    def crash_everywhere(self, operation, act, go_on):
        """Kill ``act`` at each of its effects, and ``go_on`` each time.

        :param go_on: is called with the host that goes on, which has started
            anew; once with the one that has died and once with the other
        """
        before = snapshot.Snapshot(self.gpfs, self.directory + '.before')
        self.addCleanup(before.forget)
        found = self.run_alone(act, self.effects())
        lists.require(self, operation, found)
        for position, when in chosen(operation, found):
            before.put_back()
            status, said = self.fork(act, self.effects(position, when))
            self.assertEqual(signal.SIGKILL, status, f'{operation}: {said}')
            self.go_on_everywhere(
                f'{when} {position}: {effects.steps(found)[position]}', go_on)

    def go_on_everywhere(self, where, go_on):
        """Let work go on after a crash on each of the hosts, in turn."""
        crashed = snapshot.Snapshot(self.gpfs, self.directory + '.crashed')
        try:
            for host in self.hosts:
                if host != self.hosts[0]:
                    crashed.put_back()
                status, said = self.fork(lambda: self._go_on(go_on, host))
                self.assertEqual(0, status, f'killed {where}, going on on '
                                            f'{host}: {said}')
        finally:
            crashed.forget()

    def _go_on(self, go_on, host):
        self.gone = lasting_glance.Gone()
        self.glance.load()
        self.assert_masters_are_whole()
        go_on(host)

    # What must hold

    def assert_masters_are_whole(self):
        """Every master that can be seen is sealed and what it was made."""
        storage = self.storage()
        for name in storage.masters.keys():
            master = storage.masters.named(name)
            self.assertIsNotNone(master, f'{name} is visible, and no master')
            self.assertTrue(storage.driver.clone_info(master.path).is_parent)
            # That of a clone of Glance's file may not be known as yet.
            self.assertTrue(master.digest == '' or digest.same(
                master.path, master.digest))

    def sweep(self, driver):
        """Let all that was left behind be old, and do what hosts then do."""
        CONF.set_override('remove_unused_original_minimum_age_seconds', 0,
                          'image_cache')
        CONF.set_override('remove_unused_resized_minimum_age_seconds', 0,
                          'image_cache')
        storage = driver.image_backend.storage
        real = time.time
        # There the clock of the file system counts.
        for name in os.listdir(storage.layout.leaving):
            os.utime(os.path.join(storage.layout.leaving, name), (1, 1))
        self.sweep_rooms()
        with mock.patch('time.time', lambda: real() + DAYS):
            storage.sweep()
            # The first pass takes names away, the second what is left.
            for _time in range(2):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(storage.layout.collected)
                driver.manage_image_cache(self.context, [])

    def sweep_rooms(self):
        """Make files as the next privileged daemons do, an hour apart."""
        rooms = privileged_room.Rooms(lambda: 3600.0)
        begun = time.monotonic()
        for base in filter(self._has_room, self.roots()):
            for hours in (0, 2):
                with mock.patch('time.monotonic',
                                lambda hours=hours: begun + 3600 * hours):
                    with rooms.draft(base, -1, os.path.join(base, 'x'), None):
                        pass

    def _has_room(self, base):
        return os.path.isdir(os.path.join(base, privileged_room.DIRECTORY))

    def assert_nothing_is_left(self, *instances):
        """Only these instances have anything in instances_path."""
        self.assertEqual([], self.gpfs.check())
        self.assertLessEqual(
            set(os.listdir(self.instances_path)),
            {'_gpfs', '_base', 'locks', 'compute_nodes', 'snapshots',
             privileged_room.DIRECTORY,
             *(each.uuid for each in instances)})
        home = os.path.join(self.instances_path, '_gpfs')
        for name in ('incoming', 'trash', 'leaving', 'splits'):
            self.assertEqual([], os.listdir(os.path.join(home, name)), name)
        self.assertLessEqual(set(os.listdir(os.path.join(home, 'parents'))),
                             {each.uuid for each in instances})
        if not instances:
            for base in filter(self._has_room, self.roots()):
                rooms = os.path.join(base, privileged_room.DIRECTORY)
                self.assertEqual([], [made for _top, _in, made
                                      in os.walk(rooms) if made])
            for name in ('masters', 'placed'):
                self.assertEqual([], os.listdir(os.path.join(home, name)))
