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

"""What atheris is given by tools/fuzz.py, without atheris."""

import importlib.util
import pathlib
import unittest

from hypothesis import given
from hypothesis import strategies
from oslotest import base

TOOL = pathlib.Path(__file__).parents[2] / 'tools' / 'fuzz.py'
INPUTS = [bytes([n]) * 64 for n in range(256)]

_spec = importlib.util.spec_from_file_location('fuzz', TOOL)
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)


class Planted(unittest.TestCase):
    """No test by itself: its methods have other names."""

    seen = []

    def setUp(self):
        self.limit = 2 ** 20

    @given(strategies.integers())
    def holds(self, number):
        self.seen.append(number)

    @given(number=strategies.integers(0, 2 ** 32))
    def breaks(self, number):
        self.assertLess(number, self.limit)


class FuzzTest(base.BaseTestCase):

    def target(self, method):
        return fuzz.target(f'{__name__}.Planted.{method}')

    def test_inputs_reach_a_test_as_values(self):
        self.addCleanup(Planted.seen.clear)
        target = self.target('holds')
        for data in INPUTS:
            target(data)
        self.assertLess(1, len(set(Planted.seen)))

    def test_an_input_that_fails_is_told(self):
        target = self.target('breaks')

        def all_inputs():
            for data in INPUTS:
                target(data)
        self.assertRaises(AssertionError, all_inputs)

    def test_each_module_has_property_tests(self):
        self.assertEqual(set(fuzz.MODULES), {
            name.rsplit('.', 2)[0] for name in fuzz.names()})

    def test_the_end_of_a_run_is_understood(self):
        said = '#8192\tpulse cov: 9 ft: 9\n#56334\tDONE   cov: 8 ft: 8 corp:'
        end = fuzz._DONE.search(said)
        self.assertEqual(('56334', '8'), end.groups())
        row = {'test': 'a.b', 'ok': True, 'inputs': 56334, 'reached': 8}
        self.assertEqual('    56334        8  ok      a.b', fuzz.line(row))
