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


"""A cloud that a state machine operates, one for each of its examples."""

import contextlib
import os
import random
import tempfile
import time
from xml.etree import ElementTree

import fixtures

from tests.functional import caching
from tests.functional import cloud
from tests.functional import contents


class Glance(cloud.Glance):
    """Keeps what images hold and not their bytes, which are mostly zeros."""

    def holds(self, image_id):
        """Return what the file of an image holds."""
        return self._imagedata[image_id]

    def disk(self, image_id):
        """Return what a guest that boots from an image sees."""
        with tempfile.NamedTemporaryFile() as file:
            self.holds(image_id).write_to(file.name)
            return contents.of(file.name,
                               self.images[image_id]['disk_format'])

    def add_content(self, name, content, disk_format, **properties):
        """Put an image into the store and return its id."""
        image_id = self.add(name, b'', disk_format, **properties)
        self.images[image_id]['size'] = content.size
        self._imagedata[image_id] = content
        return image_id

    def download(self, context, image_id, data=None, dst_path=None,
                 trusted_certs=None):
        self.show(context, image_id)
        self.downloads.append(image_id)
        self.holds(image_id).write_to(dst_path)

    def update(self, context, image_id, metadata, data=None,
               purge_props=False):
        updated = super().update(context, image_id, metadata, None,
                                 purge_props)
        if data is not None:
            self._imagedata[image_id] = contents.of_open(data)
            updated['size'] = self.holds(image_id).size
        # Nova's client of the real Glance sends nothing where these are ''.
        updated['properties'] = {
            name: value for name, value in updated['properties'].items()
            if value != ''}
        return updated


def _remove_saved_state(domain, flags=0):
    domain._has_saved_state = False


def _still_leaves(server):
    """Whether a server is offloaded but for its host, which goes last."""
    return (server['status'] == 'SHELVED_OFFLOADED'
            and server['OS-EXT-SRV-ATTR:host'] is not None)


def _copy_disk(domain, disk, base, bandwidth=0, flags=0):
    """Copy a guest's disk to a file, as QEMU does."""
    cloud.qemu_img('convert', '-n', '-f', _formats(domain)[disk], '-O',
                   'qcow2', disk, base)


def _formats(domain):
    """Return {path: format} of a guest's disks."""
    return {disk.find('source').get('file'): disk.find('driver').get('type')
            for disk in ElementTree.fromstring(
                domain.XMLDesc(0)).iterfind('./devices/disk')}


