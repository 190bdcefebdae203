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

"""nova-gpfs-status upgrade check, as a program on a simulated cluster."""

import json
import os
import subprocess
import sys

from nova_gpfs.cmd import upgrade
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec
from nova_gpfs import storage
from tests.functional import test_policy_commands as commands
from tests import local_driver

ACTIVE = """
[libvirt]
images_type = gpfs
"""
RUN = """
{before}
from nova_gpfs.cmd import upgrade
raise SystemExit(upgrade.main())
"""
NO_NOVA = 'import sys; sys.modules["nova"] = None\n'
SUCCESS, WARNING, FAILURE = 0, 1, 2
NOVA, OPTIONS, IDENTITY, GPFS, FILES = range(5)


class UpgradeCheckTest(commands.CommandsTestCase):

    def setUp(self):
        super().setUp()
        self.configure(ACTIVE)

    def check(self, before=''):
        """Return exit code, and result and details of each check."""
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', RUN.format(before=before),
             f'--config-file={self.nova_conf}',
             f'--config-dir={self.directory}', 'upgrade', 'check', '--json'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            cwd=commands.TOP, timeout=300)
        checks = json.loads(done.stdout)['checks']
        return done.returncode, [(one['result'], one['details'] or '')
                                 for one in checks]

    def assertFound(self, which, result, *texts, before=''):
        """Expect that one check finds something, and the others nothing."""
        code, found = self.check(before)
        self.assertEqual(result, code, found)
        self.assertEqual(
            {which: result}, {number: each for number, (each, _details)
                              in enumerate(found) if each}, found)
        for text in texts:
            self.assertIn(text, found[which][1])

    def assertFoundWithoutNova(self, which, result, *texts, before=''):
        """Do the same where there is no Nova, which is sooner done."""
        code, found = self.check(NO_NOVA + before)
        self.assertEqual((max(result, WARNING), WARNING),
                         (code, found.pop(0)[0]))
        self.assertEqual(
            {which: result}, {number: each for number, (each, _details)
                              in enumerate(found, 1) if each}, found)
        for text in texts:
            self.assertIn(text, found[which - 1][1])

    def spoil(self, path, **fields):
        with open(path) as file:
            text = json.load(file)
        with open(path, 'w') as file:
            json.dump({**text, **fields}, file)

    def test_a_host_that_can_be_upgraded(self):
        self.boot()
        self.assertEqual((SUCCESS, [(SUCCESS, '')] * 5), self.check())

    def test_a_host_on_which_nova_compute_has_never_run(self):
        os.rename(self.storage.layout.home, self.instances_path + '.away')
        self.assertEqual([SUCCESS] * 3, [
            result for result, _details in self.check(NO_NOVA)[1][IDENTITY:]])

    def test_it_is_told_to_people(self):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', upgrade.__name__,
             f'--config-file={self.nova_conf}', 'upgrade', 'check'],
            capture_output=True, text=True, cwd=commands.TOP, timeout=300)
        self.assertEqual(SUCCESS, done.returncode)
        self.assertIn('Upgrade Check Results', done.stdout)

    def test_a_host_without_nova(self):
        code, found = self.check(NO_NOVA)
        self.assertEqual((WARNING, WARNING), (code, found[NOVA][0]))
        self.assertIn('Nova is not installed', found[NOVA][1])

    def test_a_nova_of_another_shape(self):
        self.assertFound(
            NOVA, FAILURE, 'Image.import_file is missing', before=(
                'from nova.virt.libvirt import imagebackend\n'
                'del imagebackend.Image.import_file'))

    def test_a_nova_that_is_too_old_and_one_that_is_newer(self):
        for release, result in (('30.1.0', FAILURE), ('99.0.0', WARNING)):
            self.assertFound(NOVA, result, release, before=(
                'from nova import version\n'
                f'version.version_string = lambda: "{release}"'))

    def test_another_images_type(self):
        self.configure()
        self.assertFound(OPTIONS, WARNING, 'images_type is default')

    def test_an_option_that_cannot_work(self):
        self.configure(f'[DEFAULT]\npreallocate_images = space\n{ACTIVE}')
        self.assertFound(OPTIONS, FAILURE, 'preallocate_images')

    def test_an_option_that_is_no_more(self):
        self.configure('former_option = 1' + ACTIVE)
        self.assertFoundWithoutNova(
            OPTIONS, WARNING, '[gpfs] former_option', 'is not an option')

    def test_an_option_that_has_another_name_now(self):
        self.configure('old_host_age = 700' + ACTIVE)
        self.assertFoundWithoutNova(
            OPTIONS, WARNING, 'old_host_age', 'is now host_age', before=(
                'from nova_gpfs import conf\n'
                'from oslo_config import cfg\n'
                'for option in conf.OPTIONS:\n'
                '    if option.dest == "host_age":\n'
                '        option.deprecated_opts.append(\n'
                '            cfg.DeprecatedOpt("old_host_age"))'))

    def test_an_option_of_a_policy_that_is_misspelt(self):
        self.configure(ACTIVE, gold={'pol': 'fast'})
        code, found = self.check(NO_NOVA)
        self.assertEqual((FAILURE, FAILURE), (code, found[OPTIONS][0]))
        self.assertIn('[gpfs_policy:gold] pol', found[OPTIONS][1])

    def test_another_file_system(self):
        with open(self.storage.layout.identity) as file:
            where = json.load(file)['location']
        self.spoil(self.storage.layout.identity,
                   location={**where, 'fileset': 'other'})
        self.assertFoundWithoutNova(IDENTITY, FAILURE, 'Another file system')

    def test_a_file_system_that_has_no_clones(self):
        old = spec.standard_file_system()
        old.version = '11.05 (3.3.0.2)'
        self.gpfs = sim_cluster.create(os.path.join(self.directory, 'old'),
                                       spec.Spec(file_systems=[old]))
        self.mm_path = self.gpfs.bin_dir('node1')
        self.instances_path = os.path.join(self.gpfs.mount_point('fs0'),
                                           'nova')
        storage.Storage(
            local_driver.make(self.mm_path),
            layout.Layout(self.instances_path), None, require_clone=True,
            leftover_age=86400).guard.establish()
        self.configure(ACTIVE)
        self.assertFoundWithoutNova(GPFS, FAILURE, '11.05')

    def test_a_daemon_that_is_down(self):
        self.gpfs.set_node_state('node1', 'down')
        code, found = self.check(NO_NOVA)
        self.assertEqual((FAILURE, FAILURE, FAILURE),
                         (code, found[IDENTITY][0], found[GPFS][0]))

    def test_files_of_a_later_release(self):
        instance, _path = self.boot(model.Placement(data_replicas=1))
        master = self.storage.layout.master(f'{commands.KEY}_r1')
        for path in (os.path.join(master, 'info.json'),
                     os.path.join(self.instances_path, instance,
                                  'gpfs.json')):
            self.spoil(path, version=2)
            self.assertFoundWithoutNova(FILES, FAILURE,
                                        f'{path} is of version 2')
            self.spoil(path, version=1)

    def test_files_that_cannot_be_read(self):
        self.boot()
        path = os.path.join(self.storage.layout.master(commands.KEY),
                            'info.json')
        for text in ('[]', '{', '{"version": "x"}'):
            with open(path, 'w') as file:
                file.write(text)
            self.assertFoundWithoutNova(FILES, WARNING, path)
