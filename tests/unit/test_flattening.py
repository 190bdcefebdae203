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

"""How slowly disks are flattened, by a clock that is the test's own."""

from oslotest import base

from nova_gpfs import flattening

MIB = flattening.MIB


class Clock:
    """Time passes while somebody sleeps or copies."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def copying(self, seconds, count):
        """Return a copy of so many bytes that takes so many seconds."""
        def copy():
            self.now += seconds
            return count
        return copy


class PaceTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.clock = Clock()

    def pace(self, rate):
        return flattening.Pace(rate, self.clock, self.clock.sleep)

    def test_a_copy_that_was_too_fast_is_waited_for(self):
        self.pace(4 * MIB).keep(self.clock.copying(0.5, 8 * MIB))
        self.assertEqual([1.5], self.clock.slept)

    def test_a_copy_that_was_slow_enough_is_not_waited_for(self):
        for seconds in (2.0, 10.0):
            self.pace(4 * MIB).keep(self.clock.copying(seconds, 8 * MIB))
        self.assertEqual([], self.clock.slept)

    def test_time_that_was_lost_is_not_made_up_for(self):
        pace = self.pace(MIB)
        pace.keep(self.clock.copying(60.0, MIB))
        pace.keep(self.clock.copying(0.25, MIB))
        self.assertEqual([0.75], self.clock.slept)

    def test_without_a_rate_nobody_waits(self):
        self.pace(None).keep(self.clock.copying(0.0, 1 << 50))
        self.assertEqual([], self.clock.slept)

    def test_no_part_is_more_than_a_second_of_the_rate_but_for_one_block(self):
        for rate, size, blocks in (
                (None, 4 * MIB, 16), (None, 128 * MIB, 1),
                (8 * MIB, MIB, 8), (1000 * MIB, MIB, 64),
                (2.5 * MIB, MIB, 2), (0.01 * MIB, 16 * MIB, 1)):
            self.assertEqual(blocks, self.pace(rate).blocks(size))
