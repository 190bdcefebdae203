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

"""Options of the ``[gpfs]`` group.

The group is also the one that oslo.config reads ``driver = gpfs`` from when
``[DEFAULT] config_source`` names it, so ``driver`` is not an option of ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from oslo_config import cfg
from oslo_config import types

from nova_gpfs import conf_health
from nova_gpfs import conf_images
from nova_gpfs import conf_policies
from nova_gpfs import conf_privileged
from nova_gpfs import conf_waits

GROUP = cfg.OptGroup(
    'gpfs', title='GPFS image backend',
    help="""
Options of the GPFS image backend, used when ``[libvirt] images_type`` is
``gpfs``.
""")

COMMANDS = [
    'mmclone', 'mmchattr', 'mmgetstate', 'mmlsattr', 'mmlscluster',
    'mmlsconfig', 'mmlsdisk', 'mmlsfileset', 'mmlsfs', 'mmlsnsd', 'mmlspool',
    'mmlsquota', 'mmrestripefile']

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'mm_path',
        default='/usr/lpp/mmfs/bin',
        help="""
Directory of the GPFS administration commands.

The commands are run from this directory and from nowhere else; ``PATH`` is
not searched.

Possible values:

* An absolute path. The default is where the GPFS packages install them.
* The ``bin`` directory of a simulated cluster, for trying the plug-in out.
"""),
    cfg.StrOpt(
        'library',
        default='/usr/lpp/mmfs/lib/libgpfs.so',
        help="""
The GPFS library, with the subroutine gpfs_declone().

``nova-gpfs flatten`` uses it to copy the blocks that a disk shares part by
part. It is loaded by that command alone, and runs as the user who runs the
command. Without it the command leaves all of the copying to one ``mmclone
split``.

Possible values:

* An absolute path. The default is where the GPFS packages install it.
* What ``nova-gpfs-sim library DIR`` prints, for a simulated cluster.

Related options:

* ``[gpfs] mm_path``
"""),
    cfg.FloatOpt(
        'command_timeout',
        default=120.0, min=1.0, max=86400.0,
        help="""
Time limit of one GPFS command, in seconds.

A command that takes longer is ended together with everything it started.
What it has done is then looked up on the file system before anything else
happens, because a command that was ended may still have had its effect.

Related options:

* ``[gpfs] copy_timeout``, for the commands that copy data.
"""),
    cfg.FloatOpt(
        'copy_timeout',
        default=7200.0, min=1.0,
        help="""
Time limit of one GPFS command that copies data, in seconds.

This holds for ``mmclone split``, ``mmclone redirect``, ``mmrestripefile``
and for ``mmchattr`` where it moves existing blocks to another storage pool.

Related options:

* ``[gpfs] command_timeout``
"""),
    cfg.ListOpt(
        'rootless_commands',
        default=['mmlsattr'],
        item_type=types.String(choices=COMMANDS),
        help="""
GPFS commands that run as the user of nova-compute.

All others run as root in the privileged daemon of the plug-in. Which
commands an ordinary user may run differs between releases and sites, so only
the one that is known to work everywhere is in the default.

Possible values:

* A comma-separated list of GPFS commands. Add ``mmclone`` where the user of
  nova-compute can clone a file of its own by hand: one command less then
  runs as root.

Related options:

* ``[nova_gpfs_privileged]``, the privileged daemon.
"""),
    cfg.BoolOpt(
        'require_clone',
        default=False,
        help="""
Refuse to make a disk by a full copy.

When GPFS cannot clone a master image, the disk is copied instead, and a
warning says why. With this option the instance fails instead, with the same
reason, so that a slow path is never taken unnoticed.

Possible values:

* ``False``: copy, log a warning and count it.
* ``True``: fail.
"""),
    cfg.IntOpt(
        'max_clone_depth',
        default=8, min=2, max=500,
        help="""
Number of ancestors from which on a disk is taken off the nearest one.

Every resize and cold migration puts one more clone parent between a disk and
its master image, and reading a block that none of them has changed gets slower
with their number. A disk that has this many is taken off the nearest
(``mmclone redirect``) when it is moved, while the guest is off. GPFS then
copies what the guest wrote between the last two moves, and nothing else.

Related options:

* ``[gpfs] copy_timeout``
"""),
    cfg.IntOpt(
        'host_age',
        default=600, min=60,
        help="""
Age at which the entry of a compute host no longer counts, in seconds.

Every host refreshes an entry below ``instances_path`` whenever nova-compute
updates its resources. A host with a fresh entry is known to share the
directory, and instances are moved to it without asking over ssh. Where the
entry is older, Nova asks over ssh as it does for any shared directory, and the
move is refused if that fails.

Possible values:

* Some times the interval of ``[DEFAULT] update_resources_interval``, whose
  default makes it about one minute, and more than the clocks of the compute
  hosts may differ.
"""),
    cfg.StrOpt(
        'capacity',
        default='share', regex='^(share|whole|[1-9][0-9]*)$',
        help="""
How much disk space this compute host reports to Placement.

