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

"""Lays a cluster out in a directory: state, data, mount points, programs."""

from __future__ import annotations

import os
import sys
import time

from nova_gpfs.sim import filesystems
from nova_gpfs.sim import spec as specs
from nova_gpfs.sim import store

PROGRAMS = ('mmchattr', 'mmclone', 'mmdf', 'mmgetstate', 'mmlsattr',
            'mmlscluster', 'mmlsconfig', 'mmlsdisk', 'mmlsfileset', 'mmlsfs',
            'mmlsmount', 'mmlsnode', 'mmlsnsd', 'mmlspool', 'mmlsquota',
            'mmrestripefile')

# Linux cuts a #! line at 256 bytes (BINPRM_BUF_SIZE), older ones at 128, and
# passes everything after the first blank as one argument.
_LONGEST = 126

_PROGRAM = """\
import sys
sys.path.insert(0, {package!r})
from nova_gpfs.sim import program
program.main({directory!r}, {node!r}, {name!r})
"""


def build(directory: str, spec: specs.Spec, data_dir: str) -> None:
    """Make everything; ``directory`` exists, both paths are real."""
    state = store.create(directory)
    with state.change():
        _enter_cluster(state, spec)
        for system in spec.file_systems:
            data = os.path.join(data_dir, system.name)
            _enter_file_system(state, system, data)
    state.close()
    for system in spec.file_systems:
        _lay_out(directory, system, os.path.join(data_dir, system.name))
    open(os.path.join(directory, 'calls.log'), 'x').close()
    _install(directory, '', os.path.join(directory, 'bin'))
    for node in spec.nodes:
        _install(directory, node, node_bin(directory, node))
    if spec.shared:
        _share(directory, data_dir, spec)


def node_bin(directory: str, node: str) -> str:
    """Return where the programs of a node are."""
    return os.path.join(directory, 'nodes', node, 'bin')


def library_dir(directory: str, node: str = '') -> str:
    """Return where the library is, as a node sees it or for all of them."""
    top = os.path.join(directory, 'nodes', node) if node else directory
    return os.path.join(top, 'lib')


def mount_point(directory: str, mount_name: str) -> str:
    """Return where a file system is mounted."""
    return os.path.join(directory, 'gpfs', mount_name)


def _enter_cluster(state: store.Store, spec: specs.Spec) -> None:
    number = int.from_bytes(os.urandom(7), 'big')
    for name, value in (('name', spec.name), ('id', str(number)),
                        ('minReleaseLevel', spec.min_release_level)):
        state.execute('INSERT INTO setting VALUES (?, ?)', name, value)
    for index, node in enumerate(spec.nodes, 1):
        role = 'quorumManager' if index <= 3 else ''
        state.execute(
            'INSERT INTO node (number, name, address, designation) '
            'VALUES (?, ?, ?, ?)', index, node, f'192.0.2.{index}', role)


def _enter_file_system(state: store.Store, system: specs.FileSystem,
                       data: str) -> None:
    uid = f'{os.urandom(4).hex()}:{os.urandom(4).hex()}'.upper()
    state.execute(
        f'INSERT INTO fs VALUES ({", ".join("?" * 15)})', system.name,
        system.mount_name, data, 1, system.block_size, system.version,
        system.default_data_replicas, system.max_data_replicas,
        system.default_metadata_replicas, system.max_metadata_replicas,
        system.quotas, system.strict_replication, uid, int(time.time()),
        system.highest_version)
    for index, pool in enumerate(system.pools):
        # The second pool has id 65537 in every recording of mmlspool.
        state.execute('INSERT INTO pool VALUES (?, ?, ?, ?, ?, ?, ?)',
                      system.name, pool, 65536 + index if index else 0,
                      system.block_size,
                      int(pool in system.write_affinity_pools),
                      system.write_affinity_depth, system.block_group_factor)
    for nsd in system.nsds:
        _enter_nsd(state, system.name, nsd)
    root = specs.Fileset('root', '', independent=True,
                         comment='root fileset')
    for index, fileset in enumerate([root, *system.filesets]):
        _enter_fileset(state, system.name, index, fileset)


def _enter_nsd(state: store.Store, fs: str, nsd: specs.Nsd) -> None:
    state.execute(
        'INSERT INTO nsd (name, fs, pool, failure_group, size, data, '
        'metadata, servers, volume) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        nsd.name, fs, nsd.pool, nsd.failure_group, nsd.size,
        int(nsd.holds_data), int(nsd.holds_metadata), nsd.servers,
        os.urandom(8).hex().upper())


def _enter_fileset(state: store.Store, fs: str, index: int,
                   fileset: specs.Fileset) -> None:
    linked = fileset.path is not None
    path = (fileset.path or '').strip('/')
    state.execute(
        f'INSERT INTO fileset VALUES ({", ".join("?" * 12)})', fs,
        fileset.name, index, path, int(linked),
        0 if index and linked else None,
        index if fileset.independent else 0, int(fileset.independent),
        fileset.soft, fileset.hard, fileset.comment, int(time.time()))


def _lay_out(directory: str, system: specs.FileSystem, data: str) -> None:
    """Make the data directory, the filesets' roots and the mount point."""
    os.makedirs(data)
    beside, tail = os.path.split(data)
    for hidden in (filesystems.DRAFTS, filesystems.LINKS):
        os.mkdir(os.path.join(beside, hidden + tail), 0o700)
    for fileset in system.filesets:
        if fileset.path is not None:
            root = os.path.join(data, fileset.path.strip('/'))
            os.makedirs(root, exist_ok=True)
            os.chmod(root, fileset.mode)
    mount = mount_point(directory, system.mount_name)
    os.makedirs(os.path.dirname(mount), exist_ok=True)
    os.symlink(data, mount)


def _install(directory: str, node: str, target: str) -> None:
    """Write the programs that answer to the mm names."""
    os.makedirs(target)
    for name in PROGRAMS:
        write_program(os.path.join(target, name), directory, node, name)


def write_program(path: str, directory: str, node: str, name: str) -> None:
    """Write a program that serves the calls of one name on one node."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    with open(path, 'w') as program:
        program.write(_first_lines(sys.executable) + _PROGRAM.format(
            package=package, directory=directory, node=node, name=name))
    os.chmod(path, 0o755)


def _first_lines(interpreter: str) -> str:
    """Return the line that names the interpreter, or a way around it."""
    line = f'#!{interpreter} -IS'
    if len(line) <= _LONGEST and ' ' not in interpreter:
        return line + '\n'
    quoted = "'" + interpreter.replace("'", "'\"'\"'") + "'"
    return f"#!/bin/sh\n''':'\nexec {quoted} -IS \"$0\" \"$@\"\n'''\n"


def _share(directory: str, data_dir: str, spec: specs.Spec) -> None:
    """Let every local user change the state, as set-user-id commands do."""
    for name in ('.', 'state.sqlite', 'calls.log', 'lock'):
        path = os.path.join(directory, name)
        os.chmod(path, 0o777 if os.path.isdir(path) else 0o666)
    for system in spec.file_systems:
        for hidden in (filesystems.DRAFTS, filesystems.LINKS):
            os.chmod(os.path.join(data_dir, hidden + system.name), 0o777)
