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

import json
import os
from unittest import mock

from glance_store import exceptions
from glance_store import location as store_location

from nova_gpfs import errors
from nova_gpfs.glance import access
from nova_gpfs.glance import guard
from nova_gpfs.glance import store as gpfs_store
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec
from tests.unit.glance import stores

IMAGE = stores.IMAGE


class OwnClusterTestCase(stores.StoreTestCase):
    """For tests that change the cluster or its file systems."""

    def make_cluster(self):
        return sim_cluster.create(os.path.join(self.test_dir, 'gpfs'))

    def configured(self, **options):
        made = self.new_store(**options)
        made.configure(re_raise_bsc=True)
        return made

    def refused(self, **options):
        raised = self.assertRaises(exceptions.BadStoreConfiguration,
                                   self.configured, **options)
        return str(raised)


class IdentityTest(OwnClusterTestCase):

    def identity(self, **fields):
        """Let the identity file say something else."""
        with open(self.files.identity) as f:
            said = json.load(f)
        said['location'].update(fields)
        os.unlink(self.files.identity)
        with open(self.files.identity, 'w') as f:
            json.dump(said, f)

    def test_what_every_user_may_ask_is_compared(self):
        self.identity(fileset='other')
        self.assertIn('Mount that of gpfs_store_directory', self.refused())

    def test_the_device_in_the_mount_table_is_compared(self):
        # Where the simulated mount point leads: the table has no links.
        top = os.path.realpath(self.gpfs.mount_point('fs0'))
        table = f'fs7 {top} gpfs rw 0 0\n'
        with mock.patch('nova_gpfs.location.mount_table', autospec=True,
                        return_value=table):
            self.assertIn('fs7', self.refused())

    def test_all_is_compared_where_the_commands_may_be_run(self):
        self.identity(cluster_id='7')
        self.configured()
        self.config(group='gpfs', rootless_commands=stores.ALL_COMMANDS)
        self.assertIn('cluster 7', self.refused())

    def test_another_file_at_its_name_is_looked_at_again(self):
        uri = self.add()[0]
        self.identity(fileset='other')
        self.assertRaises(exceptions.StorageWriteDenied, self.add,
                          image_id=stores.OTHER)
        self.assertRaises(exceptions.RemoteServiceUnavailable,
                          self.store.get, self.at(uri))
        self.assertRaises(exceptions.Forbidden, self.store.delete,
                          self.at(uri))
        self.assertEqual([IMAGE], self.entries('images'))

    def test_a_directory_that_was_emptied_is_not_filled_again(self):
        os.rename(self.directory, self.directory + '.old')
        os.mkdir(self.directory)
        self.assertRaises(exceptions.StorageWriteDenied, self.add)
        self.assertIn('nova-gpfs-glance init', self.refused())
        self.assertEqual([], os.listdir(self.directory))

    def test_nothing_is_made_below_an_unmounted_file_system(self):
        self.gpfs.unmount('fs0')
        os.mkdir(self.directory)
        self.assertIn('Set gpfs_store_directory to a directory on GPFS',
                      self.refused())
        self.config(group='gpfs', rootless_commands=stores.ALL_COMMANDS)
        self.refused()
        self.assertRaises(errors.GpfsError, self.init)
        self.assertEqual([], os.listdir(self.directory))

    def test_an_unmount_in_the_midst_of_an_upload_leads_nowhere_else(self):
        def pieces():
            yield b'x'
            self.gpfs.unmount('fs0')
            os.mkdir(self.directory)
            for kind in ('images', 'incoming'):
                os.mkdir(self.files.room(kind))
            yield b'y'
        self.store.add(IMAGE, pieces(), 0, 'md5')
        self.assertEqual([], self.entries('images'))
        for kind in ('images', 'incoming'):
            os.rmdir(self.files.room(kind))
        os.rmdir(self.directory)
        self.gpfs.mount('fs0')
        self.assertEqual([IMAGE], self.entries('images'))

    def test_a_node_without_its_daemon_adds_nothing(self):
        self.gpfs.set_node_state('node1', 'down')
        self.config(group='gpfs', mm_path=self.gpfs.bin_dir('node1'))
        self.assertIn('mm', self.refused())


