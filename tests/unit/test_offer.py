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

"""What a cluster offers, and for how long that is believed."""

import dataclasses
import os

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import guard
from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import offer
from nova_gpfs.sim import cluster as sim_cluster

from tests import local_driver

FILE_SYSTEM = model.FileSystem(
    name='fs0', mount_point='/gpfs/fs0', version=(22, 0), block_size=2 ** 20,
    default_data_replicas=1, max_data_replicas=2,
    default_metadata_replicas=1, max_metadata_replicas=2)


def pool(name, holds_data=True):
    return model.Pool(name=name, id=0, block_size=2 ** 20,
                      holds_data=holds_data, holds_metadata=True,
                      total_data=0, free_data=0)


def disk(group, pool='fast', servers=(), holds_data=True):
    return model.Disk(name=f'{pool}{group}{servers}', failure_group=group,
                      pool=pool, holds_data=holds_data, holds_metadata=True,
                      status='ready', availability='up', servers=servers)


def an_offer(pools=(), disks=(), max_data_replicas=2,
             node_names=frozenset()):
    return offer.Offer(
        dataclasses.replace(FILE_SYSTEM,
                            max_data_replicas=max_data_replicas),
        tuple(pools), tuple(disks), node_names)


class PoolsTest(base.BaseTestCase):

    def test_a_pool_for_metadata_alone_is_no_pool_for_disks(self):
        found = an_offer([pool('system', holds_data=False), pool('fast')])
        self.assertEqual(('fast',), found.data_pools)

    def test_failure_groups_are_those_with_data_in_the_pool(self):
        found = an_offer(disks=[disk('1'), disk('2'), disk('2'),
                                disk('3', 'slow'),
                                disk('4', holds_data=False)])
        self.assertEqual({'1', '2'}, found.failure_groups('fast'))
        self.assertEqual(frozenset(), found.failure_groups('none'))

    def test_replicas_are_limited_by_the_file_system(self):
        disks = [disk('1'), disk('2'), disk('3')]
        for most in (1, 2, 3):
            self.assertEqual(most, an_offer(
                [pool('fast')], disks, most).most_data_replicas)

    def test_replicas_are_limited_by_the_pool_with_most_failure_groups(self):
        disks = [disk('1'), disk('1', 'slow'), disk('2', 'slow')]
        pools = [pool('fast'), pool('slow')]
        self.assertEqual(2, an_offer(pools, disks, 3).most_data_replicas)
        self.assertEqual(1, an_offer(pools[:1], disks, 3).most_data_replicas)
        self.assertEqual(0, an_offer([], disks, 3).most_data_replicas)


class OwnFailureGroupTest(base.BaseTestCase):

    def group(self, *names):
        return an_offer(node_names=frozenset(names), disks=[
            disk('1', servers=('node1',)),
            disk('1', servers=('node1', 'node4')),
            disk('2', servers=('node2', 'node4')),
            disk('3', servers=('node2',), holds_data=False),
            disk('5')]).own_failure_group()

    def test_it_is_that_of_the_disks_for_data_that_the_node_serves(self):
        self.assertEqual('1', self.group('node1'))
        self.assertEqual('2', self.group('node2'))

    def test_any_of_its_names_will_do(self):
        self.assertEqual('1', self.group('x', 'node1'))

    def test_a_node_that_serves_several_groups_has_none(self):
        self.assertIsNone(self.group('node4'))

    def test_a_node_that_serves_nothing_has_none(self):
        self.assertIsNone(self.group('node3'))
        self.assertIsNone(self.group())


class Clock:
    """Seconds that pass when a test says so, or with each look at it."""

    def __init__(self):
        self.now = 1000.0
        self.step = 0.0

    def __call__(self):
        self.now += self.step
        return self.now


class ClusterTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(directory, 'gpfs'))
        self.instances_path = os.path.join(self.gpfs.mount_point('fs0'),
                                           'nova', 'instances')
        os.mkdir(self.instances_path)
        self.layout = layout.Layout(self.instances_path)
        self.driver = local_driver.make(self.gpfs.bin_dir('node1'))
        self.guard = guard.MountGuard(self.driver, self.layout)
        self.guard.establish()
        self.clock = Clock()


class FactsTest(ClusterTestCase):

    def setUp(self):
        super().setUp()
        self.facts = offer.Facts(
            self.driver, lambda: self.guard.where().file_system,
            max_age=300.0, clock=self.clock)

    def commands(self):
        return len(self.gpfs.calls())

    def break_down(self):
        self.gpfs.faults.add('mmlspool', action='garbage')

    def test_the_offer_is_what_the_cluster_says(self):
        found = self.facts.current()
        self.assertEqual(('fs0', ('system', 'fast'), {'1', '2', '3'}), (
            found.file_system.name, found.data_pools,
            found.failure_groups('fast')))
        self.assertIn('node1', found.node_names)

    def test_it_is_asked_for_again_when_it_is_old(self):
        for ask in (self.facts.current, self.facts.last_known):
            self.facts.refreshed()
            before = self.commands()
            self.clock.now += 300.0
            ask()
            self.assertEqual(before, self.commands())
            self.clock.now += 0.1
            ask()
            self.assertLess(before, self.commands())

    def test_who_must_know_is_told_the_error(self):
        self.break_down()
        self.assertRaises(errors.OutputNotUnderstood, self.facts.current)
        self.gpfs.faults.clear()
        self.assertEqual(self.facts.current(), self.facts.last_known())

    def test_who_reports_gets_what_was_known(self):
        found = self.facts.last_known()
        self.clock.now += 300.1
        self.break_down()
        self.assertIsNotNone(found)
        self.assertEqual(found, self.facts.last_known())

    def test_a_sick_cluster_is_not_asked_with_each_report(self):
        self.break_down()
        self.assertIsNone(self.facts.last_known())
        before = self.commands()
        self.assertIsNone(self.facts.last_known())
        self.assertEqual(before, self.commands())
        self.gpfs.faults.clear()
        self.clock.now += 300.1
        self.assertIsNotNone(self.facts.last_known())

    def test_who_reports_does_not_wait_for_another_who_asks(self):
        found = self.facts.last_known()
        self.clock.now += 300.1
        nested = []
        facts = offer.Facts(
            self.driver, lambda: nested.append(facts.last_known()) or 'fs0',
            clock=self.clock)
        self.assertEqual(found, facts.last_known())
        self.assertEqual([None], nested)

    def test_nothing_is_asked_of_an_unmounted_file_system(self):
        self.gpfs.unmount('fs0')
        self.assertIsNone(self.facts.last_known())
        self.assertRaises(errors.GpfsError, self.facts.current)
