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

"""The table of differences is about tests of Nova, and holds them to it."""

import unittest

from oslotest import base

from conformance import differences
from conformance import test_driver
from conformance import test_functional


def method_of(module, name):
    class_name, _dot, method = name.partition('.')
    return getattr(getattr(module, class_name, None), method, None)


class TableTest(base.BaseTestCase):

    def test_each_row_names_a_test_of_this_nova(self):
        self.assertEqual([], [
            name for name in differences.of()
            if method_of(test_driver, name) is None
            and method_of(test_functional, name) is None])

    def test_no_test_is_named_twice(self):
        names = [each.test for each in differences.read(differences.TABLE)
                 if each.is_of(differences.NOVA)]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_each_row_says_why(self):
        for each in differences.read(differences.TABLE):
            self.assertRegex(each.reason, r'\w+ .*\.$', each.test)


class FailingTest(base.BaseTestCase):

    def _result_of(self, work):
        class Novas(unittest.TestCase):
            test = differences.failing(lambda self: work(), 'It differs.')

        result = unittest.TestResult()
        Novas('test').run(result)
        return result

    def test_a_listed_test_that_fails_is_a_success(self):
        def work():
            raise AssertionError

        self.assertTrue(self._result_of(work).wasSuccessful())

    def test_a_listed_test_that_passes_is_a_failure(self):
        (_test, text), = self._result_of(lambda: None).failures
        self.assertIn('It differs.', text)

    def test_a_test_that_ends_the_process_is_one_that_fails(self):
        def work():
            raise SystemExit(1)

        self.assertTrue(self._result_of(work).wasSuccessful())

    def test_a_test_that_nova_skips_stays_skipped(self):
        def work():
            raise unittest.SkipTest('why')

        self.assertEqual(1, len(self._result_of(work).skipped))
