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
"""As many hosts as are asked for, for as long as is asked for."""

import time

from races import case
from races import chosen
from races import silence

HOUR = 3600


class ChosenTestCase(case.RacesTestCase):

    seed = chosen.number(chosen.SEED)
    seconds = chosen.number(chosen.SECONDS)
    number = chosen.number(chosen.HOSTS)
    images = 4

    def wish(self, place, **more):
        return super().wish(place, seconds=self.seconds, **more)


class Numbers:
    """A condition under which few hosts race, and many."""

    def test_four_hosts(self):
        self._with(min(4, self.number))

    def test_sixteen_hosts(self):
        self._with(min(16, self.number))

    def test_all_hosts(self):
        self._with(self.number)

    def _with(self, number):
        self.number = number
        self.begin_anew()
        self.race()

    def have_rare_images(self):
        """Have so many that masters of some lose their last disk."""
        self.images = max(self.images, self.number // 2)

    def tell(self, found):
        """Say what the events of a run were."""
        self.say(f'{self.number} hosts, seed {self.seed}: '
                 f'{found.count("begins")} acts, '
                 f'{len(found.downloads)} downloads of {len(found.keys())} '
                 f'images, {found.count("taken")} masters taken away, waited '
                 f'for {found.longest_queue()} others at most')


class StormTest(Numbers, ChosenTestCase):
    """Every host wants a disk of one image that nobody has fetched."""

    images = 1
    master_age = 86400

    def race(self):
        disks = self.play([self.wish(n, acts=['boot'], policies=[None])
                           for n in range(self.number)])
        found = self.verdict()
        self.tell(found)
        self.assertEqual(len(found.keys()), len(found.downloads))
        self.assertEqual(self.number, len(disks))
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)


class DifferentImagesTest(StormTest):
    """Hosts want disks of many images that nobody has fetched."""

    images = 16


class MixedTest(Numbers, ChosenTestCase):
    """Every host does all sorts of things, which its seed chooses."""

    def race(self):
        self.have_rare_images()
        disks = self.play_all()
        found = self.verdict()
        self.tell(found)
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)


class LocklessTest(Numbers, ChosenTestCase):
    """The same where locks do not reach across hosts."""

    def race(self):
        self.have_rare_images()
        disks = self.play_all(**self.lose_locks())
        self.tell(self.verdict())
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)


class ClocksTest(Numbers, ChosenTestCase):
    """Clocks differ by hours, and files have the times of who writes them.

    Masters may go at an age, and none does; the age is more than the clocks
    differ by.
    """

    master_age = 24 * HOUR
    by_host = True

    def race(self):
        disks = self.play_all(
            wrong_by=lambda n: self.random.uniform(-11, 11) * HOUR,
            file_times=lambda n: self.by_host)
        found = self.verdict()
        self.tell(found)
        self.assertEqual(len(found.keys()), len(found.downloads))
        self.assertEqual(0, found.count('taken'))
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)


class ClockOfTheFilesTest(ClocksTest):
    """Clocks differ by hours, and files have the time of the file system.

    The age may then be less than the clocks differ by.
    """

    master_age = HOUR
    by_host = False


class HangTest(Numbers, ChosenTestCase):
    """A host stops, and keeps the lock of an image that all the others want.

    With GPFS that is a node which hangs and is not expelled.
    """

    images = 1
    master_age = 86400
    lock_wait = 20

    def race(self):
        self.assert_nobody_waits_for_a_host_that_hangs()
        self.tell(self.verdict())


class ReturnTest(Numbers, silence.SilenceTestCase, ChosenTestCase):
    """A host of many is silent for two days and goes on with what it did."""

    images = 1

    def race(self):
        self.fall_silent_among_many('boot', r'rename \S+ _gpfs/masters/')
        self.tell(self.verdict())


class SilenceTest(silence.SilenceTestCase):
    """A host stops before some effect of an act, and goes on much later."""

    seed = chosen.number(chosen.SEED)
    seconds = chosen.number(chosen.SECONDS)

    def test_wherever_it_stops(self):
        end = time.monotonic() + self.seconds * len(silence.ACTS)
        points = self.points()
        self.random.shuffle(points)
        for act, number in points:
            if time.monotonic() > end:
                break
            self.begin_anew()
            self.fall_silent(act, number,
                             self.random.choice(silence.MEANWHILE))
        self.say(f'{points.index((act, number)) + 1} of {len(points)} points')