class SetUpTest(OwnClusterTestCase):

    def test_directories_get_modes_for_glance_and_the_group_of_nova(self):
        modes = {kind: os.stat(self.files.room(kind)).st_mode & 0o7777
                 for kind in ('images', 'snapshots', 'incoming', 'trash')}
        self.assertEqual({'images': 0o2750, 'snapshots': 0o2770,
                          'incoming': 0o2700, 'trash': 0o2700}, modes)

    def test_they_belong_to_the_owner_and_the_group_of_the_store(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to give directories away')
        os.unlink(self.files.identity)
        os.rmdir(self.files.room('images'))
        os.chown(self.directory, 1234, 4321)
        self.config(group='gpfs', rootless_commands=stores.ALL_COMMANDS)
        guard.StoreGuard(access.driver(self.conf, False),
                         self.files).establish(1234)
        found = os.stat(self.files.room('images'))
        self.assertEqual((1234, 4321, 0o42750), (
            found.st_uid, found.st_gid, found.st_mode))

    def test_a_part_in_another_fileset_is_refused(self):
        spec = sim_spec.Spec()
        spec.file_systems[0].filesets.append(
            sim_spec.Fileset('other', 'store/images'))
        self.gpfs = sim_cluster.create(
            os.path.join(self.test_dir, 'second'), spec)
        self.directory = os.path.join(self.gpfs.mount_point('fs0'), 'store')
        self.config(group='gpfs', mm_path=self.gpfs.bin_dir(),
                    rootless_commands=stores.ALL_COMMANDS)
        self.assertIn('images is in fileset other', self.refused())

    def test_a_directory_that_is_not_absolute_is_refused(self):
        for path in (None, '', 'glance'):
            self.directory = path
            self.assertIn('gpfs_store_directory', self.refused())

    def test_a_placement_needs_commands_that_may_be_run(self):
        self.assertIn('gpfs_store_privileged',
                      self.refused(gpfs_store_pool='fast'))

    def test_a_pool_that_is_not_there_is_refused_at_the_start(self):
        self.config(group='gpfs', rootless_commands=stores.ALL_COMMANDS)
        self.assertIn('No such storage pool',
                      self.refused(gpfs_store_pool='none'))
        self.assertEqual([], self.entries('incoming'))


class MultiStoreTest(OwnClusterTestCase):

    def setUp(self):
        super().setUp()
        known = store_location.SCHEME_TO_CLS_BACKEND_MAP
        self.addCleanup(known.update, dict(known))
        known['gpfs'] = {}

    def backend(self, name, directory):
        made = gpfs_store.Store(self.conf, backend=name)
        self.config(group=name, gpfs_store_directory=directory)
        made.configure(re_raise_bsc=True)
        store_location.SCHEME_TO_CLS_BACKEND_MAP['gpfs'][name] = {
            'store': made}
        return made

    def test_what_is_added_names_its_store(self):
        self.store = self.backend('one', self.directory)
        self.assertEqual({'store': 'one'}, self.add()[4])

    def test_stores_of_two_filesets_do_not_mix(self):
        one = self.backend('one', self.directory)
        other = os.path.join(self.gpfs.mount_point('fs0'), 'nova', 'images')
        os.mkdir(other)
        self.config(group='gpfs', rootless_commands=stores.ALL_COMMANDS)
        two = self.backend('two', other)
        self.assertNotEqual(one.url_prefix, two.url_prefix)
        self.store = one
        uri = self.add()[0]
        self.assertRaises(exceptions.NotFound, two.get, self.at(uri))
        self.assertRaises(exceptions.NotFound, two.delete, self.at(uri))
        self.assertEqual((b'data', 4), self.read(uri))

    def test_two_stores_of_one_fileset_are_refused(self):
        self.backend('one', self.directory)
        second = os.path.join(self.gpfs.mount_point('fs0'), 'second')
        os.mkdir(second)
        self.config(group='gpfs', rootless_commands=stores.ALL_COMMANDS)
        raised = self.assertRaises(exceptions.BadStoreConfiguration,
                                   self.backend, 'two', second)
        self.assertIn('stores one and two are in one fileset', str(raised))

    def test_a_store_may_be_configured_again(self):
        self.backend('one', self.directory).configure(re_raise_bsc=True)
