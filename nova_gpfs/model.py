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

"""Values that the parts of the plug-in exchange: frozen, without I/O.

Sizes are bytes. Names are GPFS's own.
"""

from __future__ import annotations

import dataclasses
import enum


class Change(enum.Enum):
    """What asking for a state has done.

    ``ALREADY`` means that just the state asked for was found. A different
    state under the same name is an error, never ``ALREADY``.
    """

    MADE = 'made'
    ALREADY = 'already'


class Ancestors(enum.Enum):
    """From whom a clone is detached."""

    ALL = 'all'          # mmclone split
    PARENT = 'parent'    # mmclone redirect


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where the blocks of a file are to live; ``None`` leaves a field be."""

    pool: str | None = None
    data_replicas: int | None = None
    metadata_replicas: int | None = None
    write_affinity_depth: int | None = None
    block_group_factor: int | None = None
    write_affinity_failure_group: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every field leaves GPFS's own choice alone."""
        return self == Placement()


@dataclasses.dataclass(frozen=True)
class CloneInfo:
    """One row of ``mmclone show``.

    A file that is no clone and no parent has ``is_parent`` False and the
    other fields None. ``depth`` counts from the root of the clone tree and
    is not kept current by GPFS when an ancestor is redirected or split (IBM
    documentation, mmclone command), so nothing may be decided by it.
    """

    is_parent: bool = False
    depth: int | None = None
    parent_inode: int | None = None


@dataclasses.dataclass(frozen=True)
class FileAttributes:
    """What ``mmlsattr -L`` says of a file; data_* is None on a directory."""

    fileset: str
    pool: str
    metadata_replicas: int
    max_metadata_replicas: int
    data_replicas: int | None = None
    max_data_replicas: int | None = None
    immutable: bool = False
    append_only: bool = False
    flags: tuple[str, ...] = ()
    misc: tuple[str, ...] = ()
    snapshot: str = ''

    @property
    def ills(self) -> frozenset[str]:
        """Return the flags of blocks that are not as they should be.

        How several are told apart is not published.
        """
        return frozenset(flag for text in self.flags
                         for flag in text.split(',')
                         if flag.startswith('ill'))


@dataclasses.dataclass(frozen=True)
class Pool:
    """A storage pool; sizes in bytes.

    ``write_affinity`` is whether the pool has allowWriteAffinity, None where
    that is not known. It is never known today: of mm commands only
    ``mmlspool -L`` may tell, and no output of it has been published.
    """

    name: str
    id: int
    block_size: int
    holds_data: bool
    holds_metadata: bool
    total_data: int
    free_data: int
    write_affinity: bool | None = None


@dataclasses.dataclass(frozen=True)
class Fileset:
    """A fileset; ``path`` is '' while it is not linked.

    ``chmod`` says what becomes of an ACL by chmod(2), '' if GPFS does not.
    """

    name: str
    id: int
    path: str
    linked: bool
    inode_space: int
    owns_inode_space: bool
    chmod: str = ''


@dataclasses.dataclass(frozen=True)
class Disk:
    """A network shared disk of a file system; size in bytes.

    ``servers`` are the nodes that serve it to the others, the preferred one
    first, in mmlsnsd's words. Empty where that is not known, and where every
    node reaches the disk itself.
    """

    name: str
    failure_group: str
    pool: str
    holds_data: bool
    holds_metadata: bool
    status: str
    availability: str
    size: int | None = None
    servers: tuple[str, ...] = ()

    @property
    def point_of_failure(self) -> str:
        """What fails together with this disk.

        -1 is no group: such a disk has no point of failure in common with
        any other (IBM documentation, mmcrnsd command).
        """
        if self.failure_group == '-1':
            return f'-1 {self.name}'
        return self.failure_group


@dataclasses.dataclass(frozen=True)
class FileSystem:
    """What ``mmlsfs -Y`` says.

    ``version`` is that of the file system's format, like (22, 0) for '22.00
    (5.0.4.0)'. ``release`` is the newest release of GPFS that the installed
    software has a format of, here (5, 0, 4, 0); () where it is not told.
    """

    name: str
    mount_point: str
    version: tuple[int, int]
    block_size: int
    default_data_replicas: int
    max_data_replicas: int
    default_metadata_replicas: int
    max_metadata_replicas: int
    uid: str = ''
    quotas_enforced: str = ''
    filesetdf: bool = False
    strict_replication: str = ''
    release: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Quota:
    """Block quota of a fileset in bytes; a limit of 0 means none."""

    usage: int
    soft_limit: int
    hard_limit: int
    in_doubt: int


@dataclasses.dataclass(frozen=True)
class Node:
    """A node of the cluster."""

    number: int
    daemon_name: str
    admin_name: str
    address: str


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The cluster that this host belongs to.

    ``daemon_state`` is this node's, in mmgetstate's words (active,
    arbitrating, down, unknown). ``min_release_level`` is a number like 1403.
    """

    id: str
    name: str
    nodes: tuple[Node, ...]
    node_name: str
    daemon_state: str
    min_release_level: int


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended; ``rc`` is negative for a signal."""

    rc: int
    stdout: str
    stderr: str
