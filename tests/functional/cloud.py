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

"""A small cloud in one process: Nova's own services above, GPFS below.

Nova's API, conductor, scheduler, computes and libvirt driver are the real
ones, and so are the image backend, qemu-img and mkfs. Nova's test fixtures
stand in for libvirt, Glance (with real bytes), Neutron and Cinder. Below is
a simulated GPFS cluster, of which every compute host is a node.
"""

import contextlib
import io
import os
import subprocess
import time
from unittest import mock
import urllib.parse

import fixtures
import glanceclient.exc
from nova import conf
from nova import context
from nova import objects
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import fixtures as func_fixtures
from nova.tests.functional import integrated_helpers
from nova.tests.unit import fake_network
from nova.virt import images
from nova.virt import libvirt
from nova.virt.libvirt import imagebackend
from oslo_utils.fixture import uuidsentinel as uuids

from nova_gpfs.compute import activation
from nova_gpfs.sim import cluster as sim_cluster
from tests import face

CONF = conf.CONF

MIB = 2 ** 20
#: Seconds to wait for what takes one or two on an idle machine.
PATIENCE = 120
#: Seconds between looks, which were two fifths of a boot's work at 0.1 s.
POLL = 0.4
ALL_COMMANDS = ['mmclone', 'mmchattr', 'mmgetstate', 'mmlsattr',
                'mmlscluster', 'mmlsconfig', 'mmlsdisk', 'mmlsfileset',
                'mmlsfs', 'mmlsnsd', 'mmlspool', 'mmlsquota',
                'mmrestripefile']


class Glance(nova_fixtures.GlanceFixture):
    """Nova's fake Glance, with images of real bytes; counts downloads."""

    def __init__(self, test_case):
        super().__init__(test_case)
        self.downloads = []
        self._client = self

    def call(self, context, version, method, controller=None, args=(),
             kwargs=None):
        """Answer the way Glance does, of which Nova leaves out some."""
        if method != 'get' or args[0] not in self.images:
            raise glanceclient.exc.HTTPNotFound()
        return self.images[args[0]]

    def add(self, name, data, disk_format, **properties):
        """Put an image into the store and return its id."""
        metadata = {
            'name': name, 'status': 'active', 'size': len(data),
            'disk_format': disk_format, 'container_format': 'bare',
            'min_disk': 0, 'min_ram': 0, 'visibility': 'public',
            'is_public': True, 'deleted': False, 'deleted_at': None,
            'created_at': self.timestamp, 'updated_at': self.timestamp,
            'protected': False, 'owner': 'project', 'checksum': None,
            'tags': [], 'virtual_size': None, 'properties': properties,
            'container_format': 'bare'}
        return self.create(None, metadata, io.BytesIO(data))['id']

    def download(self, context, image_id, data=None, dst_path=None,
                 trusted_certs=None):
        self.downloads.append(image_id)
        return super().download(context, image_id, data, dst_path,
                                trusted_certs)

    def update(self, context, image_id, metadata, data=None,
               purge_props=False):
        """Keep uploaded bytes, which Nova's fixture forgets."""
        if data is not None:
            self._imagedata[image_id] = data.read()
            self.images[image_id]['size'] = len(self._imagedata[image_id])
        return super().update(context, image_id, metadata, None, purge_props)

    def has(self, image_id):
        return image_id in self._imagedata

    def data(self, image_id):
        return self._imagedata[image_id]


class Activation(fixtures.Fixture):
    """Activate the plug-in as nova.conf would; restore Nova afterwards."""

    def _setUp(self):
        for owner, name in ((imagebackend, 'Backend'),
                            (libvirt, 'LibvirtDriver'),
                            (images, 'convert_image')):
            self.addCleanup(setattr, owner, name, getattr(owner, name))
        activation.activate()
        activation.install()


