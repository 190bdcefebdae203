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

"""What the subcommands of nova-gpfs-sim do: return values to print."""

from __future__ import annotations

from argparse import Namespace
import json
import os
import subprocess  # nosec: runs what the user asked for
from typing import Any

from nova_gpfs.sim import claims as claimed
from nova_gpfs.sim import cluster
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import store
from nova_gpfs.sim import switches

# What to print, and the exit code.
Answer = tuple[Any, int]


class Bytes(int):
    """A size: a number for programs, with its unit for people."""

    def __str__(self) -> str:
        for power, unit in ((40, 'TiB'), (30, 'GiB'), (20, 'MiB'),
                            (10, 'KiB')):
            if self >= 1 << power:
                return f'{self / (1 << power):.1f} {unit}'
        return f'{int(self)} B'


def lines(printed: Any) -> list[str]:
    """Return a value as short aligned text."""
    if isinstance(printed, dict):
        return [line for key, value in printed.items()
                for line in [f'{key}:', *lines(value)]]
    if isinstance(printed, list) and printed and isinstance(printed[0], dict):
        return _aligned(printed)
    if isinstance(printed, list):
        return [str(line) for line in printed]
    return [str(printed)] if printed not in (None, '') else []


def _aligned(rows: list[dict[str, Any]]) -> list[str]:
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    return ['  ' + '  '.join(cell.ljust(width) for cell, width
                             in zip(row, widths)).rstrip() for row in cells]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ' '.join(map(str, value))
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def create(arguments: Namespace) -> Answer:
    """Make a cluster and print where its programs and files are."""
    wanted: dict[str, Any] = {}
    if arguments.spec:
        with open(arguments.spec) as text:
            wanted = json.load(text)
    if arguments.nodes:
        wanted['nodes'] = arguments.nodes.split(',')
    if arguments.shared:
        wanted['shared'] = True
    made = cluster.create(arguments.directory, wanted, arguments.data_dir)
    return {'bin': [made.bin_dir()], 'mounted': [
        made.mount_point(system.name) for system in _systems(made)]}, 0


def _systems(found: cluster.Cluster) -> list[filesystems.FileSystem]:
    with store.Store(found.directory) as state:
        return filesystems.all_of(state)


def bin(arguments: Namespace) -> Answer:
    """Print the directory of the programs."""
    return cluster.open(arguments.directory).bin_dir(arguments.node), 0


def library(arguments: Namespace) -> Answer:
    """Print the path of the library."""
    return cluster.open(arguments.directory).library(arguments.node or ''), 0


def run(arguments: Namespace) -> Answer:
    """Run a command; its exit code is ours."""
    found = cluster.open(arguments.directory)
    place = found.bin_dir(arguments.node)
    environment = dict(os.environ, PATH=place + ':' + os.environ['PATH'])
    if arguments.node:
        environment['NOVA_GPFS_SIM_NODE'] = arguments.node
    done = subprocess.run(arguments.command, env=environment)  # nosec
    return None, done.returncode


def show(arguments: Namespace) -> Answer:
    """Print nodes, file systems, pools and filesets with their space."""
    found = cluster.open(arguments.directory)
    with store.Store(found.directory) as state:
        return _overview(found, state), 0


def _overview(found: cluster.Cluster, state: store.Store) -> dict[str, Any]:
    printed: dict[str, Any] = {'nodes': _table(
        state, 'SELECT number, name, state FROM node')}
    for system in filesystems.all_of(state):
        usage = found.usage(system.name)
        where = found.mount_point(system.name)
        mounted = '' if system.mounted else ' (not mounted)'
        printed[f'{system.name} at {where}{mounted}'] = [
            {'files': usage.files, 'used': Bytes(usage.data),
             'as full copies': Bytes(usage.full_copies)}]
        printed[f'{system.name} pools'] = [
            dict(row, size=Bytes(row['size'] or 0),
                 used=Bytes(usage.pools.get(row['name'], 0)))
            for row in _table(state, _POOLS, system.name)]
        printed[f'{system.name} filesets'] = [
            dict(row, limit=Bytes(row['limit']) if row['limit'] else 'none')
            for row in _table(state, _FILESETS, system.name)]
    return printed


