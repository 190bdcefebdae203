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

"""What nova-compute makes sure of, and says, before it starts.

A host that cannot work as configured does not start: a clear message at the
start is better than instances that fail one after the other, or that work
until the day they are migrated.
"""

import errno
import importlib.metadata
import os

from nova import conf
from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import location
from nova_gpfs import probe

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_VIRT_TYPES = ('kvm', 'qemu')
_MIGRATABLE_CACHE_MODES = ('none', 'directsync')


def prepare(storage, placing):
    """Check configuration and cluster, then log what was found.

    :raises errors.GpfsError: nova-compute must not start
    """
    require_working_options()
    driver = storage.driver
    cluster = driver.cluster()
    location.require_active(cluster)
    here = storage.guard.establish()
    file_system = driver.file_system(here.file_system)
    probe.require_clone_support(cluster, file_system)
    probe.require_one_fileset(driver, storage.layout)
    _try_clone(driver, storage.layout)
    placing.check_rules()
    storage.sweep_in_turn()
    _log(describe(driver, cluster, here, file_system, placing))
    _look_at_store(storage)


def _look_at_store(storage):
    """Say whether images are cloned; it is no reason not to start."""
    store = storage.images.store
    directories = [*([store.directory] if store else ()),
                   *storage.images.directories]
    for directory in directories:
        try:
            storage.images.require_here(directory)
            LOG.info('Images in %s are cloned and not downloaded', directory)
        except errors.GpfsError as error:
            LOG.warning('Images in %(directory)s are downloaded: %(error)s',
                        {'directory': directory, 'error': error})


def _try_clone(driver, layout):
    """Try a clone; a full file system is no reason not to start.

    Instances run and can be deleted, which is how space is made.
    """
    try:
        probe.try_clone(driver, layout)
    except (errors.NoSpace, errors.QuotaExceeded) as error:
        LOG.warning('Clones were not tried: %s', error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        LOG.warning('Clones were not tried: %s', error.strerror)


def _log(lines):
    """Log what was found; what cannot be found out is only worth a line."""
    try:
        for line in lines:
            LOG.info('%s', line)
    except errors.GpfsError as error:
        LOG.warning('nova-gpfs: the rest could not be found out: %s', error)


def require_working_options():
    """Raise ``errors.Misconfigured`` for the first option that cannot work.

    Each of these options is refused because it would defeat cloning, make
    guests impossible to migrate, or take away a protection.
    """
    for trouble in troubles():
        raise errors.Misconfigured(trouble)


def troubles():
    """Yield a sentence for each option that cannot work."""
    path = CONF.instances_path
    if path.rstrip('/') != os.path.abspath(path):
        yield (f'instances_path = {path}: it must be an absolute path without '
               '"..", "." or "//"')
    if CONF.libvirt.virt_type not in _VIRT_TYPES:
        yield (f'[libvirt] virt_type = {CONF.libvirt.virt_type}: disks are '
               f'files for QEMU, so it must be one of '
               f'{", ".join(_VIRT_TYPES)}')
    if CONF.preallocate_images != 'none':
        yield (f'preallocate_images = {CONF.preallocate_images}: every disk '
               'would get blocks of its own for what it shares with its '
               'master; it must be none')
    if CONF.ephemeral_storage_encryption.enabled:
        yield ('[ephemeral_storage_encryption] enabled = True: disks are '
               'clones of plain masters; encrypt the GPFS file system instead')
    if CONF.oslo_concurrency.disable_process_locking:
        yield ('[oslo_concurrency] disable_process_locking = True: images '
               'could be downloaded several times at once')
    yield from _cache_mode_troubles()


def _cache_mode_troubles():
    for entry in CONF.libvirt.disk_cachemodes:
        kind, _equals, mode = entry.partition('=')
        if kind == 'file' and mode not in _MIGRATABLE_CACHE_MODES:
            yield (f'[libvirt] disk_cachemodes = {entry}: libvirt refuses to '
                   'migrate such guests on GPFS; for files it must be one of '
                   f'{", ".join(_MIGRATABLE_CACHE_MODES)}, or absent')


def describe(driver, cluster, here, file_system, placing):
    """Return the lines that nova-compute logs about its storage."""
    version = importlib.metadata.version('nova-gpfs')
    pools = driver.pools(here.file_system)
    yield (f'nova-gpfs {version}: instances on file system '
           f'{here.file_system} (format {file_system.version[0]}.'
           f'{file_system.version[1]:02}), fileset {here.fileset}, cluster '
           f'{cluster.name} ({cluster.id}), node {cluster.node_name}, '
           f'{len(cluster.nodes)} nodes')
    yield 'nova-gpfs: pools ' + ', '.join(
        f'{pool.name} ({pool.free_data // 2**30} of '
        f'{pool.total_data // 2**30} GiB free for data)' for pool in pools)
    yield (f'nova-gpfs: placement: the file system\'s own, '
           f'{file_system.default_data_replicas} data and '
           f'{file_system.default_metadata_replicas} metadata replicas, '
           'where no policy says otherwise')
    yield from _policy_lines(placing.rules)
    yield _quota_line(driver, here)
    yield from _switched_off()


def _policy_lines(rules):
    if not rules.policies:
        yield 'nova-gpfs: no policies are defined'
    for name, options in rules.policies.items():
        said = ', '.join(f'{key} = {value}' for key, value in options.items())
        yield f'nova-gpfs: policy {name}: {said or "nothing is set"}'
    for role, name in rules.defaults.items():
        yield f'nova-gpfs: {role} disks have policy {name} by default'


def _quota_line(driver, here):
    quota = driver.quota(here.file_system, here.fileset)
    if quota is None:
        return 'nova-gpfs: quotas are not enabled on the file system'
    limit = f'{quota.hard_limit // 2**30} GiB' if quota.hard_limit else 'none'
    return (f'nova-gpfs: quota of fileset {here.fileset}: '
            f'{quota.usage // 2**30} GiB used, limit {limit}')


def _switched_off():
    yield ('nova-gpfs: switched off: snapshots without an upload (the image '
           'store is not on this file system as far as is known)')
    if CONF.gpfs.require_clone:
        yield ('nova-gpfs: switched off: full copies where a clone is not '
               'possible ([gpfs] require_clone = True)')
    if CONF.use_cow_images:
        yield ('nova-gpfs: switched off: rewriting of disks as qcow2 on '
               'resize (use_cow_images = True does not apply to clones)')
    if CONF.workarounds.disable_deep_image_inspection:
        LOG.warning('nova-gpfs: switched off: deep inspection of images '
                    '([workarounds] disable_deep_image_inspection = True); '
                    'a hostile image may read files of this host')
