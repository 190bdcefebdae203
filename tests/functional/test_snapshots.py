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

"""Snapshots: sealed in an instant, uploaded while the guest runs on."""

import os
import subprocess
import time

import fixtures
from nova import exception
from nova.tests.fixtures import libvirt as fake_libvirt
from nova.virt.libvirt import imagebackend
from oslo_concurrency import processutils

from nova_gpfs.compute import image as gpfs_image
from nova_gpfs import privsep

from tests.functional import cloud

GUEST = ('suspend', 'resume', 'fsFreeze', 'fsThaw', 'blockRebase',
         'managedSave')


def _no_agent(domain):
    raise fake_libvirt.make_libvirtError(
        fake_libvirt.libvirtError, 'no agent',
        error_code=fake_libvirt.VIR_ERR_AGENT_UNRESPONSIVE)


class SnapshotsTestCase(cloud.CloudTestCase):
    """Two hosts and an instance on the first one, with data in its disk.

    ``happened`` lists what is done for a snapshot, in its order.
    """

    properties: dict[str, str] = {}

    def setUp(self):
        super().setUp()
        self.happened = []
        self._watch()
        self.start_hosts()
        image, self.guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', image, 'qcow2',
                                     **self.properties)
        # The disk is no larger than the image, so that it is soon uploaded.
        self.server = self.boot(self.image, self.flavor('own', root_gb=0),
                                host='node1')
        self.disk = self.instance_file(self.server, 'disk')
        self.write(b'BEFORE')
        self.happened.clear()

    def _watch(self):
        """Note what Nova does to the guest, runs and uploads."""
        execute = processutils.execute

        def run(*argv, **kwargs):
            self.happened += [word for word in ('convert', 'cp')
                              if word in argv]
            return execute(*argv, **kwargs)

        self.useFixture(fixtures.MonkeyPatch(
            'oslo_concurrency.processutils.execute', run))
        for name in GUEST:
            self._note(fake_libvirt.Domain, name)
        update = self.glance.update

        def upload(context, image_id, metadata, data=None, **kwargs):
            if data is not None:
                self._snap()
                self.happened.append('upload')
                self.on_upload(data.name)
            return update(context, image_id, metadata, data, **kwargs)

        self.glance.update = upload

    def _note(self, owner, name):
        original = getattr(owner, name)

        def noted(*args, **kwargs):
            self._snap()
            self.happened.append(name)
            return original(*args, **kwargs)

        self.useFixture(fixtures.MonkeyPatch(
            f'{owner.__module__}.{owner.__qualname__}.{name}', noted))

    def _snap(self):
        """Note the parents that were made since the last look."""
        new = len(self.snaps()) - self.happened.count('snap') - self.seen
        self.happened += ['snap'] * new

    seen = 0

    def forget(self):
        """Note from now on."""
        self.happened.clear()
        self.seen = len(self.snaps())

    def snaps(self):
        """Return the commands that made a parent of an instance."""
        return [argv for argv in self.commands('mmclone', 'snap')
                if len(argv) == 4]

    def on_upload(self, path):
        """Let the guest go on writing while the image is uploaded."""
        self.uploaded_from = os.path.realpath(path)
        self.link = os.path.islink(path)
        self.write(b'DURING')

    def write(self, text, offset=5 * cloud.MIB):
        with open(self.disk, 'r+b') as disk:
            disk.seek(offset)
            disk.write(text)

    def storage(self, name='node1'):
        return self.computes[name].driver.image_backend.storage

    def act(self, action, expected_state='ACTIVE'):
        self.api.post_server_action(self.server['id'], action)
        return self.wait_for(self.server, expected_state)

    def snapshot(self):
        """Make a snapshot and return the id of the image."""
        image_id = self.api.post_server_action(
            self.server['id'], {'createImage': {'name': 'snap'}})['image_id']
        self.wait_for_no_task()
        self._snap()
        return image_id

    def parents(self):
        top = os.path.join(self.instances_path, '_gpfs', 'parents')
        return sorted(name for owner in os.listdir(top)
                      for name in os.listdir(os.path.join(top, owner)))

    def delete(self):
        self.api.delete_server(self.server['id'])
        for _ in range(600):
            if not self.api.get_servers():
                return
            time.sleep(0.05)
        self.fail('the server was not deleted')

    def assert_nothing_is_left(self):
        self.delete()
        for name in ('parents', 'trash'):
            self.assertEqual([], os.listdir(os.path.join(
                self.instances_path, '_gpfs', name)))
        snapshots = os.path.join(self.instances_path, 'snapshots')
        if os.path.exists(snapshots):
            self.assertEqual([], os.listdir(snapshots))
        self.assert_storage_is_consistent()