class CloudTestCase(integrated_helpers.InstanceHelperMixin, test.TestCase):
    """Start a cloud; ``self.gpfs`` is the simulated cluster."""

    hosts = ('node1', 'node2')
    microversion = '2.90'
    #: Where the simulated file system keeps its data; None: beside the rest.
    data_dir = None

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = self.make_cluster()
        face.put_on(self.gpfs, self.addCleanup)
        self.instances_path = self.make_instances_path()
        self.useFixture(Activation())
        self._configure()
        self._use_fixtures()
        self.start_service('conductor')
        self.start_service('scheduler')

    def _setup_cells(self):
        """Let cell0 and cell1 share one database.

        Nova's fixture switches between the databases of cells under one
        lock and writes to a database under another, and on native threads
        two services can wait for each other's lock for ever (seen with Nova
        34 when ten instances boot at once). One database needs no switch.
        """
        databases = nova_fixtures.CellDatabases()
        databases.add_cell_database(uuids.cell1, default=True)
        for name, uuid in (('cell0', objects.CellMapping.CELL0_UUID),
                           ('cell1', uuids.cell1)):
            self.cell_mappings[name] = objects.CellMapping(
                context=context.get_context(), uuid=uuid, name=name,
                transport_url='fake://nowhere/',
                database_connection=uuids.cell1)
            self.cell_mappings[name].create()
        self.useFixture(databases)

    def make_cluster(self):
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'),
                                  data_dir=self.data_dir)

    def make_instances_path(self):
        path = os.path.join(self.gpfs.mount_point('fs0'), 'nova', 'instances')
        os.mkdir(path)
        return path

    def _configure(self):
        self.flags(instances_path=self.instances_path,
                   compute_driver='libvirt.LibvirtDriver',
                   force_config_drive=False)
        self.flags(images_type='gpfs', group='libvirt')
        self.flags(virt_type='qemu', group='libvirt')
        self.flags(rootless_commands=ALL_COMMANDS, group='gpfs')
        self.flags(disable_process_locking=False, group='oslo_concurrency')
        # Instances in the one database are counted once for each cell.
        self.flags(instances=-1, cores=-1, ram=-1, group='quota')

    def _use_fixtures(self):
        self.useFixture(nova_fixtures.PrivsepFixture())
        self.useFixture(nova_fixtures.CinderFixture(self))
        self.useFixture(nova_fixtures.NeutronFixture(self))
        self.glance = self.useFixture(self.make_glance())
        self.placement = self.useFixture(
            func_fixtures.PlacementFixture()).api
        self.useFixture(nova_fixtures.CGroupsFixture())
        self.useFixture(nova_fixtures.LibvirtFixture())
        fake_network.set_stub_network_methods(self)
        api = self.useFixture(nova_fixtures.OSAPIFixture(api_version='v2.1'))
        self.api = self.admin_api = api.admin_api
        self.api.microversion = self.microversion
        for target in ('_add_rng_device', '_connect_volume',
                       '_disconnect_volume'):
            self.useFixture(fixtures.MockPatch(
                f'nova.virt.libvirt.driver.LibvirtDriver.{target}',
                autospec=True))
        # Nova's fake libvirt does not start what delays events.
        self.useFixture(fixtures.MockPatch(
            'nova.virt.libvirt.host.Host._event_emit_delayed',
            autospec=True))

    def make_glance(self):
        return Glance(self)

    def start_hosts(self):
        """Start one nova-compute for each name in ``hosts``."""
        self.computes = {}
        for name in self.hosts:
            self.start_host(name)
        return self.computes

    def start_host(self, name, connection=None):
        """Start nova-compute as a node of the cluster and return it.

        :param connection: the libvirt of a host that was here before
        """
        self.flags(mm_path=self.gpfs.bin_dir(name), group='gpfs')
        libvirtd = nova_fixtures.libvirt
        with contextlib.ExitStack() as patches:
            patches.enter_context(mock.patch.object(
                libvirtd.Connection, 'getHostname', autospec=True,
                return_value=name))
            if connection:
                patches.enter_context(mock.patch.object(
                    libvirtd, 'openAuth', autospec=True,
                    return_value=connection))
            patches.enter_context(mock.patch(
                'nova.virt.node.get_local_node_uuid', autospec=True,
                return_value=getattr(uuids, f'node_{name}')))
            compute = self.start_service('compute', host=name)
        self.connection(compute).getHostname = lambda: name
        self.computes[name] = compute
        return compute

    @staticmethod
    def connection(compute):
        """Return the libvirt of a host, which knows its guests."""
        return compute.driver._host.get_connection()

    def service(self, host):
        """Return the id of a host's nova-compute in the API."""
        return next(each['id'] for each in self.api.get_services(
            binary='nova-compute') if each['host'] == host)

    def put_down(self, host):
        """Let nova-compute be gone, and Nova know it."""
        self.computes[host].stop()
        self.api.put_service_force_down(self.service(host), True)

    def let_guests_migrate(self):
        """Do what libvirt does, where Nova's fixture refuses to."""
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.migrateToURI3',
            self._migrate))

    def _migrate(self, domain, destination, params, flags):
        """Let a guest run on the host of a URI, as far as Nova can see."""
        name = urllib.parse.urlsplit(destination).hostname.partition('.')[0]
        arrived = self.connection(self.computes[name]).defineXML(
            params['destination_xml'])
        arrived.create()
        if domain._state == nova_fixtures.libvirt.VIR_DOMAIN_PAUSED:
            arrived.suspend()
        domain.complete_job()

    def flavor(self, name, **sizes):
        """Make a flavor and return its id; root_gb, ephemeral_gb, swap."""
        fields = {'vcpus': 1, 'memory_mb': 64, 'root_gb': 1,
                  'ephemeral_gb': 0, 'swap': 0, **sizes}
        objects.Flavor(context=context.get_admin_context(), flavorid=name,
                       name=name, **fields).create()
        return name

    def boot(self, image_id, flavor, host=None, expected_state='ACTIVE',
             **fields):
        """Boot a server through the API and wait for it."""
        request = {'name': 'server', 'imageRef': image_id,
                   'flavorRef': flavor, 'networks': 'none', **fields}
        if host is not None:
            request['host'] = host
        server = self.api.post_server({'server': request})
        return self.wait_for(server, expected_state)

    def wait_for(self, server, expected_state):
        """Wait for a state; fail at once when an error comes instead."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.api.get_server(server['id'])
            if found['status'] == expected_state:
                return found
            if found['status'] == 'ERROR':
                break
            time.sleep(POLL)
        self.fail(f'{expected_state} was expected, found {found}')

    def wait_for_no_task(self, server=None):
        """Wait until nothing goes on with a server; return it.

        :param server: ``self.server`` by default
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.api.get_server((server or self.server)['id'])
            if found['OS-EXT-STS:task_state'] is None:
                return found
            time.sleep(POLL)
        self.fail(f'a task goes on: {found}')

    # Nova waits for five or ten seconds, which a busy machine does not meet.
    def _wait_for_migration_status(self, *args):
        return _patiently(super()._wait_for_migration_status, *args)

    def _wait_for_server_parameter(self, *args):
        return _patiently(super()._wait_for_server_parameter, *args)

    def _wait_for_action_fail_completion(self, *args):
        return _patiently(super()._wait_for_action_fail_completion, *args)

    def instance_file(self, server, *names):
        return os.path.join(self.instances_path, server['id'], *names)

    def commands(self, *words):
        """Return the argvs of mm commands run so far that start so.

        ``words[0]`` is the name of the program.
        """
        argvs = []
        for call in self.gpfs.calls():
            argv = [os.path.basename(call['argv'][0]), *call['argv'][1:]]
            if argv[:len(words)] == list(words):
                argvs.append(argv)
        return argvs

    def assert_storage_is_consistent(self):
        self.assertEqual([], self.gpfs.check())
        incoming = os.path.join(self.instances_path, '_gpfs', 'incoming')
        self.assertEqual([], os.listdir(incoming))


