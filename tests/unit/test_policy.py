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


import dataclasses

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs import policy

GIB = 2 ** 30

RULES = policy.Rules(
    policies={'gold': {'pool': 'ssd', 'data_replicas': 2, 'swap_pool': 'hdd'},
              'silver': {'pool': 'hdd', 'metadata_replicas': 2},
              'near': {'pool': 'fpo', 'write_affinity_depth': 1,
                       'write_affinity_failure_group': 'local'}},
    defaults={'root': 'silver', 'swap': 'silver'},
    flavor_may_set=frozenset((policy.POLICY, *policy.FIELDS)),
    image_may_set=frozenset(('policy=silver', 'policy=gold', 'pool')))

#: role, extra specs, image properties, placement, origin of the pool
TABLE = (
    ('root', {}, {}, {'pool': 'hdd', 'metadata_replicas': 2},
     '[gpfs_policy:silver] pool'),
    ('ephemeral', {}, {}, {}, None),
    ('root', {'gpfs:policy': 'gold'}, {},
     {'pool': 'ssd', 'data_replicas': 2}, '[gpfs_policy:gold] pool'),
    ('swap', {'gpfs:policy': 'gold'}, {},
     {'pool': 'hdd', 'data_replicas': 2}, '[gpfs_policy:gold] swap_pool'),
    ('swap', {'gpfs:policy': 'gold', 'gpfs:swap_policy': 'near'}, {},
     {'pool': 'fpo', 'write_affinity_depth': 1,
      'write_affinity_failure_group': 'local'}, '[gpfs_policy:near] pool'),
    ('root', {}, {'gpfs_policy': 'gold'},
     {'pool': 'ssd', 'data_replicas': 2}, '[gpfs_policy:gold] pool'),
    ('root', {'gpfs:policy': 'silver'}, {'gpfs_policy': 'gold'},
     {'pool': 'hdd', 'metadata_replicas': 2}, '[gpfs_policy:silver] pool'),
    ('root', {'gpfs:pool': 'ssd'}, {'gpfs_root_pool': 'fpo'},
     {'pool': 'ssd', 'metadata_replicas': 2}, 'flavor gpfs:pool'),
    ('root', {'gpfs:data_replicas': '3'}, {'gpfs_root_pool': 'fpo'},
     {'pool': 'fpo', 'data_replicas': 3, 'metadata_replicas': 2},
     'image gpfs_root_pool'),
    ('root', {'gpfs:pool': 'ssd', 'gpfs:root_pool': 'fpo'}, {},
     {'pool': 'fpo', 'metadata_replicas': 2}, 'flavor gpfs:root_pool'),
    ('ephemeral', {'gpfs:root_pool': 'fpo', 'hw:cpu_policy': 'shared'},
     {'os_type': 'linux'}, {}, None),
    ('config', {'gpfs:write_affinity_failure_group': '1,0,*;2'}, {},
     {'write_affinity_failure_group': '1,0,*;2'}, None),
)


def resolve(role, specs=(), properties=(), rules=RULES):
    return policy.resolve(rules, role,
                          policy.wishes(dict(specs), dict(properties)))


