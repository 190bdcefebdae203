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

"""What a node sees of a file system while something is wrong with it.

A node whose daemon has died gets ENODEV, and ESTALE on what was open once
the daemon is back; without quorum open files are stale and new opens fail
(IBM documentation, GPFS daemon went down, 5.2.0, and Quorum loss, 6.0.1). A
node on which the file system is not mounted has an empty local directory in
its place.
"""

from __future__ import annotations

import errno
import os

from nova_gpfs.sim import filesystems
from nova_gpfs.sim import switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nova_gpfs.sim import store

_DEAD = ('down', 'unknown', 'no-cluster')
_NO_QUORUM = ('arbitrating', 'quorum-lost')


class Health:
    """The view of ``node``; '' is a mount that no node alone has."""

    def __init__(self, state: store.Store, fs: str, node: str) -> None:
        self._state = state
        self._fs = fs
        self.node = node

    def root(self) -> str:
        """Return where the files are that the node sees.

        OSError while it sees none.
        """
        state = self._node_state()
        self._require_daemon(state)
        if state in _NO_QUORUM:
            self._refuse('open_without_quorum')
        system = filesystems.named(self._state, self._fs)
        if system.mounted and not filesystems.condition(
                self._state, 'not-mounted', self._fs, self.node):
            return system.data
        below = filesystems.below(self._state, system, self.node)
        os.makedirs(below, exist_ok=True)
        return below

    def outages(self) -> str:
        """Return what differs once what was open is stale."""
        return outages(self._state, self.node)

    def require_open(self, since: str) -> None:
        """Refuse to use a file that was opened before an outage."""
        state = self._node_state()
        self._require_daemon(state)
        if state in _NO_QUORUM or self.outages() != since:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def _node_state(self) -> str:
        if filesystems.condition(self._state, 'stale', self._fs, self.node):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        rows = self._state.rows('SELECT state FROM node WHERE name = ?',
                                self.node)
        return str(rows[0][0]) if rows else 'up'

    def _require_daemon(self, state: str) -> None:
        if state in _DEAD:
            self._refuse('file_access_daemon_down')
        if state == 'expelled':
            self._refuse('file_access_expelled')

    def _refuse(self, switch: str) -> None:
        number = getattr(errno, switches.value(self._state, switch))
        raise OSError(number, os.strerror(number))


def outages(state: store.Store, node: str) -> str:
    """Return how often a node has lost its files so far."""
    rows = state.rows('SELECT value FROM setting WHERE name = ?',
                      f'outages {node}')
    return str(rows[0][0]) if rows else '0'


def count_outage(state: store.Store, node: str) -> None:
    """Let what is open on a node be stale from now on."""
    state.execute('INSERT OR REPLACE INTO setting VALUES (?, ?)',
                  f'outages {node}', str(int(outages(state, node)) + 1))
