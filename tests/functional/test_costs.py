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
measured: the mm commands that were run, and what has copied data.
"""

import collections
import csv
import os
import pathlib
import sys

import fixtures
from nova import context

from benchmarks import counting
from tests.functional import cloud
from tests.functional import test_placement
from tests import refusing

TABLE = pathlib.Path(__file__).parents[2] / 'doc/source/admin/costs.csv'
NOTHING = 'none'


class _Programs:
    """Every program that is started while somebody wants to know.

    An audit hook can be set once and never be removed.
    """

    def __init__(self):
        self.argvs = None
        self._set = False

    def __call__(self, event, arguments):
        if event == 'subprocess.Popen' and self.argvs is not None:
            self.argvs.append([os.fsdecode(word) for word in arguments[1]])

    def watch(self):
        if not self._set:
            sys.addaudithook(self)
            self._set = True
        self.argvs = []


_programs = _Programs()


def rows():
    with open(TABLE, newline='') as table:
        return {row['Operation']: row for row in csv.DictReader(table)}


def counted(names):
    """Return names as the table has them: '2 mmclone copy, mmclone snap'."""
    return ', '.join(
        f'{number} {name}' if number > 1 else name for name, number
        in sorted(collections.Counter(names).items())) or NOTHING


def command(argv):
    name = os.path.basename(argv[0])
    return f'{name} {argv[1]}' if name == 'mmclone' else name


class CostsTestCase(test_placement.PolicyTestCase):

    def setUp(self):
        super().setUp()
        self.flags(migration_inbound_addr='%s.example', group='libvirt')
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.migrateToURI3',
            self._migrate))
        self.uploads = []
        update = self.glance.update

        def upload(context, image_id, metadata, data=None, **kwargs):
            if data is not None:
                self.uploads.append(image_id)
            return update(context, image_id, metadata, data, **kwargs)

        self.glance.update = upload
        self.start_hosts()
        self.image_id = self.glance.add('image', self.image, 'qcow2')
        self.measured = {}
        self.addCleanup(setattr, _programs, 'argvs', None)
        _programs.watch()
        self.begin()

    def begin(self):
        """Measure from now on."""
        self.called = len(self.gpfs.calls())
        self.ran = len(_programs.argvs)
        self.sent = len(self.glance.downloads), len(self.uploads)

    def costs(self, operation):
        """Note what was done since the last time, as an operation."""
        commands = [command(call['argv'])
                    for call in self.gpfs.calls()[self.called:]]
        copies = [counting.program(argv).removesuffix(' (prlimit)')
                  for argv in _programs.argvs[self.ran:]
                  if not argv[-1].endswith('disk.info')]
        copies = [name for name in copies
                  if name in ('cp', 'qemu-img convert')]
        copies += ['download'] * (len(self.glance.downloads) - self.sent[0])
        copies += ['upload'] * (len(self.uploads) - self.sent[1])
        copies += [name for name in commands
                   if name in ('mmclone split', 'mmclone redirect')]
        self.measured[operation] = counted(commands), counted(copies)
        self.begin()

    def assert_measured(self, part):
        """Compare with the rows of one part of the table."""
        self.assertEqual(
            {name: (row['mm commands'], row['Copies'])
             for name, row in rows().items() if row['Part'] == part},
            self.measured)

    def _migrate(self, domain, destination, params, flags):
        """Do what libvirt does: the guest runs on the other host."""
        connection = self.computes['node2'].driver._host.get_connection()
        # Nova's fixture announces the new domain before it has a name.
        connection._event_callbacks.clear()
        connection.createXML(params['destination_xml'], 'flags')
        domain.complete_job()

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
        self.boot(self.image_id, root, config_drive=True)
        self.costs('Boot with a config drive')
        self.boot(self.image_id, more)
        self.costs('Boot with ephemeral and swap disk, first of that size')
        self.boot(self.image_id, more)
        self.costs('Boot with ephemeral and swap disk')
        # What GPFS offers is asked for once in five minutes.
        for compute in self.computes.values():
            compute.driver.image_backend.placing.facts.current()
        self.begin()
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
        self.assert_measured('boot')


class LifeCostsTest(CostsTestCase):

    def setUp(self):
        super().setUp()
        one = self.flavor('one', ephemeral_gb=1, swap=16)
        self.two = self.flavor('two', root_gb=2, ephemeral_gb=1, swap=16)
        self.server = self.boot(self.image_id, one, host='node1')
        with open(self.instance_file(self.server, 'disk'), 'r+b') as disk:
            disk.seek(5 * cloud.MIB)
            disk.write(b'written by the guest')
        self.begin()

    def test_moving_costs_what_the_guide_says(self):
        self.act({'resize': {'flavorRef': self.two}}, 'VERIFY_RESIZE')
        self.costs('Resize or cold migration')
        self.act({'revertResize': None})
        self.costs('Revert')
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.begin()
        self.act({'confirmResize': None})
        self.costs('Confirm')
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.act({'confirmResize': None})
        self.begin()
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
        self.begin()
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


class TableTest(cloud.test.NoDBTestCase):

    def test_each_row_is_in_a_part_that_is_measured(self):
        self.assertEqual({'boot', 'moves', 'life'},
                         {row['Part'] for row in rows().values()})
