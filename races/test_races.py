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


class StormTest(ChosenTestCase):
    """Every host wants a disk of one image that nobody has fetched."""

    images = 1
    master_age = 86400

    def storm(self, hosts):
        disks = self.play([self.wish(n, acts=['boot'], policies=[None])
                           for n in range(hosts)])
        found = self.verdict()
        self.say(f'{hosts} hosts: waited for {found.longest_queue()} others '
                 'at most')
        self.assertEqual(1, len(found.downloads))
        self.assertEqual(hosts, len(disks))
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)

    def test_four_hosts(self):
        self.storm(min(4, self.number))

    def test_sixteen_hosts(self):
        self.storm(min(16, self.number))

    def test_all_hosts(self):
        self.storm(self.number)


class MixedTest(ChosenTestCase):
    """Every host does all sorts of things, which its seed chooses."""

    def test_where_locks_work(self):
        disks = self.play_all()
        found = self.verdict()
        self.say(f'waited for {found.longest_queue()} others at most')
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)

    def test_where_locks_do_not_reach_across_hosts(self):
        disks = self.play_all(own_locks=self.own_locks)
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)


class ClocksTest(ChosenTestCase):
    """The clocks of hosts differ by hours, up to almost a day."""

    def race(self, by_host, age):
        """Let hosts race where masters may go at an age, and none does.

        By the clock of the file system that may be less than the clocks of
        hosts differ by.
        """
        self.master_age = age
        disks = self.play_all(
            wrong_by=lambda n: self.random.uniform(-11, 11) * HOUR,
            file_times=lambda n: by_host)
        found = self.verdict()
        self.assertEqual(len(found.keys()), len(found.downloads))
        self.assertEqual(0, found.count('taken'))
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)

    def test_where_files_have_the_times_of_who_writes_them(self):
        self.race(by_host=True, age=24 * HOUR)

    def test_where_files_have_the_times_of_the_file_system(self):
        self.race(by_host=False, age=HOUR)


class HangTest(ChosenTestCase):
    """A host stops, and keeps the lock of an image that all the others want.

    With GPFS that is a node which hangs and is not expelled.
    """

    images = 1
    master_age = 86400
    lock_wait = 20

    def hang(self, hosts):
        self.number = hosts
        self.begin_anew()
        times = self.assert_nobody_waits_for_a_host_that_hangs()
        self.say(f'{hosts} hosts: {times} downloads')

    def test_four_hosts(self):
        self.hang(min(4, self.number))

    def test_sixteen_hosts(self):
        self.hang(min(16, self.number))

    def test_all_hosts(self):
        self.hang(self.number)


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
