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

"""Hosts whose images_type becomes gpfs, or is gpfs no more.

The file system is the same, and so are the instances: they run on, with the
disks that they have, in the formats that these have.
"""

import os
import subprocess
import time
from unittest import mock
from xml.etree import ElementTree

import fixtures
from nova import context
from nova.virt import libvirt
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import imagebackend
from nova.virt.libvirt import imagecache

from tests.functional import cloud
from tests.functional import contents
from tests.functional import test_moves
from tests import refusing

NOVAS_BACKEND = imagebackend.Backend
DAYS = 3 * 86400


class MigratingTestCase(cloud.CloudTestCase):
    """Two hosts that begin as ``was`` and have an instance on node1."""

    was = 'qcow2'
    disks = ('disk', 'disk.eph0')

    def setUp(self):
        super().setUp()
        self.ours = imagebackend.Backend, libvirt.LibvirtDriver
        self.flags(migration_inbound_addr='%s.example', group='libvirt')
        self.let_guests_migrate()
        self.useFixture(fixtures.MockPatch(
            'nova.utils.ssh_execute', autospec=True, side_effect=self._ssh))
        # Nova's fixture takes it away, and stock hosts report by it.
        size = 100 * test_moves.GIB
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.utils.get_fs_info',
            lambda path: {'total': size, 'free': size, 'used': 0}))
        self.computes = {}
        image, _seen = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', image, 'qcow2')
        self.one = self.flavor('one', ephemeral_gb=1, swap=16)
        self.two = self.flavor('two', root_gb=2, ephemeral_gb=1, swap=32)
        self.become(self.was)
        self.server = self.boot(self.image, self.one, host='node1')
        for name in self.disks:
            self.write(name, 'A')

    @staticmethod
    def _ssh(_host, *argv, **_callbacks):
        """Run a command where it shows on another host of the cluster."""
        subprocess.run(argv, check=True)

    def become(self, images_type, names=None, use_cow_images=True):
        """Restart hosts with another images_type; their guests run on."""
        self.flags(images_type=images_type, group='libvirt')
        self.flags(use_cow_images=use_cow_images)
        (imagebackend.Backend, libvirt.LibvirtDriver) = (
            self.ours if images_type == 'gpfs'
            else (NOVAS_BACKEND, libvirt_driver.LibvirtDriver))
        for name in names or self.hosts:
            self._restart(name)

    def _restart(self, name):
        stopped = self.computes.pop(name, None)
        if stopped is None:
            self._keep(self.start_host(name).driver.image_backend)
            return
        stopped.stop()
        connection = stopped.driver._host.get_connection()
        with mock.patch('nova.virt.libvirt.host.Host.get_connection',
                        autospec=True, return_value=connection):
            compute = self.start_host(name)
        compute.driver._host.get_connection = lambda: connection
        self._keep(compute.driver.image_backend)

    @staticmethod
    def _keep(backend):
        """Let a host of Nova's keep its images_type when that changes.

        All hosts are in one process and read one option.
        """
        if type(backend) is NOVAS_BACKEND:
            backend.BACKEND['gpfs'] = backend.backend()

    def host(self):
        return self.api.get_server(
            self.server['id'])['OS-EXT-SRV-ATTR:host']

    def formats(self):
        """Return the formats that the guest's XML gives to its disks."""
        connection = self.computes[
            self.host()].driver._host.get_connection()
        xml = ElementTree.fromstring(connection.lookupByUUIDString(
            self.server['id']).XMLDesc(0))
        return {os.path.basename(disk.find('source').get('file')):
                disk.find('driver').get('type')
                for disk in xml.findall('devices/disk')
                if disk.find('source').get('file')}

    def write(self, name, letter, offset=5 * cloud.MIB):
        """Write what a guest would write, through the format it has."""
        subprocess.run(
            ['qemu-io', '-f', self.formats()[name], '-c',
             f'write -P {ord(letter)} {offset} 4096',
             self.instance_file(self.server, name)],
            check=True, capture_output=True)

    def seen(self, path, disk_format):
        """Return what a guest sees."""
        raw = os.path.join(self.directory, 'seen.raw')
        cloud.qemu_img('convert', '-U', '-f', disk_format, '-O', 'raw', path,
                       raw)
        return contents.of(raw)

    @staticmethod
    def written(paths):
        """Return what tells that files are the same and were not written."""
        return [(found.st_ino, found.st_size, found.st_mtime_ns)
                for found in map(os.stat, paths)]

    def all_seen(self):
        formats = self.formats()
        return {name: self.seen(self.instance_file(self.server, name),
                                formats[name]) for name in self.disks}

    def act(self, action, expected_state='ACTIVE'):
        self.api.post_server_action(self.server['id'], action)
        found = self.wait_for(self.server, expected_state)
        self.wait_for_no_task()
        return found

    def work_with_it(self, before):
        """Do what changes no disk, and see that none has changed."""
        for action, state in (({'reboot': {'type': 'HARD'}}, 'ACTIVE'),
                              ({'os-stop': None}, 'SHUTOFF'),
                              ({'os-start': None}, 'ACTIVE'),
                              ({'rescue': None}, 'RESCUE'),
                              ({'unrescue': None}, 'ACTIVE')):
            self.act(action, state)
            if state != 'RESCUE':
                self.assertEqual(before, self.all_seen(), action)

    def snapshot(self):
        image_id = self.api.post_server_action(
            self.server['id'], {'createImage': {'name': 'snap'}})['image_id']
        self.wait_for_no_task()
        return image_id

    def live_migrate(self, expected_host=None):
        """Migrate a guest to the other host; without success, if that is so.

        :param expected_host: where the guest is then, the other one for None
        """
        there, = set(self.hosts) - {self.host()}
        before = len(self.live_migrations())
        self.api.post_server_action(self.server['id'], {'os-migrateLive': {
            'host': there, 'block_migration': 'auto'}})
        for _ in range(600):
            ended = [each for each in self.live_migrations()
                     if each['status'] in ('completed', 'error')]
            if len(ended) > before:
                break
            time.sleep(0.1)
        self.wait_for_no_task()
        self.assertEqual(expected_host or there, self.host())

    def live_migrations(self):
        return [each for each in self.api.api_get(
            '/os-migrations').body['migrations']
            if each['migration_type'] == 'live-migration'
            and each['instance_uuid'] == self.server['id']]

    def age_and_run_cache_pass(self, host='node1'):
        """Let everything be old, and a host look after its cache."""
        base = os.path.join(self.instances_path, '_base')
        then = time.time() - DAYS
        for name in os.listdir(base):
            os.utime(os.path.join(base, name), (then, then))
        with refusing.with_clones():
            self.computes[host].manager._run_image_cache_manager_pass(
                context.get_admin_context())

    @property
    def base(self):
        return os.path.join(self.instances_path, '_base',
                            imagecache.get_cache_fname(self.image))

    def delete(self):
        self.api.delete_server(self.server['id'])
        self._wait_until_deleted(self.server)


