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

"""Reading the mount table."""

import fixtures
from oslotest import base

from nova_gpfs import location

# The GPFS line is the one recorded by treydock/gpfs_exporter, mount_test.go.
TABLE = '''\
/dev/vda / ext4 rw,relatime 0 0
scratch /fs/scratch gpfs rw,relatime 0 0
tmpfs /fs/scratch/tmp tmpfs rw 0 0
/dev/home /fs/my\\040home gpfs rw 0 0
'''


class GpfsDeviceTest(base.BaseTestCase):

    def test_the_device_is_the_name_of_the_file_system(self):
        self.assertEqual('scratch', location.gpfs_device(
            TABLE, '/fs/scratch/nova/instances'))

    def test_the_mount_point_itself_belongs_to_the_file_system(self):
        self.assertEqual('scratch',
                         location.gpfs_device(TABLE, '/fs/scratch'))

    def test_a_sibling_with_the_same_beginning_does_not(self):
        self.assertIsNone(location.gpfs_device(TABLE, '/fs/scratch2/nova'))

    def test_another_file_system_mounted_on_top_hides_gpfs(self):
        self.assertIsNone(location.gpfs_device(TABLE, '/fs/scratch/tmp/x'))

    def test_older_releases_name_a_device_file(self):
        self.assertEqual('home', location.gpfs_device(TABLE, '/fs/my home/x'))

    def test_the_last_mount_at_the_same_place_counts(self):
        table = TABLE + 'other /fs/scratch gpfs rw 0 0\n'
        self.assertEqual('other', location.gpfs_device(table, '/fs/scratch'))
        table += '/dev/vdb /fs/scratch xfs rw 0 0\n'
        self.assertIsNone(location.gpfs_device(table, '/fs/scratch'))

    def test_an_empty_or_broken_table_covers_nothing(self):
        self.assertIsNone(location.gpfs_device('', '/fs/scratch'))
        self.assertIsNone(location.gpfs_device('x\n\ny z\n', '/fs/scratch'))

    def test_no_mount_point_is_looked_at(self):
        """One that does not answer would keep nova-compute waiting."""
        looked = []
        self.useFixture(fixtures.MonkeyPatch('os.lstat', looked.append))
        self.useFixture(fixtures.MonkeyPatch('os.stat', looked.append))
        self.assertEqual('scratch', location.gpfs_device(
            TABLE, '/fs/scratch/nova/instances'))
        self.assertEqual([], looked)