class TestResolution(base.BaseTestCase):

    def test_the_more_particular_and_the_flavor_come_first(self):
        for role, specs, properties, expected, origin in TABLE:
            found = resolve(role, specs, properties)
            row = (role, specs, properties)
            self.assertEqual(model.Placement(**expected), found.placement,
                             row)
            self.assertEqual(origin, found.origins.get('pool'), row)
            self.assertEqual(set(expected), set(found.origins), row)

    def test_who_named_the_policy_is_told(self):
        for role, specs, properties, expected in (
                ('root', {}, {}, ('silver', '[gpfs] root_policy')),
                ('config', {}, {}, ('', '')),
                ('root', {'gpfs:policy': 'gold'}, {},
                 ('gold', 'flavor gpfs:policy')),
                ('swap', {'gpfs:swap_policy': 'gold'}, {},
                 ('gold', 'flavor gpfs:swap_policy')),
                ('root', {}, {'gpfs_policy': 'gold'},
                 ('gold', 'image gpfs_policy'))):
            found = resolve(role, specs, properties)
            self.assertEqual(expected, (found.policy, found.policy_origin))

    def test_what_is_not_allowed_is_refused_and_not_passed_over(self):
        for specs, properties in (
                ({}, {'gpfs_policy': 'near'}),
                ({}, {'gpfs_data_replicas': '2'}),
                ({}, {'gpfs_root_data_replicas': '2'})):
            self.assertRaises(errors.PolicyNotAllowed, resolve, 'root',
                              specs, properties)
        rules = dataclasses.replace(RULES, flavor_may_set=frozenset())
        self.assertRaises(errors.PolicyNotAllowed, resolve, 'root',
                          {'gpfs:pool': 'ssd'}, {}, rules)

    def test_what_another_role_is_told_is_no_reason_to_refuse(self):
        found = resolve('ephemeral', {}, {'gpfs_root_data_replicas': '2'})
        self.assertTrue(found.placement.is_empty)

    def test_an_unknown_policy_is_refused_with_the_known_ones(self):
        error = self.assertRaises(errors.NoSuchPolicy, resolve, 'root',
                                  {'gpfs:policy': 'bronze'})
        for text in ('bronze', 'flavor gpfs:policy', 'gold, near, silver'):
            self.assertIn(text, str(error))

    def test_bad_names_and_values_are_refused_with_their_origin(self):
        for specs in ({'gpfs:pol': 'x'}, {'gpfs:boot_pool': 'ssd'},
                      {'gpfs:data_replicas': '5'},
                      {'gpfs:data_replicas': '-1'},
                      {'gpfs:data_replicas': 'two'},
                      {'gpfs:data_replicas': '２'},
                      {'gpfs:pool': '-P'}, {'gpfs:pool': '../x'},
                      {'gpfs:pool': ''}, {'gpfs:write_affinity_depth': '9'},
                      {'gpfs:block_group_factor': '0'},
                      {'gpfs:write_affinity_failure_group': 'remote'}):
            error = self.assertRaises(errors.InvalidPolicy, resolve, 'root',
                                      specs)
            self.assertIn('flavor ' + list(specs)[0], str(error))

    def test_local_is_the_failure_group_of_the_host(self):
        near = resolve('root', {'gpfs:policy': 'near'}).placement
        self.assertEqual('7', policy.localized(
            near, '7').write_affinity_failure_group)
        self.assertRaises(errors.NoFailureGroup, policy.localized, near, None)
        plain = model.Placement(write_affinity_failure_group='2')
        self.assertEqual(plain, policy.localized(plain, None))

    def test_a_master_has_the_part_that_holds_for_blocks_it_shares(self):
        self.assertEqual(
            model.Placement('fpo', 2, 1),
            policy.of_master(model.Placement('fpo', 2, 1, 1, 128, 'local')))


def disk(name, group, pool, data=True, metadata=False):
    return model.Disk(name, group, pool, data, metadata, 'ready', 'up')


FILE_SYSTEM = model.FileSystem('fs0', '/gpfs/fs0', (22, 0), 2 ** 20, 1, 2, 1,
                               2)
POOLS = (model.Pool('system', 0, 2 ** 20, False, True, 0, 0),
         model.Pool('ssd', 65537, 2 ** 20, True, False, GIB, GIB, False),
         model.Pool('fpo', 65538, 2 ** 20, True, False, GIB, GIB, True),
         model.Pool('one', 65539, 2 ** 20, True, False, GIB, GIB))
DISKS = (disk('m1', '1', 'system', False, True),
         disk('m2', '2', 'system', False, True),
         disk('d1', '1', 'ssd'), disk('d2', '2', 'ssd'),
         disk('f1', '1', 'fpo'), disk('f2', '2', 'fpo'),
         disk('f3', '3', 'fpo'), disk('o1', '1', 'one'),
         disk('o2', '1', 'one'))

#: fields of the placement, what is raised
GRANTED = (
    ({}, None),
    ({'pool': 'ssd', 'data_replicas': 2, 'metadata_replicas': 2}, None),
    ({'data_replicas': 2}, None),
    ({'pool': 'nvme'}, errors.NoSuchPool),
    ({'pool': 'system'}, errors.NoSuchPool),
    ({'pool': 'fpo', 'data_replicas': 3}, errors.TooManyReplicas),
    ({'pool': 'one', 'data_replicas': 2}, errors.TooManyReplicas),
    ({'metadata_replicas': 3}, errors.TooManyReplicas),
    ({'pool': 'ssd', 'write_affinity_depth': 1}, errors.NoWriteAffinity),
    ({'pool': 'fpo', 'write_affinity_depth': 1}, None),
    # Nothing tells whether pool "one" has write affinity: mmchattr will.
    ({'pool': 'one', 'block_group_factor': 128}, None),
    ({'write_affinity_failure_group': '1'}, None),
)