class ToGpfsTest(MigratingTestCase):

    def setUp(self):
        super().setUp()
        self.assertEqual({self.was}, set(self.formats().values()))

    def test_a_guest_runs_on_and_its_disks_are_not_touched(self):
        paths = [self.instance_file(self.server, name)
                 for name in (*self.disks, 'disk.info')]
        before = self.written(paths), self.all_seen()
        self.become('gpfs')
        self.age_and_run_cache_pass()
        self.assertEqual(before, (self.written(paths), self.all_seen()))
        self.assertEqual('ACTIVE', self.wait_for_no_task()['status'])
        self.work_with_it(before[1])
        self.assertEqual({self.was}, set(self.formats().values()))
        self.delete()
        self.assert_storage_is_consistent()

    def test_an_image_of_it_holds_all_that_the_guest_sees(self):
        before = self.all_seen()['disk']
        self.become('gpfs')
        images = [self.snapshot()]
        self.act({'os-stop': None}, 'SHUTOFF')
        images.append(self.snapshot())
        for image_id in images:
            path = os.path.join(self.directory, 'downloaded')
            with open(path, 'wb') as f:
                f.write(self.glance.data(image_id))
            self.assertNotIn('backing', cloud.qemu_img(
                'info', '-f', self.was, path))
            self.assertEqual(before, self.seen(path, self.was))

    def test_it_moves_and_keeps_every_byte(self):
        before = self.all_seen()
        self.become('gpfs')
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.write('disk', 'B')
        self.act({'revertResize': None})
        self.assertEqual((before, 'node1'), (self.all_seen(), self.host()))
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.age_and_run_cache_pass()
        self.act({'confirmResize': None})
        self.assertEqual((before, 'node2'), (self.all_seen(), self.host()))
        self.act({'resize': {'flavorRef': self.two}}, 'VERIFY_RESIZE')
        self.act({'confirmResize': None})
        self.assertIn('virtual size: 2 GiB', cloud.qemu_img(
            'info', '-U', self.instance_file(self.server, 'disk')))
        before = self.all_seen()
        self.live_migrate()
        self.age_and_run_cache_pass()
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual(before, self.all_seen())
        self.delete()
        self.assert_storage_is_consistent()

    def test_it_gets_a_clone_when_it_is_rebuilt(self):
        self.become('gpfs')
        self.act({'rebuild': {'imageRef': self.image}})
        self.assertEqual({'raw'}, set(self.formats().values()))
        masters = os.path.join(self.instances_path, '_gpfs', 'masters')
        self.assertEqual(2, len([
            argv for argv in self.commands('mmclone', 'copy')
            if argv[2].startswith(masters)]))


class RawToGpfsTest(ToGpfsTest):
    was = 'raw'


