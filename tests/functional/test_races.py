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
"""Some hosts at once, for some seconds; ``races`` has many."""

from races import case
from races import silence

HOUR = 3600
ACTS = 3


class RacesTest(case.RacesTestCase):

    def test_an_image_is_fetched_once_and_nothing_is_damaged(self):
        disks = self.play_all(ACTS)
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)

    def test_without_locks_work_is_wasted_and_nothing_is_damaged(self):
        disks = self.play_all(ACTS, **self.lose_locks())
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)

    def test_clocks_that_differ_by_hours_change_nothing(self):
        self.master_age = HOUR
        disks = self.play([
            self.wish(n, acts=['prefetch', 'cache_pass', 'sweep', 'boot'],
                      wrong_by=hours * HOUR, file_times=False)
            for n, hours in enumerate((-11, -3, 3, 11))])
        found = self.verdict()
        self.assertEqual(len(found.keys()), len(found.downloads))
        # By the clock of the file system none is old.
        self.assertEqual(0, found.count('taken'))
        self.assert_no_needless_work()
        self.assert_no_damage(disks)


class HangTest(case.RacesTestCase):
    """A host hangs and keeps the lock of an image that the others want."""

    images = 1
    master_age = 86400
    lock_wait = 3

    def test_a_host_that_hangs_with_the_lock_is_passed_by(self):
        self.assert_nobody_waits_for_a_host_that_hangs()


class SilenceTest(silence.SilenceTestCase):
    """A host stops, and goes on when the others thought it was dead."""

    def test_before_a_master_is_published(self):
        self.fall_silent('boot', r'rename \S+ _gpfs/masters/')

    def test_before_a_master_is_cloned(self):
        self.fall_silent('boot', 'mmclone copy _gpfs/masters',
                         meanwhile=['two_days_later'], may_fail=False)

    def test_before_a_master_is_taken_away(self):
        self.fall_silent('cache_pass', r'rename \S+ _gpfs/leaving/')
