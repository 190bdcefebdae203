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

"""What operations cost is what the administrator's guide says they cost.

The table of the guide is the table of this test, and each of its rows is
measured: the mm commands that were run, what has copied data, and the bytes
that were read and written.
"""

import csv
import os
import pathlib
import re

import fixtures
from nova import context

from tests.functional import cloud
from tests.functional import metering
from tests.functional import test_placement
from tests.functional import test_policy_commands
from tests import refusing
from tests import sim_library

TABLE = pathlib.Path(__file__).parents[2] / 'doc/source/admin/costs.csv'
MIB = cloud.MIB

#: What a command asks the cluster when it starts, and nova-compute does at
#: most once in five minutes.
ASKED_ONCE = ('mmgetstate', 'mmlscluster', 'mmlsconfig', 'mmlsdisk',
              'mmlsfileset', 'mmlsfs', 'mmlsnsd', 'mmlspool')


def rows():
    with open(TABLE, newline='') as table:
        return {row['Operation']: row for row in csv.DictReader(table)}


def amount(text, sizes):
    """Return the bytes that the table means: 'none', 'image + 2 data'."""
    if text == metering.NOTHING:
        return 0
    terms = re.fullmatch(r'(?:(\d) )?([a-z]+)(?: \+ (.*))?', text)
    factor, name, more = terms.groups()
    return int(factor or 1) * sizes[name] + (
        amount(more, sizes) if more else 0)


class TableMixin:
    """For a test case that measures the rows of a part of the table.

    ``sizes`` is what the words in the table stand for, in bytes.
    """

    ignored = ()
    #: Where hosts run, they look at the storage at moments of their own.
    looks = False

    def measure(self):
        self.sizes = {}
        self.measured = {}
        self.meter = metering.Meter(self, self.gpfs)

    def costs(self, operation):
        """Note what was done since the last time, as an operation."""
        self.measured[operation] = self.meter.costs(self.ignored, self.looks)

    def assert_measured(self, part):
        """Compare with the rows of one part of the table."""
        self.assertEqual(
            {name: metering.Costs(
                row['mm commands'], row['Copies'],
                amount(row['Read'], self.sizes),
                amount(row['Written'], self.sizes))
             for name, row in rows().items() if row['Part'] == part},
            self.measured)


class CostsTestCase(TableMixin, test_placement.PolicyTestCase):

    def setUp(self):
        super().setUp()
        self.flags(migration_inbound_addr='%s.example', group='libvirt')
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.migrateToURI3',
            self._migrate))
        self._note_transfers()
        self.start_hosts()
        self.image_id = self.glance.add('image', self.image, 'qcow2')
        self.measure()
        self.sizes['image'] = len(self.image)

    def _note_transfers(self):
        self.uploads = []
        update, download = self.glance.update, self.glance.download

        def noted_update(context, image_id, metadata, data=None, **kwargs):
            if data is not None:
                self.uploads.append(image_id)
                self.meter.uploads(data.name)
            return update(context, image_id, metadata, data, **kwargs)

        def noted_download(context, image_id, data=None, dst_path=None,
                           trusted_certs=None):
            found = download(context, image_id, data, dst_path,
                             trusted_certs)
            self.meter.downloaded(dst_path)
            return found

        self.glance.update = noted_update
        self.glance.download = noted_download

    def _migrate(self, domain, destination, params, flags):
        """Do what libvirt does: the guest runs on the other host."""
        connection = self.computes['node2'].driver._host.get_connection()
        # Nova's fixture announces the new domain before it has a name.
        connection._event_callbacks.clear()
        connection.createXML(params['destination_xml'], 'flags')
        domain.complete_job()

    def ask_the_cluster(self):
        """Let hosts ask what GPFS offers, as they do once in five minutes."""
        for compute in self.computes.values():
            compute.driver.image_backend.placing.facts.current()
        self.meter.begin()

    def write(self):
        """Let the guest write where its image has nothing."""
        disk = self.instance_file(self.server, 'disk')
        data = self.meter.filled(disk)
        with open(disk, 'r+b') as opened:
            opened.seek(6 * MIB)
            opened.write(b'written by the guest')
        both = self.meter.filled(disk)
        self.sizes.update(data=data, own=both - data,
                          disk=os.path.getsize(disk))
        swap = self.instance_file(self.server, 'disk.swap')
        if os.path.exists(swap):
            self.sizes['swap'] = self.meter.filled(swap)

    def act(self, action, expected_state='ACTIVE'):
        self.api.post_server_action(self.server['id'], action)
        self.wait_for(self.server, expected_state)
        return self.wait_for_no_task()

    def snapshot(self):
        image_id = self.api.post_server_action(
            self.server['id'], {'createImage': {'name': 'snap'}})['image_id']
        self.wait_for_no_task()
        return image_id

    def delete(self, server):
        self.api.delete_server(server['id'])
        self._wait_until_deleted(server)


