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

"""Options of placement policies: ``[gpfs_policy:NAME]`` and who has which."""

from __future__ import annotations

from collections.abc import Iterator
import glob
import os
from typing import Any

from oslo_config import cfg

from nova_gpfs import errors
from nova_gpfs.mm import fields
from nova_gpfs import policy

_PREFIX = 'gpfs_policy:'
_ROLE_NAMES = {'root': 'root disks', 'ephemeral': 'ephemeral disks',
               'swap': 'swap disks', 'config': 'config drives'}

_HELP = """
A placement policy: in which storage pool the blocks of disks live, how many
copies there are of them, and where new ones are put.

There is one such group for each policy; what follows the colon is its name.
A field that is not set is left to GPFS. Each field can be set for disks of
one role as well (``root_``, ``ephemeral_``, ``swap_``, ``config_`` before its
name), which then counts more than the field for all disks.

``nova-gpfs policy list`` shows the policies of a host, ``nova-gpfs policy
explain`` what comes of a flavor and an image. nova-compute does not start with
a policy that the cluster cannot grant.
"""

_FIELDS: dict[str, tuple[type[cfg.Opt], dict[str, Any], str]] = {
    'pool': (cfg.StrOpt, {}, """
Storage pool that the data of disks are in.

Possible values:

* A name from ``mmlspool`` of a pool that holds data.
"""),
    'data_replicas': (cfg.IntOpt, {'min': 1, 'max': 3}, """
Number of copies of each block of data, in as many failure groups.

Possible values:

* 1 to 3, not more than the maximum of the file system (``mmlsfs -R``) and
  the failure groups of the pool.
"""),
    'metadata_replicas': (cfg.IntOpt, {'min': 1, 'max': 3}, """
Number of copies of the metadata of each disk.

Possible values:

* 1 to 3, not more than the maximum of the file system (``mmlsfs -M``) and
  the failure groups that hold metadata.
"""),
    'write_affinity_depth': (cfg.IntOpt, {'min': 0, 'max': 2}, """
How the copies of a block that is written are spread (FPO).

Only for pools with ``allowWriteAffinity=yes``, and not from release 6.0.0 of
Storage Scale on. 1 puts the first copy on disks of the node that writes.
"""),
    'block_group_factor': (cfg.IntOpt, {'min': 1, 'max': 2 ** 20}, """
How many blocks are laid out together, as if they were one (FPO).

Related options:

* ``write_affinity_depth`` has the same requirements.
"""),
    'write_affinity_failure_group': (cfg.StrOpt, {}, """
Failure groups that new blocks are put into (FPO).

Possible values:

* ``local``: the failure group of the compute host that runs the instance. It
  follows the instance when that moves.
* A value of ``mmchattr --write-affinity-failure-group``: failure groups for
  each copy, with ``;`` between copies.

Related options:

* ``write_affinity_depth`` has the same requirements.
* ``[gpfs] failure_group``
"""),
}


def _policy_options() -> list[cfg.Opt]:
    options = [kind(name, help=text, **limits)
               for name, (kind, limits, text) in _FIELDS.items()]
    for role in policy.ROLES:
        options += [
            kind(f'{role}_{name}', help=f'``{name}`` for '
                 f'{_ROLE_NAMES[role]}; counts more than ``{name}``.',
                 **limits)
            for name, (kind, limits, _text) in _FIELDS.items()]
    return options


POLICY_OPTIONS = _policy_options()

OPTIONS: list[cfg.Opt] = [
    *(cfg.StrOpt(
        f'{role}_policy',
        help=f"""
Placement policy of {_ROLE_NAMES[role]} when flavor and image name none.

Possible values:

* The name of a group ``[gpfs_policy:NAME]``.
* Not set: GPFS decides, by its own placement rules.
""") for role in policy.ROLES),
    cfg.StrOpt(
        'failure_group',
        help="""
Failure group of this compute host, which ``local`` in a policy stands for.

Possible values:

* A failure group from ``mmlsdisk``.
* Not set: that of the disks which this node serves, according to ``mmlsdisk``
  and ``mmlsnsd``, if they are all of one.

Related options:

* ``[gpfs_policy:NAME] write_affinity_failure_group``
"""),
    cfg.ListOpt(
        'write_affinity_pools',
        default=[],
        help="""
Storage pools with ``allowWriteAffinity=yes`` (FPO).

No GPFS command tells this in a way that is documented. Where it is said here,
write affinity in any other pool is refused before a disk is made, and hosts
have the trait ``CUSTOM_GPFS_FPO``. Otherwise ``mmchattr`` has the last word.

Possible values:

* A comma-separated list of pools.

Related options:

* ``[gpfs_policy:NAME] write_affinity_depth``
"""),
    cfg.BoolOpt(
        'masters_by_write_affinity',
        default=False,
        help="""
Make a master of an image for each write affinity that disks have.

A disk reads the blocks of its master until the guest writes to them.

Possible values:

* ``False``: disks whose placements differ only in write affinity share a
  master. Their blocks are where the policy says once they are written.
* ``True``: they have masters of their own (FPO), so that all of their blocks
  are there from the beginning. With ``local`` that is one master of each image
  and failure group, with the space and the time to copy it inside GPFS.

Related options:

* ``[gpfs_policy:NAME] write_affinity_failure_group``
"""),
    cfg.BoolOpt(
        'relocate_blocks',
        default=False,
        help="""
Move the blocks of a disk to where its instance has moved.

With ``local`` in its policy, new blocks of a disk are written near the host
that runs the instance. With this option the blocks that are there follow after
each move, in the background and one disk at a time.

Possible values:

* ``False``: blocks stay where they are until they are written again.
* ``True``: ``mmrestripefile -l`` is run on the disk by the new host.

Related options:

* ``[gpfs] relocation_pause``
"""),
    cfg.FloatOpt(
        'relocation_pause',
        default=60.0, min=0.0,
        help="""
Pause between two disks whose blocks move, in seconds.

Related options:

* ``[gpfs] relocate_blocks``
"""),
    cfg.ListOpt(
        'flavor_may_set',
        default=[policy.POLICY, *policy.FIELDS],
        help="""
What extra specs of flavors may say about the placement of disks.

An instance whose flavor says anything else that begins with ``gpfs:`` is
refused.

Possible values:

* A comma-separated list of fields of a policy, and ``policy`` for its name.
  ``pool`` stands for ``gpfs:pool`` and for ``gpfs:root_pool`` and so on.
* ``field=value`` allows just that value, like ``policy=gold``.

Related options:

* ``[gpfs] image_may_set``
"""),
    cfg.ListOpt(
        'image_may_set',
        default=[],
        help="""
What properties of images may say about the placement of disks.

Whoever uploads an image sets its properties, so that by default they may say
nothing. An instance whose image says anything else that begins with
``gpfs_`` is refused.

Possible values:

* As for ``[gpfs] flavor_may_set``.
"""),
]


