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

"""What a simulated cluster consists of, as plain values.

A cluster is created from these or from the same names in dictionaries (JSON).
Sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, TypeVar

MIB = 1 << 20
GIB = 1 << 30


class SpecInvalid(Exception):
    """A cluster cannot be made of this."""


@dataclasses.dataclass
class Nsd:
    """A network shared disk; usage is dataAndMetadata, dataOnly, ..."""

    name: str
    failure_group: str = '1'
    pool: str = 'system'
    size: int = 100 * GIB
    usage: str = 'dataAndMetadata'
    servers: str = ''

    @property
    def holds_data(self) -> bool:
        """Whether data blocks may be put on it."""
        return self.usage in ('dataAndMetadata', 'dataOnly')

    @property
    def holds_metadata(self) -> bool:
        """Whether metadata may be put on it."""
        return self.usage in ('dataAndMetadata', 'metadataOnly')


@dataclasses.dataclass
class Fileset:
    """A fileset linked at ``path`` (in the file system; None: unlinked).

    ``soft`` and ``hard`` are block limits in bytes, 0 for none.
    """

    name: str
    path: str | None = None
    independent: bool = False
    soft: int = 0
    hard: int = 0
    comment: str = ''
    mode: int = 0o700


@dataclasses.dataclass
class FileSystem:
    """A file system with its disks and filesets.

    ``highest_version`` is what the installed software could format it with;
    as ``version``, unless the software has been updated since.
    ``write_affinity_depth`` and ``block_group_factor`` are those of the pools
    that allow write affinity.
    """

    name: str
    mount_name: str = ''
    block_size: int = MIB
    version: str = '22.00 (5.0.4.0)'
    highest_version: str = ''
    default_data_replicas: int = 1
    max_data_replicas: int = 3
    default_metadata_replicas: int = 1
    max_metadata_replicas: int = 3
    quotas: str = 'user;group;fileset'
    strict_replication: str = 'whenpossible'
    nsds: list[Nsd] = dataclasses.field(default_factory=list)
    filesets: list[Fileset] = dataclasses.field(default_factory=list)
    write_affinity_pools: list[str] = dataclasses.field(default_factory=list)
    write_affinity_depth: int = 0
    block_group_factor: int = 1

    @property
    def pools(self) -> list[str]:
        """The pools, system first, the others as the disks name them."""
        named = dict.fromkeys(nsd.pool for nsd in self.nsds)
        return ['system', *(name for name in named if name != 'system')]


@dataclasses.dataclass
class Spec:
    """A cluster; ``shared`` lets every local user run its programs."""

    name: str = 'sim.example.com'
    nodes: list[str] = dataclasses.field(
        default_factory=lambda: ['node1', 'node2', 'node3'])
    min_release_level: str = '2200'
    file_systems: list[FileSystem] = dataclasses.field(
        default_factory=lambda: [standard_file_system()])
    shared: bool = False


def standard_file_system(name: str = 'fs0') -> FileSystem:
    """Return fs0: pools system and fast over three failure groups, nova."""
    nsds = [Nsd(f'{name}_{pool}{group}', str(group), pool, usage=usage,
                servers=f'node{group}')
            for pool, usage in (('system', 'dataAndMetadata'),
                                ('fast', 'dataOnly'))
            for group in (1, 2, 3)]
    return FileSystem(name, nsds=nsds,
                      filesets=[Fileset('nova', 'nova', independent=True)])


T = TypeVar('T')


def _build(kind: type[T], value: Any) -> T:
    """Return a value as its class, dictionaries included."""
    if isinstance(value, kind):
        return value
    try:
        return kind(**value)
    except TypeError as error:
        raise SpecInvalid(f'{kind.__name__}: {error}') from error


def parse(value: Spec | Mapping[str, Any] | None) -> Spec:
    """Return a complete, checked specification."""
    spec = _build(Spec, value or {})
    spec.file_systems = [_build(FileSystem, one) for one in spec.file_systems]
    for system in spec.file_systems:
        system.nsds = [_build(Nsd, one) for one in system.nsds]
        system.filesets = [_build(Fileset, one) for one in system.filesets]
        system.mount_name = system.mount_name or system.name
        system.highest_version = system.highest_version or system.version
    _check(spec)
    return spec


def _check(spec: Spec) -> None:
    """Refuse what no cluster can be."""
    if not spec.nodes or not spec.file_systems:
        raise SpecInvalid('a cluster needs a node and a file system')
    disks = [nsd.name for one in spec.file_systems for nsd in one.nsds]
    names = [one.name for one in spec.file_systems]
    for kind, found in (('disk', disks), ('file system', names),
                        ('node', spec.nodes)):
        if len(set(found)) < len(found):
            raise SpecInvalid(f'two of one name: {kind}')
    for system in spec.file_systems:
        if not any(nsd.pool == 'system' and nsd.holds_metadata
                   for nsd in system.nsds):
            raise SpecInvalid(f'{system.name}: no disk of the system pool '
                              'holds metadata')
