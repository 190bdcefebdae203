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

"""A simulated cluster, for tests, demonstrations and benchmarks."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
import json
import os
from typing import Any

from nova_gpfs.sim import accounting
from nova_gpfs.sim import blocks
from nova_gpfs.sim import builder
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import census
from nova_gpfs.sim import check
from nova_gpfs.sim import copied
from nova_gpfs.sim import faces
from nova_gpfs.sim import faultlist
from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import fuse_health
from nova_gpfs.sim import library
from nova_gpfs.sim import mmgetstate
from nova_gpfs.sim import mount
from nova_gpfs.sim import spec as specs
from nova_gpfs.sim import store
from nova_gpfs.sim import switches
from nova_gpfs.sim import tree
from nova_gpfs.sim import writers

Spec = specs.Spec
NODE_STATES = (*mmgetstate.STATES, 'no-cluster')


class NotThere(Exception):
    """The cluster has no such node, file system or file."""


class Cluster:
    """A cluster that lives in a directory.

    Holds nothing open: every method looks at the state as it is now.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.faults = faultlist.FaultList(directory)

    def bin_dir(self, node: str | None = None) -> str:
        """Return the directory of the mm programs, as a node sees it."""
        if node is None:
            return os.path.join(self.directory, 'bin')
        return builder.node_bin(self.directory, node)

    def _state(self) -> store.Store:
        return store.Store(self.directory)

    def mount_point(self, fs: str = 'fs0') -> str:
        """Return where a file system is mounted."""
        with self._state() as state:
            return mount.path(state, _system(state, fs))

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls so far: time, node, argv, rc, seconds.

        ``rc`` is negative for a call that a fault killed and None for one
        that a fault made hang.
        """
        path = os.path.join(self.directory, 'calls.log')
        with builtins.open(path) as lines:
            return [json.loads(line) for line in lines]

    def set_switch(self, name: str, value: str) -> None:
        """Move a switch; switches.UnknownSwitch when that cannot be."""
        with self._state() as state:
            switches.put(state, name, value)

    def set_node_state(self, node: str, state: str) -> None:
        """Put a node into one of NODE_STATES; other nodes do not notice."""
        if state not in NODE_STATES:
            raise NotThere(f'no state {state}')
        with self._state() as known:
            self._require_node(known, node)
            with known.change():
                if state != 'up':
                    fuse_health.count_outage(known, node)
                known.execute('UPDATE node SET state = ? WHERE name = ?',
                              state, node)

    def _require_node(self, state: store.Store, node: str) -> None:
        if not state.rows('SELECT 1 FROM node WHERE name = ?', node):
            raise NotThere(f'no node {node}')

    def unmount(self, fs: str = 'fs0') -> None:
        """Leave an empty directory where the file system was mounted."""
        with self._state() as state:
            mount.unmount(state, _system(state, fs))

    def mount(self, fs: str = 'fs0') -> None:
        """Mount it again; OSError if files were put below the directory."""
        with self._state() as state:
            mount.mount(state, _system(state, fs))

    def serve(self, fs: str = 'fs0', node: str = '', for_all: bool = False
              ) -> faces.Face:
        """Mount a file system by FUSE, where the rules of GPFS hold.

        It is at the mount point of all nodes, or at one that this node alone
        has, until the face is closed. ``for_all`` puts what the node sees at
        the mount point of all.

        :raises faces.CannotServe: FUSE cannot be used here
        """
        with self._state() as state:
            if node:
                self._require_node(state, node)
            return faces.serve(state, _system(state, fs), node, for_all)

    def tree(self, fs: str = 'fs0') -> list[tree.Branch]:
        """Return the roots of the clone tree."""
        with self._state() as state:
            return tree.grow(state, _system(state, fs))

    def blocks(self, path: str | os.PathLike[str]) -> list[blocks.Block]:
        """Return the blocks of a file that hold data, and who holds them.

        Each with its pool and the failure groups of its replicas.
        """
        with self._state() as state:
            real = filesystems.real_path(state, os.fspath(path))
            place = filesystems.locate(state, real)
            if place is None or not os.path.isfile(real):
                raise NotThere(f'no file {path}')
            known = census.Census(state, place[0])
            file = known.at(state, real, place[1])
            return blocks.of_file(state, known, file, real)

    def copied(self, path: str | os.PathLike[str]) -> int:
        """Return how many blocks gpfs_declone has copied to a file so far."""
        with self._state() as state:
            return copied.number(state, _found(state, path).file)

    def library(self, node: str = '') -> str:
        """Return the path of libgpfs.so as a node sees it; make it if needed.

        library.NoCompiler where that cannot be.
        """
        if node:
            with self._state() as state:
                self._require_node(state, node)
        return library.build(self.directory, node)

    def note_writer(self, path: str | os.PathLike[str], node: str) -> None:
        """Let a node write to a file from now on; its blocks stay in place.

        Needed where no mm command has told, as after a live migration.
        """
        with self._state() as state:
            self._require_node(state, node)
            writers.note(state, _found(state, path), node)

    def usage(self, fs: str = 'fs0', fileset: str | None = None
              ) -> accounting.Usage:
        """Return the space that a file system or a fileset takes."""
        with self._state() as state:
            return accounting.of(state, _system(state, fs), fileset)

    def check(self) -> list[str]:
        """Return what is wrong; nothing in a consistent cluster."""
        with self._state() as state:
            return check.problems(state)


def _system(state: store.Store, fs: str) -> filesystems.FileSystem:
    try:
        return filesystems.named(state, fs)
    except calls.Refusal:
        raise NotThere(f'no file system {fs}') from None


def _found(state: store.Store, path: str | os.PathLike[str]) -> files.Found:
    real = filesystems.real_path(state, os.fspath(path))
    place = filesystems.locate(state, real)
    if place is None or not os.path.isfile(real):
        raise NotThere(f'no file {path}')
    return files.look(state, *place, real, os.stat(real))


def create(directory: str | os.PathLike[str],
           spec: Spec | Mapping[str, Any] | None = None,
           data_dir: str | os.PathLike[str] | None = None) -> Cluster:
    """Make a cluster in a directory that is new or empty.

    ``data_dir`` puts the files on another file system. FileExistsError if
    there is a cluster already, spec.SpecInvalid if it cannot be.
    """
    checked = specs.parse(spec)
    os.makedirs(directory, exist_ok=True)
    path = os.path.realpath(directory)
    data = os.path.realpath(data_dir or os.path.join(path, 'data'))
    os.makedirs(data, exist_ok=True)
    builder.build(path, checked, data)
    return Cluster(path)


def open(directory: str | os.PathLike[str]) -> Cluster:
    """Return the cluster of a directory; FileNotFoundError if none."""
    path = os.path.realpath(directory)
    try:
        store.Store(path).close()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'no simulated cluster in {os.fspath(directory)}') from None
    return Cluster(path)
