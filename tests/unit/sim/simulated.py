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

"""A simulated cluster for a test."""

import os
import subprocess

import fixtures
import testtools

from nova_gpfs.sim import cluster

BLOCK = 1 << 16


def spec(**changes):
    """Return one file system fs0 with small blocks; ``changes`` to it."""
    disks = [{'name': f'{pool}{group}', 'pool': pool, 'usage': usage,
              'failure_group': str(group)}
             for pool, usage in (('system', 'dataAndMetadata'),
                                 ('fast', 'dataOnly'))
             for group in (1, 2, 3)]
    system = {'name': 'fs0', 'block_size': BLOCK, 'nsds': disks,
              'filesets': [{'name': 'nova', 'path': 'nova',
                            'independent': True},
                           {'name': 'other', 'path': 'other'}]}
    return {'file_systems': [dict(system, **changes)]}


class SimulatedTestCase(testtools.TestCase):
    """Has a cluster, a directory in fileset nova, and mm commands."""

    SPEC = None

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.cluster = cluster.create(os.path.join(directory, 'cluster'),
                                      self.SPEC or spec())
        self.directory = os.path.join(self.cluster.mount_point('fs0'), 'nova')

    def path(self, name):
        """Return the path of a file in fileset nova."""
        return os.path.join(self.directory, name)

    def write(self, name, data=b'', at=0):
        """Write into a file that may exist; return its path."""
        path = self.path(name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(fd, data, at)
        finally:
            os.close(fd)
        return path

    def read(self, name):
        """Return the content of a file."""
        with open(self.path(name), 'rb') as file:
            return file.read()

    def mm(self, name, *arguments, node='node1', check=False):
        """Run an mm command in the directory."""
        program = os.path.join(self.cluster.bin_dir(node), name)
        return subprocess.run([program, *arguments], cwd=self.directory,
                              capture_output=True, text=True, check=check)

    def did(self, name, *arguments, **options):
        """Run an mm command that must work; return what it printed."""
        done = self.mm(name, *arguments, **options)
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        return done.stdout

    def refused(self, code, text, name, *arguments, **options):
        """Run an mm command that must fail with a code and a text."""
        done = self.mm(name, *arguments, **options)
        self.assertIn(text, done.stderr)
        self.assertEqual(code, done.returncode)

    def master(self, name='master', data=b'x' * BLOCK * 3):
        """Make a sealed file."""
        path = self.write(name, data)
        self.did('mmclone', 'snap', name)
        return path

    def rows(self, name, *arguments):
        """Run an mm command with -Y; return its rows as dictionaries."""
        found, headers = [], {}
        for line in self.did(name, *arguments, '-Y').splitlines():
            fields = line.split(':')
            if fields[2] == 'HEADER':
                headers[fields[1]] = fields[6:-1]
            else:
                found.append(dict(zip(headers[fields[1]], fields[6:]),
                                  subtype=fields[1]))
        return found
