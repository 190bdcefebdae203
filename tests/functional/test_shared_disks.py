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

"""Hosts die, come back and hand guests over; nobody deletes their disks."""

import os
from unittest import mock

import fixtures
from nova import context
from nova.tests import fixtures as nova_fixtures
from nova.virt.libvirt import driver as libvirt_driver

from tests.functional import cloud
from tests.functional import contents
from tests.functional import test_moves


class EvacuationTest(test_moves.MovesTestCase):

    def setUp(self):
        super().setUp()
        self.delete()
        self.server = self.boot(self.image, self.one, host='node1',
                                config_drive=True)
        for name in test_moves.DISKS:
            self.write(name, b'BEFORE')
        self.before = self.digests()
        self.config = self.identity('disk.config')

    def identity(self, name):
        """Return what tells a file from one made anew, and its bytes."""
        path = self.instance_file(self.server, name)
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns, cloud.read(path)

    def evacuate(self, outcome='done'):
        self.api.post_server_action(self.server['id'], {
            'evacuate': {'host': 'node2'}})
        self._wait_for_migration_status(self.server, [outcome])
        return self.wait_for_no_task()

    def assert_untouched(self):
        self.assertEqual(self.before, self.digests())
        self.assertEqual(self.config, self.identity('disk.config'))
        self.assert_storage_is_consistent()

    def test_a_guest_that_does_not_start_elsewhere_has_its_disks(self):
        """Launchpad bugs 1550919, 1247526: deleted with what had failed.

        The config drive belonged to a user that could not write to it from
        the other host; it is left as it is.
        """
        self.put_down('node1')
        with mock.patch.object(
                libvirt_driver.LibvirtDriver, '_create_guest_with_network',
                autospec=True, side_effect=OSError('no guest')):
            self.evacuate('failed')
        self.assert_untouched()
        found = self.evacuate()
        self.assertEqual('node2', found['OS-EXT-SRV-ATTR:host'])
        self.assert_untouched()

    def test_an_evacuation_of_long_ago_does_not_keep_disks_for_a_rebuild(
            self):
        """The new image would boot what the last one has left."""
        for host in ('node2', None):
            self.begun_move(host, migration_type='evacuation',
                            status='pre-migrating')
        self.act({'rebuild': {'imageRef': self.image}}, 'ACTIVE')
        for name, content in self.digests().items():
            self.assertNotEqual(self.before[name], content)

    def test_a_host_that_starts_keeps_disks_for_a_host_without_a_name(self):
        instance = self.instance(migration_context=self.begun_move(
            None, migration_type='evacuation', status='accepted'))
        self.driver()._has_started = False
        self.driver().cleanup(context.get_admin_context(), instance, [],
                              destroy_disks=True, destroy_vifs=False)
        self.assert_untouched()

    def test_a_host_that_comes_back_too_early_deletes_nothing(self):
        """Launchpad bug 2085975: the evacuation had not come to its end.

        The instance was still said to be on the host that came back.
        """
        instance = self.instance(migration_context=self.begun_move(
            migration_type='evacuation', status='pre-migrating'))
        self.driver()._has_started = False
        self.driver().cleanup(context.get_admin_context(), instance, [],
                              destroy_disks=True, destroy_vifs=False)
        self.assert_untouched()


class LiveMigrationTest(test_moves.MovesTestCase):

    def setUp(self):
        super().setUp()
        self.let_guests_migrate()

    def migrate(self, *outcomes):
        self.api.post_server_action(self.server['id'], {'os-migrateLive': {
            'host': 'node2', 'block_migration': 'auto'}})
        self._wait_for_migration_status(self.server, outcomes)
        return self.wait_for_no_task()['OS-EXT-SRV-ATTR:host']

    def test_a_clean_up_of_other_things_leaves_the_directory(self):
        """Launchpad bugs 2080436, 1346385, 1351002: NUMA, and NFS at all.

        With a NUMA topology Nova cleans up on the host that the guest has
        left, and took "the blocks are shared" for "the directory is mine".
        Before, the checks took what NFS shares for not shared.
        """
        flavor = self.flavor('numa', ephemeral_gb=1)
        self.api.post_extra_spec(flavor, {
            'extra_specs': {'hw:numa_nodes': '1'}})
        self.delete()
        self.server = self.boot(self.image, flavor, host='node1')
        before = self.digests()
        with mock.patch.object(
                self.driver(), 'cleanup', autospec=True,
                side_effect=self.driver().cleanup) as cleanup:
            self.assertEqual('node2', self.migrate('completed'))
        cleanup.assert_called_once()
        self.assertEqual(before, self.digests())
        self.assert_nothing_was_copied()
        self.assert_storage_is_consistent()

    def test_no_disk_is_copied_onto_itself_whatever_the_check_has_seen(self):
        """Launchpad bug 1617299: the file was not seen for half a minute."""
        before = self.digests()
        with mock.patch.object(
                self.driver(), '_check_shared_storage_test_file',
                autospec=True, return_value=False) as looked:
            self.assertEqual('node1', self.migrate('error', 'failed'))
        looked.assert_called_once()
        self.assertEqual(before, self.digests())
        self.assertIn('both hosts share', self.stdlog.logger.output)
        self.assert_storage_is_consistent()


class VolumeBackedTest(test_moves.MovesTestCase):

    def setUp(self):
        super().setUp()
        self.delete()
        self.useFixture(fixtures.MockPatch(
            'nova.virt.libvirt.driver.LibvirtDriver.get_volume_connector',
            autospec=True, return_value={}))
        volume = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL
        self.server = self.boot(
            '', self.one, host='node1', config_drive=True,
            block_device_mapping_v2=[
                {'boot_index': 0, 'uuid': volume, 'source_type': 'volume',
                 'destination_type': 'volume'},
                {'boot_index': -1, 'source_type': 'blank', 'volume_size': 1,
                 'destination_type': 'local'}])

    def test_the_directory_stays_where_no_root_disk_is_in_it(self):
        """Launchpad bugs 1728603, 1769131, 1666831: removed when confirmed.

        Without a root disk in the directory Nova took it for one that the
        clean-up itself had made.
        """
        self.write('disk.eph0', b'BEFORE')
        path = self.instance_file(self.server, 'disk.eph0')
        config = self.instance_file(self.server, 'disk.config')
        before = contents.of(path), cloud.read(config)
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.confirm()
        self.assertEqual(before, (contents.of(path), cloud.read(config)))
        self.assertEqual([''], self.directories())
        self.delete()
        self.assert_nothing_is_left()