_POOLS = """SELECT pool.name AS name, COUNT(nsd.id) AS disks,
    COUNT(DISTINCT failure_group) AS "failure groups", SUM(size) AS size
    FROM pool LEFT JOIN nsd ON nsd.fs = pool.fs AND nsd.pool = pool.name
    WHERE pool.fs = ? GROUP BY pool.name ORDER BY pool.id"""
_FILESETS = """SELECT name, path, owns_space AS independent, hard AS "limit"
    FROM fileset WHERE fs = ? ORDER BY id"""


def _table(state: store.Store, query: str, *values: str
           ) -> list[dict[str, Any]]:
    """Return rows under the names of their columns."""
    return [dict(zip(state.columns(query, *values), row))
            for row in state.rows(query, *values)]


def tree(arguments: Namespace) -> Answer:
    """Print the clone trees."""
    found = cluster.open(arguments.directory)
    names = [arguments.fs] if arguments.fs else [
        system.name for system in _systems(found)]
    branches = [branch for name in names for branch in found.tree(name)]
    if arguments.format == 'json':
        return [branch.plain() for branch in branches], 0
    return [line for branch in branches for line in branch.lines()], 0


def check(arguments: Namespace) -> Answer:
    """Print what is wrong; the exit code is 1 if anything is."""
    problems = cluster.open(arguments.directory).check()
    return problems, int(bool(problems))


def calls(arguments: Namespace) -> Answer:
    """Print the calls of mm programs."""
    return cluster.open(arguments.directory).calls(), 0


def blocks(arguments: Namespace) -> Answer:
    """Print the blocks of a file."""
    found = cluster.open(arguments.directory).blocks(arguments.path)
    return [{name: getattr(block, name) for name in block.__slots__}
            for block in found], 0


def writer(arguments: Namespace) -> Answer:
    """Note which node writes to a file."""
    cluster.open(arguments.directory).note_writer(arguments.path,
                                                  arguments.node)
    return None, 0


def claims(arguments: Namespace) -> Answer:
    """Print what is claimed about GPFS."""
    if arguments.rst:
        return claimed.rst(), 0
    return {
        'counts': [{'kind': kind, 'sourced': known, 'UNRECORDED': unknown}
                   for kind, known, unknown in claimed.summary()],
        'claims': [{'kind': kind, 'claim': claim, 'source': source}
                   for kind, claim, source in claimed.table()]}, 0


def fault(arguments: Namespace) -> Answer:
    """Add, list or clear faults."""
    found = cluster.open(arguments.directory).faults
    if arguments.what == 'clear':
        found.clear(int(arguments.command) if arguments.command else None)
    elif arguments.what == 'condition':
        found.add_condition(arguments.command or '', fs=arguments.fs,
                            node=arguments.node, fileset=arguments.fileset)
    elif arguments.what == 'add':
        return found.add(
            arguments.command or '', arguments.action or '',
            nth=arguments.nth, node=arguments.node, code=arguments.code,
            text=arguments.text, seconds=arguments.seconds,
            child=arguments.child), 0
    else:
        return {'faults': [{name: getattr(one, name)
                            for name in one.__slots__} for one in found.all()],
                'conditions': [list(row) for row in found.conditions()]}, 0
    return None, 0


def switch(arguments: Namespace) -> Answer:
    """List the switches or move one."""
    found = cluster.open(arguments.directory)
    if arguments.what == 'set':
        found.set_switch(arguments.name or '', arguments.value or '')
        return None, 0
    with store.Store(found.directory) as state:
        return [{'switch': name, 'is': switches.value(state, name),
                 'can be': '|'.join(one.alternatives)}
                for name, one in switches.SWITCHES.items()], 0


def node(arguments: Namespace) -> Answer:
    """Change the state of a node."""
    cluster.open(arguments.directory).set_node_state(arguments.node,
                                                     arguments.state)
    return None, 0


def mount(arguments: Namespace) -> Answer:
    """Mount a file system."""
    cluster.open(arguments.directory).mount(arguments.fs)
    return None, 0


def unmount(arguments: Namespace) -> Answer:
    """Unmount a file system."""
    cluster.open(arguments.directory).unmount(arguments.fs)
    return None, 0
