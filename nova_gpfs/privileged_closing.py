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

"""Whether root can close a directory, by the fileset that it is in.

A directory may have an ACL from the one in which it is made, and on GPFS with
NFSv4 ACLs the fileset says what becomes of that by chmod(2): the option
--allow-permission-change of mmcrfileset and mmchfileset, chmodAndSetAcl
unless somebody has chosen otherwise (gpfsug-discuss, msg06554), which
mmlsfileset prints as permChangeFlag (output in treydock/gpfs_exporter).
"""

from __future__ import annotations

import os

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import location
from nova_gpfs import lookup
from nova_gpfs.mm import base
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlsfileset
from nova_gpfs.mm import mmlsfs
from nova_gpfs import pinned

LOG = logging.getLogger(__name__)

# Of these, one replaces an ACL, and with the other nobody can set one. A
# recording has chmodAndSetacl of what the option is written otherwise.
_CLOSING = ('chmodandsetacl', 'chmodonly')


class Closing:
    """What is known of the filesets of some directories."""

    def __init__(self) -> None:
        # By device and inode number of the directory.
        self._modes: dict[tuple[int, int], str] = {}

    def require(self, directory: int, transport: base.Transport) -> None:
        """Refuse an open directory unless root can close it.

        Costs two commands, or three, until that is known. A release that has
        no such option prints no such column, and the log has a warning.

        :raises errors.NotPermitted: an ACL outlives chmod() there
        :raises errors.GpfsError: GPFS does not answer, or not to this
        """
        found = os.fstat(directory)
        key = found.st_dev, found.st_ino
        if key not in self._modes:
            self._modes[key] = _mode(directory, transport)
        mode = self._modes[key]
        if mode and mode.lower() not in _CLOSING:
            raise errors.NotPermitted(
                f'the fileset of {_path(directory)} has '
                f'--allow-permission-change {mode}, so that root can close no '
                'directory there: give it chmodAndSetAcl (mmchfileset)')


def _mode(directory: int, transport: base.Transport) -> str:
    """Return what a fileset does by chmod(), '' if there is no such option."""
    query = mmlsattr.List(pinned.name(directory))
    name = query.outcome(transport(query)).fileset
    filesets = mmlsfileset.List(_device(directory, transport))
    modes = {one.name: one.chmod
             for one in filesets.outcome(transport(filesets))}
    if name not in modes:
        raise errors.NotPermitted(
            f'GPFS lists no fileset {name}, so that it is not known whether '
            f'root can close {_path(directory)}')
    if not modes[name]:
        LOG.warning('Whether root can close a directory below %(directory)s '
                    'is not known; see --allow-permission-change of '
                    'mmchfileset.', {'directory': _path(directory)})
    return modes[name]


def _device(directory: int, transport: base.Transport) -> str:
    path = _path(directory)
    device = location.gpfs_device(location.mount_table(), path)
    if device is None:
        systems = mmlsfs.List('all')
        device = lookup.covering(path, systems.outcome(transport(systems)))
    if device is None:
        raise errors.NotMounted(f'no file system of the cluster covers {path}')
    return device


def _path(directory: int) -> str:
    """Return the path of an open directory, whatever leads to it by now."""
    return os.readlink(f'/proc/self/fd/{directory}')