class MixedTest(MigratingTestCase):
    """One host is gpfs, the other one is not, or not yet."""

    def refused(self, action):
        """Act, and return why the instance stays where it is."""
        self.api.post_server_action(self.server['id'], action)
        found = self.wait_for_no_task()
        self.assertEqual(('ACTIVE', 'node1'), (
            found['status'], found['OS-EXT-SRV-ATTR:host']))
        return self.stdlog.logger.output

    def test_it_comes_from_a_host_of_novas_and_keeps_every_byte(self):
        """Nova copies the disks, as between any hosts that share them."""
        before = self.all_seen()
        self.become('gpfs', ['node2'])
        info = self.instance_file(self.server, 'disk.info')
        with open(info) as f:
            said = f.read()
        with open(info, 'w') as f:
            # As Nova leaves it when it has converted raw disks to qcow2.
            f.write(said.replace('qcow2', 'raw'))
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.assertEqual('node2', self.host())
        self.assertEqual(before, self.all_seen())
        self.assertEqual(['qcow2'] * 2, [
            self.formats()[name] for name in self.disks])

    def test_it_is_live_migrated_to_a_host_of_ours_and_stays_qcow2(self):
        before = self.all_seen()
        self.become('gpfs', ['node2'])
        self.live_migrate()
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual((before, 'node2'), (self.all_seen(), self.host()))
        self.assertEqual({'qcow2'}, set(self.formats().values()))

    def test_a_raw_disk_does_not_go_where_it_would_be_taken_for_qcow2(self):
        self.delete()
        self.become('gpfs', ['node1'])
        self.server = self.boot(self.image, self.one, host='node1')
        before = self.all_seen()
        self.become('qcow2', ['node2'])
        self.assertIn('never entered itself',
                      self.refused({'migrate': None}))
        self.live_migrate(expected_host='node1')
        self.assertIn('would take raw disks for qcow2',
                      self.stdlog.logger.output)
        self.assertEqual((before, 'node1'), (self.all_seen(), self.host()))
        self.become('raw', ['node2'], use_cow_images=False)
        self.live_migrate()
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual((before, 'node2'), (self.all_seen(), self.host()))

    def test_a_qcow2_disk_may_run_where_disks_are_qcow2(self):
        before = self.all_seen()
        self.become('gpfs', ['node1'])
        self.become('qcow2', ['node2'])
        self.live_migrate()
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual((before, 'node2'), (self.all_seen(), self.host()))


class FromGpfsTest(MigratingTestCase):
    """Nova's own code, with the disks that the plug-in has made."""

    was = 'gpfs'

    def setUp(self):
        super().setUp()
        self.before = self.all_seen()

    def test_as_raw_a_guest_runs_on_and_can_be_worked_with(self):
        self.become('raw', use_cow_images=False)
        self.work_with_it(self.before)
        self.act({'os-stop': None}, 'SHUTOFF')
        image_id = self.snapshot()
        path = os.path.join(self.directory, 'downloaded')
        with open(path, 'wb') as f:
            f.write(self.glance.data(image_id))
        self.assertEqual(self.before['disk'], self.seen(path, 'raw'))
        self.act({'os-start': None})
        self.live_migrate()
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual((self.before, 'node2'),
                         (self.all_seen(), self.host()))
        self.delete()
        self.assert_storage_is_consistent()

    def test_as_raw_it_moves_by_copies_and_keeps_every_byte(self):
        self.become('raw', use_cow_images=False)
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.write('disk', 'B')
        self.act({'revertResize': None})
        self.assertEqual(self.before, self.all_seen())
        self.act({'resize': {'flavorRef': self.two}}, 'VERIFY_RESIZE')
        self.act({'confirmResize': None})
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual(2 * test_moves.GIB, self.all_seen()['disk'].size)
        self.assertEqual({'raw'}, set(self.formats().values()))

    def test_it_is_shelved_and_becomes_qcow2_when_it_is_unshelved(self):
        self.act({'shelve': None}, 'SHELVED_OFFLOADED')
        self.become('qcow2')
        for image in self.glance.images.values():
            # Nova's client of the real Glance sends nothing where these are
            # empty.
            for name in ('kernel_id', 'ramdisk_id'):
                image['properties'].pop(name, None)
        self.act({'unshelve': None})
        self.assertEqual({'qcow2'}, set(self.formats().values()))
        self.assertEqual(self.before['disk'], self.all_seen()['disk'])

    def test_as_qcow2_a_raw_disk_is_taken_for_qcow2(self):
        """Why doc/source/admin/migrating.rst forbids it."""
        self.become('qcow2')
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual('qcow2', self.formats()['disk'])
        # It was no more than said: with raw all is well again.
        self.become('gpfs')
        self.act({'reboot': {'type': 'HARD'}})
        self.assertEqual(self.before, self.all_seen())