class BootCostsTest(CostsTestCase):

    def test_each_kind_of_disk_costs_what_the_guide_says(self):
        root = self.flavor('root')
        more = self.flavor('more', ephemeral_gb=1, swap=16)
        gold = self.flavor_with('gold', {'gpfs:policy': 'gold'})
        self.boot(self.image_id, root)
        self.costs('Boot, first of an image')
        self.boot(self.image_id, root)
        self.costs('Boot')
        configured = self.boot(self.image_id, root, config_drive=True)
        self.costs('Boot with a config drive')
        self.boot(self.image_id, more)
        self.costs('Boot with ephemeral and swap disk, first of that size')
        rich = self.boot(self.image_id, more)
        self.costs('Boot with ephemeral and swap disk')
        self.ask_the_cluster()
        self.boot(self.image_id, gold)
        self.costs('Boot with a policy, first of an image')
        self.boot(self.image_id, gold)
        self.costs('Boot with a policy')
        other = self.glance.add('other', self.image, 'qcow2')
        manager = self.computes['node1'].manager
        for operation in ('Prefetch', 'Prefetch, again'):
            manager.cache_images(context.get_admin_context(), [other])
            self.costs(operation)
        with refusing.with_clones():
            manager._run_image_cache_manager_pass(
                context.get_admin_context())
        self.costs('Pass of the image cache, 4 masters')
        self.assertEqual(4, len(self.masters()))
        self._note_sizes(configured, rich)
        self.assert_measured('boot')

    def _note_sizes(self, configured, rich):
        for name, server, disk in (('config', configured, 'disk.config'),
                                   ('data', configured, 'disk'),
                                   ('swap', rich, 'disk.swap'),
                                   ('format', rich, 'disk.eph0')):
            self.sizes[name] = self.meter.filled(
                self.instance_file(server, disk))


class LifeCostsTest(CostsTestCase):

    def setUp(self):
        super().setUp()
        one = self.flavor('one', ephemeral_gb=1, swap=16)
        self.two = self.flavor('two', root_gb=2, ephemeral_gb=1, swap=16)
        self.server = self.boot(self.image_id, one, host='node1')
        self.write()
        self.meter.begin()

    def test_moving_costs_what_the_guide_says(self):
        self.act({'resize': {'flavorRef': self.two}}, 'VERIFY_RESIZE')
        self.costs('Resize or cold migration')
        self.act({'revertResize': None})
        self.costs('Revert')
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.meter.begin()
        self.act({'confirmResize': None})
        self.costs('Confirm')
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.act({'confirmResize': None})
        self.meter.begin()
        self.api.post_server_action(self.server['id'], {'os-migrateLive': {
            'host': 'node2', 'block_migration': 'auto'}})
        self._wait_for_migration_status(self.server, ['completed'])
        self.wait_for_no_task()
        self.costs('Live migration')
        self._forget_guest('node1')
        self._evacuate()
        self.costs('Evacuation')
        self.delete(self.server)
        self.costs('Delete')
        self.assert_measured('moves')

    def _forget_guest(self, name):
        """Do what libvirt does and Nova's fixture does not."""
        connection = self.computes[name].driver._host.get_connection()
        guest = connection.lookupByUUIDString(self.server['id'])
        guest.destroy()
        guest.undefine()

    def _evacuate(self):
        self.put_down('node2')
        self.meter.begin()
        self.api.post_server_action(self.server['id'], {
            'evacuate': {'host': 'node1'}})
        self._wait_for_server_parameter(
            self.server, {'OS-EXT-SRV-ATTR:host': 'node1',
                          'OS-EXT-STS:task_state': None})

    def test_everything_else_costs_what_the_guide_says(self):
        self.act({'reboot': {'type': 'HARD'}})
        self.costs('Hard reboot')
        self.snapshot()
        self.costs('Snapshot of a running guest')
        self.act({'os-stop': None}, 'SHUTOFF')
        self.costs('Stop')
        self.snapshot()
        self.costs('Snapshot of a guest that is off')
        self.act({'os-start': None})
        self.costs('Start')
        self.act({'rescue': None}, 'RESCUE')
        self.costs('Rescue')
        self.act({'unrescue': None})
        self.costs('Unrescue')
        self.act({'rebuild': {'imageRef': self.image_id}})
        self.costs('Rebuild')
        self.act({'shelve': None}, 'SHELVED_OFFLOADED')
        self.costs('Shelve')
        self._mend_image()
        self.act({'unshelve': None})
        self.costs('Unshelve')
        self.assert_measured('life')

    def _mend_image(self):
        """Take away what Nova's client of the real Glance never sends."""
        properties = self.glance.images[self.uploads[-1]]['properties']
        for name in ('kernel_id', 'ramdisk_id'):
            properties.pop(name, None)


