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

"""Clones share blocks where the file system below can."""

import os
import subprocess

import fixtures

from nova_gpfs.sim import cluster
from tests.unit.sim import simulated
from tests import xfs


class XfsTest(simulated.SimulatedTestCase):

    def setUp(self):
        reason = xfs.reason_not()
        if reason:
            self.skipTest(reason)
        super().setUp()
        self.mounted = self.useFixture(xfs.Xfs()).path
        directory = self.useFixture(fixtures.TempDir()).path
        self.cluster = cluster.create(directory + '/c', simulated.spec(),
                                      self.mounted)
        self.directory = self.cluster.mount_point('fs0') + '/nova'

    def used(self):
        subprocess.run(['sync', '-f', self.mounted], check=True)
        found = os.statvfs(self.mounted)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def test_a_clone_takes_no_space_until_it_is_written(self):
        size = 64 << 20
        self.master('m', os.urandom(size))
        before = self.used()
        for at in range(10):
            self.did('mmclone', 'copy', 'm', f'a{at}')
        self.did('mmclone', 'snap', 'a0', 's')
        self.assertLess(self.used() - before, 4 << 20)
        self.assertEqual(size, self.cluster.usage('fs0').data)
        self.assertEqual(12 * size, self.cluster.usage('fs0').full_copies)
        self.write('a1', os.urandom(8 << 20))
        self.assertGreater(self.used() - before, 7 << 20)
        self.assertEqual(size + (8 << 20), self.cluster.usage('fs0').data)
        self.assertEqual([], self.cluster.check())

    def test_the_rules_hold_there_too(self):
        with open(self.write('a'), 'ab'):
            self.refused(16, 'busy', 'mmclone', 'snap', 'a')
        self.did('mmclone', 'snap', 'a')
        self.did('mmclone', 'copy', 'a', 'b')
        self.refused(17, 'File exists', 'mmclone', 'copy', 'a', 'b')
