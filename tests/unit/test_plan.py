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

"""How a disk comes to be."""

import hypothesis
from hypothesis import strategies
from oslotest import base

from nova_gpfs import plan

GIB = 2 ** 30
RAW = plan.MasterInfo(plan.RAW, 2 * GIB, 'image')
sizes = strategies.integers(min_value=1, max_value=2 ** 50)
asked = strategies.none() | strategies.integers(0, 2 ** 50)


class NewDiskTest(base.BaseTestCase):

    def test_without_a_size_the_disk_is_as_large_as_the_image(self):
        self.assertEqual((plan.Clone(),), plan.new_disk(RAW, None))
        self.assertEqual((plan.Clone(),), plan.new_disk(RAW, 0))
        self.assertEqual((plan.Clone(),), plan.new_disk(RAW, 2 * GIB))

    def test_a_flavor_smaller_than_the_image_is_refused(self):
        self.assertEqual((plan.TooSmall(2 * GIB, GIB),),
                         plan.new_disk(RAW, GIB))

    def test_a_larger_flavor_grows_the_clone(self):
        self.assertEqual((plan.Clone(), plan.Grow(5 * GIB, 'raw', False)),
                         plan.new_disk(RAW, 5 * GIB))

    def test_a_bare_file_system_grows_with_its_disk(self):
        bare = plan.MasterInfo(plan.RAW, GIB, 'image', bare_file_system=True)
        self.assertIn(plan.Grow(5 * GIB, 'raw', True),
                      plan.new_disk(bare, 5 * GIB))

    @hypothesis.given(sizes, asked)
    def test_no_disk_is_ever_smaller_than_its_image(self, virtual, size):
        master = plan.MasterInfo(plan.QCOW2, virtual)
        steps = plan.new_disk(master, size)
        if size and size < virtual:
            self.assertEqual((plan.TooSmall(virtual, size),), steps)
        else:
            self.assertEqual(plan.Clone(), steps[0])
            for step in steps[1:]:
                self.assertGreater(step.size, virtual)
                self.assertEqual(plan.QCOW2, step.format)


class ExistingDiskTest(base.BaseTestCase):

    @hypothesis.given(sizes, asked)
    def test_a_disk_that_is_there_only_ever_grows(self, found, size):
        steps = plan.existing_disk(plan.RAW, found, size)
        if size and size > found:
            self.assertEqual((plan.Grow(size, plan.RAW, True),), steps)
        else:
            self.assertEqual((), steps)

    def test_no_file_system_is_looked_for_in_qcow2(self):
        self.assertEqual((plan.Grow(9, plan.QCOW2, False),),
                         plan.existing_disk(plan.QCOW2, 1, 9))