All hosts see the whole file system, and Placement adds up what they report.
What there is, is what the fileset of the instances holds plus what is free in
the data pools, and no more than the quota of the fileset allows, divided by
the file system's default number of data replicas.

Possible values:

* ``share``: an equal part for each host with a fresh entry below
  ``instances_path`` (``[gpfs] host_age``). No instance can be larger than a
  part.
* ``whole``: all of it on each host. Placement then allows as many times the
  space as there are hosts.
* A number of GiB, for hosts of unequal size. If there is less than that, what
  there is.

Related options:

* ``[DEFAULT] disk_allocation_ratio``, since disks take only the space that
  guests have written to
* ``[DEFAULT] reserved_host_disk_mb``
* ``[gpfs] host_age``
"""),
    cfg.FloatOpt(
        'low_space_percent',
        default=10.0, min=0.0, max=100.0,
        help="""
Free space, in percent, below which nova-compute warns in its log.

It warns once for each storage pool for data, and for the quota of the fileset
of the instances, and again when it has been better in the meantime. With 0 it
never warns.
"""),
    cfg.FloatOpt(
        'full_pool_percent',
        default=1.0, min=0.0, max=100.0,
        help="""
Free space, in percent, below which a storage pool counts as full.

The hosts then lose the trait ``CUSTOM_GPFS_POOL_<NAME>``, so that instances of
flavors with ``trait:CUSTOM_GPFS_POOL_<NAME>=required`` are neither made nor
moved until there is room again. With 0 the trait stays.
"""),
    cfg.ListOpt(
        'prefetch_policies',
        default=[],
        help="""
Policies of which a master is made when an image is cached beforehand.

``PUT /os-aggregates/{id}/images`` makes the master image for root disks
with the default policy. With this option it makes those of other policies as
well, inside GPFS and without another download.

Possible values:

* A comma-separated list of names of ``[gpfs_policy:NAME]``.

Related options:

* ``[gpfs] root_policy``
"""),
    cfg.BoolOpt(
        'record_digests',
        default=True,
        help="""
Record what a master image holds when it is sealed.

A digest of its content lets ``nova-gpfs cache verify`` find a damaged master.
It costs one more reading of the data of each image, once per cluster and
placement; holes are not read.

Possible values:

* ``True``
* ``False``: the first ``nova-gpfs cache verify`` records it instead.
"""),
    cfg.FloatOpt(
        'locality_weight_multiplier',
        default=1.0,
        help="""
How much it counts for a host that the blocks of an instance are near it.

This option is read by nova-scheduler, where ``[filter_scheduler]
weight_classes`` names ``nova_gpfs.scheduler.weights.LocalityWeigher``. The
key ``gpfs_locality_weight_multiplier`` in the metadata of an aggregate takes
its place for the hosts in the aggregate.

Possible values:

* A number. Weights of other weighers, which are between 0 and 1 before they
  are multiplied, are added. With 0 the place of the blocks does not count; a
  negative number prefers hosts that are far away.

Related options:

* ``[gpfs] failure_group``
* ``[filter_scheduler] weight_classes``
"""),
]


# oslo.config registers this one itself, with the installed sources of
# configuration as its choices, when config_source names the group. It is
# listed so that oslo-config-validator knows it and the sample file shows it.
_SOURCE = cfg.StrOpt(
    'driver',
    sample_default='gpfs',
    help="""
The source of configuration that this group is for; always ``gpfs``.

Together with ``[DEFAULT] config_source = gpfs`` this makes ``gpfs`` known to
nova-compute as a value of ``[libvirt] images_type``.
""")


def register(conf: cfg.ConfigOpts) -> None:
    """Make the options known to ``conf``; doing it again is harmless."""
    conf.register_group(GROUP)
    conf.register_opts(_registered(), group=GROUP)


def unknown_options(conf: cfg.ConfigOpts) -> Iterator[str]:
    """Yield what stands in ``[gpfs]`` and is no option, nor is a renamed one.

    oslo.config passes over it.
    """
    known = {option.dest for option in _all()} | set(_former())
    for path, section, name in conf_policies.named(conf):
        if section == GROUP.name and name not in known:
            yield f'[{section}] {name} ({path}) is not an option'


def renamed_options(conf: cfg.ConfigOpts) -> Iterator[str]:
    """Yield what stands in ``[gpfs]`` under a former name of an option."""
    for path, section, name in conf_policies.named(conf):
        if section == GROUP.name and name in _former():
            yield f'[{section}] {name} ({path}) is now {_former()[name]}'


def _all() -> list[cfg.Opt]:
    return [_SOURCE, *_registered()]


def _registered() -> list[cfg.Opt]:
    return [*OPTIONS, *conf_health.OPTIONS, *conf_images.OPTIONS,
            *conf_policies.OPTIONS, *conf_privileged.OPTIONS,
            *conf_waits.OPTIONS]


def _former() -> dict[str, str]:
    """Return the options by their former names in the same group."""
    return {str(former.name): option.dest for option in _all()
            for former in option.deprecated_opts
            if former.group in (None, GROUP.name)}


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options for oslo-config-generator and the validator."""
    return [(GROUP, _all()), *conf_policies.list_opts()]
