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

"""The same on a file system that shares blocks, as GPFS does."""

import os

from tests.functional import cloud
from tests.functional import test_boot
from tests import xfs


class XfsBootTest(test_boot.BootTestCase):
    """The simulated file system keeps its files on XFS with reflinks."""

    def setUp(self):
        if reason := xfs.reason_not():
            self.skipTest(reason)
        super().setUp()

    def make_cluster(self):
        self.xfs = self.useFixture(xfs.Xfs()).path
        self.data_dir = os.path.join(self.xfs, 'data')
        return super().make_cluster()

    def test_disks_share_the_blocks_of_their_master(self):
        flavor = self.flavor('exact', root_gb=0)
        first = self.boot(self.image, flavor, host='node1')
        before = self._used()
        servers = [self.boot(self.image, flavor, host=host)
                   for host in ('node2', 'node1')]
        written = os.stat(self.masters()[0]).st_blocks * 512
        self.assertLess(self._used() - before, written)
        for server in (first, *servers):
            disk = self.instance_file(server, 'disk')
            self.assertEqual(self.guest_bytes, cloud.read(disk))
        self.assert_storage_is_consistent()

    def _used(self):
        os.sync()
        status = os.statvfs(self.xfs)
        return (status.f_blocks - status.f_bfree) * status.f_frsize
