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

"""What nova-api accepts as the value of a flavor's ``gpfs:`` extra spec.

Nova finds this by its entry point ``nova.api.extra_spec_validators`` and asks
it from microversion 2.86 on. As it knows the namespace then, it refuses any
name in it that is not registered here. The rules are those by which mm
commands are built; nova-api needs no GPFS, and nothing is run.
"""

import dataclasses
import re

from nova.api.validation.extra_specs import base
from nova import exception

from nova_gpfs.mm import fields
from nova_gpfs.mm import mmchattr
from nova_gpfs import policy

_KINDS = fields.kinds(mmchattr.Change)
_NAME = ('of up to 255 characters that does not begin with a dash and has no '
         'blank, slash, colon or sign that means something to a shell')
_ALLOWED = {
    'policy': f'the name of a policy in nova.conf, {_NAME}',
    'pool': f'the name of a storage pool, {_NAME}',
    'write_affinity_failure_group': (
        f'"{policy.LOCAL}" or a list of failure groups as mmchattr takes it: '
        'up to 255 digits, commas, semicolons, asterisks, and ranges in '
        'brackets'),
}
_DESCRIPTIONS = {
    'policy': 'The placement policy, a [gpfs_policy:NAME] of nova.conf',
    'pool': 'The storage pool',
    'data_replicas': 'The number of replicas of data',
    'metadata_replicas': 'The number of replicas of metadata',
    'write_affinity_depth': 'The write affinity depth (FPO)',
    'block_group_factor': 'The block group factor (FPO)',
    'write_affinity_failure_group': (
        f'The failure groups that new blocks go to (FPO); "{policy.LOCAL}" is '
        'the one of the host that runs the instance'),
}


@dataclasses.dataclass
class Validator(base.ExtraSpecValidator):
    """Nova's validator, with words instead of a regular expression."""

    allowed: str = ''

    def validate(self, name, value):
        """Return if the value is allowed.

        :raises exception.ValidationError: nova-api answers 400 with it
        """
        if not self._allows(name, value):
            raise exception.ValidationError(
                f'Validation failed; {value!r:.100} is not allowed for extra '
                f"spec '{name}'; allowed is {self.allowed}.")

    def _allows(self, name, value):
        # Nova's own rule for numbers is int(), which reads "1_0" and " 3".
        if self.value['type'] is int and not re.fullmatch(policy.NUMBER,
                                                          value):
            return False
        try:
            super().validate(name, value)
        except exception.ValidationError:
            return False
        return True


def register():
    """Return a validator for each extra spec, which Nova asks for."""
    whose = {'': 'all disks of an instance'}
    whose |= {f'{role}_': f'the {role} disk' for role in policy.ROLES}
    return [_validator(field, f'gpfs:{prefix}{field}', disks)
            for prefix, disks in whose.items() for field in _DESCRIPTIONS]


def _validator(field, name, disks):
    kind = fields.NAME if field == 'policy' else _KINDS[field]
    return Validator(
        name=name,
        description=f'{_DESCRIPTIONS[field]} of {disks}.',
        value=_value(field, kind),
        allowed=_allowed(field, kind))


def _allowed(field, kind):
    if kind.bounds is None:
        return _ALLOWED[field]
    low, high = kind.bounds
    return f'a whole number from {low} to {high}'


def _value(field, kind):
    if kind.bounds is not None:
        low, high = kind.bounds
        return {'type': int, 'min': low, 'max': high}
    if field == 'write_affinity_failure_group':
        return {'type': str, 'pattern': f'{policy.LOCAL}|{kind.pattern}'}
    return {'type': str, 'pattern': kind.pattern}