class Cloud(caching.ImageCacheMixin, cloud.CloudTestCase):
    """Two hosts and no instance.

    Not a test by itself: ``start()`` and ``stop()`` are for who operates it.
    """

    def __init__(self, max_clone_depth=8, keeps_formats=False):
        super().__init__('runTest')
        self._max_clone_depth = max_clone_depth
        self._keeps_formats = keeps_formats
        self._undo = contextlib.ExitStack()

    def runTest(self):
        """Nothing runs this; a test case has to have a method."""

    def addCleanup(self, function, /, *args, **kwargs):
        """Keep what ``stop()`` does, whose failures are not swallowed."""
        self._undo.callback(function, *args, **kwargs)

    def start(self):
        """Start everything; where that fails, ``stop()`` undoes it."""
        # Hypothesis seeds it alike for each example, and databases that are
        # named by it would have the same name.
        random.seed()
        self.setUp()

    def stop(self):
        self._undo.close()

    def setUp(self):
        super().setUp()
        self.let_guests_migrate()
        # Nova's fixture calls it without the argument that it requires.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.managedSaveRemove',
            _remove_saved_state))
        # Nova's fixture copies nothing.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.blockRebase', _copy_disk))
        self.ssh = self.useFixture(fixtures.MockPatch(
            'nova.virt.libvirt.volume.remotefs.RemoteFilesystem.create_file',
            autospec=True, side_effect=OSError('refused'))).mock
        self.start_hosts()

    def _configure(self):
        super()._configure()
        # Each host has an address of its own.
        self.flags(migration_inbound_addr='%s.example', group='libvirt')
        self.flags(use_cow_images=True)
        self.flags(force_raw_images=not self._keeps_formats)
        self.flags(max_clone_depth=self._max_clone_depth, group='gpfs')

    def make_glance(self):
        return Glance(self)

    def act(self, server_id, action):
        """Ask the API for something and return its answer."""
        return self.api.post_server_action(server_id, action)

    def settle(self, server_id, expected_state):
        """Wait for a state in which nothing goes on; return the server."""
        deadline = time.monotonic() + cloud.PATIENCE
        while time.monotonic() < deadline:
            found = self.api.get_server(server_id)
            if found['OS-EXT-STS:task_state'] is None and found['status'] in (
                    expected_state, 'ERROR') and not _still_leaves(found):
                break
            time.sleep(0.05)
        self.assertEqual(expected_state, found['status'], found)
        self.assertIsNone(found['OS-EXT-STS:task_state'], found)
        return found

    def vanish(self, server_id):
        """Wait until there is no such server."""
        deadline = time.monotonic() + cloud.PATIENCE
        while time.monotonic() < deadline:
            if server_id not in {each['id']
                                 for each in self.api.get_servers()}:
                return
            time.sleep(0.05)
        self.fail(f'{server_id} was not deleted')

    def bring_up(self, host):
        """Let nova-compute start again on a host whose guests run on."""
        connection = self.connection(self.computes.pop(host))
        self.start_host(host, connection)
        # Nova refuses that until the host has seen what was evacuated.
        self.api.put_service_force_down(self.service(host), False)

    @contextlib.contextmanager
    def only(self, host):
        """Let the scheduler choose this host, were it the same one."""
        self.flags(allow_resize_to_same_host=True)
        others = [self.service(name) for name in self.hosts if name != host]
        for other in others:
            self.api.put_service(other, {'status': 'disabled'})
        try:
            yield
        finally:
            for other in others:
                self.api.put_service(other, {'status': 'enabled'})

    def live_migrate(self, server_id, host, state):
        """Let a guest move while it runs, and wait for both hosts."""
        self.act(server_id, {'os-migrateLive': {
            'host': host, 'block_migration': 'auto'}})
        self.settle(server_id, state)
        deadline = time.monotonic() + cloud.PATIENCE
        while self.api.api_get(f'/servers/{server_id}/migrations').body[
                'migrations']:
            if time.monotonic() > deadline:
                self.fail(f'{server_id} still moves')
            time.sleep(0.05)
        for other in self.computes.keys() - {host}:
            self.undefine(server_id, other)

    def undefine(self, server_id, host):
        """Let the libvirt of a host that a guest has left know no more of it.

        After a live migration libvirt does that. After another move Nova
        does, where the instance's host is not CONF.host, which is one for all
        the hosts of a process.
        """
        domains = self.connection(self.computes[host])._vms
        for name in [name for name, domain in domains.items()
                     if domain.UUIDString() == server_id]:
            del domains[name]

    def formats(self, server_id, host):
        """Return {path: format} of the disks that a guest was told."""
        return _formats(self.connection(self.computes[host])
                        .lookupByUUIDString(server_id))

    def last_words(self, lines=80):
        """Return the end of what Nova has logged."""
        return '\n'.join(
            self.stdlog.logger.output.splitlines()[-lines:])

    def directories(self):
        """Return the names in instances_path."""
        return set(os.listdir(self.instances_path))

    def children(self):
        """Return {path of a clone parent: number of its children}."""
        found = {}
        branches = list(self.gpfs.tree())
        while branches:
            branch = branches.pop()
            branches += branch.children
            if branch.is_parent:
                found[branch.path] = len(branch.children)
        return {os.path.join(self.gpfs.mount_point('fs0'), path): number
                for path, number in found.items() if path}
