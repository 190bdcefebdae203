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

"""Whether mm commands take names of open files (see ``pinned``).

That is not documented. So two commands that change nothing are asked about a
file that is held open, by such a name: what they take, the others are given
too. Only a file that is known by its path, and twice not by its name, while
GPFS is well, tells that names are not taken; who can put another file in its
place cannot bring that about.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
import stat
from typing import Any

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlsattr

LOG = logging.getLogger(__name__)

# Values of [gpfs] pin_paths; the third is "always".
_AUTO, _NEVER = 'auto', 'never'

_QUERIES = (mmclone.Show, mmlsattr.List)
# They say nothing of names.
_UNWELL = (errors.NotReady, errors.NotMounted, errors.ProgramMissing)


class Pinning:
    """What is known of the mm commands of this cluster."""

    def __init__(self) -> None:
        self._are_taken: bool | None = None

    def is_wanted(self, choice: str, transport: base.Transport,
                  names: Mapping[str, str]) -> bool:
        """Whether a command is to be given names of open files.

        Costs two commands until it is known whether they are taken; with
        ``never`` none.

        :param names: by the paths that the command has
        :raises errors.NotPermitted: it is, and they are not taken
        :raises errors.TimedOut: GPFS does not answer
        """
        if choice == _NEVER or not names:
            return False
        if self._are_taken is None:
            self._are_taken = _are_taken(transport, names)
        if self._are_taken is False and choice != _AUTO:
            raise errors.NotPermitted(
                'GPFS takes no names below /proc here, and by its path a file '
                'could be exchanged before root changes it: see [gpfs] '
                'pin_paths, or add mmclone to rootless_commands')
        return self._are_taken is not False


def _are_taken(transport: base.Transport,
               names: Mapping[str, str]) -> bool | None:
    """Return whether commands take names, None if that cannot be told."""
    for path, name in names.items():
        if _is_file(name):
            break
    else:
        return None
    for query in _QUERIES:
        if not _knows(transport, query(name)):
            if (_knows(transport, query(path))
                    and _knows(transport, query(name)) is False
                    and _is_file(name)):
                LOG.warning(
                    '%(program)s does not take names below /proc. With [gpfs] '
                    'pin_paths = auto, commands that run as root are given '
                    'paths, at which the user of nova-compute can put '
                    'something else in time.', {'program': query.program})
                return False
            return None
    return True


def _is_file(name: str) -> bool:
    """Whether an open file is a regular one that has a path as well."""
    try:
        found = os.stat(name)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink > 0


def _knows(transport: base.Transport,
           query: base.Query[Any]) -> bool | None:
    """Return whether GPFS answers a query; None if it is not well."""
    try:
        query.outcome(transport(query))
    except _UNWELL:
        return None
    except errors.TimedOut:
        raise
    except errors.GpfsError:
        return False
    return True
