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

"""nova-gpfs-sim: make, use, look at and disturb a simulated cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
import os
import sys
from typing import Any

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import cluster
from nova_gpfs.sim import faultlist
from nova_gpfs.sim import faults
from nova_gpfs.sim import library
from nova_gpfs.sim import spec
from nova_gpfs.sim import subcommands
from nova_gpfs.sim import switches

_EXPECTED = (OSError, cluster.NotThere, spec.SpecInvalid, calls.Refusal,
             faultlist.FaultInvalid, library.NoCompiler,
             switches.UnknownSwitch, json.JSONDecodeError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        printed, code = arguments.work(arguments)
    except _EXPECTED as error:
        print(f'nova-gpfs-sim: {error}', file=sys.stderr)
        return 1
    try:
        _print(printed, arguments.format)
    except BrokenPipeError:
        _discard_output()
    return int(code)


def _print(printed: Any, form: str) -> None:
    if form == 'json':
        print(json.dumps(printed, indent=2))
    else:
        for line in subcommands.lines(printed):
            print(line)
    sys.stdout.flush()


def _discard_output() -> None:
    """Keep the interpreter from writing to the closed pipe when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser('nova-gpfs-sim', description=__doc__)
    parser.add_argument('--format', choices=('text', 'json'), default='text')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    _add_making(commands)
    _add_looking(commands)
    _add_disturbing(commands)
    return parser


Commands = argparse._SubParsersAction  # its only name, in all releases


def _add(commands: Commands[argparse.ArgumentParser], name: str, text: str
         ) -> argparse.ArgumentParser:
    """Add a subcommand; the function of its name does the work."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(work=getattr(subcommands, name))
    if name != 'claims':
        parser.add_argument('directory', metavar='DIR')
    return parser


def _add_making(commands: Commands[argparse.ArgumentParser]) -> None:
    create = _add(commands, 'create', 'make a cluster')
    create.add_argument('--spec', help='JSON file: the cluster wanted')
    create.add_argument('--data-dir', help='where the files are to be')
    create.add_argument('--nodes', help='comma-separated names')
    create.add_argument('--shared', action='store_true',
                        help='for every local user')
    place = _add(commands, 'bin', 'print the directory of the mm programs')
    place.add_argument('--node')
    place = _add(commands, 'library', 'print the path of libgpfs.so, which '
                 'is compiled if it is not there')
    place.add_argument('--node')
    run = _add(commands, 'run', 'run a command with the mm programs on PATH')
    run.add_argument('--node')
    run.add_argument('command', nargs='+', metavar='-- CMD')


def _add_looking(commands: Commands[argparse.ArgumentParser]) -> None:
    _add(commands, 'show', 'print nodes, file systems, pools and space')
    _add(commands, 'tree', 'print the clone tree').add_argument(
        '--fs', default=None)
    _add(commands, 'check', 'look for what GPFS would not have allowed')
    _add(commands, 'calls', 'print the calls of mm programs')
    _add(commands, 'blocks', 'print where the blocks of a file are and who '
         'holds them').add_argument('path')
    claims = _add(commands, 'claims', 'print what is claimed about GPFS')
    claims.add_argument('--rst', action='store_true')


def _add_disturbing(commands: Commands[argparse.ArgumentParser]) -> None:
    _add_fault(commands)
    switch = _add(commands, 'switch', 'list or move the switches')
    switch.add_argument('what', choices=('list', 'set'))
    switch.add_argument('name', nargs='?')
    switch.add_argument('value', nargs='?')
    node = _add(commands, 'node', 'change the state of a node')
    node.add_argument('node')
    node.add_argument('state', choices=cluster.NODE_STATES)
    writer = _add(commands, 'writer', 'say which node writes to a file')
    writer.add_argument('path')
    writer.add_argument('node')
    for name in ('mount', 'unmount'):
        _add(commands, name, f'{name} a file system').add_argument('fs')


def _add_fault(commands: Commands[argparse.ArgumentParser]) -> None:
    fault = _add(commands, 'fault', 'add, list or clear faults')
    fault.add_argument('what', choices=('add', 'condition', 'list', 'clear'))
    fault.add_argument('command', nargs='?', help='like "mmclone copy", or '
                       'a condition: ' + ', '.join(faultlist.CONDITIONS))
    fault.add_argument('--do', dest='action', choices=faults.ACTIONS)
    fault.add_argument('--nth', type=int, default=1, help='0: every call')
    everywhere = 'the condition is for; default: for all'
    fault.add_argument('--node', default='', help='node whose calls the '
                       'fault or ' + everywhere)
    fault.add_argument('--fs', default='',
                       help='file system that ' + everywhere)
    fault.add_argument('--fileset', default='',
                       help='fileset that ' + everywhere)
    fault.add_argument('--code', type=int, default=1)
    fault.add_argument('--text', default='')
    fault.add_argument('--seconds', type=float, default=0.0)
    fault.add_argument('--child', action='store_true')


if __name__ == '__main__':
    sys.exit(main())
