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

"""What hosts report of a file system that all of them see."""

import dataclasses

import fixtures
from hypothesis import given
from hypothesis import strategies
from oslotest import base

from nova_gpfs import capacity
from nova_gpfs import model

from tests.unit import test_offer

GIB = capacity.GIB
SIZES = strategies.integers(0, 2 ** 50)


def pool(total, free, name='data', holds_data=True):
    return dataclasses.replace(test_offer.pool(name, holds_data),
                               total_data=total * GIB, free_data=free * GIB)


def quota(usage, hard=0, in_doubt=0):
    return model.Quota(usage=usage * GIB, soft_limit=0, hard_limit=hard * GIB,
                       in_doubt=in_doubt * GIB)


def an_offer(*pools, limit=None, replicas=1):
    found = test_offer.an_offer(pools)
    return dataclasses.replace(
        found, quota=limit, file_system=dataclasses.replace(
            found.file_system, default_data_replicas=replicas))


def space(*pools, **kwargs):
    """Return (total, free) in GiB."""
    found = capacity.space(an_offer(*pools, **kwargs))
    return found.total / GIB, found.free / GIB


class SpaceTest(base.BaseTestCase):

    def test_a_hard_limit_is_all_there_is(self):
        self.assertEqual((50, 40), space(pool(900, 600),
                                         limit=quota(10, hard=50)))

    def test_a_limit_promises_no_more_than_the_pools_have(self):
        self.assertEqual((30, 20), space(pool(900, 20),
                                         limit=quota(10, hard=500)))

    def test_what_nodes_may_still_write_is_not_free(self):
        self.assertEqual((50, 35), space(
            pool(900, 600), limit=quota(10, hard=50, in_doubt=5)))

    def test_without_a_limit_what_others_hold_is_not_there(self):
        self.assertEqual((700, 600), space(pool(900, 600),
                                           limit=quota(100)))

    def test_where_nothing_is_counted_the_pools_are_all_there_is(self):
        self.assertEqual((900, 600), space(pool(900, 600)))

    def test_pools_for_metadata_alone_do_not_count(self):
        self.assertEqual((9, 6), space(pool(9, 6), pool(5, 5, 'system',
                                                        holds_data=False)))

    def test_every_replica_takes_room(self):
        self.assertEqual((450, 300), space(pool(900, 600), replicas=2))

    def test_an_exceeded_limit_leaves_nothing(self):
        self.assertEqual((50, 0), space(pool(900, 600),
                                        limit=quota(60, hard=50)))


class PartTest(base.BaseTestCase):

    def part(self, rule, hosts=1, total=100, free=40):
        return capacity.part(capacity.Space(total * GIB, free * GIB), rule,
                             hosts)

    def test_parts_are_equal(self):
        self.assertEqual({'total': 33, 'used': 20, 'free': 13},
                         self.part('share', 3))

    def test_a_host_that_sees_nobody_counts_itself(self):
        self.assertEqual(100, self.part('share', 0)['total'])

    def test_the_whole_is_the_whole_for_any_number_of_hosts(self):
        self.assertEqual({'total': 100, 'used': 60, 'free': 40},
                         self.part('whole', 9))

    def test_a_number_is_a_number_as_long_as_there_is_as_much(self):
        self.assertEqual({'total': 30, 'used': 0, 'free': 30},
                         self.part('30', 9))
        self.assertEqual(100, self.part('300', 9)['total'])

    @given(total=SIZES, hosts=strategies.integers(1, 200), free=SIZES)
    def test_all_parts_together_are_no_more_than_there_is(self, total, hosts,
                                                          free):
        whole = capacity.Space(total, min(total, free))
        found = capacity.part(whole, 'share', hosts)
        self.assertLessEqual(hosts * found['total'] * GIB, whole.total)
        self.assertLessEqual(hosts * found['free'] * GIB, whole.free)
        self.assertEqual(found['total'], found['used'] + found['free'])
        self.assertLess(whole.total - hosts * found['total'] * GIB,
                        hosts * GIB)


class WatchTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.watch = capacity.Watch(10)

    def look(self, *pools, **kwargs):
        """Look and return what is new in the log."""
        before = len(self.log.output)
        self.watch.look(an_offer(*pools, **kwargs))
        return self.log.output[before:]

    def test_a_pool_that_is_nearly_full_is_said_once_with_numbers(self):
        self.assertIn('pool data of file system fs0 has 9.0 of 100.0 GiB '
                      'left (9.0 %)', self.look(pool(100, 9)))
        self.assertEqual('', self.look(pool(100, 8)))

    def test_it_is_said_again_when_it_was_better_in_the_meantime(self):
        self.look(pool(100, 9))
        self.assertIn('No longer low', self.look(pool(100, 10)))
        self.assertIn('Low space', self.look(pool(100, 9)))

    def test_a_quota_that_is_nearly_used_up_is_said(self):
        self.assertIn('quota of the fileset of the instances has 4.0 of '
                      '50.0 GiB left', self.look(
                          pool(100, 90), limit=quota(46, hard=50)))

    def test_nothing_is_said_of_what_has_room_or_no_limit(self):
        self.assertEqual('', self.look(
            pool(100, 10), pool(0, 0, 'system', holds_data=False),
            limit=quota(5000)))
