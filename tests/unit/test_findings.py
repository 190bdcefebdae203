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


"""What one host finds out, the others read; none waits for another."""

import os
import time

import fixtures
from oslotest import base

from nova_gpfs import findings

AGE = 100.0


class FindingsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).join('found.json')
        self.looks = []

    def host(self, name, place='here'):
        """Return how a host gets what is found: by its name, if it looks."""
        found = findings.Findings(self.path, AGE, lambda: {'place': place})

        def get():
            return found.get(lambda: self.looks.append(name) or self.looks)

        return get

    def age(self, seconds):
        then = time.time() - seconds
        os.utime(self.path, (then, then))

    def test_the_first_looks_and_the_others_read(self):
        for name in ('a', 'b', 'c', 'a'):
            self.assertEqual(['a'], self.host(name)())

    def test_what_is_old_is_looked_at_again_by_whoever_sees_it(self):
        self.host('a')()
        self.age(AGE + 1)
        self.assertEqual(['a', 'b'], self.host('b')())
        self.assertEqual(['a', 'b'], self.host('a')())

    def test_what_comes_from_the_future_is_old_as_well(self):
        self.host('a')()
        self.age(-AGE - 60)
        self.assertEqual(['a', 'b'], self.host('b')())

    def test_while_one_looks_the_others_have_what_was_known(self):
        self.host('a')()
        self.age(AGE + 1)
        slow = findings.Findings(self.path, AGE, lambda: {'place': 'here'})
        self.assertEqual('new', slow.get(
            lambda: self.assertEqual(['a'], self.host('b')()) or 'new'))

    def test_while_the_first_one_looks_the_others_need_not_look_too(self):
        found, other = (findings.Findings(self.path, AGE) for _each in 'ab')
        self.assertEqual('found', found.get(
            lambda: self.assertEqual({}, other.get(
                self.fail, meanwhile={})) or 'found'))
        self.assertEqual('found', other.get(self.fail, meanwhile={}))

    def test_who_fails_to_look_leaves_what_was_known(self):
        self.host('a')()
        self.age(AGE + 1)
        failing = findings.Findings(self.path, AGE,
                                    lambda: {'place': 'here'})
        self.assertRaises(ZeroDivisionError, failing.get, lambda: 1 // 0)
        self.assertEqual(['a'], self.host('b')())

    def test_hosts_of_different_places_do_not_believe_each_other(self):
        self.host('a')()
        self.assertEqual(['a', 'b'], self.host('b', place='there')())

    def test_what_cannot_be_understood_is_not_believed(self):
        for text in ('', '[]', '{}', '{"of": {"place": "here"}}', '{"of"'):
            with open(self.path, 'w') as file:
                file.write(text)
            del self.looks[:]
            self.assertEqual(['a'], self.host('a')())

    def test_nothing_but_the_file_stays(self):
        self.host('a')()
        self.assertRaises(TypeError, findings.Findings(
            self.path + 'x', AGE).get, object)
        self.assertEqual(['found.json', 'found.jsonx'],
                         sorted(os.listdir(os.path.dirname(self.path))))

    def test_what_a_host_that_died_has_left_is_removed(self):
        for name, age in (('left', 3 * 86400), ('new', 60)):
            path = f'{self.path}.{name}.new'
            open(path, 'x').close()
            os.utime(path, (time.time() - age,) * 2)
        self.host('a')()
        self.assertEqual(['found.json', 'found.json.new.new'],
                         sorted(os.listdir(os.path.dirname(self.path))))