class RunningTest(SnapshotsTestCase):

    def test_a_guest_stands_still_for_one_clone_and_nothing_is_copied(self):
        """Launchpad bug 1881727, Bugzilla bug 1041355: three full copies."""
        before = cloud.read(self.disk)
        image = self.snapshot()
        self.assertEqual(['suspend', 'snap', 'resume', 'upload'],
                         self.happened)
        self.assertTrue(self.link)
        self.assertEqual(before, self.glance.data(image))
        self.assertIn(b'DURING', cloud.read(self.disk))
        self.assertEqual([os.path.basename(self.uploaded_from)],
                         self.parents())
        self.assertEqual(0, self.storage().copied_snapshots)
        self.assert_storage_is_consistent()
        self.assert_nothing_is_left()

    def test_the_image_boots_as_what_the_guest_was(self):
        before = cloud.read(self.disk)
        image = self.snapshot()
        # Nova's client of the real Glance sends nothing where these are ''.
        for name in ('kernel_id', 'ramdisk_id'):
            del self.glance.images[image]['properties'][name]
        other = self.boot(image, 'own', host='node2')
        self.assertEqual(before, cloud.read(
            self.instance_file(other, 'disk')))
        self.api.delete_server(other['id'])
        self.assert_nothing_is_left()

    def test_another_format_is_made_while_the_guest_runs_on(self):
        self.flags(snapshot_image_format='qcow2', group='libvirt')
        before = cloud.read(self.disk)
        image = self.snapshot()
        self.assertEqual(['suspend', 'snap', 'resume', 'convert', 'upload'],
                         self.happened)
        self.assertEqual('qcow2', self.glance.images[image]['disk_format'])
        qcow2 = os.path.join(self.directory, 'snapshot.qcow2')
        with open(qcow2, 'wb') as f:
            f.write(self.glance.data(image))
        raw = os.path.join(self.directory, 'snapshot.raw')
        cloud.qemu_img('convert', '-f', 'qcow2', '-O', 'raw', qcow2, raw)
        self.assertEqual(before, cloud.read(raw))
        self.assert_nothing_is_left()

    def test_a_paused_guest_stays_paused(self):
        self.act({'pause': None}, 'PAUSED')
        self.forget()
        before = cloud.read(self.disk)
        image = self.snapshot()
        self.assertEqual(['snap', 'upload'], self.happened)
        self.assertEqual(before, self.glance.data(image))
        self.wait_for(self.server, 'PAUSED')
        self.assert_nothing_is_left()

    def test_where_an_open_file_has_no_parent_nova_copies_and_it_is_said(self):
        self.gpfs.set_switch('snap_of_open_file', 'refuse')
        with open(self.disk, 'r+b'):
            image = self.snapshot()
        self.assertEqual(['suspend', 'resume', 'blockRebase', 'convert',
                          'upload'],
                         [each for each in self.happened if each != 'snap'])
        self.assertEqual(1, self.storage().copied_snapshots)
        self.assertIn('is copied for a snapshot and not cloned',
                      self.stdlog.logger.output)
        self.assertEqual('active', self.glance.images[image]['status'])
        self.assertEqual([], os.listdir(os.path.join(
            self.instances_path, '_gpfs', 'parents')))
        self.assert_nothing_is_left()

    def test_the_chain_of_an_open_disk_does_not_grow_without_bound(self):
        for host in self.hosts:
            self.storage(host).parents.max_depth = 3
        for number in range(3):
            self.write(b'ROUND %d' % number, number * cloud.MIB)
            self.snapshot()
        self.assertEqual(1, self.storage().copied_snapshots)
        self.assertEqual(2, len(self.parents()))
        self.assertEqual([], self.commands('mmclone', 'redirect'))
        self.assertIn('has 3 ancestors and is open',
                      self.stdlog.logger.output)
        self.assert_nothing_is_left()

    def test_a_failed_upload_leaves_the_guest_running_and_no_image(self):
        def fail(path):
            raise exception.ImageNotAuthorized(image_id='image')
        self.on_upload = fail
        before = cloud.read(self.disk)
        self.snapshot()
        self.assertEqual(['suspend', 'snap', 'resume', 'upload'],
                         self.happened)
        self.assertEqual(before, cloud.read(self.disk))
        self.assertNotIn('snap', {each['name'] for each
                                  in self.glance.images.values()})
        self.assertEqual(1, len(self.parents()))
        self.assert_nothing_is_left()

    def test_a_sick_gpfs_fails_the_snapshot_and_not_the_guest(self):
        self.gpfs.faults.add('mmclone snap', action='fail', code=5, nth=1,
                             text='mmclone: Input/output error')
        self.snapshot()
        self.assertEqual(['suspend', 'resume'],
                         [each for each in self.happened if each != 'snap'])
        self.assertEqual([], self.parents())
        self.assertNotIn('snap', {each['name'] for each
                                  in self.glance.images.values()})
        self.assert_nothing_is_left()

    def test_what_this_user_may_not_read_is_read_through_a_clone(self):
        # The privileged daemon, which may read it, is in this process.
        self.addCleanup(privsep.context.set_client_mode,
                        privsep.context.client_mode)
        privsep.context.set_client_mode(False)
        self.useFixture(fixtures.MonkeyPatch(
            'os.access', lambda path, mode: not os.path.dirname(
                path).endswith(self.server['id'])))
        before = cloud.read(self.disk)
        image = self.snapshot()
        self.assertEqual(before, self.glance.data(image))
        self.assertNotIn(os.path.basename(self.uploaded_from), self.parents())
        self.assertEqual(1, len(self.parents()))
        self.assert_nothing_is_left()

    def test_a_backup_copies_nothing_either(self):
        before = cloud.read(self.disk)
        self.api.post_server_action(self.server['id'], {'createBackup': {
            'name': 'backup', 'backup_type': 'daily', 'rotation': 99}})
        self.wait_for_no_task()
        self._snap()
        self.assertEqual(['suspend', 'snap', 'resume', 'upload'],
                         self.happened)
        image, = (each['id'] for each in self.glance.images.values()
                  if each['name'] == 'backup')
        self.assertEqual(before, self.glance.data(image))
        self.assert_nothing_is_left()


