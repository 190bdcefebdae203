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


"""Answers to mm commands, in memory; each takes a stated time.

This is a model: it keeps which file is whose clone and where it was placed,
and nothing of blocks. What is asked of the cluster and not of a file is asked
of the simulator, once, as the answer is the same for every host.
"""

import collections
import os
import stat
import subprocess

from nova_gpfs import model

# What a command does inside GPFS is no call of the product.
_lstat = os.lstat
_open = os.open

_NO_FILE = 'No such file or directory'
_HEAD = ('Parent  Depth   Parent inode   File name\n'
         '------  -----  --------------  ---------\n')
_SHOWN = {'-P': 'pool', '-r': 'data', '-m': 'metadata'}


class Commands:
    """What stands in for the mm commands of a cluster."""

    def __init__(self, clock, bin_dir, default_latency, latencies):
        """Latencies are in seconds, by the name of the program."""
        self.counts = collections.Counter()
        self.parent_of = {}
        self.clones = collections.Counter()
        self._clock = clock
        self._bin_dir = bin_dir
        self._latency = default_latency
        self._latencies = latencies
        self._attributes = collections.defaultdict(dict)
        self._depth = {}
        self._said = {}

    def __call__(self, command):
        """Be a ``mm.base.Transport``."""
        program, *words = command.argv()
        self.counts[f'{program} {words[0]}' if program == 'mmclone'
                    else program] += 1
        self._clock.spend(self._latencies.get(program, self._latency))
        answer = {'mmclone': self._clone, 'mmlsattr': self._list,
                  'mmchattr': self._change}.get(program)
        if answer is None:
            return self._of_cluster(program, words)
        try:
            return model.Result(0, answer(*words), '')
        except FileNotFoundError:
            return model.Result(1, '', f'{program}: {_NO_FILE}')
        except FileExistsError:
            return model.Result(1, '', f'{program}: File exists')

    def removed(self, inode):
        """Note that the last name of a file has gone."""
        self.clones[self.parent_of.pop(inode, None)] -= 1
        for known in (self._depth, self._attributes):
            known.pop(inode, None)

    def _of_cluster(self, program, words):
        key = (program, *words)
        if key not in self._said:
            done = subprocess.run(
                (os.path.join(self._bin_dir, program), *words),
                capture_output=True, text=True)
            self._said[key] = model.Result(done.returncode, done.stdout,
                                           done.stderr)
        return self._said[key]

    def _clone(self, form, *paths):
        return getattr(self, f'_{form}')(*paths)

    def _show(self, path):
        inode = _lstat(path).st_ino
        parent = self.parent_of.get(inode, '')
        if inode in self._depth:
            return f'{_HEAD}   yes  {self._depth[inode]:>5}  {parent}  {path}'
        return f'{_HEAD}    no  1  {parent}  {path}' if parent else (
            f'{_HEAD}                   {path}')

    def _snap(self, source, parent=None):
        found = _lstat(source)
        if parent is None:
            self._depth.setdefault(found.st_ino, 0)
            return ''
        inode = _make(parent, found.st_size)
        self._depth[inode] = 1
        former = self.parent_of.get(found.st_ino)
        if former is not None:
            self.parent_of[inode] = former
        self.parent_of[found.st_ino] = inode
        self.clones[inode] += 1
        return ''

    def _copy(self, parent, target):
        found = _lstat(parent)
        inode = _make(target, found.st_size)
        self.parent_of[inode] = found.st_ino
        self.clones[found.st_ino] += 1
        self._attributes[inode] = dict(self._attributes[found.st_ino])
        return ''

    def _list(self, _long, path):
        found = _lstat(path)
        has = {'pool': 'system', 'data': 1, 'metadata': 1,
               **self._attributes[found.st_ino]}
        data = ('' if stat.S_ISDIR(found.st_mode) else
                f'data replication:     {has["data"]} max 2\n')
        return (f'file name:            {path}\n'
                f'metadata replication: {has["metadata"]} max 2\n{data}'
                'immutable:            no\nappendOnly:           no\n'
                'flags:\n'
                f'storage pool name:    {has["pool"]}\n'
                'fileset name:         nova\nsnapshot name:\n')

    def _change(self, *words):
        *options, path = words
        inode = _lstat(path).st_ino
        for option, value in zip(options[::2], options[1::2]):
            if option in _SHOWN:
                self._attributes[inode][_SHOWN[option]] = value
        return ''


def _make(path, size):
    handle = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.ftruncate(handle, size)
        return os.fstat(handle).st_ino
    finally:
        os.close(handle)
