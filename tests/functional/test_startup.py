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

"""nova-compute refuses to start where it could not work."""

import os

from nova_gpfs.compute import host
from nova_gpfs.compute import startup
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import probe
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec

from tests.functional import cloud


class StartupTestCase(cloud.CloudTestCase):

    def setUp(self):
        super().setUp()
        self.flags(mm_path=self.gpfs.bin_dir('node1'), group='gpfs')

    def prepare(self):
        storage = host.storage_from_conf()
        startup.prepare(storage, host.placing_from_conf(storage))

    def assert_refused(self, error, *words):
        refusal = self.assertRaises(error, self.prepare)
        for word in (*words, refusal.next_step):
            self.assertIn(word, str(refusal))
        self.assertNotIn('\n', str(refusal))


class StartupTest(StartupTestCase):

    def test_a_working_host_says_what_it_found(self):
        self.prepare()
        log = self.stdlog.logger.output
        for word in ('nova-gpfs 0', 'file system fs0', 'fileset nova',
                     'pools system', 'fast', 'switched off', 'quota'):
            self.assertIn(word, log)
        self.assert_storage_is_consistent()

    def test_the_same_host_starts_again(self):
        self.prepare()
        self.prepare()

    def test_instances_path_has_to_be_on_gpfs(self):
        self.flags(instances_path=self.directory)
        self.assert_refused(errors.NotGpfs, self.directory)
        self.assertNotIn('_gpfs', os.listdir(self.directory))

    def test_an_unmounted_file_system_is_refused_and_left_empty(self):
        self.gpfs.unmount('fs0')
        os.makedirs(self.instances_path)
        self.assert_refused(errors.NotGpfs)
        self.assertEqual([], os.listdir(self.instances_path))

    def test_another_file_system_at_the_same_place_is_refused(self):
        self.prepare()
        identity = os.path.join(self.instances_path, '_gpfs',
                                'identity.json')
        with open(identity) as f:
            text = f.read()
        with open(identity, 'w') as f:
            f.write(text.replace('"fs0"', '"fs7"'))
        self.assert_refused(errors.WrongFileSystem, 'fs7', 'fs0')

    def test_a_daemon_that_is_down_is_refused(self):
        self.gpfs.set_node_state('node1', 'down')
        self.assert_refused(errors.NotReady, 'node1', 'down')

    def test_options_that_cannot_work_are_named(self):
        for group, option, value in (
                (None, 'preallocate_images', 'space'),
                (None, 'instances_path', 'relative/instances'),
                (None, 'instances_path', '/gpfs//instances'),
                ('libvirt', 'virt_type', 'lxc'),
                ('libvirt', 'virt_type', 'parallels'),
                ('libvirt', 'disk_cachemodes', ['file=writeback']),
                ('libvirt', 'disk_cachemodes', ['file=unsafe']),
                ('ephemeral_storage_encryption', 'enabled', True),
                ('oslo_concurrency', 'disable_process_locking', True)):
            before = cloud.CONF[group][option] if group else cloud.CONF[
                option]
            self.flags(**{option: value}, group=group)
            self.assert_refused(errors.Misconfigured, option)
            self.flags(**{option: before}, group=group)
        self.prepare()

    def test_cache_modes_that_can_migrate_are_accepted(self):
        for modes in (['file=none'], ['file=directsync'],
                      ['network=writeback', 'block=none']):
            self.flags(disk_cachemodes=modes, group='libvirt')
            self.prepare()

    def test_a_cluster_on_which_mmclone_fails_is_refused(self):
        self.gpfs.faults.add('mmclone copy', action='fail', code=38,
                             text='mmclone: Function not implemented')
        self.assertRaises(errors.GpfsError, self.prepare)
        self.gpfs.faults.clear()
        self.prepare()
        self.assert_storage_is_consistent()

    def test_what_a_crash_has_left_is_swept(self):
        self.prepare()
        home = layout.Layout(self.instances_path)
        os.mkdir(os.path.join(home.incoming, 'old'))
        os.utime(os.path.join(home.incoming, 'old'), (1, 1))
        self.prepare()
        self.assertEqual(['old'], os.listdir(home.incoming),
                         'a host has just looked')
        os.utime(home.cleared, (1, 1))
        self.prepare()
        self.assertEqual([], os.listdir(home.incoming))

    def test_a_clone_that_is_not_one_is_refused(self):
        path = os.path.join(self.instances_path, 'parent')
        with open(path, 'wb') as f:
            f.write(probe._CONTENT)
        os.link(path, path + '.clone')
        self.assertRaises(errors.ClonesNotSupported,
                          probe._require_independent_copy, path,
                          path + '.clone')

    def test_a_full_file_system_is_no_reason_not_to_start(self):
        self.prepare()
        for text in ('No space left on device', 'Disk quota exceeded'):
            self.gpfs.faults.add('mmclone snap', action='fail', code=1,
                                 text=f'mmclone: {text}')
            self.prepare()
            self.assertIn('Clones were not tried', self.stdlog.logger.output)
            self.gpfs.faults.clear()

    def test_what_is_only_logged_is_no_reason_not_to_start(self):
        self.gpfs.faults.add('mmlspool', action='garbage')
        self.prepare()
        self.assertIn('could not be found out', self.stdlog.logger.output)

    def test_nova_compute_ends_when_it_is_refused(self):
        self.gpfs.set_node_state('node1', 'down')
        self.computes = {}
        self.assertRaises(errors.NotReady, self.start_host, 'node1')


class OldReleaseTest(StartupTestCase):

    def make_cluster(self):
        spec = sim_spec.Spec()
        spec.file_systems[0].version = '11.05 (3.3.0.2)'
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def test_a_file_system_of_an_old_format_is_refused(self):
        self.assert_refused(errors.ClonesNotSupported, 'fs0', '11.05')


class OldClusterTest(StartupTestCase):

    def make_cluster(self):
        spec = sim_spec.Spec(min_release_level='1100')
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def test_a_cluster_of_an_old_release_is_refused(self):
        self.assert_refused(errors.ClonesNotSupported, '1100')


class CacheInAnotherFilesetTest(StartupTestCase):
    """An administrator has linked a fileset where the masters would be."""

    def make_cluster(self):
        spec = sim_spec.Spec()
        spec.file_systems[0].filesets.append(sim_spec.Fileset(
            'cache', 'nova/instances/_gpfs', independent=True))
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def make_instances_path(self):
        return os.path.join(self.gpfs.mount_point('fs0'), 'nova', 'instances')

    def test_masters_in_another_fileset_are_refused(self):
        self.assert_refused(errors.DifferentFilesets, 'cache', 'nova')
