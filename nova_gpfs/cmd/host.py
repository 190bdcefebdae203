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

"""This compute host as its configuration describes it, without Nova.

The configuration is nova-compute's: the same files, and the same way to run
mm commands.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import os
import pwd

from oslo_config import cfg

from nova_gpfs import collection
from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_policies
from nova_gpfs import errors
from nova_gpfs import image_store
from nova_gpfs import layout
from nova_gpfs import location
from nova_gpfs.mm import base
from nova_gpfs import mmdriver
from nova_gpfs import nova_options
from nova_gpfs import offer
from nova_gpfs import policy
from nova_gpfs import privsep
from nova_gpfs import run
from nova_gpfs import storage

CONF = cfg.CONF


@dataclasses.dataclass(frozen=True)
class Host:
    """What a command works with; nothing has been run or written yet.

    ``configured_failure_group`` is None where it is to be found out.
    """

    rules: policy.Rules
    storage: storage.Storage
    facts: offer.Facts
    configured_failure_group: str | None = None

    def failure_group(self) -> str | None:
        """Return this host's failure group, None if it is not known.

        :raises errors.GpfsError: GPFS cannot be asked
        """
        return (self.configured_failure_group
                or self.facts.current().own_failure_group())

    def require_owner(self) -> None:
        """Refuse to write files that nova-compute could not change.

        :raises errors.WrongUser: this is another user
        :raises errors.NotMounted: the directory of nova-gpfs is not there
        """
        home = self.storage.layout.home
        try:
            owner = os.stat(home).st_uid
        except OSError as error:
            raise errors.NotMounted(f'{home}: {error.strerror}') from error
        if owner != os.geteuid():
            raise errors.WrongUser(
                f'{home} belongs to {_name(owner)}, and this is '
                f'{_name(os.geteuid())}')


def _name(uid: int) -> str:
    try:
        return f'user {pwd.getpwuid(uid).pw_name}'
    except KeyError:
        return f'user number {uid}'


def from_files(config_files: Sequence[str], config_dirs: Sequence[str],
               otherwise: str = '') -> Host:
    """Read nova.conf as nova-compute does, or other files and directories.

    :param otherwise: instances_path where nothing says it
    :raises errors.Misconfigured: it says too little, or what cannot be
    :raises cfg.Error: a file is not there or cannot be read
    """
    CONF([f'--config-file={path}' for path in config_files]
         + [f'--config-dir={path}' for path in config_dirs],
         project='nova', prog='nova-compute')
    return as_configured(otherwise)


def as_configured(otherwise: str = '') -> Host:
    """Return the host of the configuration that was read before.

    Raises as ``from_files`` does.
    """
    gpfs_conf.register(CONF)
    novas = nova_options.read(CONF)
    instances_path = novas.instances_path or otherwise
    if not instances_path:
        raise errors.Misconfigured(
            'neither instances_path nor state_path is set in '
            + (', '.join(CONF.config_file) or 'any file; name nova.conf with '
               '--config-file'))
    privsep.start_with(nova_options.root_helper(novas))
    return _host(os.path.abspath(instances_path))


def master_ages() -> collection.Ages:
    """Return how long masters stay that nobody needs, by Nova's options."""
    ages = nova_options.read(CONF).image_cache
    return collection.Ages(ages.remove_unused_original_minimum_age_seconds,
                           ages.remove_unused_resized_minimum_age_seconds)


def _host(instances_path: str) -> Host:
    for unknown in conf_policies.unknown_options(CONF):
        raise errors.Misconfigured(f'{unknown} is not an option of policies')
    driver = mmdriver.from_conf(CONF)
    found = _storage(driver, layout.Layout(instances_path))
    # By the mount table, since nova-compute may never have run here.
    facts = offer.Facts(
        driver, lambda: location.locate(driver, instances_path).file_system,
        write_affinity_pools=CONF.gpfs.write_affinity_pools)
    return Host(conf_policies.rules(CONF), found, facts,
                CONF.gpfs.failure_group)


def _storage(driver: mmdriver.MmDriver,
             paths: layout.Layout) -> storage.Storage:
    return storage.Storage(
        driver, paths, _no_copy, require_clone=True,
        leftover_age=CONF.gpfs.leftover_age, lock_wait=CONF.gpfs.lock_wait,
        store=image_store.from_option(CONF.gpfs.image_store))


def for_looking(host: Host) -> storage.Storage:
    """Return the storage for a program that changes nothing.

    Where that is root's, commands need no privileged daemon.
    """
    return _storage(
        mmdriver.MmDriver(as_root_or_configured()), host.storage.layout)


def as_root_or_configured() -> base.Transport:
    """Return what runs commands: as nova-compute does, root right here."""
    return local() if os.geteuid() == 0 else mmdriver.transport(CONF)


def local() -> run.Local:
    """Return what runs commands right here, as the current user."""
    return run.Local(CONF.gpfs.mm_path, CONF.gpfs.command_timeout,
                     CONF.gpfs.copy_timeout)


def _no_copy(source: str, target: str) -> None:
    """Take the place of a copy, which no command makes."""
    raise errors.CannotClone(f'{source} to {target}')
