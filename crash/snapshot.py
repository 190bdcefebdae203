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
"""A cluster whose state can be put back, files and all."""

import os
import shutil
import sqlite3
import subprocess
import time

from tests import face


class Snapshot:
    """What a simulated cluster was, to be put back where it was."""

    def __init__(self, cluster, directory):
        self._cluster = cluster
        self._live = cluster.directory
        self._kept = directory
        with face.off(cluster):
            self._copy(self._live, self._kept)
            self._made = time.time_ns()
            # In the kept copy the numbers are those of the live files.
            self._inodes = _inodes(self._live)

    def put_back(self):
        """Let the cluster be what it was, and its files as old as then.

        What is done once in a minute is then done each time, or never.
        """
        with face.off(self._cluster):
            self._put_back()

    def _put_back(self):
        shutil.rmtree(self._live)
        self._copy(self._kept, self._live)
        younger = time.time_ns() - self._made
        _shift(self._live, younger)
        now = _inodes(self._live)
        _renumber(os.path.join(self._live, 'state.sqlite'),
                  {was: now[path] for path, was in self._inodes.items()},
                  younger)

    def forget(self):
        shutil.rmtree(self._kept)

    @staticmethod
    def _copy(source, target):
        # Holes, links and extended attributes are kept.
        subprocess.run(['cp', '-a', '--sparse=auto', source, target],
                       check=True)


def _inodes(top):
    """Return {path below top: inode number}."""
    found = {}
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, top)] = os.lstat(path).st_ino
    return found


def _shift(top, nanoseconds):
    """Let all files below a directory be as much younger."""
    # The simulator counts clones by hard links.
    paths = {number: os.path.join(top, path)
             for path, number in _inodes(top).items()}
    for path in paths.values():
        was = os.lstat(path)
        os.utime(path, follow_symlinks=False, ns=(
            was.st_atime_ns + nanoseconds, was.st_mtime_ns + nanoseconds))


def _renumber(database, numbers, younger):
    """Give the files that the simulator knows their new numbers and times."""
    with sqlite3.connect(database) as state:
        state.execute('UPDATE file SET mtime_ns = mtime_ns + ?', [younger])
        rows = state.execute('SELECT id, ino FROM file').fetchall()
        state.executemany('UPDATE file SET ino = ? WHERE id = ?', [
            (numbers[ino], number) for number, ino in rows
            if ino in numbers])
    state.close()
