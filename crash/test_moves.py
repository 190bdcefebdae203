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
"""Moves: the disk of the guest is in one of two places, and whole."""

import os

from nova import objects

from crash import case
from tests.functional import cloud


class MoveTestCase(case.CrashTestCase):
    """An instance that grows on its way from node1 to node2."""

    def setUp(self):
        super().setUp()
        data, _guest = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.guest = self.instance(self.image)
        self.spawn(self.guest)
        self.wrote = self.write(self.guest)
        self.begin_move()

    def begin_move(self):
        """Do what Nova's conductor and resource tracker do first."""
        small = self.guest.flavor
        large = objects.Flavor.get_by_flavor_id(
            self.context, self.flavor('large', root_gb=2))
        self.migration = objects.Migration(
            self.context, instance_uuid=self.guest.uuid,
            source_compute='node1', source_node='node1',
            dest_compute='node2', dest_node='node2',
            dest_compute_id=2, dest_host='192.0.2.2', status='migrating',
            migration_type='resize', uuid=self.guest.uuid,
            old_instance_type_id=small.id, new_instance_type_id=large.id)
        self.migration.create()
        self.guest.migration_context = objects.MigrationContext(
            self.context, instance_uuid=self.guest.uuid,
            migration_id=self.migration.id)
        self.guest.old_flavor, self.guest.new_flavor = small, large
        self.guest.task_state = 'resize_migrating'
        self.guest.save()

    def start(self):
        self.be('node1')
        self.disk_info = self.drivers['node1'].migrate_disk_and_power_off(
            self.context, self.guest, '192.0.2.2', self.guest.new_flavor,
            self.network, self.devices())

    def finish(self):
        self.be('node2')
        self.guest.host = 'node2'
        self.guest.flavor = self.guest.new_flavor
        self.guest.root_gb = self.guest.flavor.root_gb
        self.guest.task_state = 'resize_finish'
        meta = objects.ImageMeta.from_dict(
            self.glance.show(self.context, self.image))
        self.drivers['node2'].finish_migration(
            self.context, self.migration, self.guest, self.disk_info,
            self.network, meta, True, {}, self.devices())

    def finished(self):
        """Let the move have ended, as far as the hosts go."""
        self.start()
        self.finish()
        self.guest.vm_state, self.guest.task_state = 'resized', None
        self.wrote = self.write(self.guest, b'after the move', 1024 * 1024)

    def confirm(self):
        self.be('node1')
        self.drivers['node1'].confirm_migration(
            self.context, self.migration, self.guest, self.network)

    def leave(self):
        """Let node2 give the guest up, since it is to go back."""
        self.be('node2')
        self.drivers['node2'].destroy(
            self.context, self.guest, self.network, self.devices(),
            destroy_disks=False)
        self.guest.host = 'node1'
        self.guest.flavor = self.guest.old_flavor
        self.guest.root_gb = self.guest.flavor.root_gb
        self.guest.task_state = 'resize_reverting'

    def go_back(self):
        self.be('node1')
        self.drivers['node1'].finish_revert_migration(
            self.context, self.guest, self.network, self.migration,
            self.devices())

    def restart(self, host):
        """Let work go on; another host cleans up before it does."""
        if host == 'node1':
            self.drivers['node1'] = self.new_driver('node1')
        else:
            self.be(host)
            self.sweep(self.drivers[host])

    def assert_somewhere(self):
        """What the guest wrote is in one of its two directories."""
        found = [self.content(self.guest, suffix)
                 for suffix in ('', '_resize')
                 if os.path.exists(self.disk(self.guest, suffix))]
        self.assertIn(self.wrote, found)

    def end(self, host):
        """Delete the guest, which has to have its data, and all is gone."""
        self.assertEqual(self.wrote, self.content(self.guest))
        self.be(host)
        self.guest.task_state = 'deleting'
        self.destroy(self.guest, self.drivers[host])
        self.sweep(self.drivers[host])
        self.assert_nothing_is_left()


class StartTest(MoveTestCase):

    def go_on(self, host):
        self.restart(host)
        self.assert_somewhere()
        self.go_back()
        self.end('node1')

    def test_setting_the_disks_aside(self):
        self.crash_everywhere('start of a move', self.start, self.go_on)


class FinishTest(MoveTestCase):

    def go_on(self, host):
        self.restart(host)
        self.assert_somewhere()
        self.leave()
        self.go_back()
        self.end('node1')

    def test_starting_the_guest_where_it_goes(self):
        self.start()
        self.crash_everywhere('finish of a move', self.finish, self.go_on)


class ConfirmTest(MoveTestCase):

    def go_on(self, host):
        self.restart(host)
        self.confirm()
        self.end('node2')

    def test_giving_up_what_was_before(self):
        self.finished()
        self.crash_everywhere('confirmation of a move', self.confirm,
                              self.go_on)


class RevertTest(MoveTestCase):

    def go_on(self, host):
        self.restart(host)
        self.assert_somewhere()
        self.go_back()
        self.end('node1')

    def test_going_back(self):
        before = self.wrote
        self.finished()
        self.leave()
        self.wrote = before
        self.crash_everywhere('return of a move', self.go_back, self.go_on)
