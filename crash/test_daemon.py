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
"""The privileged daemon killed, while nova-compute lives on."""

import os

from nova import conf
from oslo_privsep import daemon

from crash import case
from crash import effects
from crash import lists
from crash import orders
from crash import privileged_daemon
from crash import snapshot
from crash import test_store
from nova_gpfs import privsep

CONF = conf.CONF
# Before a fixture of Nova refuses to start any daemon.
_CHANNEL = daemon.RootwrapClientChannel


class DaemonMixin:
    """Commands are the daemon's while the one thing is done.

    Its user is root here as well: what it may not do is tried elsewhere.
    """

    def setUp(self):
        super().setUp()
        self.config = os.path.join(self.directory, 'daemon.conf')
        with open(self.config, 'w') as file:
            file.write('\n'.join([
                '[DEFAULT]', f'instances_path = {self.instances_path}',
                '[gpfs]', f'mm_path = {self.gpfs.bin_dir("node1")}',
                f'image_store = {self.store_directory}', '']))

    def order(self, end_at=None, when=effects.BEFORE):
        return orders.Order(os.path.join(self.directory, 'order'),
                            self.roots(), end_at, when)

    def with_daemon(self, act):
        """Let a nova-compute do something; return what it says of it."""
        os.environ.update(self.given.env)
        daemon.RootwrapClientChannel = _CHANNEL
        # By default mmlsattr alone is not the daemon's.
        CONF.clear_override('rootless_commands', 'gpfs')
        CONF.set_override('helper_command', privileged_daemon.command(
            self.config), 'nova_gpfs_privileged')
        privsep.context.set_client_mode(True)
        self.drivers['node1'] = self.new_driver('node1')
        act()

    def crash_daemon_everywhere(self, operation, act, go_on):
        """Kill the daemon at each of its effects, and go on each time.

        Whether nova-compute then fails or does the work in another way, it
        ends: a daemon that is dead is nothing to wait for.
        """
        before = snapshot.Snapshot(self.gpfs, self.directory + '.before')
        self.addCleanup(before.forget)
        self.given = self.order()
        self.run_alone(lambda: self.with_daemon(act))
        found = self.given.seen
        lists.require(self, operation, found)
        for position, when in case.chosen(operation, found):
            before.put_back()
            self.given = self.order(position, when)
            status, said = self.fork(lambda: self.with_daemon(act))
            self.assertTrue(self.given.is_done)
            self.assertNotIn('Timeout', str(said))
            self.go_on_everywhere(f'{when} {position}: {found[position]}',
                                  go_on)


class MasterTest(DaemonMixin, test_store.MasterTestCase):

    def test_of_a_file_that_glance_has(self):
        self.crash_daemon_everywhere(
            'spawn without a download, the daemon',
            lambda: self.spawn(self.crashed), self.go_on)


class SnapshotTest(DaemonMixin, test_store.SnapshotTestCase):

    def test_snapshot_into_the_store(self):
        self.crash_daemon_everywhere(
            'snapshot without an upload, the daemon',
            lambda: self.snapshot(self.drivers['node1']), self.go_on)
