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

"""nova-api and nova-compute agree on extra specs."""

from hypothesis import given
from hypothesis import strategies
from nova import exception
from oslotest import base

from nova_gpfs.api import extra_specs
from nova_gpfs import errors
from nova_gpfs import policy

VALIDATORS = {one.name: one for one in extra_specs.register()}
PLAUSIBLE = strategies.sampled_from([
    '', '0', '1', '2', '3', '4', '-1', '+1', ' 1', '1 ', '1_0', '01', '1.0',
    '\u0661', '1048576', '1048577', '0000000001', 'local', 'fast', '-P',
    'a b', 'a:b', 'x' * 255, 'x' * 256, '1,0,2', '1,[1-3],2;*', '1\n',
    'local\n', '$(id)'])


def api_accepts(name, value):
    try:
        VALIDATORS[name].validate(name, value)
    except exception.ValidationError:
        return False
    return True


def compute_accepts(key, value):
    role = key.partition('_')[0]
    try:
        policy.resolve(policy.Rules(),
                       role if role in policy.ROLES else 'root',
                       policy.Wishes(flavor={key: value}))
    except errors.InvalidPolicy:
        return False
    return True


class AgreementTest(base.BaseTestCase):

    @given(strategies.sampled_from([
        prefix + field for prefix in ('', *(f'{role}_' for role
                                            in policy.ROLES))
        for field in policy.FIELDS]), PLAUSIBLE | strategies.text())
    def test_what_the_api_accepts_is_what_compute_hosts_accept(self, key,
                                                               value):
        self.assertEqual(compute_accepts(key, value),
                         api_accepts(f'gpfs:{key}', value))

    def test_every_name_that_compute_hosts_know_is_known(self):
        self.assertEqual(
            {f'gpfs:{prefix}{field}'
             for prefix in ('', *(f'{role}_' for role in policy.ROLES))
             for field in (policy.POLICY, *policy.FIELDS)}, set(VALIDATORS))

    def test_every_one_describes_itself(self):
        for validator in VALIDATORS.values():
            self.assertTrue(validator.allowed)
            self.assertTrue(validator.description.endswith('.'))
