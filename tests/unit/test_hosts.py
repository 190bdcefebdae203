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

import json
import os
import time
from unittest import mock

from nova_gpfs import errors
from nova_gpfs import guard
from nova_gpfs import hosts
from nova_gpfs import layout

from tests import local_driver
from tests.unit.sim import simulated

AGE = 100.0


class HostsTest(simulated.SimulatedTestCase):

    def setUp(self):
        super().setUp()
        self.instances = os.path.join(self.cluster.mount_point('fs0'), 'nova')
        self.layout = layout.Layout(self.instances)
        self.here, self.other = self.host('node1'), self.host('node2')

    def host(self, name):
        driver = local_driver.make(self.cluster.bin_dir(name))
        mount_guard = guard.MountGuard(driver, self.layout)
        mount_guard.establish()
        return hosts.Hosts(self.layout, mount_guard, AGE)

    def announce(self):
        self.here.announce(hosts.Host('node1', '192.0.2.1'))
        self.other.announce(hosts.Host('node2', '192.0.2.2'))

    def rewrite(self, name='node2', **fields):
        """Change what an entry says; its time stays."""
        path = self.layout.host(name)
        changed = os.stat(path).st_mtime
        with open(path) as f:
            entry = json.load(f)
        with open(path, 'w') as f:
            json.dump({**entry, **fields}, f)
        os.utime(path, (changed, changed))

    def set_age(self, seconds, name='node2'):
        mine = os.stat(self.layout.host('node1')).st_mtime
        os.utime(self.layout.host(name), (mine - seconds, mine - seconds))

    def test_hosts_that_have_announced_themselves_share(self):
        self.announce()
        self.assertTrue(self.here.share('192.0.2.2'))
        self.assertTrue(self.other.share('192.0.2.1'))
        self.assertEqual((hosts.Host('node1', '192.0.2.1'),
                          hosts.Host('node2', '192.0.2.2')),
                         self.here.live())

    def test_an_unknown_address_is_not_known_to_share(self):
        self.announce()
        self.assertFalse(self.here.share('192.0.2.3'))

    def test_an_address_stays_known_when_its_host_is_silent(self):
        self.announce()
        self.set_age(100 * AGE)
        self.assertTrue(self.here.has_had('192.0.2.2'))
        self.assertFalse(self.here.has_had('192.0.2.3'))

    def test_nothing_is_known_before_this_host_has_announced_itself(self):
        self.other.announce(hosts.Host('node2', '192.0.2.2'))
        self.assertFalse(self.here.share('192.0.2.2'))
        self.assertEqual((), self.here.live())

    def test_an_old_entry_does_not_count_until_it_is_refreshed(self):
        self.announce()
        self.set_age(AGE + 60)
        self.assertFalse(self.here.share('192.0.2.2'))
        self.assertEqual(['node1'], [host.name for host in self.here.live()])
        self.other.announce(hosts.Host('node2', '192.0.2.2'))
        self.assertTrue(self.here.share('192.0.2.2'))

    def test_an_entry_from_the_future_does_not_count_either(self):
        self.announce()
        self.set_age(-AGE - 60)
        self.assertFalse(self.here.share('192.0.2.2'))

    def test_only_the_times_of_files_are_compared(self):
        """Both hosts' files may be dated by a clock that is wrong."""
        self.announce()
        self.here.share('192.0.2.2')
        real = os.utime
        self.patch_utime(lambda path, *times, **how: real(
            path, (1000, 1000), **how))
        self.here.announce(hosts.Host('node1', '192.0.2.1'))
        self.other.announce(hosts.Host('node2', '192.0.2.2'))
        self.assertEqual(1000, os.stat(self.layout.host('node2')).st_mtime)
        self.assertTrue(self.here.share('192.0.2.2'))

    def patch_utime(self, function):
        self.addCleanup(setattr, os, 'utime', os.utime)
        os.utime = function

    def test_one_host_counts_for_all(self):
        self.announce()
        self.assertEqual(2, self.here.number())
        # What says nothing of a place is no live host, if it is looked at.
        self.rewrite(instances_path='/elsewhere')
        self.assertEqual(2, self.other.number())
        self.age_count(AGE)
        self.assertEqual(1, self.here.number())

    def test_what_hosts_that_died_have_left_goes_when_hosts_are_counted(self):
        self.announce()
        for name, age in (('old', 3 * 86400), ('new', 60)):
            path = self.layout.host(name) + '.1.new'
            open(path, 'x').close()
            os.utime(path, (time.time() - age,) * 2)
        self.assertEqual(2, self.here.number())
        left = os.listdir(self.layout.hosts)
        self.assertEqual(3, len(left))
        self.assertNotIn(os.path.basename(
            self.layout.host('old') + '.1.new'), left)

    def test_who_moves_something_does_not_read_the_entries_of_all(self):
        self.announce()
        self.assertTrue(self.other.share('192.0.2.1'))
        opened = mock.Mock(wraps=os.open)
        with (mock.patch.object(os, 'scandir') as scandir,
              mock.patch.object(os, 'open', opened)):
            self.assertTrue(self.here.share('192.0.2.2'))
        self.assertFalse(scandir.called)
        self.assertEqual(
            {os.path.join(self.layout.shared, 'addresses.json'),
             self.layout.host('node1'), self.layout.host('node2')},
            {call.args[0] for call in opened.call_args_list
             if str(call.args[0]).startswith(self.instances)}
            - {self.layout.identity})

    def test_a_host_with_another_address_is_known_by_it_at_once(self):
        self.announce()
        self.assertTrue(self.here.share('192.0.2.2'))
        self.other.announce(hosts.Host('node2', '192.0.2.7'))
        self.assertTrue(self.here.share('192.0.2.7'))
        self.assertFalse(self.here.share('192.0.2.2'))

    def test_addresses_that_no_host_has_written_do_no_harm(self):
        self.announce()
        self.here.share('192.0.2.2')
        path = os.path.join(self.layout.shared, 'addresses.json')
        with open(path) as f:
            written = json.load(f)
        for found in (7, [], {}, {'here': 7, 'elsewhere': {}},
                      {'here': {'': '192.0.2.2'}, 'elsewhere': {}},
                      {'here': {'..': '192.0.2.2'}, 'elsewhere': {}},
                      {'here': {'node2': 7}, 'elsewhere': {}},
                      {'here': {'node1': '192.0.2.2'}, 'elsewhere': {}},
                      {'here': {'/etc/x': '192.0.2.2'}, 'elsewhere': {}}):
            with open(path, 'w') as f:
                json.dump({**written, 'found': found}, f)
            self.assertTrue(self.here.share('192.0.2.2'), found)
            self.assertGreater(self.here.number(), 0)

    def age_count(self, seconds):
        path = os.path.join(self.layout.shared, 'addresses.json')
        then = os.stat(path).st_mtime - seconds
        os.utime(path, (then, then))

    def test_a_host_that_is_new_or_back_is_counted_at_once(self):
        self.here.announce(hosts.Host('node1', '192.0.2.1'))
        self.assertEqual(1, self.here.number())
        self.other.announce(hosts.Host('node2', '192.0.2.2'))
        self.assertEqual(2, self.here.number())
        self.set_age(AGE + 60)
        self.age_count(AGE)
        self.assertEqual(1, self.here.number())
        self.other.announce(hosts.Host('node2', '192.0.2.2'))
        self.assertEqual(2, self.here.number())

    def test_no_host_is_counted_before_this_one_has_announced_itself(self):
        self.other.announce(hosts.Host('node2', '192.0.2.2'))
        self.assertEqual(0, self.here.number())

    def test_a_count_of_another_place_is_not_believed(self):
        self.announce()
        self.assertEqual(2, self.here.number())
        path = os.path.join(self.layout.shared, 'addresses.json')
        with open(path) as f:
            count = json.load(f)
        with open(path, 'w') as f:
            json.dump({'of': {**count['of'], 'instances_path': '/other'},
                       'found': 7}, f)
        self.assertEqual(2, self.here.number())

    def test_a_host_of_another_place_does_not_share(self):
        self.announce()
        self.rewrite(instances_path='/elsewhere')
        self.assertFalse(self.here.share('192.0.2.2'))
        self.assertEqual(['node1'], [host.name for host in self.here.live()])

    def test_a_host_of_another_file_system_does_not_share(self):
        self.announce()
        with open(self.layout.host('node1')) as f:
            where = json.load(f)['location']
        self.rewrite(location={**where, 'file_system_uid': 'another'})
        self.assertFalse(self.here.share('192.0.2.2'))

    def test_two_hosts_of_one_address_must_both_share(self):
        self.announce()
        self.host('node3').announce(hosts.Host('node3', '192.0.2.2'))
        self.assertTrue(self.here.share('192.0.2.2'))
        self.rewrite('node3', instances_path='/elsewhere')
        self.assertFalse(self.here.share('192.0.2.2'))

    def test_an_entry_that_cannot_be_understood_is_passed_over(self):
        self.announce()
        for text in ('', '[]', '{}', '{"name": "x"'):
            with open(self.layout.host('node3'), 'w') as f:
                f.write(text)
            self.assertTrue(self.here.share('192.0.2.2'))
            self.assertEqual(2, len(self.here.live()))

    def test_a_new_address_replaces_the_old_one(self):
        self.announce()
        self.other.announce(hosts.Host('node2', '192.0.2.9'))
        self.assertFalse(self.here.share('192.0.2.2'))
        self.assertTrue(self.here.share('192.0.2.9'))
        self.assertEqual(['node1.json', 'node2.json'],
                         sorted(os.listdir(self.layout.hosts)))

    def test_a_host_is_remembered_whatever_its_age(self):
        self.announce()
        self.set_age(10 ** 6)
        self.assertTrue(self.here.knows('node2'))
        self.assertFalse(self.here.knows('node3'))

    def test_any_name_is_a_file_of_the_register(self):
        name = '../../odd name'
        self.here.announce(hosts.Host(name, '192.0.2.1'))
        self.assertEqual([name], [host.name for host in self.here.live()])
        self.assertEqual(1, len(os.listdir(self.layout.hosts)))

    def test_an_unmounted_file_system_is_not_written_to(self):
        self.announce()
        self.cluster.unmount('fs0')
        self.assertRaises(errors.NotMounted, self.here.announce,
                          hosts.Host('node1', '192.0.2.1'))
        self.assertRaises(errors.NotMounted, self.here.share, '192.0.2.2')
        self.assertEqual([], os.listdir(self.cluster.mount_point('fs0')))