def _patiently(wait, *args):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return wait(*args)
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def qemu_img(*arguments):
    """Run qemu-img and return what it printed."""
    return subprocess.run(['qemu-img', *arguments], check=True,
                          capture_output=True, text=True).stdout


def partitioned_disk(path, size=32 * MIB, seed=b'nova-gpfs'):
    """Write a raw disk with an MBR and some data, sparse otherwise.

    The partition table has one Linux partition from sector 2048 to the end.
    """
    entry = (b'\x80\x00\x02\x00\x83\xff\xff\xff' + (2048).to_bytes(4, 'little')
             + (size // 512 - 2048).to_bytes(4, 'little'))
    with open(path, 'wb') as disk:
        disk.truncate(size)
        disk.seek(446)
        disk.write(entry)
        disk.seek(510)
        disk.write(b'\x55\xaa')
        for offset in range(MIB, size, 4 * MIB):
            disk.seek(offset)
            disk.write(seed * (65536 // len(seed)))
    return path


def qcow2_image(directory, **kwargs):
    """Return (bytes of a qcow2 image, bytes that a guest sees)."""
    raw = partitioned_disk(os.path.join(directory, 'image.raw'), **kwargs)
    qcow2 = os.path.join(directory, 'image.qcow2')
    qemu_img('convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2)
    return read(qcow2), read(raw)


def read(path, length=-1):
    with open(path, 'rb') as f:
        return f.read(length)
