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

"""Resize and cold migration: no byte is copied, and no disk is lost."""

import os
import shutil
import time
from unittest import mock

import fixtures
from nova.compute import task_states
from nova.compute import vm_states
from nova import context
from nova import exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver
from oslo_concurrency import processutils

from nova_gpfs.compute import aside

from tests.functional import cloud
from tests.functional import contents

DISKS = ('disk', 'disk.eph0')
GIB = 2 ** 30

_sleep = time.sleep


def briefly(seconds):
    """Sleep, but not long; with no sleep green threads take no turns."""
    _sleep(min(seconds, 0.01))


class MovesTestCase(cloud.CloudTestCase):
    """Two hosts and an instance on the first one, with data in its disks."""

    def setUp(self):
        super().setUp()
        # Each host has an address of its own.
        self.flags(migration_inbound_addr='%s.example', group='libvirt')
        self.flags(use_cow_images=True)
        self._watch()
        self.start_hosts()
        image, self.guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', image, 'qcow2')
        self.one = self.flavor('one', ephemeral_gb=1, swap=16)
        self.two = self.flavor('two', root_gb=2, ephemeral_gb=2, swap=32)
        self.server = self.boot(self.image, self.one, host='node1')
        for name in DISKS:
            self.write(name, b'BEFORE')

    def _watch(self):
        """Note what Nova runs, and let nobody answer over ssh."""
        self.ran = []
        execute = processutils.execute

        def note(*argv, **kwargs):
            self.ran.append(argv)
            return execute(*argv, **kwargs)

        self.useFixture(fixtures.MonkeyPatch(
            'oslo_concurrency.processutils.execute', note))
        self.ssh = self.useFixture(fixtures.MockPatch(
            'nova.virt.libvirt.volume.remotefs.RemoteFilesystem.create_file',
            autospec=True, side_effect=OSError('refused'))).mock

    def write(self, name, text, offset=5 * cloud.MIB):
        """Write what a guest would write."""
        with open(self.instance_file(self.server, name), 'r+b') as disk:
            disk.seek(offset)
            disk.write(text)

    def digests(self, suffix=''):
        """Return what every byte of the disks of a directory is."""
        directory = self.instance_file(self.server) + suffix
        return {name: contents.of(os.path.join(directory, name))
                for name in DISKS}

    def sizes(self):
        return [os.stat(self.instance_file(self.server, name)).st_size
                for name in DISKS]

    def assert_begins_as(self, text, offset=5 * cloud.MIB):
        for name in DISKS:
            with open(self.instance_file(self.server, name), 'rb') as disk:
                disk.seek(offset)
                self.assertEqual(text, disk.read(len(text)), name)

    def resize(self, flavor, expected_state='VERIFY_RESIZE'):
        return self.act({'resize': {'flavorRef': flavor}}, expected_state)

    def act(self, action, expected_state):
        self.api.post_server_action(self.server['id'], action)
        return self.wait_for(self.server, expected_state)

    def confirm(self):
        return self.act({'confirmResize': None}, 'ACTIVE')

    def revert(self):
        return self.act({'revertResize': None}, 'ACTIVE')

    def revive(self):
        """Do as an operator does after a failed move."""
        self.api.post_server_action(
            self.server['id'], {'os-resetState': {'state': 'active'}})
        self.act({'reboot': {'type': 'HARD'}}, 'ACTIVE')

    def delete(self):
        """Delete the server, which may be in any state."""
        self.api.delete_server(self.server['id'])
        for _ in range(300):
            if self.server['id'] not in {
                    each['id'] for each in self.api.get_servers()}:
                return
            time.sleep(0.1)
        self.fail('the server was not deleted')

    def parents(self):
        top = os.path.join(self.instances_path, '_gpfs', 'parents')
        return sorted(name for owner in os.listdir(top)
                      for name in os.listdir(os.path.join(top, owner)))

    def directories(self):
        """Return what there is of the instance, by the ends of the names."""
        return sorted(name.removeprefix(self.server['id'])
                      for name in os.listdir(self.instances_path)
                      if name.startswith(self.server['id']))

    def driver(self, name='node1'):
        return self.computes[name].driver

    def instance(self, **values):
        """Return the instance, with other states than it has, not saved."""
        found = objects.Instance.get_by_uuid(
            context.get_admin_context(), self.server['id'])
        for name, value in values.items():
            setattr(found, name, value)
        return found

    def begun_move(self, dest_compute='node2', migration_type='resize',
                   **fields):
        """Return what Nova notes down when it begins to move an instance."""
        admin = context.get_admin_context()
        migration = objects.Migration(
            admin, instance_uuid=self.server['id'],
            migration_type=migration_type, source_compute='node1',
            dest_compute=dest_compute, **fields)
        migration.create()
        return objects.MigrationContext(
            admin, instance_uuid=self.server['id'],
            migration_id=migration.id)

    def assert_nothing_was_copied(self):
        for compute in self.computes.values():
            self.assertEqual(0, compute.driver.image_backend.storage.copies)
        copied = [argv for argv in self.ran if argv[0] == 'cp'
                  and not argv[-1].endswith('disk.info')]
        self.assertEqual([], copied)

    def assert_nothing_is_left(self):
        self.assertEqual([], self.directories())
        for name in ('parents', 'trash'):
            self.assertEqual([], os.listdir(os.path.join(
                self.instances_path, '_gpfs', name)))
        self.assert_storage_is_consistent()


