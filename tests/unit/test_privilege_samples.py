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


"""The samples for rootwrap and sudo let the daemon start and nothing else."""

import fnmatch
import os
import pathlib
import shutil
import subprocess
import tempfile

import fixtures
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_rootwrap import wrapper
from oslotest import base

from nova_gpfs import privsep

ETC = pathlib.Path(__file__).parents[2] / 'etc' / 'nova-gpfs'
FILE = ['--config-file', '/etc/nova/nova.conf']
FILES = [*FILE, '--config-file', '/etc/nova/nova-compute.conf']
DIRECTORY = ['--config-dir', '/etc/nova/nova-compute.conf.d']
DIRECTORIES = ['--config-dir', '/etc/nova/nova.conf.d/', *DIRECTORY]


def socket():
    """Return a path that is made as oslo.privsep makes it."""
    directory = tempfile.mkdtemp(dir='/tmp')
    os.rmdir(directory)
    return f'{directory}/privsep.sock'


class TestRootwrap(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.bin = self.useFixture(fixtures.TempDir()).path
        helper = pathlib.Path(self.bin, 'privsep-helper')
        helper.write_text('#!/bin/sh\n')
        helper.chmod(0o755)
        # Without the filter of oslo.rootwrap's own, which lets privsep-helper
        # start with any arguments.
        self.filters = [
            each for each in wrapper.load_filters([str(ETC / 'rootwrap.d')])
            if each.name.startswith('gpfs-')]

    def allows(self, *arguments):
        try:
            wrapper.match_filter(
                self.filters, ['privsep-helper', *arguments], [self.bin])
        except wrapper.NoFilterMatched:
            return False
        return True

    def test_the_daemon_starts_with_nova_computes_configuration(self):
        tail = ['--privsep_context', privsep.context.pypath,
                '--privsep_sock_path', socket()]
        dist = ['--config-file', '/usr/share/nova/nova-dist.conf']
        for files in (FILE, FILES, [*dist, *FILE]):
            for directories in ([], DIRECTORY, DIRECTORIES):
                self.assertTrue(self.allows(*files, *directories, *tail))

    def test_other_contexts_files_and_sockets_do_not(self):
        context = ['--privsep_context', privsep.context.pypath]
        sock = ['--privsep_sock_path', socket()]
        self.assertTrue(self.allows(*FILE, *context, *sock))
        for arguments in (
                [*context, *sock],
                [*FILE, '--privsep_context', 'os', *sock],
                ['--config-file', '/tmp/nova.conf', *context, *sock],
                ['--config-file', '/etc/nova/../../tmp/x', *context, *sock],
                ['--config-file', '/etc/nova/..', *context, *sock],
                [*FILE, '--config-dir', '/tmp', *context, *sock],
                [*FILE, '--config-dir', '/etc/nova/..', *context, *sock],
                [*FILE, *context, '--privsep_sock_path', '/run/x.sock'],
                [*FILE, *context, *sock, '--config-file', '/tmp/x'],
                [*FILE, '--config-file', '/tmp/x', *context, *sock]):
            self.assertFalse(self.allows(*arguments), arguments)


class TestSudoers(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.text = (ETC / 'sudoers.d' / 'nova-gpfs').read_text()
        self.rule = self.text.split('NOPASSWD: ')[1].strip()
        self.helper = self.text.split('helper_command = ')[1].split('\n')[0]

    def allows(self, command):
        # sudo matches the arguments as one string, with fnmatch(3).
        return fnmatch.fnmatchcase(command, self.rule)

    def test_the_daemon_starts_with_the_command_of_the_sample(self):
        config = self.useFixture(config_fixture.Config(cfg.CONF))
        config.config(group='nova_gpfs_privileged',
                      helper_command=self.helper)
        sudo, *command = privsep.context.helper_command(socket())
        self.assertEqual('sudo', sudo)
        self.assertTrue(self.allows(' '.join(command)))

    def test_no_further_argument_fits_in(self):
        command = self.helper.removeprefix('sudo ') + (
            ' --privsep_context nova_gpfs.privsep.context'
            ' --privsep_sock_path ')
        self.assertTrue(self.allows(command + '/tmp/tmpabcd_123/privsep.sock'))
        for end in ('/tmp/tmp --config-file /tmp/x/privsep.sock',
                    '/tmp/tmpabcd_123/privsep.sock --config-file /tmp/x',
                    '/tmp/tmp../../../x/privsep.sock'):
            self.assertFalse(self.allows(command + end))
        self.assertNotIn('*', self.rule)

    def test_sudo_understands_it(self):
        if not shutil.which('visudo'):
            self.skipTest('sudo is not installed')
        subprocess.run(['visudo', '-cf', '-'], input=self.text, text=True,
                       check=True, capture_output=True)
