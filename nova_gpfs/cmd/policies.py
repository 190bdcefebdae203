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

"""What ``nova-gpfs policy list``, ``show`` and ``explain`` find out.

Each returns a document, a dictionary of sections that are lists of rows, and
an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import hashlib
import os
from typing import Any

from nova_gpfs.cmd import host as hosts
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import master_record
from nova_gpfs.mm import base
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmrestripefile
from nova_gpfs import model
from nova_gpfs import offer
from nova_gpfs import policy

WELL = 0
NOT_WELL = 1
FAILED = 2

Row = dict[str, Any]
Answer = tuple[dict[str, Any], int]

#: Where a name is that the command cannot know.
IMAGE = 'IMAGE'
EPHEMERAL = 'EPHEMERAL'
INSTANCE = 'INSTANCE'
ROOM = 'ROOM'
_FILES = {'root': 'disk', 'ephemeral': 'disk.eph0', 'swap': 'disk.swap',
          'config': 'disk.config'}


def list_all(rules: policy.Rules) -> Answer:
    """List the policies of nova.conf."""
    return {'policies': [_listed(rules, name)
                         for name in sorted(rules.policies)]}, WELL


def _listed(rules: policy.Rules, name: str) -> Row:
    options = rules.policies[name]
    return {'name': name,
            **{field: options.get(field) for field in policy.FIELDS},
            'for_roles': {option: value for option, value in options.items()
                          if option not in policy.FIELDS},
            'default_for': [role for role in policy.ROLES
                            if rules.defaults.get(role) == name]}


def show(host: hosts.Host, name: str) -> Answer:
    """Show what a policy gives to each role, and whether it can be.

    The exit code is FAILED where GPFS could not be asked.

    :raises errors.NoSuchPolicy: nova.conf has none of that name
    """
    if name not in host.rules.policies:
        raise errors.NoSuchPolicy(
            f'{name}; there are '
            f'{", ".join(sorted(host.rules.policies)) or "none"}')
    offered = _offer(host.facts)
    rows = [_shown(host.rules, name, role, offered) for role in policy.ROLES]
    codes = {'yes': WELL, 'no': NOT_WELL, 'unknown': FAILED}
    return ({'policies': [_listed(host.rules, name)], 'roles': rows},
            max(codes[row['granted']] for row in rows))


def _offer(facts: offer.Facts) -> offer.Offer | errors.GpfsError:
    try:
        return facts.current()
    except errors.GpfsError as error:
        return error


def _shown(rules: policy.Rules, name: str, role: str,
           offered: offer.Offer | errors.GpfsError) -> Row:
    alone = policy.Rules(rules.policies, {role: name})
    try:
        found = policy.resolve(alone, role, policy.Wishes()).placement
    except errors.PolicyRefused as error:
        return {'role': role, 'granted': 'no', 'why': str(error)}
    granted, why = _granted(found, offered)
    return {'role': role, **dataclasses.asdict(found), 'granted': granted,
            'why': why}


def _granted(placement: model.Placement,
             offered: offer.Offer | errors.GpfsError) -> tuple[str, str]:
    if placement.is_empty:
        return 'yes', ''
    if isinstance(offered, errors.GpfsError):
        return 'unknown', str(offered)
    try:
        policy.check(placement, offered.file_system, offered.pools,
                     offered.disks)
    except errors.PolicyRefused as error:
        return 'no', str(error)
    return 'yes', ''


def explain(host: hosts.Host, asked: policy.Wishes, image_id: str = '',
            roles: Iterable[str] = policy.ROLES) -> Answer:
    """Tell what comes of a flavor and an image, why, and what would run.

    ``disks`` has a row for each role, ``fields`` one for each field that
    somebody has set, ``commands`` one for each command that would change
    something. GPFS is asked nothing, unless "local" has to be found out.
    """
    disks: list[Row] = []
    fields: list[Row] = []
    commands: list[Row] = []
    for role in roles:
        try:
            found = policy.resolve(host.rules, role, asked)
        except errors.PolicyRefused as error:
            disks.append({'role': role, 'refused': str(error)})
            continue
        run = _Commands(host, role, image_id)
        disks.append(_disk(found, run))
        fields += _fields(found)
        commands += run.rows(found.placement)
    return ({'disks': disks, 'fields': fields, 'commands': commands},
            NOT_WELL if any('refused' in row for row in disks) else WELL)


def _disk(found: policy.Resolved, run: _Commands) -> Row:
    return {'role': found.role, 'policy': found.policy,
            'named_by': found.policy_origin,
            'master': run.master(found.placement)}


def _fields(found: policy.Resolved) -> Iterator[Row]:
    for name, origin in found.origins.items():
        yield {'role': found.role, 'field': name,
               'value': getattr(found.placement, name), 'source': origin}


@dataclasses.dataclass(frozen=True)
class _Commands:
    """The commands that make a disk of one role.

    Those that only look are left out. Until it is finished a disk has a
    longer name, and a master is in a directory that is here called ROOM.
    """

    host: hosts.Host
    role: str
    image_id: str

    def rows(self, placement: model.Placement) -> Iterator[Row]:
        """Yield for a new master and for a new disk what would run."""
        try:
            here = self._here(placement)
        except errors.GpfsError as error:
            yield {'role': self.role, 'for': 'new disk', 'command': (),
                   'note': str(error)}
            return
        for file, note, command in self._commands(here):
            yield {'role': self.role, 'for': file,
                   'command': command.argv(), 'note': note}

    def _here(self, placement: model.Placement) -> model.Placement:
        """Return a placement with "local" found out; raises as that does."""
        if placement.write_affinity_failure_group != policy.LOCAL:
            return placement
        return policy.localized(placement, self.host.failure_group())

    def master(self, placement: model.Placement) -> str:
        """Return the name of the master that a disk would be a clone of.

        '' if it has none, or the failure group of this host is not known.
        """
        key = {'root': _image_key(self.image_id),
               'ephemeral': EPHEMERAL}.get(self.role)
        part = self.host.rules.of_master(placement)
        try:
            return layout.placed_key(key, self._here(part)) if key else ''
        except errors.GpfsError:
            return ''

    def _commands(self, placement: model.Placement
                  ) -> Iterator[tuple[str, str, base.Effect]]:
        paths = self.host.storage.layout
        disk = os.path.join(paths.instances_path, INSTANCE, _FILES[self.role])
        name = self.master(placement)
        if name:
            part = self.host.rules.of_master(placement)
            made = os.path.join(paths.incoming, ROOM, master_record.IMAGE)
            if not part.is_empty:
                yield 'new master', '', _change(made, part)
            if not policy.affinity(part).is_empty:
                yield 'new master', _FIRST, mmrestripefile.Relocate(made)
            yield 'new master', '', mmclone.Seal(made)
            yield 'new disk', '', mmclone.Copy(
                os.path.join(paths.master(name), master_record.IMAGE), disk)
        if not placement.is_empty:
            # Of write affinity nobody can see that it is there already.
            spared = name and placement == policy.of_master(placement)
            yield ('new disk', _UNLESS if spared else '',
                   _change(disk, placement))


_UNLESS = 'unless the clone has it already'
_FIRST = 'if it is the first one of its image'


def _change(path: str, placement: model.Placement) -> mmchattr.Change:
    return mmchattr.Change(path, *dataclasses.astuple(placement))


def _image_key(image_id: str) -> str:
    """Return what Nova calls an image (nova.virt.imagecache, a digest)."""
    if not image_id:
        return IMAGE
    return hashlib.sha1(image_id.encode(), usedforsecurity=False).hexdigest()