class MovesTest(MovesTestCase):

    def test_a_resize_copies_nothing_and_keeps_every_byte(self):
        """Launchpad bug 1558880: growing a disk was left out."""
        before = self.digests()
        server = self.resize(self.two)
        self.assertEqual('node2', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(before, self.digests('_resize'))
        # Nova does not grow ephemeral disks.
        self.assertEqual([2 * GIB, GIB], self.sizes())
        self.assert_begins_as(b'BEFORE')
        self.assert_nothing_was_copied()
        self.ssh.assert_not_called()
        self.assertEqual(2, len([argv for argv in self.commands(
            'mmclone', 'snap') if len(argv) == 4]))
        self.assertEqual(0, len(self.commands('mmclone', 'redirect')))

        self.write('disk', b'DURING')
        self.write('disk.eph0', b'DURING')
        during = self.digests()
        self.assertEqual(before, self.digests('_resize'))
        self.confirm()
        self.assertEqual(during, self.digests())
        self.assertEqual([''], self.directories())
        self.assertEqual(2, len(self.parents()))
        self.assert_storage_is_consistent()
        self.delete()
        self.assert_nothing_is_left()

    def test_a_revert_brings_every_byte_back(self):
        """Launchpad bug 1369465: there was no earlier state to go back to."""
        before, sizes = self.digests(), self.sizes()
        self.resize(self.two)
        self.write('disk', b'DURING')
        self.write('disk.eph0', b'DURING')
        server = self.revert()
        self.assertEqual('node1', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(before, self.digests())
        self.assertEqual(sizes, self.sizes())
        self.assertEqual([''], self.directories())
        self.assert_nothing_was_copied()
        self.assert_storage_is_consistent()
        self.delete()
        self.assert_nothing_is_left()

    def test_a_cold_migration_copies_nothing_either(self):
        """Launchpad bug 1605720: an ephemeral disk lost its base."""
        before = self.digests()
        server = self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.assertEqual('node2', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(before, self.digests())
        self.confirm()
        self.assertEqual(before, self.digests())
        self.assert_nothing_was_copied()
        self.assert_storage_is_consistent()

    def test_moving_again_and_again_keeps_the_chain_short(self):
        """Ceph CSI issues 263, 1098, 2190, 2900, 4939: no bound on chains."""
        for driver in (self.driver('node1'), self.driver('node2')):
            driver.image_backend.storage.parents.max_depth = 2
        for number in range(4):
            self.write('disk', b'ROUND %d' % number, number * cloud.MIB)
            self.act({'migrate': None}, 'VERIFY_RESIZE')
            if number == 1:
                self.revert()
            else:
                self.confirm()
        for number in range(4):
            with open(self.instance_file(self.server, 'disk'), 'rb') as disk:
                disk.seek(number * cloud.MIB)
                self.assertEqual(b'ROUND %d' % number, disk.read(7))
        depth = self.driver().image_backend.storage.driver.clone_info(
            self.instance_file(self.server, 'disk')).depth
        self.assertEqual(2, depth)
        self.assertEqual(2, len(self.parents()))
        self.assert_nothing_was_copied()
        self.delete()
        self.assert_nothing_is_left()

    def test_config_drives_and_swap_disks_move_too(self):
        """Launchpad bug 2152581: the swap disk was not made anew."""
        self.delete()
        self.server = self.boot(self.image, self.one, host='node1',
                                config_drive=True)
        config = cloud.read(self.instance_file(self.server, 'disk.config'))
        self.resize(self.two)
        self.assertEqual(config, cloud.read(
            self.instance_file(self.server, 'disk.config')))
        self.assertEqual(32 * cloud.MIB, os.stat(
            self.instance_file(self.server, 'disk.swap')).st_size)
        self.revert()
        self.assertEqual(config, cloud.read(
            self.instance_file(self.server, 'disk.config')))
        self.assertEqual(16 * cloud.MIB, os.stat(
            self.instance_file(self.server, 'disk.swap')).st_size)
        self.delete()
        self.assert_nothing_is_left()

    def test_a_disk_that_cannot_be_cloned_is_copied_and_said(self):
        before = self.digests()
        self.gpfs.faults.add('mmclone snap', action='fail', code=18, nth=1,
                             text='mmclone: Invalid cross-device link')
        self.gpfs.faults.add('mmclone copy', action='fail', code=18, nth=1,
                             text='mmclone: Invalid cross-device link')
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.assertEqual(before, self.digests())
        self.assertEqual(2, self.driver().image_backend.storage.copies)
        self.assertIn('made by a full copy', self.stdlog.logger.output)
        self.confirm()
        self.assertEqual([], self.parents())
        self.assertEqual(before, self.digests())
        self.assert_storage_is_consistent()


class OneHostTest(MovesTestCase):

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)

    def test_a_resize_on_the_same_host_copies_nothing(self):
        before = self.digests()
        self.resize(self.two)
        self.write('disk', b'DURING')
        self.assertEqual(before, self.digests('_resize'))
        self.revert()
        self.assertEqual(before, self.digests())
        self.resize(self.two)
        self.confirm()
        self.assert_begins_as(b'BEFORE')
        # Nova does not grow ephemeral disks.
        self.assertEqual([2 * GIB, GIB], self.sizes())
        self.assert_nothing_was_copied()
        self.delete()
        self.assert_nothing_is_left()

    def test_a_revert_brings_back_the_disks_where_two_moves_have_finished(
            self):
        """Nova may name either of them after the state was reset by hand."""
        self.resize(self.two)
        self.act({'os-resetState': {'state': 'active'}}, 'ACTIVE')
        for name in DISKS:
            self.write(name, b'SECOND')
        before = self.digests()
        self.resize(self.flavor('three', root_gb=3, ephemeral_gb=2, swap=32))
        for name in DISKS:
            self.write(name, b'THIRD ')
        self.revert()
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())


class Qcow2Test(MovesTestCase):

    def setUp(self):
        super().setUp()
        self.delete()
        self.flags(force_raw_images=False)
        image, self.guest_bytes = cloud.qcow2_image(self.directory,
                                                    seed=b'qcow2')
        self.image = self.glance.add('qcow2', image, 'qcow2')
        self.server = self.boot(self.image, self.one, host='node1')

    def test_a_disk_in_qcow2_moves_as_it_is(self):
        before = self.digests()
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.confirm()
        self.assertEqual(before, self.digests())
        self.resize(self.two)
        self.confirm()
        disk = self.instance_file(self.server, 'disk')
        self.assertIn('virtual size: 2 GiB', cloud.qemu_img(
            'info', '-f', 'qcow2', disk))
        raw = os.path.join(self.directory, 'raw')
        cloud.qemu_img('convert', '-f', 'qcow2', '-O', 'raw', disk, raw)
        self.assertEqual(self.guest_bytes,
                         cloud.read(raw, len(self.guest_bytes)))
        self.assert_nothing_was_copied()
        self.assert_storage_is_consistent()


class FailureTest(MovesTestCase):
    """The move breaks off; the instance has all it had."""

    def fail_at(self, command, **fault):
        before = self.digests()
        self.gpfs.faults.clear()
        self.gpfs.faults.add(command, **fault)
        self.act({'migrate': None}, 'ERROR')
        self.gpfs.faults.clear()
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())
        self.assert_storage_is_consistent()
        self.revive()
        self.assertEqual(before, self.digests())

    def test_a_failure_at_any_command_puts_the_disks_back(self):
        """OpenNebula issue 5444: a failed move removed what was shared."""
        full = {'action': 'fail', 'code': 28,
                'text': 'mmclone: No space left on device'}
        for command in ('mmclone snap', 'mmclone copy'):
            for number in (1, 2):
                self.fail_at(command, nth=number, **full)
            self.fail_at(command, nth=2, action='kill')
        # Nothing of this is in the way of a move that succeeds.
        before = self.digests()
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.confirm()
        self.assertEqual(before, self.digests())
        self.delete()
        self.assert_nothing_is_left()

    def test_a_command_that_fails_after_its_work_has_succeeded(self):
        before = self.digests()
        for command in ('mmclone snap', 'mmclone copy'):
            self.gpfs.faults.add(command, action='fail-after', code=5, nth=1,
                                 text='mmclone: Input/output error')
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.assertEqual(before, self.digests())
        self.confirm()
        self.assert_storage_is_consistent()

    def test_require_clone_stops_the_move_and_not_the_disks(self):
        self.driver().image_backend.storage._require_clone = True
        self.fail_at('mmclone copy', action='fail', code=18,
                     text='mmclone: Invalid cross-device link')
        self.assert_nothing_was_copied()

    def test_a_failure_on_the_other_host_leaves_both_sets_of_disks(self):
        before = self.digests()
        with mock.patch.object(
                libvirt_driver.LibvirtDriver, '_create_guest_with_network',
                autospec=True, side_effect=OSError('no guest')):
            self.resize(self.two, 'ERROR')
        self.assertEqual(['', '_resize'], self.directories())
        self.assertEqual(before, self.digests('_resize'))
        self.assert_begins_as(b'BEFORE')
        self.assert_storage_is_consistent()
        self.delete()
        self.assert_nothing_is_left()

    def test_a_host_that_died_in_the_middle_puts_the_disks_back(self):
        """What nova-compute does when it starts and finds a move begun."""
        before = self.digests()
        top = self.instance_file(self.server)
        os.rename(top, top + '_resize')
        os.mkdir(top)
        shutil.copy(top + '_resize/disk.info', top)
        instance = self.instance(
            task_state=task_states.RESIZE_MIGRATING,
            migration_context=self.begun_move(status='migrating'))
        instance.save()
        self.computes['node1'].manager._init_instance(
            context.get_admin_context(), instance)
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())

    def test_disks_that_are_not_there_are_not_made_from_the_image(self):
        driver = self.driver()
        migrate = driver.migrate_disk_and_power_off

        def elsewhere(*args, **kwargs):
            answer = migrate(*args, **kwargs)
            os.unlink(self.instance_file(self.server, 'disk'))
            return answer

        before = self.digests()
        with mock.patch.object(driver, 'migrate_disk_and_power_off',
                               side_effect=elsewhere):
            self.act({'migrate': None}, 'ERROR')
        self.assertFalse(os.path.exists(
            self.instance_file(self.server, 'disk')))
        self.assertEqual(before, self.digests('_resize'))


