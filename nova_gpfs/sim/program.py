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

"""What every mm program runs: find the state, serve the call, log it."""

from __future__ import annotations

import os
import sys
import time

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import faults
from nova_gpfs.sim import store

# Whether a command is answered while the daemon of the node is down is said
# by its module (NEEDS_DAEMON).
_REFUSES = {'down': 'daemon.down', 'unknown': 'daemon.down',
            'expelled': 'daemon.down', 'arbitrating': 'daemon.no_quorum',
            'quorum-lost': 'daemon.no_quorum'}


def main(directory: str, node: str, name: str) -> None:
    """Serve one call of ``name`` on a node and exit with its code."""
    begun, clock = time.time(), time.monotonic()
    state = store.Store(directory)
    node = node or os.environ.get('NOVA_GPFS_SIM_NODE') or _first(state)
    call = calls.Call(name, node, sys.argv[1:], state)

    def log(code: int | None) -> None:
        _log(directory, begun, call, code, time.monotonic() - clock)

    faults.surround(call, serve, log)
    log(call.code)
    _print(call)
    sys.exit(call.code)


def _first(state: store.Store) -> str:
    return str(state.rows('SELECT name FROM node ORDER BY number')[0][0])


def serve(call: calls.Call) -> None:
    try:
        module = __import__(f'nova_gpfs.sim.{call.name}', fromlist=['run'])
        require_node(call, module.NEEDS_DAEMON)
        module.run(call)
    except calls.Refusal as refusal:
        call.report(refusal)


def require_node(call: calls.Call, needs_daemon: bool) -> None:
    """Refuse what the state of this node does not permit."""
    rows = call.state.rows('SELECT state FROM node WHERE name = ?', call.node)
    state = rows[0][0] if rows else 'no-cluster'
    if state == 'no-cluster':
        raise calls.Refusal('cluster.none')
    if needs_daemon and state in _REFUSES:
        raise calls.Refusal(_REFUSES[state])


def _print(call: calls.Call) -> None:
    for stream, lines in ((sys.stdout, call.out), (sys.stderr, call.err)):
        if lines:
            text = '\n'.join(lines) + '\n'
            stream.buffer.write(os.fsencode(text))
            stream.flush()


# Control characters, quotes and the stand-ins for undecodable bytes.
_ESCAPES = {number: f'\\u{number:04x}'
            for number in (*range(32), 34, 92, *range(0xdc80, 0xdd00))}


def _quote(text: str) -> str:
    """Return a JSON string; the json module would be slower to load."""
    return '"' + text.translate(_ESCAPES) + '"'


def _log(directory: str, begun: float, call: calls.Call, code: int | None,
         seconds: float) -> None:
    """Append a line to the log in one write; none if it cannot be opened."""
    argv = ', '.join(map(_quote, [call.name, *call.args]))
    line = (f'{{"time": {begun:.6f}, "node": {_quote(call.node)}, '
            f'"argv": [{argv}], "rc": {"null" if code is None else code}, '
            f'"seconds": {seconds:.6f}}}\n')
    try:
        log = os.open(os.path.join(directory, 'calls.log'),
                      os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except OSError:
        return
    os.write(log, line.encode())
    os.close(log)
