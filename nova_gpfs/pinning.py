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

That is not documented, nor whether one that takes them goes to the open file
or to the path that such a link has for a text (readlink(2)), at which another
file may be by then. So two commands that change nothing are asked.

Before the first change they are asked about a file that was opened under a
path which is gone: only who goes to the open file finds it. Before that, a
query asks them about the file that it is for, and nothing is made for it.

Only a file that is known by its path, and twice not by its name, while GPFS is
well, tells that names are not taken; who can put another file in its place
cannot bring that about.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import contextlib
import os
import stat
from typing import Any

from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlsattr

LOG = logging.getLogger(__name__)

# Values of [gpfs] pin_paths.
_ALWAYS, _AUTO, _NEVER = 'always', 'auto', 'never'

_QUERIES = (mmclone.Show, mmlsattr.List)
# They say nothing of names.
_UNWELL = (errors.NotReady, errors.NotMounted, errors.ProgramMissing,
           errors.TimedOut)

#: Gives the path of a file, and a name of it.
Sample = Callable[[], contextlib.AbstractContextManager[tuple[str, str]]]


class Pinning:
    """What is known of the mm commands of this cluster."""

    def __init__(self) -> None:
        self._by_changes: bool | None = None
        self._by_queries: bool | None = None

    def is_wanted_to_change(self, choice: str, transport: base.Transport,
                            sample: Sample) -> bool:
        """Whether a command that changes files is to be given names.

        Costs two commands until it is known whether they are taken; with
        ``never`` none.

        :raises errors.NotPermitted: it is, and they are not taken
        :raises errors.GpfsError: it always is, and GPFS does not tell, since
            it does not know the sample by its path either, or is not well
        :raises OSError: it always is, and there is no sample
        """
        if choice == _NEVER:
            return False
        if self._by_changes is None:
            try:
                with sample() as (path, name):
                    self._by_changes = _are_taken(transport, path, name)
            except (errors.GpfsError, OSError):
                if choice == _ALWAYS:
                    raise
        return _is_wanted(choice, self._by_changes)

    def is_wanted_to_look(self, choice: str, transport: base.Transport,
                          names: Mapping[str, str]) -> bool:
        """Whether a query is to be given names; costs as much at most.

        :param names: by the paths that the query has
        :raises errors.NotPermitted: it is, and they are not taken
        :raises errors.TimedOut: GPFS does not answer
        """
        if choice == _NEVER:
            return False
        known = (self._by_queries if self._by_changes is None
                 else self._by_changes)
        if known is None:
            known = self._by_queries = _tell(transport, names)
        return _is_wanted(choice, known)


def _tell(transport: base.Transport, names: Mapping[str, str]) -> bool | None:
    """Return whether commands take names, None if a query cannot tell."""
    held = [each for each in names.items() if _is_file(each[1])]
    try:
        return _are_taken(transport, *held[0]) if held else None
    except errors.TimedOut:
        raise
    except errors.GpfsError as error:
        LOG.debug('Whether names are taken is not known: %s', error)
        return None


def _is_wanted(choice: str, are_taken: bool | None) -> bool:
    if are_taken is False and choice != _AUTO:
        raise errors.NotPermitted(
            'GPFS takes no names below /proc here, and by its path a file '
            'could be exchanged before root changes it: see [gpfs] '
            'pin_paths, or add mmclone to rootless_commands')
    return are_taken is not False


def _are_taken(transport: base.Transport, path: str, name: str) -> bool:
    """Return whether commands take names.

    :raises errors.GpfsError: that cannot be told: what GPFS has against the
        file by its path, or against everything
    """
    for query in _QUERIES:
        if not _knows(transport, query(name)):
            by_path = query(path)
            by_path.outcome(transport(by_path))
            if not _knows(transport, query(name)):
                if not _is_file(name):
                    raise errors.NoSuchFile(path)
                LOG.warning(
                    '%(program)s does not take names below /proc. With [gpfs] '
                    'pin_paths = auto, commands that run as root are given '
                    'paths, at which the user of nova-compute can put '
                    'something else in time.', {'program': query.program})
                return False
    return True


def _is_file(name: str) -> bool:
    """Whether an open file is a regular one that has a path as well."""
    try:
        found = os.stat(name)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink > 0


def _knows(transport: base.Transport, query: base.Query[Any]) -> bool:
    """Return whether GPFS answers a query; raises one of _UNWELL."""
    try:
        query.outcome(transport(query))
    except _UNWELL:
        raise
    except errors.GpfsError:
        return False
    return True