class LeftoverTest(MovesTestCase):

    def leave(self, suffix, *names):
        """Leave a directory that something else should have removed."""
        directory = self.instance_file(self.server) + suffix
        os.mkdir(directory)
        for name in names:
            with open(os.path.join(directory, name), 'wb') as f:
                f.write(b'left over')
        return directory

    def test_leftovers_never_block_a_delete(self):
        for suffix in ('_resize', '_del'):
            self.leave(suffix, 'disk', 'disk.info')
        self.delete()
        self.assert_nothing_is_left()

    def test_leftovers_never_block_a_move(self):
        """Launchpad bug 1960230: what one left made all others fail."""
        self.leave('_resize', 'disk', 'console.log')
        before = self.digests()
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.assertEqual(before, self.digests('_resize'))
        self.confirm()
        self.assertEqual(before, self.digests())

    def test_a_leftover_with_the_only_disk_stops_the_move(self):
        self.assert_stops_the_move('disk.eph7')

    def test_so_does_one_with_the_disk_that_came_with_a_later_flavor(self):
        """Nova calls an ephemeral disk so that a resize has added."""
        self.assert_stops_the_move('disk.local')

    def assert_stops_the_move(self, name):
        kept = self.leave('_resize', 'disk', name)
        before = self.digests()
        self.api.post_server_action(self.server['id'], {'migrate': None})
        found = self.wait_for_no_task()
        self.assertEqual(('ACTIVE', 'node1'), (
            found['status'], found['OS-EXT-SRV-ATTR:host']))
        self.assertEqual(before, self.digests())
        self.assertEqual(['disk', name], sorted(os.listdir(kept)))

    def test_a_leftover_that_stays_does_not_replace_the_disks(self):
        """Stock Nova takes it for what it has just renamed."""
        self.leave('_resize', 'disk')
        before = self.digests()
        trash = os.path.join(self.instances_path, '_gpfs', 'trash')
        os.rmdir(trash)
        self.api.post_server_action(self.server['id'], {'migrate': None})
        found = self.wait_for_no_task()
        self.assertEqual('ACTIVE', found['status'])
        self.assertEqual(before, self.digests())
        os.mkdir(trash)

    def test_old_disks_that_stay_do_not_fail_a_confirmation(self):
        before = self.digests()
        self.leave_the_old_disks()
        self.assertEqual(before, self.digests())
        self.delete()
        self.assert_nothing_is_left()

    def leave_the_old_disks(self):
        """Migrate and confirm, so that ``_resize`` cannot be removed."""
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        trash = os.path.join(self.instances_path, '_gpfs', 'trash')
        os.rmdir(trash)
        with mock.patch('nova.virt.libvirt.driver.shutil.rmtree',
                        autospec=True), mock.patch(
                            'nova.virt.libvirt.driver.time.sleep',
                            autospec=True, side_effect=briefly):
            self.confirm()
        os.mkdir(trash)
        self.assertEqual(['', '_resize'], self.directories())

    def crash(self):
        """Leave the instance as a nova-compute that dies in a move does."""
        instance = self.instance(
            task_state=task_states.RESIZE_MIGRATING,
            migration_context=self.begun_move())
        instance.save()
        return instance

    def test_a_crash_does_not_bring_back_disks_of_an_earlier_move(self):
        self.leave_the_old_disks()
        for name in DISKS:
            self.write(name, b'AFTER ')
        before = self.digests()
        self.computes['node2'].manager._init_instance(
            context.get_admin_context(), self.crash())
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())
        self.assert_begins_as(b'AFTER ')

    def test_a_crash_brings_back_what_this_move_has_set_aside(self):
        before = self.digests()
        instance = self.crash()
        top = self.instance_file(self.server)
        aside.mark(top, instance)
        os.rename(top, top + '_resize')
        os.mkdir(top)
        self.computes['node1'].manager._init_instance(
            context.get_admin_context(), instance)
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())

    def test_a_host_that_comes_back_keeps_the_disks_of_the_evacuated(self):
        """Launchpad bug 2085975: could not ask, so it is not shared."""
        self.put_down('node1')
        self.api.post_server_action(
            self.server['id'], {'evacuate': {'host': 'node2'}})
        self._wait_for_migration_status(self.server, ['done'])
        self.wait_for_no_task()
        before = self.digests()
        manager = self.computes['node1'].manager
        manager.driver._has_started = False
        with mock.patch.object(manager, '_is_instance_storage_shared',
                               autospec=True, return_value=False) as asked:
            manager._destroy_evacuated_instances(
                context.get_admin_context(),
                manager._get_nodes(context.get_admin_context()))
        asked.assert_called_once()
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())
        self._wait_for_migration_status(self.server, ['completed'])

    def test_a_revert_keeps_the_disks_whatever_the_hosts_answer(self):
        """Launchpad bugs 1399244, 1418855, 1824858: "not shared", it said."""
        before = self.digests()
        self.resize(self.two)
        with mock.patch.object(
                self.computes['node2'].manager, '_is_instance_storage_shared',
                autospec=True, return_value=False) as asked:
            self.revert()
        asked.assert_called_once()
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())
        self.delete()
        self.assert_nothing_is_left()

    def test_while_an_instance_moves_its_old_disks_are_not_deleted(self):
        self.resize(self.two)
        before = self.digests('_resize')
        driver = self.driver('node2')
        for _ in range(2):
            self.assertTrue(driver.delete_instance_files(self.instance(
                task_state=task_states.RESIZE_REVERTING)))
        self.assertEqual(['_resize'], self.directories())
        self.assertEqual(before, self.digests('_resize'))
        self.assertEqual(2, len(self.parents()))
        self.assert_storage_is_consistent()
        self.assertTrue(driver.delete_instance_files(self.instance(
            vm_state=vm_states.RESIZED, task_state=task_states.DELETING)))
        self.assert_nothing_is_left()


