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
"""What an operator's commands do to disks that are there."""

import contextlib
import io
import os

import fixtures

from nova_gpfs.cmd import nova_gpfs
from nova_gpfs import libgpfs

from crash import case
from tests.functional import cloud
from tests.functional import contents
from tests import sim_library


class CommandTestCase(case.CrashTestCase):
    """An instance whose disk hangs on a parent and a master."""

    def setUp(self):
        super().setUp()
        data, _guest = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.guest = self.instance(self.image)
        self.spawn(self.guest)
        self.storage().parents.make(self.guest.uuid,
                                    self.disk(self.guest))
        self.wrote = self.write(self.guest)
        self.conf = os.path.join(self.directory, 'nova.conf')

    def configure(self, host, *lines):
        with open(self.conf, 'w') as file:
            file.write('\n'.join([
                '[DEFAULT]', f'instances_path = {self.instances_path}',
                '[gpfs]', f'mm_path = {self.gpfs.bin_dir(host)}',
                f'library = {self.gpfs.library(host)}',
                f'rootless_commands = {",".join(cloud.ALL_COMMANDS)}',
                *lines, '']))

    def run_program(self, *words):
        with (contextlib.redirect_stdout(io.StringIO()) as said,
              contextlib.redirect_stderr(io.StringIO())):
            code = nova_gpfs.main([
                f'--config-file={self.conf}',
                f'--config-dir={self.directory}', '--format=json', *words])
        self.assertEqual(0, code, said.getvalue())

    def assert_unharmed(self):
        self.assertEqual(self.wrote, contents.of(self.disk(self.guest)))
        self.assertEqual([], self.gpfs.check())

    def end(self, host):
        """Delete the guest; nothing may be left."""
        driver = self.go_on_as(host)
        self.destroy(self.guest, self.drivers['node1'])
        self.sweep(driver)
        self.assert_nothing_is_left()


class FlattenTest(CommandTestCase):

    def setUp(self):
        if reason := sim_library.reason_not():
            self.skipTest(reason)
        super().setUp()
        # Parts of one block each; Python tells of no call of a library.
        self.useFixture(fixtures.MonkeyPatch(
            'nova_gpfs.flattening._LARGEST_PART', cloud.MIB))
        declone = libgpfs.Library.declone

        def told(*arguments):
            self.happen('gpfs_declone UUID/disk')
            return declone(*arguments)

        self.useFixture(fixtures.MonkeyPatch(
            'nova_gpfs.libgpfs.Library.declone', told))

    def flatten(self, host='node1'):
        self.configure(host)
        self.run_program('flatten', '--instance', self.guest.uuid)

    def go_on(self, host):
        self.assert_unharmed()
        self.flatten(host)
        self.assert_unharmed()
        self.assertIsNone(self.storage().driver.clone_info(
            self.disk(self.guest)).parent_inode)
        self.end(host)

    def test_taking_a_disk_off_all_that_it_hangs_on(self):
        self.crash_everywhere('flatten', self.flatten, self.go_on)


class ApplyTest(CommandTestCase):

    def apply(self, host='node1'):
        self.configure(host, 'root_policy = gold', '[gpfs_policy:gold]',
                       'pool = fast')
        self.run_program('policy', 'apply', '--instance', self.guest.uuid,
                         '--detach')

    def go_on(self, host):
        self.assert_unharmed()
        self.apply(host)
        self.assert_unharmed()
        self.assertEqual({'fast'}, {
            block.pool for block in self.gpfs.blocks(self.disk(self.guest))})
        self.end(host)

    def test_moving_a_disk_to_another_pool(self):
        self.crash_everywhere('policy apply', self.apply, self.go_on)
