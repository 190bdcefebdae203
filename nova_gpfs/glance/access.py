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

"""How Glance's processes reach GPFS, and what errors say to its operator."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import run

# Where the next step of an error is another one for a store than for disks.
_STEPS: dict[type[errors.GpfsError], str] = {
    errors.CommandFailed: 'Run the command by hand on this host as the user '
                          'of Glance.',
    errors.Misconfigured: 'Change the configuration of the store and start '
                          'Glance again.',
    errors.InvalidName: 'Nothing was run.',
    errors.NoSuchFile: 'Check that nothing else removes files below '
                       'gpfs_store_directory.',
    errors.NotGpfs: 'Set gpfs_store_directory to a directory on GPFS.',
    errors.NotPermitted: 'Run "nova-gpfs-glance init" as root, check the '
                         'owners and modes below gpfs_store_directory, '
                         '[gpfs] rootless_commands and '
                         'gpfs_store_privileged.',
    errors.WrongFileSystem: 'Mount that of gpfs_store_directory; nothing was '
                            'written.',
}

_SUMMARIES: dict[type[errors.GpfsError], str] = {
    errors.Misconfigured: 'The store cannot work as it is configured',
}


def says(error: errors.GpfsError) -> str:
    """Return what an error says, with the next step of Glance's operator."""
    kind = type(error)
    return str(error).replace(
        error.summary, _SUMMARIES.get(kind, error.summary), 1).replace(
        error.next_step, _STEPS.get(kind, error.next_step))


def driver(conf: cfg.ConfigOpts, privileged: bool) -> gpfs_driver.GpfsDriver:
    """Return the driver of a store.

    :param privileged: whether commands may run as root
    """
    gpfs_conf.register(conf)
    return mmdriver.from_conf(conf) if privileged else _rootless(conf)


def _rootless(conf: cfg.ConfigOpts) -> gpfs_driver.GpfsDriver:
    local = run.Local(conf.gpfs.mm_path, conf.gpfs.command_timeout,
                      conf.gpfs.copy_timeout)

    def route(command: base.Command[Any]) -> model.Result:
        if command.program not in conf.gpfs.rootless_commands:
            raise errors.NotPermitted(
                f'{command.program} is not one of [gpfs] rootless_commands, '
                'and gpfs_store_privileged is False')
        return local(command)

    return mmdriver.MmDriver(route)
