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

import hashlib
import os

from oslotest import base

from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import offer
from nova_gpfs import policy
from nova_gpfs import storage
from tests import local_driver

RULES = policy.Rules(
    policies={'gold': {'pool': 'ssd', 'data_replicas': 2, 'swap_pool': 'hdd'},
              'near': {'write_affinity_depth': 1,
                       'write_affinity_failure_group': 'local'}},
    defaults={'root': 'gold', 'swap': 'gold'},
    image_may_set=frozenset(('metadata_replicas',)))
TOP = '/gpfs/nova/instances'
ROOM = f'{TOP}/_gpfs/incoming/ROOM/image'


def host(rules=RULES, failure_group=None):
    """Return a host on which GPFS is not installed."""
    driver = local_driver.make('/nowhere')
    return hosts.Host(
        rules, storage.Storage(driver, layout.Layout(TOP), os.rename,
                               require_clone=True, leftover_age=600),
        offer.Facts(driver, lambda: 'fs0'), failure_group)


#: role, flavor, image, policy, who named it, sources by field
SOURCES = (
    ('root', {}, {}, 'gold', '[gpfs] root_policy',
     {'pool': ('ssd', '[gpfs_policy:gold] pool'),
      'data_replicas': (2, '[gpfs_policy:gold] data_replicas')}),
    ('swap', {}, {}, 'gold', '[gpfs] swap_policy',
     {'pool': ('hdd', '[gpfs_policy:gold] swap_pool'),
      'data_replicas': (2, '[gpfs_policy:gold] data_replicas')}),
    ('config', {}, {}, '', '', {}),
    ('root', {'policy': 'near', 'root_pool': 'hdd'},
     {'metadata_replicas': '2'}, 'near', 'flavor gpfs:policy',
     {'pool': ('hdd', 'flavor gpfs:root_pool'),
      'metadata_replicas': (2, 'image gpfs_metadata_replicas'),
      'write_affinity_depth':
          (1, '[gpfs_policy:near] write_affinity_depth'),
      'write_affinity_failure_group':
          ('local', '[gpfs_policy:near] write_affinity_failure_group')}),
)

#: role, flavor, commands of a new master, commands of a new disk
COMMANDS = (
    ('root', {},
     [f'mmchattr -P ssd -r 2 -I yes {ROOM}', f'mmclone snap {ROOM}'],
     [f'mmclone copy {TOP}/_gpfs/masters/IMAGE_r2_on-ssd/image '
      f'{TOP}/INSTANCE/disk',
      f'mmchattr -P ssd -r 2 -I yes {TOP}/INSTANCE/disk']),
    ('ephemeral', {}, [f'mmclone snap {ROOM}'],
     [f'mmclone copy {TOP}/_gpfs/masters/EPHEMERAL/image '
      f'{TOP}/INSTANCE/disk.eph0']),
    ('ephemeral', {'policy': 'near'}, [f'mmclone snap {ROOM}'],
     [f'mmclone copy {TOP}/_gpfs/masters/EPHEMERAL/image '
      f'{TOP}/INSTANCE/disk.eph0',
      'mmchattr --write-affinity-depth 1 --write-affinity-failure-group 3 '
      f'-I yes {TOP}/INSTANCE/disk.eph0']),
    ('swap', {}, [], [f'mmchattr -P hdd -r 2 -I yes '
                      f'{TOP}/INSTANCE/disk.swap']),
    ('config', {}, [], []),
)


class ExplainTest(base.BaseTestCase):

    def explained(self, role, flavor=(), image=(), here=None, **how):
        return policies.explain(
            here or host(failure_group='3'),
            policy.Wishes(dict(flavor), dict(image)), roles=(role,), **how)

    def test_each_value_has_its_source(self):
        for role, flavor, image, name, named_by, expected in SOURCES:
            found, code = self.explained(role, flavor, image)
            (disk,) = found['disks']
            self.assertEqual((0, name, named_by),
                             (code, disk['policy'], disk['named_by']))
            self.assertEqual(expected, {
                row['field']: (row['value'], row['source'])
                for row in found['fields']})

    def test_the_commands_are_those_of_a_new_master_and_a_new_disk(self):
        for role, flavor, *expected in COMMANDS:
            found, _code = self.explained(role, flavor)
            self.assertEqual(expected, [
                [' '.join(row['command']) for row in found['commands']
                 if row['for'] == file]
                for file in ('new master', 'new disk')], (role, flavor))

    def test_a_command_that_may_be_spared_is_marked(self):
        for flavor, expected in (({}, 'unless the clone has it already'),
                                 ({'write_affinity_depth': '1'}, '')):
            found, _code = self.explained('root', flavor)
            self.assertEqual(expected, found['commands'][-1]['note'])

    def test_the_master_is_named_after_a_known_image(self):
        key = hashlib.sha1(b'the-id').hexdigest()
        found, _code = self.explained('root', image_id='the-id')
        self.assertEqual(f'{key}_r2_on-ssd', found['disks'][0]['master'])
        self.assertIn(f'{TOP}/_gpfs/masters/{key}_r2_on-ssd/image',
                      found['commands'][2]['command'])

    def test_what_is_refused_is_said_for_the_roles_that_it_is_about(self):
        found, code = policies.explain(
            host(), policy.Wishes({'swap_policy': 'bronze'}))
        self.assertEqual(1, code)
        self.assertEqual({'swap'}, {row['role'] for row in found['disks']
                                    if 'refused' in row})
        self.assertIn('bronze', found['disks'][2]['refused'])
        self.assertEqual({'root', 'ephemeral'},
                         {row['role'] for row in found['commands']})

    def test_a_failure_group_that_is_not_known_is_said_and_no_failure(self):
        found, code = self.explained('root', {'policy': 'near'}, here=host())
        (row,) = found['commands']
        self.assertEqual((0, ()), (code, row['command']))
        self.assertIn('/nowhere', row['note'])


class ListTest(base.BaseTestCase):

    def test_policies_are_listed_with_the_roles_that_they_are_for(self):
        found, code = policies.list_all(RULES)
        gold, near = found['policies']
        self.assertEqual(0, code)
        self.assertEqual(
            ('gold', 'ssd', 2, None, {'swap_pool': 'hdd'}, ['root', 'swap']),
            (gold['name'], gold['pool'], gold['data_replicas'],
             gold['metadata_replicas'], gold['for_roles'],
             gold['default_for']))
        self.assertEqual(('near', 'local', []), (
            near['name'], near['write_affinity_failure_group'],
            near['default_for']))


class ShowTest(base.BaseTestCase):

    def test_a_cluster_that_cannot_be_asked_is_said_and_a_failure(self):
        found, code = policies.show(host(), 'gold')
        self.assertEqual(2, code)
        self.assertEqual(['ssd', 'ssd', 'hdd', 'ssd'],
                         [row['pool'] for row in found['roles']])
        for row in found['roles']:
            self.assertEqual('unknown', row['granted'])
            self.assertIn('/nowhere', row['why'])

    def test_a_value_that_cannot_be_is_not_granted(self):
        rules = policy.Rules({'bad': {'swap_pool': '-P'}})
        found, code = policies.show(host(rules), 'bad')
        self.assertEqual(['yes', 'yes', 'no', 'yes'],
                         [row['granted'] for row in found['roles']])
        self.assertEqual(1, code)

    def test_an_unknown_policy_is_an_error_with_the_known_ones(self):
        error = self.assertRaises(errors.NoSuchPolicy, policies.show, host(),
                                  'bronze')
        self.assertIn('bronze; there are gold, near', str(error))