class PolicyCostsTest(CostsTestCase):

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)
        self.server = self.boot(self.image_id, self.flavor('plain'))
        self.write()

    def resize(self, name, policy, root_gb, operation):
        flavor = self.flavor_with(name, {'gpfs:policy': policy},
                                  root_gb=root_gb)
        self.ask_the_cluster()
        self.act({'resize': {'flavorRef': flavor}}, 'VERIFY_RESIZE')
        self.costs(operation)
        self.act({'confirmResize': None})

    def test_growth_costs_what_the_guide_says(self):
        self.resize('gold', 'gold', 1, 'Resize to another policy')
        self.resize('larger', 'gold', 2, 'Resize to a larger disk')
        self.assert_measured('policy')


class CommandCostsTestCase(TableMixin,
                           test_policy_commands.CommandsTestCase):
    """Disks of an image whose blocks the guest has not touched."""

    ignored = ASKED_ONCE
    looks = True

    def boot_one(self):
        """Make an instance that has written, and return it."""
        instance, path = self.boot()
        self.measure()
        before = self.meter.filled(path)
        with open(path, 'r+b') as disk:
            disk.seek(before)
            disk.write(b'guest')
        blocks = self.gpfs.blocks(path)
        own = os.stat(path).st_ino
        self.sizes['own'] = sum(block.size for block in blocks
                                if block.inode == own)
        self.sizes['shared'] = sum(block.size for block in blocks
                                   if block.inode != own)
        self.meter.begin()
        return instance

    def argv(self, *words):
        argv = super().argv(*words)
        argv[argv.index('policy')] = self.group
        return argv


class ApplyCostsTest(CommandCostsTestCase):

    group = 'policy'

    def test_applying_a_policy_costs_what_the_guide_says(self):
        instance = self.boot_one()
        self.everything_is_to_be_fast()
        for operation in ('policy apply', 'policy apply --detach'):
            _policy, *words = operation.split()
            self.run_program(*words, '--instance', instance)
            self.costs(f'nova-gpfs {operation}')
        self.assert_measured('apply')


class FlattenCostsTest(CommandCostsTestCase):

    group = 'flatten'

    def setUp(self):
        if reason := sim_library.reason_not():
            self.skipTest(reason)
        super().setUp()

    def test_flattening_costs_what_the_guide_says(self):
        instance = self.boot_one()
        self.configure(f"library = {self.gpfs.library('node1')}")
        self.run_program('--instance', instance)
        self.costs('nova-gpfs flatten')
        self.assert_measured('flatten')


class TableTest(cloud.test.NoDBTestCase):

    def test_each_row_is_in_a_part_that_is_measured(self):
        self.assertEqual({'boot', 'moves', 'life', 'policy', 'apply',
                          'flatten'},
                         {row['Part'] for row in rows().values()})
