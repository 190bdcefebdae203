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

"""Crashes of instances whose disks stay qcow2: force_raw_images = False.

What has the same effects for them as for raw disks is not here.
"""

from crash import test_moves
from crash import test_spawn


class SpawnTest(test_spawn.SpawnTest):

    disk_format = 'qcow2'

    def test_of_an_image_that_nobody_has_fetched(self):
        self.crashed = self.instance(self.image)
        self.crash_everywhere('spawn in qcow2',
                              lambda: self.spawn(self.crashed), self.go_on)

    test_in_a_pool_where_the_image_is_not_yet = None


class SnapshotTest(test_spawn.SnapshotTest):

    disk_format = 'qcow2'

    def test_snapshot_of_a_guest_that_runs(self):
        self.crash_everywhere('snapshot in qcow2', self.snapshot, self.go_on)


class FinishTest(test_moves.FinishTest):

    disk_format = 'qcow2'

    def test_starting_the_guest_where_it_goes(self):
        self.start()
        self.crash_everywhere('finish of a move in qcow2', self.finish,
                              self.go_on)