class TestCheck(base.BaseTestCase):

    def test_what_the_cluster_cannot_grant_is_refused(self):
        for wish, expected in GRANTED:
            placement = model.Placement(**wish)
            if expected:
                self.assertRaises(expected, policy.check, placement,
                                  FILE_SYSTEM, POOLS, DISKS)
            else:
                policy.check(placement, FILE_SYSTEM, POOLS, DISKS)

    def test_write_affinity_is_gone_from_release_6_on(self):
        wish = model.Placement('fpo', write_affinity_depth=1)
        for release, refused in (((), False), ((5, 2, 3, 1), False),
                                 ((6, 0, 0, 0), True), ((6, 0, 1), True)):
            system = dataclasses.replace(FILE_SYSTEM, release=release)
            if refused:
                self.assertRaises(errors.NoWriteAffinity, policy.check, wish,
                                  system, POOLS, DISKS)
            else:
                policy.check(wish, system, POOLS, DISKS)


names = st.sampled_from(('ssd', 'fpo', 'one', 'system', 'nvme'))
replicas = st.integers(0, 4)
values = {'pool': names, 'data_replicas': replicas,
          'metadata_replicas': replicas,
          'write_affinity_depth': st.integers(-1, 3),
          'block_group_factor': st.integers(-1, 2 ** 21),
          'write_affinity_failure_group': st.sampled_from(
              ('local', '1', '1,0,1;2', 'x'))}
options = st.fixed_dictionaries({}, optional={
    prefix + name: value for name, value in values.items()
    for prefix in ('', *(f'{role}_' for role in policy.ROLES))})
policies = st.dictionaries(st.sampled_from(('a', 'b')), options)
chosen = st.fixed_dictionaries({}, optional={
    prefix + 'policy': st.sampled_from(('a', 'b', 'c'))
    for prefix in ('', *(f'{role}_' for role in policy.ROLES))})
told = st.builds(lambda some, name: {**some, **name}, options, chosen)
allowed = st.frozensets(st.sampled_from((policy.POLICY, *policy.FIELDS)))


class TestEveryWish(base.BaseTestCase):

    @hypothesis.given(policies, st.dictionaries(
        st.sampled_from(policy.ROLES), st.sampled_from(('a', 'b'))),
        allowed, allowed, st.sampled_from(policy.ROLES), told, told)
    def test_the_placement_is_granted_or_refused_and_its_origins_hold(
            self, named, defaults, flavor_may, image_may, role, flavor,
            image):
        rules = policy.Rules(named, defaults, flavor_may, image_may)
        try:
            found = resolve(role, _prefixed('gpfs:', flavor),
                            _prefixed('gpfs_', image), rules)
            policy.check(found.placement, FILE_SYSTEM, POOLS, DISKS)
        except errors.PolicyRefused:
            return
        self.assertWithinCluster(found.placement)
        self.assertExplained(found, rules, flavor, image)

    def assertWithinCluster(self, placement):
        groups = {one.failure_group for one in DISKS if one.holds_data
                  and placement.pool in (None, one.pool)}
        self.assertIn(placement.pool, (None, 'ssd', 'fpo', 'one'))
        self.assertLessEqual(placement.data_replicas or 1,
                             min(2, len(groups)))
        self.assertLessEqual(placement.metadata_replicas or 1, 2)
        if placement.pool == 'ssd':
            self.assertIsNone(placement.write_affinity_depth)

    def assertExplained(self, found, rules, flavor, image):
        """Read each origin as an operator would, and find the value there."""
        sources = {'flavor gpfs:' + name: (value, rules.flavor_may_set)
                   for name, value in flavor.items()}
        sources |= {'image gpfs_' + name: (value, rules.image_may_set)
                    for name, value in image.items()}
        for name, value in rules.policies.get(found.policy, {}).items():
            sources[f'[gpfs_policy:{found.policy}] {name}'] = (value, None)
        for field in policy.FIELDS:
            value = getattr(found.placement, field)
            if value is None:
                self.assertNotIn(field, found.origins)
                continue
            said, may_set = sources[found.origins[field]]
            self.assertEqual(str(said), str(value))
            self.assertTrue(may_set is None or field in may_set)


def _prefixed(prefix, told):
    return {prefix + name: str(value) for name, value in told.items()}
