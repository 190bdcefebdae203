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

"""``nova-gpfs-status upgrade check``, in the form of ``nova-status``.

To be run on a compute host once new releases of the plug-in or of Nova are
installed, and before nova-compute is restarted.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import functools
import glob
import importlib
import os
import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_gpfs.cmd import host as hosts
from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_policies
from nova_gpfs import errors
from nova_gpfs import layout
from nova_gpfs import location
from nova_gpfs import master_record
from nova_gpfs import placements
from nova_gpfs import probe
from nova_gpfs import record_file
from nova_gpfs import storage as storages

CONF = cfg.CONF
NAME = 'nova-gpfs-status'

Code = upgradecheck.Code

#: What this release writes, and the newest that it can read.
VERSION = 1

# As many as an operator wants to read of one kind.
_SHOWN = 5


class Checks(upgradecheck.UpgradeCommands):
    """What has to be so before nova-compute starts with this release."""

    @functools.cached_property
    def _storage(self) -> storages.Storage:
        return hosts.for_looking(hosts.as_configured())

    def _nova(self) -> upgradecheck.Result:
        """Compare Nova with what the plug-in depends on."""
        try:
            activation = _activation()
        except ModuleNotFoundError as error:
            if error.name != 'nova':
                raise
            return _result(Code.WARNING, [
                f'Nova is not installed for {sys.executable}'])
        try:
            newer = activation.require_known()
        except errors.UnknownNova as error:
            return _result(Code.FAILURE, [str(error)])
        return _result(Code.WARNING, [newer] if newer else [])

    def _options(self) -> upgradecheck.Result:
        """Look for options that cannot be, or are no more."""
        misspelt = list(conf_policies.unknown_options(CONF))
        passed_over = [*gpfs_conf.unknown_options(CONF),
                       *gpfs_conf.renamed_options(CONF)]
        wrong = [f'{each} is not an option of policies' for each in misspelt]
        # Nova's options are there if Nova is, as the first check says.
        if 'libvirt' in CONF:
            startup = importlib.import_module('nova_gpfs.compute.startup')
            if CONF.libvirt.images_type == 'gpfs':
                wrong += startup.troubles()
            else:
                passed_over.append('[libvirt] images_type is '
                                   f'{CONF.libvirt.images_type}')
        if wrong:
            return _result(Code.FAILURE, wrong)
        return _result(Code.WARNING, passed_over)

    def _identity(self) -> upgradecheck.Result:
        """Compare instances_path with the file system that it was."""
        storage = self._storage
        if os.path.lexists(storage.layout.identity):
            storage.guard.where()
        else:
            location.locate(storage.driver, storage.layout.instances_path)
        return _result(Code.SUCCESS, [])

    def _gpfs(self) -> upgradecheck.Result:
        """Look whether the releases of GPFS have file clones."""
        storage = self._storage
        where = location.locate(storage.driver, storage.layout.instances_path)
        probe.require_clone_support(
            storage.driver.cluster(),
            storage.driver.file_system(where.file_system))
        return _result(Code.SUCCESS, [])

    def _files(self) -> upgradecheck.Result:
        """Look whether this release can read what is on the file system."""
        paths = self._storage.layout
        newer, unreadable = [], []
        for path in _records(paths):
            try:
                version = _version(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                unreadable.append(f'{path}: {error}')
            else:
                if version > VERSION:
                    newer.append(f'{path} is of version {version}; this '
                                 f'release reads {VERSION}')
        if newer:
            return _result(Code.FAILURE, newer)
        return _result(Code.WARNING, unreadable)

    _upgrade_checks = (
        ('Nova is one that the plug-in knows', _nova),
        ('Options', _options),
        ('instances_path is the file system that it was',
         lambda self: _caught(self._identity)),
        ('GPFS has file clones', lambda self: _caught(self._gpfs)),
        ('Files below instances_path', lambda self: _caught(self._files)),
    )


def _result(code: Code, said: Sequence[str]) -> upgradecheck.Result:
    """Return a result of that code, success where nothing is said."""
    if not said:
        return upgradecheck.Result(Code.SUCCESS)
    more = len(said) - _SHOWN
    return upgradecheck.Result(code, '; '.join(said[:_SHOWN]) + (
        f'; and {more} more' if more > 0 else ''))


def _caught(check) -> upgradecheck.Result:
    """Return what a check finds; it fails where GPFS cannot be asked."""
    try:
        return check()
    except (errors.GpfsError, OSError) as error:
        return _result(Code.FAILURE, [str(error)])


def _records(paths: layout.Layout) -> Iterator[str]:
    """Yield the files that the plug-in keeps."""
    top = glob.escape(paths.instances_path)
    yield paths.identity
    for pattern in (os.path.join(glob.escape(paths.masters), '*',
                                 master_record.INFO),
                    os.path.join(glob.escape(paths.hosts), '*.json'),
                    os.path.join(top, '*', placements.NAME)):
        yield from sorted(glob.iglob(pattern))


def _version(path: str) -> int:
    """Return the version of a file; ValueError if it cannot be read."""
    version = record_file.read(path).get('version', 1)
    if not isinstance(version, int):
        raise ValueError('it has no version')
    return version


def _activation():
    """Return the module that puts the plug-in into Nova.

    :raises ModuleNotFoundError: Nova is not installed
    """
    importlib.import_module('nova')
    return importlib.import_module('nova_gpfs.compute.activation')


def _let_nova_in() -> None:
    """Make Nova's options known, before any file is read.

    Nova has options of the command line, which cannot be added later, and a
    choice of images_type that it does not know would be an error.
    """
    try:
        activation = _activation()
        importlib.import_module('nova.virt.libvirt.driver')
        activation.activate()
    except (ImportError, errors.UnknownNova):
        # The first check says so.
        return


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    _let_nova_in()
    upgradecheck.register_cli_options(CONF, Checks())
    files, directories = (
        find(project='nova', prog='nova-compute')
        for find in (cfg.find_config_files, cfg.find_config_dirs))
    CONF(sys.argv[1:] if argv is None else list(argv), project='nova',
         prog=NAME, default_config_files=files,
         default_config_dirs=directories)
    gpfs_conf.register(CONF)
    # What says to upgradecheck whether --json was given.
    upgradecheck.CONF = CONF
    return int(upgradecheck.run(CONF))


if __name__ == '__main__':
    sys.exit(main())
