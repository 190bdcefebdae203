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

"""Make a directory disappear at once, and remove it at leisure.

A removal that stops in the middle (an entry that GPFS does not let go, a host
that dies) leaves half a directory under its old name, where it blocks what
wants the name next. So it is renamed away first, which is one step, and what
cannot be removed now is tried again by the next sweep, from any host.
"""

from __future__ import annotations

import os
import shutil
import uuid

from oslo_log import log as logging

from nova_gpfs import layout as gpfs_layout

LOG = logging.getLogger(__name__)


class Trash:
    """What is thrown away below one instances_path."""

    def __init__(self, layout: gpfs_layout.Layout) -> None:
        self._layout = layout

    def discard(self, directory: str) -> None:
        """Take a directory's name away, then remove what it holds.

        "Already done" means that there is nothing of that name.

        :raises OSError: it still has its name, and all that was in it
        """
        if not os.path.lexists(directory):
            return
        grave = os.path.join(
            self._layout.trash,
            f'{os.path.basename(directory)}.{uuid.uuid4().hex}')
        os.rename(directory, grave)
        _remove(grave)

    def sweep(self) -> list[str]:
        """Remove what could not be removed before; return what stays."""
        thrown = sorted(os.listdir(self._layout.trash))
        return [name for name in thrown
                if not _remove(os.path.join(self._layout.trash, name))]


def _remove(path: str) -> bool:
    """Remove as much as possible and say whether all of it is gone."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        LOG.warning('%s could not be removed completely; it is tried again '
                    'later', path)
        return False
    return True
