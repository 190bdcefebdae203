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

"""Disk space in Placement: told once, whatever the number of hosts."""

import os

from nova import context
from nova.tests.functional import integrated_helpers

from nova_gpfs import hosts
from nova_gpfs import model
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs.sim import spec as sim_spec

from tests.functional import cloud

GIB = 2 ** 30
#: Of the simulated pools together.
TOTAL = 600


class CapacityTestCase(cloud.CloudTestCase,
                       integrated_helpers.PlacementHelperMixin):

    hosts = ('node1',)
    #: Of the fileset of the instances, in bytes.
    hard = 0

    def setUp(self):
        super().setUp()
        self.start_hosts()

    def make_cluster(self):
        spec = sim_spec.Spec()
        for fileset in spec.file_systems[0].filesets:
            if fileset.name == 'nova':
                fileset.hard = self.hard
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def disk_gb(self, host):
        inventories = self._get_provider_inventory(
            self._get_provider_uuid_by_name(host))
        return inventories['DISK_GB']['total']

    def report(self, host):
        """Run the periodic task that reports."""
        compute = self.computes[host]
        compute.rt.reportclient.clear_provider_cache()
        compute.update_available_resource(context.get_admin_context())

    def register(self, *names):
        """Enter hosts that run elsewhere, as each of them does itself."""
        storage = self.computes['node1'].driver.image_backend.storage
        for name in names:
            hosts.Hosts(storage.layout, storage.guard, 600.0).announce(
                hosts.Host(name, f'{name}.example'))

    def age(self, name):
        """Let a host have said nothing for an hour."""
        for kind, entry in (('hosts', name), ('shared', 'addresses')):
            path = os.path.join(self.instances_path, '_gpfs', kind,
                                f'{entry}.json')
            then = os.stat(path).st_mtime - 3600
            os.utime(path, (then, then))

    def set_facts_age(self, seconds):
        for compute in self.computes.values():
            compute.driver.image_backend.placing.facts._max_age = seconds


class TwoHostsTest(CapacityTestCase):

    hosts = ('node1', 'node2')

    def test_two_hosts_report_what_there_is_between_them(self):
        """Launchpad bugs 1784020, 1771728, 1707256: each told all of it."""
        for host in self.hosts:
            self.report(host)
        self.assertEqual([TOTAL // 2] * 2,
                         [self.disk_gb(host) for host in self.hosts])

    def test_nova_shows_the_same_as_placement(self):
        self.report('node1')
        self.assertEqual(TOTAL // 2, self.computes['node1'].rt.compute_nodes[
            'node1'].local_gb)


