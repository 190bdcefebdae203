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

HOUR = 3600


class RacesTest(case.RacesTestCase):

    number = 4

    def test_a_cold_image_is_fetched_once_however_many_want_it(self):
        disks = self.play(self.wish(n, acts=['boot', 'boot'])
                          for n in range(self.number))
        found = self.verdict()
        self.assertEqual(self.images, len(found.downloads))
        self.assert_no_needless_work()
        self.assert_no_damage(disks)
        self.assert_nothing_is_left(disks)
