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


"""Decide where the blocks of a disk are to live; values in and out, no I/O.

A *policy* is a named placement of nova.conf. Which policy a disk has, and
what its flavor and image refine, is found here, and whether the cluster can
grant it. For each field of the placement, the first that says something is
believed:

1. the flavor, for disks of this role (``gpfs:root_pool``)
2. the flavor, for all disks (``gpfs:pool``)
3. the image, for disks of this role (``gpfs_root_pool``)
4. the image, for all disks (``gpfs_pool``)
5. the policy, for disks of this role (``root_pool``)
6. the policy, for all disks (``pool``)

and otherwise GPFS itself decides. The policy is the one that 1 to 4 name, in
the same order (``gpfs:root_policy`` ... ``gpfs_policy``), or the default of
nova.conf for disks of this role.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import re

from nova_gpfs import errors
from nova_gpfs.mm import fields
from nova_gpfs import model

ROLES = ('root', 'ephemeral', 'swap', 'config')
FIELDS = tuple(each.name for each in dataclasses.fields(model.Placement))
POLICY = 'policy'
FLAVOR = 'gpfs:'
IMAGE = 'gpfs_'

#: The failure group of the host that runs the instance.
LOCAL = 'local'

#: From this release of GPFS on, write affinity exists in the performance pool
#: of a DAT file system only (IBM documentation, Storage Scale 6.0.1,
#: "Administering file placement optimizer").
NO_WRITE_AFFINITY = (6, 0, 0, 0)
_AFFINITY = ('write_affinity_depth', 'block_group_factor',
             'write_affinity_failure_group')

# No value of any kind has more characters.
_LONGEST = 255

Value = str | int
Told = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Rules:
    """What nova.conf says.

    ``policies`` maps a policy's name to its options: fields, and fields with
    a role before them. ``defaults`` maps a role to the name of a policy. What
    flavors and images may set is a field (or ``policy``), which allows any
    value, or ``field=value``.

    ``masters_by_affinity`` tells that a master is placed like its disks in
    write affinity too, so that the disks do not share it with others.
    """

    policies: Mapping[str, Mapping[str, Value]] = dataclasses.field(
        default_factory=dict)
    defaults: Told = dataclasses.field(default_factory=dict)
    flavor_may_set: frozenset[str] = frozenset((POLICY, *FIELDS))
    image_may_set: frozenset[str] = frozenset()
    masters_by_affinity: bool = False

    def of_master(self, placement: model.Placement) -> model.Placement:
        """Return the part of a disk's placement that its master has."""
        return placement if self.masters_by_affinity else of_master(placement)


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What a flavor and an image ask for, the names without ``gpfs``."""

    flavor: Told = dataclasses.field(default_factory=dict)
    image: Told = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Resolved:
    """The placement of a disk; ``origins`` tells where each field is from.

    ``policy_origin`` tells who named the policy; both are '' without one.
    """

    role: str
    policy: str
    policy_origin: str
    placement: model.Placement
    origins: Told


def wishes(extra_specs: Told, properties: Told) -> Wishes:
    """Return what the extra specs and image properties say about GPFS."""
    return Wishes(_told(extra_specs, FLAVOR), _told(properties, IMAGE))


def _told(all_told: Told, prefix: str) -> dict[str, str]:
    return {name[len(prefix):]: str(value) for name, value
            in sorted(all_told.items()) if name.startswith(prefix)}


def resolve(rules: Rules, role: str, asked: Wishes) -> Resolved:
    """Return the placement of a disk, and why.

    :raises errors.PolicyRefused: a value cannot be, or may not be asked for
    """
    told = [*_layers(role, 'flavor ' + FLAVOR, asked.flavor,
                     rules.flavor_may_set),
            *_layers(role, 'image ' + IMAGE, asked.image,
                     rules.image_may_set)]
    policy, policy_origin = _choose_policy(rules, role, told)
    if policy:
        section = f'[gpfs_policy:{policy}] '
        told += _named(role, section, rules.policies[policy])
    values, origins = {}, {}
    for origin, name, value in told:
        if name != POLICY and name not in values:
            values[name] = _value(name, value, origin)
            origins[name] = origin
    return Resolved(role, policy, policy_origin,
                    model.Placement(**values),  # type: ignore[arg-type]
                    origins)


Said = tuple[str, str, Value]


def _layers(role: str, origin: str, asked: Told,
            allowed: frozenset[str]) -> Iterator[Said]:
    """Yield what one source says to a role, the most particular first."""
    for name, asked_for in asked.items():
        if _bare(name) not in (POLICY, *FIELDS):
            raise errors.InvalidPolicy(f'{origin}{name:.100} is not known')
        # Those of other roles too: all are kept beside the disks, in a record
        # that is read up to a limit.
        if len(asked_for) > _LONGEST:
            raise errors.InvalidPolicy(
                f'{origin}{name} has {len(asked_for)} characters, more than '
                f'{_LONGEST}')
    for said_by, name, value in _named(role, origin, asked):
        if not allowed & {name, f'{name}={value}'}:
            raise errors.PolicyNotAllowed(f'{said_by} = {str(value)!r:.100}')
        yield said_by, name, value


def _named(role: str, origin: str,
           options: Mapping[str, Value]) -> Iterator[Said]:
    """Yield (origin, field, value) of a role, particular ones first."""
    for prefix in (f'{role}_', ''):
        for name in (POLICY, *FIELDS):
            if prefix + name in options:
                yield origin + prefix + name, name, options[prefix + name]


def _bare(name: str) -> str:
    """Return the name of an option without the role before it."""
    role, _line, rest = name.partition('_')
    return rest if role in ROLES else name


def _choose_policy(rules: Rules, role: str,
                   told: Iterable[Said]) -> tuple[str, str]:
    named = [(str(value), origin) for origin, name, value in told
             if name == POLICY]
    if rules.defaults.get(role):
        named.append((rules.defaults[role], f'[gpfs] {role}_policy'))
    if not named:
        return '', ''
    policy, origin = named[0]
    if policy not in rules.policies:
        raise errors.NoSuchPolicy(
            f'{policy:.100} ({origin}); there are '
            f'{", ".join(sorted(rules.policies)) or "none"}')
    return policy, origin


_KINDS = {
    'pool': fields.NAME,
    'data_replicas': fields.REPLICAS,
    'metadata_replicas': fields.REPLICAS,
    'write_affinity_depth': fields.DEPTH,
    'block_group_factor': fields.FACTOR,
    'write_affinity_failure_group': fields.FAILURE_GROUP,
}
_TEXTS = (fields.NAME, fields.FAILURE_GROUP)
#: How a number is written in an extra spec or an image property.
NUMBER = '[0-9]{1,9}'


def _value(name: str, value: Value, origin: str) -> Value:
    """Return a value of its kind.

    :raises errors.InvalidPolicy: it is not of its kind
    """
    kind = _KINDS[name]
    if kind is fields.FAILURE_GROUP and value == LOCAL:
        return value
    if kind not in _TEXTS and re.fullmatch(NUMBER, str(value)):
        value = int(value)
    if not kind.holds(value):
        raise errors.InvalidPolicy(
            f'{origin} = {value!s:.100} is no {kind.name}')
    return value


def localized(placement: model.Placement,
              failure_group: str | None) -> model.Placement:
    """Return the placement on a host, ``local`` being its failure group.

    :raises errors.NoFailureGroup: ``local`` is asked for, and the host has
        no failure group or none that is known
    """
    if placement.write_affinity_failure_group != LOCAL:
        return placement
    if failure_group is None:
        raise errors.NoFailureGroup('write_affinity_failure_group = local')
    return dataclasses.replace(
        placement, write_affinity_failure_group=failure_group)


def merged(had: model.Placement,
           wanted: model.Placement) -> model.Placement:
    """Return what a disk has when it was given more than is wanted now.

    What nobody asks for any more stays: GPFS would not know where else to.
    """
    return model.Placement(**{
        name: getattr(had if getattr(wanted, name) is None else wanted, name)
        for name in FIELDS})


def affinity(placement: model.Placement) -> model.Placement:
    """Return the part that is for blocks that are yet to be written."""
    return model.Placement(**{name: getattr(placement, name)
                              for name in _AFFINITY})


def of_master(placement: model.Placement) -> model.Placement:
    """Return the part that GPFS can change of blocks which are there.

    Blocks that a disk reads through its master lie where the master's do.
    Write affinity is for blocks that are yet to be written, and a master is
    never written to once it is one.
    """
    return dataclasses.replace(placement, **dict.fromkeys(_AFFINITY))


def check(placement: model.Placement, file_system: model.FileSystem,
          pools: Iterable[model.Pool], disks: Iterable[model.Disk]) -> None:
    """Refuse what the cluster cannot grant.

    :raises errors.NoSuchPool: there is none, or it holds no data
    :raises errors.TooManyReplicas: more than the file system's maximum or
        the failure groups
    :raises errors.NoWriteAffinity: this GPFS or this pool has none
    """
    usable = {pool.name: pool for pool in pools if pool.holds_data}
    if placement.pool and placement.pool not in usable:
        raise errors.NoSuchPool(
            f'{placement.pool}; pools for data are {", ".join(usable)}')
    all_disks = tuple(disks)
    _check_replicas('data', placement.data_replicas,
                    file_system.max_data_replicas,
                    _data_failure_groups(placement.pool, all_disks))
    _check_replicas('metadata', placement.metadata_replicas,
                    file_system.max_metadata_replicas,
                    len({disk.point_of_failure for disk in all_disks
                         if disk.holds_metadata}))
    if any(getattr(placement, name) is not None for name in _AFFINITY):
        _check_affinity(file_system, [
            pool for pool in usable.values()
            if placement.pool in (None, pool.name)])


def _data_failure_groups(pool: str | None,
                         disks: Iterable[model.Disk]) -> int:
    """Return how many failure groups hold data of a pool.

    Where GPFS chooses the pool, it is the pool that has the most: what is
    more than that cannot be granted anywhere.
    """
    groups: dict[str, set[str]] = {}
    for disk in disks:
        if disk.holds_data and pool in (None, disk.pool):
            groups.setdefault(disk.pool, set()).add(disk.point_of_failure)
    return max((len(found) for found in groups.values()), default=0)


def _check_replicas(what: str, asked: int | None, maximum: int,
                    groups: int) -> None:
    if asked and asked > maximum:
        raise errors.TooManyReplicas(
            f'{asked} of {what}; the maximum of the file system is {maximum}')
    if asked and asked > groups:
        raise errors.TooManyReplicas(
            f'{asked} of {what}; there are {groups} failure groups for them')


def _check_affinity(file_system: model.FileSystem,
                    pools: list[model.Pool]) -> None:
    if file_system.release >= NO_WRITE_AFFINITY:
        raise errors.NoWriteAffinity(
            'GPFS ' + '.'.join(map(str, file_system.release)))
    if all(pool.write_affinity is False for pool in pools):
        raise errors.NoWriteAffinity(
            f'pool {", ".join(pool.name for pool in pools)}')
