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

"""Options of ``[gpfs]`` for images that lie on the file system already."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'image_store',
        help="""
Directory of Glance's store on GPFS, as the compute hosts see it.

Master images are made of the files in it by cloning them, without a download,
and snapshots of instances become files in it, without an upload. It must be
in the same file system and the same fileset as ``instances_path``. The user
of nova-compute must be able to read its directory ``images`` and to write to
its directory ``snapshots``.

Whatever stands in the way of that is logged once for each image, and the image
is then downloaded or uploaded as without this option.

Possible values:

* The path that Glance has as the directory of its store ``gpfs``, or where
  that is mounted on the compute hosts.
* Unset: images are downloaded and uploaded.

Related options:

* Glance must tell Nova where images are: see "Glance on the same GPFS" in the
  administration guide.
"""),
    cfg.ListOpt(
        'image_file_directories',
        default=[],
        help="""
Directories of Glance's store ``file`` whose images may be cloned.

Where Glance keeps images with its store ``file`` on the file system and in the
fileset of ``instances_path``, and tells Nova their ``file://`` locations,
master images are made of them by cloning, without a download. The files are
read and never written to. They must lie in such a directory itself, under the
UUID of the image, and the user of nova-compute must be able to read them.

Possible values:

* A comma-separated list of absolute paths, such as the
  ``filesystem_store_datadir`` of Glance.

Related options:

* ``[gpfs] image_store``, for Glance's store ``gpfs``
"""),
    cfg.StrOpt(
        'snapshot_policy',
        help="""
Policy for the files that snapshots of instances become in Glance's store.

It is for blocks that are written to such a file, as when it is split from the
disk. What the file shares with the disk stays where that is.

Possible values:

* The name of a ``[gpfs_policy:NAME]``, of which the pool and the replicas for
  root disks count.
* Unset: GPFS decides.

Related options:

* ``[gpfs] split_snapshots``
"""),
    cfg.BoolOpt(
        'split_snapshots',
        default=False,
        help="""
Copy, in the background, what a snapshot in Glance's store shares with a disk.

A snapshot is a clone, so that its blocks are those of the disk and of its
master, with their pool and their replicas, and stay on the file system after
the instance is deleted. Once it is split, it has blocks of its own. It can be
used all the time. What an earlier nova-compute has not come to is done after
the next start.

Possible values:

* ``False``: only snapshots with more than ``[gpfs] max_clone_depth``
  ancestors are split.
* ``True``: all snapshots are.

Related options:

* ``[gpfs] image_store``
* ``[gpfs] split_rate``
* ``[gpfs] max_clone_depth``
* ``[gpfs] library``, without which a file is split in one piece
"""),
    cfg.FloatOpt(
        'split_rate',
        default=100.0, min=0.0,
        help="""
How fast snapshots in Glance's store are split, in MiB per second.

This holds for each compute host, which splits one after the other. With 0
there is no limit.

Related options:

* ``[gpfs] split_snapshots``
"""),
]