def names(conf: cfg.ConfigOpts) -> list[str]:
    """Return the names of all policies in the files of ``conf``."""
    return [section[len(_PREFIX):] for section in conf.list_all_sections()
            if section.startswith(_PREFIX) and section != _PREFIX]


def register(conf: cfg.ConfigOpts) -> None:
    """Make the policies known to ``conf``; doing it again is harmless."""
    for name in names(conf):
        conf.register_opts(POLICY_OPTIONS, group=_PREFIX + name)


def rules(conf: cfg.ConfigOpts) -> policy.Rules:
    """Return what the files of ``conf`` say.

    :raises errors.Misconfigured: an option is unknown or its value is wrong
    """
    _require_clear_names(conf)
    register(conf)
    _require_known_fields(conf)
    try:
        return policy.Rules(
            policies={name: _set_options(conf[_PREFIX + name])
                      for name in names(conf)},
            defaults={role: conf.gpfs[f'{role}_policy']
                      for role in policy.ROLES
                      if conf.gpfs[f'{role}_policy']},
            flavor_may_set=frozenset(conf.gpfs.flavor_may_set),
            image_may_set=frozenset(conf.gpfs.image_may_set),
            masters_by_affinity=conf.gpfs.masters_by_write_affinity)
    except cfg.Error as error:
        raise errors.Misconfigured(str(error)) from error


def _require_clear_names(conf: cfg.ConfigOpts) -> None:
    """Refuse names that oslo.config takes for one another."""
    seen: dict[str, str] = {}
    for name in names(conf):
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise errors.Misconfigured(
                f'[{_PREFIX}{other}] and [{_PREFIX}{name}] differ only in '
                'capital letters')


def _require_known_fields(conf: cfg.ConfigOpts) -> None:
    for option in ('flavor_may_set', 'image_may_set'):
        for entry in conf.gpfs[option]:
            if entry.partition('=')[0] not in (policy.POLICY, *policy.FIELDS):
                raise errors.Misconfigured(
                    f'[gpfs] {option} = {entry}: there is no such field')
    group = conf.gpfs.failure_group
    if group and not fields.FAILURE_GROUP.holds(group):
        raise errors.Misconfigured(
            f'[gpfs] failure_group = {group} is no failure group')


def _set_options(group: cfg.ConfigOpts.GroupAttr) -> dict[str, policy.Value]:
    return {name: value for name, value in dict(group).items()
            if value is not None}


def unknown_options(conf: cfg.ConfigOpts) -> Iterator[str]:
    """Yield options of policies that do not exist, as ``[group] name``.

    oslo.config passes over what it does not know, and a policy with a word
    misspelt would be granted without it.
    """
    known = {option.dest for option in POLICY_OPTIONS}
    for path, section, name in named(conf):
        if section.startswith(_PREFIX) and name not in known:
            yield f'[{section}] {name} ({path})'


def named(conf: cfg.ConfigOpts) -> Iterator[tuple[str, str, str]]:
    """Yield file, section and name of all that the files of ``conf`` set."""
    for path in _files(conf):
        sections: dict[str, Any] = {}
        cfg.ConfigParser(path, sections).parse()
        for section, options in sections.items():
            yield from ((path, section, name) for name in options)


def _files(conf: cfg.ConfigOpts) -> Iterator[str]:
    yield from conf.config_file or ()
    for directory in conf.config_dir or ():
        yield from sorted(glob.glob(os.path.join(directory, '*.conf')))


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return an example of a policy, and those of this host's nova.conf.

    oslo-config-validator knows no groups whose names are the operator's; by
    the second part it knows those of the host that it runs on.
    """
    found = ['gold', *(name for name in _names_here() if name != 'gold')]
    return [(cfg.OptGroup(_PREFIX + name, help=_HELP), POLICY_OPTIONS)
            for name in found]


def _names_here() -> list[str]:
    here = cfg.ConfigOpts()
    try:
        here(args=[], project='nova', prog='nova-compute')
        return names(here)
    except cfg.Error:
        return []
