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

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import lookup
from nova_gpfs.mm import base
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlsfileset
from nova_gpfs.mm import mmlsfs

LOG = logging.getLogger(__name__)

# Of these, one replaces an ACL, and with the other nobody can set one. A
# recording has chmodAndSetacl of what the option is written otherwise.
_CLOSING = ('chmodandsetacl', 'chmodonly')
# They say nothing of ACLs, and the command that is to run will fail as well.
_UNWELL = (errors.NotReady, errors.NotMounted, errors.ProgramMissing)


class Closing:
    """What is known of the filesets of some directories."""

    def __init__(self) -> None:
        self._modes: dict[str, str] = {}

    def require(self, directory: str, transport: base.Transport) -> None:
        """Refuse a directory below which root can close none.

        Costs three commands until that is known. Where GPFS does not tell,
        the log has a warning.

        :raises errors.NotPermitted: an ACL outlives chmod() there
        :raises errors.TimedOut: GPFS does not answer
        """
        mode = self._modes.get(directory)
        if mode is None:
            try:
                mode = _mode(directory, transport)
            except _UNWELL:
                return
            self._modes[directory] = mode
        if mode and mode.lower() not in _CLOSING:
            raise errors.NotPermitted(
                f'the fileset of {directory} has --allow-permission-change '
                f'{mode}, so that root can close no directory there: give it '
                'chmodAndSetAcl (mmchfileset), add mmclone to '
                'rootless_commands, or see [gpfs] pin_paths')


def _mode(directory: str, transport: base.Transport) -> str:
    """Return what a fileset does by chmod(), '' if that is not told."""
    try:
        query = mmlsattr.List(directory)
        name = query.outcome(transport(query)).fileset
        systems = mmlsfs.List('all')
        device = lookup.file_system_of(
            directory, systems.outcome(transport(systems)))
        if device is not None:
            filesets = mmlsfileset.List(device)
            for one in filesets.outcome(transport(filesets)):
                if one.name == name and one.chmod:
                    return one.chmod
    except (errors.TimedOut, *_UNWELL):
        raise
    except errors.GpfsError as error:
        LOG.info('%(directory)s: %(error)s', {'directory': directory,
                                              'error': error})
    LOG.warning('Whether root can close a directory below %(directory)s is '
                'not known; see --allow-permission-change of mmchfileset.',
                {'directory': directory})
    return ''