class ManyHostsTest(CapacityTestCase):

    def test_ten_hosts_report_a_tenth_each(self):
        self.register(*(f'elsewhere{n}' for n in range(9)))
        self.report('node1')
        self.assertEqual(TOTAL // 10, self.disk_gb('node1'))

    def test_a_host_that_has_gone_leaves_its_part_to_the_others(self):
        self.register('elsewhere')
        self.report('node1')
        self.assertEqual(TOTAL // 2, self.disk_gb('node1'))
        self.age('elsewhere')
        self.report('node1')
        self.assertEqual(TOTAL, self.disk_gb('node1'))
        self.register('elsewhere')
        self.report('node1')
        self.assertEqual(TOTAL // 2, self.disk_gb('node1'))

    def test_the_operator_may_say_otherwise(self):
        self.register('elsewhere')
        for rule, wanted in (('whole', TOTAL), ('77', 77)):
            self.flags(capacity=rule, group='gpfs')
            self.report('node1')
            self.assertEqual(wanted, self.disk_gb('node1'))

    def test_a_report_asks_gpfs_nothing_that_is_known(self):
        self.report('node1')
        before = len(self.gpfs.calls())
        self.report('node1')
        # Whether it is well is never known.
        self.assertEqual(['mmlsattr'], [
            os.path.basename(call['argv'][0])
            for call in self.gpfs.calls()[before:]])

    def test_a_register_that_cannot_be_read_changes_nothing(self):
        self.register('elsewhere')
        self.report('node1')
        self.age('node1')
        path = os.path.join(self.instances_path, '_gpfs', 'hosts')
        os.rename(path, path + '.away')
        self.report('node1')
        os.rename(path + '.away', path)
        self.assertEqual(TOTAL // 2, self.disk_gb('node1'))
        self.assertIn('is taken to be what it was', self.stdlog.logger.output)


class SparseTest(CapacityTestCase):

    #: What is left where nothing is promised: the master takes some MiB.
    whole = TOTAL - 1

    def setUp(self):
        super().setUp()
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self.server = self.boot(self.glance.add('image', data, 'qcow2'),
                                self.flavor('ten', root_gb=10))

    def left(self):
        """Return the GiB that nobody has been promised, as Nova has them."""
        self.report('node1')
        return self.computes['node1'].rt.compute_nodes[
            'node1'].disk_available_least

    def test_what_sparse_disks_may_still_take_is_deducted_once(self):
        """Launchpad bugs 1744079, 1693679, 1764489, 1770640: miscounted.

        Sizes were taken for what is allocated, or the other way round.
        """
        self.assertEqual(self.whole - 10, self.left())

    def test_a_disk_that_has_vanished_does_not_end_the_report(self):
        """Launchpad bug 1662867: the periodic task died of it."""
        os.unlink(self.instance_file(self.server, 'disk'))
        self.assertEqual(self.whole, self.left())
        self.assertEqual(TOTAL, self.disk_gb('node1'))


class QuotaTest(CapacityTestCase):

    hard = 40 * GIB

    def test_the_quota_of_the_fileset_is_what_there_is(self):
        """Scale CSI pull request 277: the quota was not what was told."""
        self.register('elsewhere')
        self.report('node1')
        self.assertEqual(20, self.disk_gb('node1'))

    def test_a_quota_that_cannot_be_asked_for_is_what_it_was(self):
        self.set_facts_age(-1)
        self.gpfs.faults.add('mmlsquota', action='garbage', nth=0)
        self.report('node1')
        self.assertEqual(40, self.disk_gb('node1'))
        self.assertIn('The quota of the instances is not known',
                      self.stdlog.logger.output)


class ShortageTest(CapacityTestCase):

    def make_cluster(self):
        spec = sim_spec.Spec()
        for nsd in spec.file_systems[0].nsds:
            if nsd.pool == 'fast':
                nsd.size = 8 * cloud.MIB
        return sim_cluster.create(os.path.join(self.directory, 'gpfs'), spec)

    def fill(self, size, pool='fast'):
        path = os.path.join(self.instances_path, 'filler')
        with open(path, 'wb'):
            pass
        driver = self.computes['node1'].driver.image_backend.storage.driver
        driver.place(path, model.Placement(pool=pool))
        with open(path, 'wb') as f:
            f.write(b'x' * size)

    def traits(self):
        return self._get_provider_traits(
            self._get_provider_uuid_by_name('node1'))

    def test_low_space_is_said_once_and_a_full_pool_loses_its_trait(self):
        self.set_facts_age(-1)
        self.report('node1')
        self.assertNotIn('Low space', self.stdlog.logger.output)
        self.fill(22 * cloud.MIB)
        for _ in range(2):
            self.report('node1')
        self.assertEqual(1, self.stdlog.logger.output.count(
            'Low space: storage pool fast of file system fs0'))
        self.assertIn('CUSTOM_GPFS_POOL_FAST', self.traits())
        self.fill(24 * cloud.MIB)
        self.report('node1')
        self.assertNotIn('CUSTOM_GPFS_POOL_FAST', self.traits())
        self.assertIn('CUSTOM_GPFS_POOL_SYSTEM', self.traits())
        self.fill(1)
        self.report('node1')
        self.assertIn('CUSTOM_GPFS_POOL_FAST', self.traits())
