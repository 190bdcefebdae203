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

"""The tests of Nova that go another way with the plug-in, and why.

The table is ``differences.csv``, which the documentation shows. A test in it
has to fail, and one that is not has to pass.
"""

import csv
import dataclasses
import functools
import importlib.metadata
import pathlib
import unittest

TABLE = pathlib.Path(__file__).with_name('differences.csv')
NOVA = int(importlib.metadata.version('nova').partition('.')[0])


@dataclasses.dataclass(frozen=True)
class Difference:
    """One test, as ``Class.method``; only some releases may have it."""

    test: str
    oldest: int
    newest: int
    fails: bool
    reason: str

    def is_of(self, release):
        return self.oldest <= release <= self.newest


@functools.cache
def of(release=NOVA):
    """Return the differences of a release of Nova, by test."""
    return {each.test: each for each in read(TABLE) if each.is_of(release)}


def read(path):
    """Yield the differences of a table, which has several tests in a row.

    :raises ValueError: an outcome or a release cannot be understood
    """
    with open(path, encoding='utf-8', newline='') as table:
        for row in csv.DictReader(table):
            oldest, _dash, newest = row['Releases'].partition('-')
            fails = ('skipped', 'fails').index(row['Outcome'])
            for test in row['Tests'].replace('*', '').split():
                yield Difference(test, int(oldest), int(newest or oldest),
                                 bool(fails), row['Reason'])


def failing(method, reason):
    """Return a test that passes where a test of Nova fails."""
    @functools.wraps(method)
    def test(self):
        try:
            method(self)
        except unittest.SkipTest:
            raise
        except (Exception, SystemExit):
            return
        self.fail(f'This passes, but {TABLE.name} says: {reason}')

    return test


def skipped(method, reason):
    return unittest.skip(reason)(method)