class OtherCellTest(MovesTestCase):

    def cleaned(self, **fields):
        """Clean up as Nova does after a move, and return what is left."""
        instance = self.instance(migration_context=self.begun_move(
            status='confirming', **fields))
        self.driver().cleanup(context.get_admin_context(), instance, [],
                              destroy_disks=True, destroy_vifs=False)
        return self.directories()

    def test_disks_that_the_other_cell_uses_are_not_deleted(self):
        before = self.digests()
        self.assertEqual([''], self.cleaned(cross_cell_move=True,
                                            dest_compute='node2'))
        self.assertEqual(before, self.digests())

    def test_disks_that_only_this_cell_has_are_deleted(self):
        self.assertEqual([], self.cleaned(cross_cell_move=True,
                                          dest_compute='far-away'))

    def test_a_move_within_the_cell_is_none_of_this(self):
        self.assertEqual([], self.cleaned(cross_cell_move=False,
                                          dest_compute='node2'))


class RegisterTest(MovesTestCase):

    def entry(self, host):
        return os.path.join(self.instances_path, '_gpfs', 'hosts',
                            f'{host}.json')

    def test_every_host_enters_itself_when_it_starts(self):
        live = self.driver().image_backend.storage.hosts.live()
        self.assertEqual([('node1', 'node1.example'),
                          ('node2', 'node2.example')],
                         [(host.name, host.address) for host in live])

    def test_a_host_that_says_nothing_is_asked_over_ssh(self):
        silent = self.driver('node2')
        silent._name_of_host, name = None, silent._name_of_host
        silent.image_backend.storage.hosts._self = None
        os.utime(self.entry('node2'), (1, 1))
        before = self.digests()
        self.api.post_server_action(self.server['id'], {'migrate': None})
        found = self.wait_for_no_task()
        self.ssh.assert_called()
        self.assertEqual(('ACTIVE', 'node1'), (
            found['status'], found['OS-EXT-SRV-ATTR:host']))
        self.assertEqual(before, self.digests())
        self.assertEqual([''], self.directories())

        silent._name_of_host = name
        self.computes['node2'].manager.update_available_resource(
            context.get_admin_context())
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.confirm()
        self.assertEqual(before, self.digests())

    def test_a_host_that_cannot_enter_itself_goes_on(self):
        driver = self.driver('node2')
        hosts = os.path.dirname(self.entry('node2'))
        shutil.rmtree(hosts)
        self.assertIn('vcpus', driver.get_available_resource('node2'))
        self.assertIn('could not enter itself', self.stdlog.logger.output)
        os.mkdir(hosts)

    def test_an_unmounted_file_system_answers_for_nobody(self):
        self.gpfs.unmount('fs0')
        self.assertRaises(
            exception.InstanceFaultRollback,
            self.driver().migrate_disk_and_power_off,
            context.get_admin_context(), self.instance(), 'node2.example',
            objects.Flavor(root_gb=1, ephemeral_gb=1), [])
        self.gpfs.mount('fs0')
        self.assert_begins_as(b'BEFORE')