class AgentTest(SnapshotsTestCase):

    properties = {'hw_qemu_guest_agent': 'yes', 'os_require_quiesce': 'yes'}

    def test_file_systems_are_frozen_for_one_clone(self):
        self.snapshot()
        self.assertEqual(['fsFreeze', 'suspend', 'snap', 'resume', 'fsThaw',
                          'upload'], self.happened)
        self.assert_nothing_is_left()

    def test_without_a_required_freeze_there_is_no_snapshot(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.fsFreeze', _no_agent))
        self.snapshot()
        self.assertEqual([], self.happened)
        self.assertEqual([], os.listdir(os.path.join(
            self.instances_path, '_gpfs', 'parents')))
        self.assert_nothing_is_left()


class OptionalAgentTest(SnapshotsTestCase):

    properties = {'hw_qemu_guest_agent': 'yes'}

    def test_without_a_freeze_that_nobody_requires_there_is_one(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.fsFreeze', _no_agent))
        self.snapshot()
        self.assertEqual(['suspend', 'snap', 'resume', 'upload'],
                         self.happened)


class SuspendedTest(SnapshotsTestCase):

    def test_a_guest_that_nova_suspends_resumes_before_the_upload(self):
        self.flags(disable_libvirt_livesnapshot=True, group='workarounds')
        before = cloud.read(self.disk)
        image = self.snapshot()
        self.assertEqual(['managedSave', 'snap', 'upload'], self.happened)
        self.assertEqual(before, self.glance.data(image))
        self.assertEqual(1, len(self.parents()))
        self.wait_for(self.server, 'ACTIVE')
        self.assert_nothing_is_left()


class StoppedTest(SnapshotsTestCase):

    def setUp(self):
        super().setUp()
        self.act({'os-stop': None}, 'SHUTOFF')
        self.forget()
        self.on_upload = lambda path: None

    def test_the_disk_of_a_guest_that_is_off_is_uploaded_as_it_lies(self):
        before, commands = cloud.read(self.disk), len(self.gpfs.calls())
        image = self.snapshot()
        self.assertEqual(['upload'], self.happened)
        self.assertEqual(commands, len(self.gpfs.calls()))
        self.assertEqual(before, self.glance.data(image))
        self.assertEqual(before, cloud.read(self.disk))
        self.assertEqual([], self.parents())
        self.assert_nothing_is_left()

    def test_nova_starts_no_guest_while_its_disk_is_uploaded(self):
        answers = []

        def start(path):
            answers.append(self.api.api_request(
                f'/servers/{self.server["id"]}/action', method='POST',
                body='{"os-start": null}',
                headers={'Content-Type': 'application/json'}).status_code)
        self.on_upload = start
        self.snapshot()
        self.assertEqual([409], answers)

    def test_the_image_is_described_as_that_of_novas_own_backend(self):
        ours = self.snapshot()
        self.useFixture(fixtures.MonkeyPatch(
            f'{gpfs_image.__name__}.Gpfs.snapshot_extract',
            imagebackend.Flat.snapshot_extract))
        stock = self.snapshot()
        self.assertEqual(['upload', 'convert', 'upload'], self.happened)
        self.assertEqual(self.glance.data(stock), self.glance.data(ours))
        found = [dict(self.glance.images[each]) for each in (ours, stock)]
        for each in found:
            for name in ('id', 'created_at', 'updated_at'):
                each.pop(name, None)
        self.assertEqual(found[1], found[0])
        self.assertEqual('raw', found[0]['disk_format'])
        self.assertEqual(len(self.guest_bytes), found[0]['size'])


class FlattenTest(SnapshotsTestCase):

    def test_a_flat_disk_hangs_on_nothing_and_is_what_it_was(self):
        """Launchpad bug 1860990: it was an error to flatten a flat disk."""
        self.snapshot()
        self.act({'os-stop': None}, 'SHUTOFF')
        before, parents = cloud.read(self.disk), self.parents()
        storage = self.storage()
        gone = storage.flatten(self.server['id'], self.disk)
        self.assertEqual(parents, list(map(os.path.basename, gone)))
        self.assertEqual([], self.parents())
        self.assertIsNone(storage.driver.clone_info(self.disk).parent_inode)
        self.assertEqual(before, cloud.read(self.disk))
        self.assertEqual([], storage.flatten(self.server['id'], self.disk))
        self.assertEqual(before, cloud.read(self.disk))
        self.act({'os-start': None})
        self.assert_nothing_is_left()


class ShelveTest(SnapshotsTestCase):

    microversion = '2.91'

    def test_a_shelved_guest_comes_back_on_another_host_byte_for_byte(self):
        """Launchpad bugs 1732428, 1906428, 1653953: it hung on the image.

        The image was deleted and the disk broke, or it could not be deleted.
        """
        self.flags(shelved_offload_time=0)
        self.on_upload = lambda path: None
        before = cloud.read(self.disk)
        self.act({'shelve': None}, 'SHELVED_OFFLOADED')
        self.assertEqual(['upload'], self.happened)
        self.assertFalse(os.path.exists(self.disk))
        self.act({'unshelve': {'host': 'node2'}})
        self.assertEqual(before, cloud.read(self.disk))
        self.wait_for_no_task()
        self.assertNotIn('server-shelved', {
            each['name'] for each in self.glance.images.values()})
        self.assertEqual([], self.commands('mmclone', 'split'))
        self.assertEqual([], self.commands('mmclone', 'redirect'))
        info = self.storage('node2').driver.clone_info(self.disk)
        masters = {os.stat(os.path.join(top, name)).st_ino
                   for top, _dirs, names in os.walk(os.path.join(
                       self.instances_path, '_gpfs', 'masters'))
                   for name in names}
        self.assertIn(info.parent_inode, masters)
        self.assert_nothing_is_left()


class Qcow2Test(SnapshotsTestCase):

    def _configure(self):
        super()._configure()
        self.flags(force_raw_images=False)

    def write(self, text, offset=5 * cloud.MIB):
        """Write as the guest would; QEMU has the disk in qcow2."""
        write = f'write -P {text[0]} {offset} 64k'
        subprocess.run(('qemu-io', '-f', 'qcow2', '-c', write, self.disk),
                       check=True, capture_output=True)

    def test_a_disk_in_qcow2_is_uploaded_as_it_is(self):
        before = cloud.read(self.disk)
        image = self.snapshot()
        self.assertEqual(['suspend', 'snap', 'resume', 'upload'],
                         self.happened)
        self.assertEqual('qcow2', self.glance.images[image]['disk_format'])
        self.assertEqual(before, self.glance.data(image))
        self.assert_nothing_is_left()
