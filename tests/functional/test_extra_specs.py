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

"""nova-api refuses wrong ``gpfs:`` extra specs of a flavor."""

from nova import context
from nova import objects
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.api import client

from nova_gpfs import policy

FIELDS = ('policy', 'pool', 'data_replicas', 'metadata_replicas',
          'write_affinity_depth', 'block_group_factor',
          'write_affinity_failure_group')


class ExtraSpecsTest(test.TestCase):

    def setUp(self):
        super().setUp()
        api = self.useFixture(nova_fixtures.OSAPIFixture(api_version='v2.1'))
        self.api = api.admin_api
        self.api.microversion = '2.86'
        objects.Flavor(
            context=context.get_admin_context(), flavorid='gpfs', name='one',
            vcpus=1, memory_mb=64, root_gb=1, ephemeral_gb=0,
            swap=0).create()

    def assert_accepted(self, name, *values):
        for value in values:
            self.api.post_extra_spec('gpfs', {'extra_specs': {name: value}})
            self.assertEqual(value, self.api.get_flavor('gpfs')
                             ['extra_specs'][name])

    def assert_refused(self, name, *values, says=()):
        for value in values:
            refusal = self.assertRaises(
                client.OpenStackApiException, self.api.post_extra_spec, 'gpfs',
                {'extra_specs': {name: value}})
            self.assertEqual(400, refusal.response.status_code, value)
            for word in (name, *says):
                self.assertIn(word, refusal.response.text)
        self.assertEqual({}, self.api.get_flavor('gpfs')['extra_specs'])

    def test_every_field_is_known_for_all_disks_and_for_each_role(self):
        for prefix in ('', *(f'{role}_' for role in policy.ROLES)):
            for field in FIELDS:
                self.assert_accepted(f'gpfs:{prefix}{field}', '1')

    def test_a_name_that_nobody_knows_is_refused(self):
        for name in ('gpfs:pol', 'gpfs:root', 'gpfs:boot_pool', 'gpfs:Pool',
                     'gpfs:root_pool_', 'gpfs:replicas'):
            self.assert_refused(name, '1')

    def test_names_of_others_are_left_to_them(self):
        self.assert_accepted('gpfs', 'x')
        self.assert_accepted('mine:pool', 'a b')
        self.assert_accepted('trait:CUSTOM_GPFS_POOL_FAST', 'required')

    def test_pools_and_policies_are_names(self):
        for name in ('gpfs:pool', 'gpfs:swap_pool', 'gpfs:root_policy'):
            self.assert_refused(name, '', '-P', 'a b', 'a:b', 'a/b', '$(id)',
                                'a;b', says=['is not allowed', 'name of a'])
        self.assert_accepted('gpfs:pool', 'fast', 'ssd-1.a_b')
        self.assert_accepted('gpfs:config_policy', 'gold')

    def test_replicas_are_from_1_to_3(self):
        for name in ('gpfs:data_replicas', 'gpfs:root_metadata_replicas'):
            self.assert_refused(name, '0', '4', '-1', 'two', '1.5', '',
                                says=['whole number from 1 to 3'])
        self.assert_accepted('gpfs:ephemeral_data_replicas', '1', '2', '3')

    def test_write_affinity_depth_is_from_0_to_2(self):
        self.assert_refused('gpfs:write_affinity_depth', '-1', '3', 'x',
                            says=['whole number from 0 to 2'])
        self.assert_accepted('gpfs:swap_write_affinity_depth', '0', '2')

    def test_a_block_group_factor_is_from_1_to_1048576(self):
        self.assert_refused('gpfs:block_group_factor', '0', '1048577', '1M',
                            says=['whole number from 1 to 1048576'])
        self.assert_accepted('gpfs:block_group_factor', '1', '1048576')

    def test_a_failure_group_is_local_or_a_list_of_numbers(self):
        name = 'gpfs:write_affinity_failure_group'
        self.assert_refused(name, '', 'here', 'LOCAL', '-1', 'local;1', '1 2',
                            says=['local', 'digits'])
        self.assert_accepted(name, 'local', '2', '1,0,2', '1,1,1;2,1,*',
                             '1,[1-3],2')

    def test_older_microversions_do_not_ask(self):
        self.api.microversion = '2.85'
        self.assert_accepted('gpfs:data_replicas', '9')
