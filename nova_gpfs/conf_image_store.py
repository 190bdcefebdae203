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

"""Options of an image store of Glance's on GPFS, read where Glance is not.

Glance registers them in the group of the store. The privileged daemon and
``nova-gpfs-glance`` read them from Glance's files.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from oslo_config import cfg

from nova_gpfs import errors
from nova_gpfs import model

#: The name of the entry point, which Glance requires to be the scheme.
STORE_TYPE = 'gpfs'

_SINGLE = 'glance_store'
_SHARED = 'backend_defaults'

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'gpfs_store_directory',
        help="""
Directory on GPFS in which Glance keeps images.

It has to exist and to belong to the user of Glance. What is below it is made
by ``nova-gpfs-glance init``, which also notes there on which file system and
in which fileset the directory is. Nothing is written while that file system
is not mounted.

Possible values:

* An absolute path below the mount point of a GPFS file system. For Nova to
  clone images instead of downloading them, a directory of the fileset that
  ``instances_path`` is in. No two stores may be in one fileset.
"""),
    cfg.StrOpt(
        'gpfs_store_pool',
        help="""
Storage pool that the data of images are in.

Possible values:

* A name from ``mmlspool`` of a pool that holds data.
* Not set: GPFS decides, by its own placement rules.

Related options:

* ``gpfs_store_privileged``, since moving a file to a pool takes root
"""),
    cfg.IntOpt(
        'gpfs_store_data_replicas',
        min=1, max=3,
        help="""
Number of copies of each block of an image, in as many failure groups.

Possible values:

* 1 to 3, not more than the maximum of the file system (``mmlsfs -R``) and
  the failure groups of the pool.
* Not set: the default of the file system.

Related options:

* ``gpfs_store_privileged``
"""),
    cfg.IntOpt(
        'gpfs_store_metadata_replicas',
        min=1, max=3,
        help="""
Number of copies of the metadata of each image.

Possible values:

* 1 to 3, not more than the maximum of the file system (``mmlsfs -M``) and
  the failure groups that hold metadata.
* Not set: the default of the file system.

Related options:

* ``gpfs_store_privileged``
"""),
    cfg.BoolOpt(
        'gpfs_store_privileged',
        default=False,
        help="""
Let Glance run commands of GPFS as root.

Without a pool and replicas of its own, a store needs ``mmlsattr`` alone, which
any user may run, once ``nova-gpfs-glance init`` has been run as root.

Possible values:

* ``False``: commands that ``[gpfs] rootless_commands`` does not name are not
  run at all.
* ``True``: they run in the privileged daemon of ``[nova_gpfs_privileged]``,
  which the user of Glance must be allowed to start.
"""),
    cfg.IntOpt(
        'gpfs_store_chunk_size',
        default=4 * 2 ** 20, min=4096,
        help="""
Size of the pieces in which images are read and written, in bytes.

Possible values:

* Best the block size of the file system (``mmlsfs -B``) or a multiple of it.
"""),
    cfg.BoolOpt(
        'gpfs_store_thin_provisioning',
        default=True,
        help="""
Leave holes where an image holds nothing but zeros.

Whoever reads the image reads zeros there, and they take no space. Disks that
are cloned from the image do not have to read them either.
"""),
    cfg.StrOpt(
        'gpfs_store_file_mode',
        default='0640', regex='^0?[46][0-7][0-7]$',
        help="""
Mode of the files of images.

Possible values:

* Three octal digits. With the default the group of the directory, to which
  the user of Nova belongs, may read images.
"""),
    cfg.BoolOpt(
        'gpfs_store_fsync',
        default=True,
        help="""
Wait until an image is on disk before Glance calls it active.

Without it, a node that crashes can leave an active image with data missing.
"""),
    cfg.IntOpt(
        'gpfs_store_leftover_age',
        default=86400, min=600,
        help="""
Age at which an unfinished upload is removed, in seconds.

A Glance that is killed while it writes an image leaves a file. It is removed
by the next upload or deletion from any node, or by ``nova-gpfs-glance sweep``,
once nothing has been written to it for this long. Set it to more than the
longest time for which an upload may stand still and to more than the clocks
of the nodes may differ.
"""),
]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options for oslo-config-generator and the validator."""
    return [(_SHARED, OPTIONS)]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options of one store; sizes in bytes, times in seconds."""

    name: str
    directory: str
    placement: model.Placement
    privileged: bool
    chunk_size: int
    sparse: bool
    file_mode: int
    fsync: bool
    leftover_age: int


def settings(name: str, group: Any) -> Settings:
    """Return the options of a store.

    :param group: what has the options as attributes
    :raises errors.Misconfigured: there is no usable directory
    """
    directory = group.gpfs_store_directory or ''
    if not os.path.isabs(directory):
        raise errors.Misconfigured(
            f'[{name}] gpfs_store_directory is {directory!r:.200}, which is '
            'no absolute path')
    return Settings(
        name, os.path.normpath(directory),
        model.Placement(group.gpfs_store_pool, group.gpfs_store_data_replicas,
                        group.gpfs_store_metadata_replicas),
        group.gpfs_store_privileged, group.gpfs_store_chunk_size,
        group.gpfs_store_thin_provisioning,
        int(group.gpfs_store_file_mode, 8), group.gpfs_store_fsync,
        group.gpfs_store_leftover_age)


class _Group:
    """What a store's group says, or else the group for all stores."""

    def __init__(self, *groups: Any) -> None:
        self._groups = groups

    def __getattr__(self, name: str) -> Any:
        values = [getattr(group, name) for group in self._groups]
        return next((value for value in values if value is not None), None)


def stores(conf: cfg.ConfigOpts) -> list[Settings]:
    """Return the stores on GPFS in the files that ``conf`` was read from.

    The options are kept out of ``conf``: should Glance be imported after
    all, it would find them there.

    :raises cfg.Error: a file is gone or cannot be read
    :raises errors.Misconfigured: a store has no usable directory
    """
    options = cfg.ConfigOpts()
    options.register_opt(cfg.DictOpt('enabled_backends', default={}))
    options.register_opt(cfg.ListOpt('stores', default=[]), group=_SINGLE)
    options.register_opts(OPTIONS, group=_SHARED)
    options(args=[], default_config_files=conf.config_file,
            default_config_dirs=conf.config_dir)
    backends = [name for name, kind in options.enabled_backends.items()
                if kind == STORE_TYPE]
    if backends:
        return [settings(name, _group(options, name)) for name in backends]
    if STORE_TYPE in options[_SINGLE].stores:
        options.register_opts(OPTIONS, group=_SINGLE)
        return [settings(_SINGLE, options[_SINGLE])]
    return []


def _group(options: cfg.ConfigOpts, name: str) -> _Group:
    options.register_opts(OPTIONS, group=name)
    for option in OPTIONS:
        options.set_default(option.name, None, group=name)
    return _Group(options[name], options[_SHARED])
