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

"""Put the parts together from the configuration of this compute host."""

import errno
import os

import nova.conf

from nova_gpfs.compute import following
from nova_gpfs.compute import placing
from nova_gpfs.compute import splitting
from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_policies
from nova_gpfs import errors
from nova_gpfs import flattening
from nova_gpfs import image_store
from nova_gpfs import layout
from nova_gpfs import mmdriver
from nova_gpfs import offer
from nova_gpfs import run
from nova_gpfs import storage

CONF = nova.conf.CONF
gpfs_conf.register(CONF)


def storage_from_conf():
    """Return the storage below instances_path; nothing is run or written."""
    return storage.Storage(
        mmdriver.from_conf(CONF),
        layout.Layout(os.path.abspath(CONF.instances_path)),
        _copy_sparsely,
        require_clone=CONF.gpfs.require_clone,
        # mmchattr that moves a master changes no time of its room.
        leftover_age=max(CONF.gpfs.leftover_age, CONF.gpfs.copy_timeout),
        max_clone_depth=CONF.gpfs.max_clone_depth,
        host_age=CONF.gpfs.host_age,
        record_digests=CONF.gpfs.record_digests,
        lock_wait=CONF.gpfs.lock_wait,
        store=image_store.from_option(CONF.gpfs.image_store),
        image_directories=[image_store.directory(each) for each
                           in CONF.gpfs.image_file_directories])


def placing_from_conf(found):
    """Return how the disks of a storage are placed; nothing is run.

    :raises errors.Misconfigured: a policy cannot be read
    """
    for unknown in conf_policies.unknown_options(CONF):
        raise errors.Misconfigured(f'{unknown} is not an option of policies')
    facts = offer.Facts(found.driver,
                        lambda: found.guard.where().file_system,
                        write_affinity_pools=CONF.gpfs.write_affinity_pools,
                        fileset=lambda: found.guard.where().fileset)
    return placing.Placing(conf_policies.rules(CONF), facts,
                           CONF.gpfs.failure_group,
                           CONF.gpfs.snapshot_policy)


def following_from_conf(found, disks):
    """Return what lets the blocks of disks follow their instances."""
    relocator = following.Relocator(
        found.driver,
        CONF.gpfs.relocation_pause) if CONF.gpfs.relocate_blocks else None
    return following.Following(found, disks, relocator)


def splitting_from_conf(found):
    """Return what takes images in Glance's store off the disks."""
    rate = CONF.gpfs.split_rate * flattening.MIB
    return splitting.Splitting(found, flattening.Pace(rate or None),
                               CONF.gpfs.split_snapshots)


def _copy_sparsely(source, target):
    """Copy a file with holes kept and runs of zeros made into holes.

    :raises errors.NoSpace, errors.QuotaExceeded: there is no room
    :raises errors.TimedOut: it took longer than [gpfs] copy_timeout
    """
    argv = ('/bin/cp', '--sparse=always', '--reflink=never', source, target)
    result = run.execute(argv, CONF.gpfs.copy_timeout)
    if result.rc == 0:
        return
    for number, error in ((errno.ENOSPC, errors.NoSpace),
                          (errno.EDQUOT, errors.QuotaExceeded)):
        if os.strerror(number) in result.stderr:
            raise error(target)
    raise errors.CommandFailed(argv, result.rc, result.stdout, result.stderr)
