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

"""The state of a simulated cluster: one sqlite file under one lock.

Processes may be killed at any instruction: sqlite rolls a torn transaction
back. Power loss is not covered (``synchronous`` is off), because a simulated
cluster does not outlive its machine.
"""

from __future__ import annotations

# The extension module itself: the sqlite3 package would load datetime and
# what that needs, which costs as much as half the interpreter's start.
import _sqlite3 as sqlite
import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 3

SCHEMA = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE node (
    number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL,
    address TEXT NOT NULL, designation TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'up');
CREATE TABLE fs (
    name TEXT PRIMARY KEY, mount_name TEXT NOT NULL, data TEXT NOT NULL,
    mounted INTEGER NOT NULL DEFAULT 1, block_size INTEGER NOT NULL,
    version TEXT NOT NULL, default_data INTEGER NOT NULL,
    max_data INTEGER NOT NULL, default_metadata INTEGER NOT NULL,
    max_metadata INTEGER NOT NULL, quotas TEXT NOT NULL,
    strict TEXT NOT NULL, uid TEXT NOT NULL, created INTEGER NOT NULL,
    highest_version TEXT NOT NULL);
CREATE TABLE pool (
    fs TEXT NOT NULL, name TEXT NOT NULL, id INTEGER NOT NULL,
    block_size INTEGER NOT NULL, write_affinity INTEGER NOT NULL,
    depth INTEGER NOT NULL, factor INTEGER NOT NULL,
    PRIMARY KEY (fs, name));
CREATE TABLE nsd (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, fs TEXT NOT NULL,
    pool TEXT NOT NULL, failure_group TEXT NOT NULL, size INTEGER NOT NULL,
    data INTEGER NOT NULL, metadata INTEGER NOT NULL, servers TEXT NOT NULL,
    volume TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'ready',
    availability TEXT NOT NULL DEFAULT 'up');
CREATE TABLE fileset (
    fs TEXT NOT NULL, name TEXT NOT NULL, id INTEGER NOT NULL,
    path TEXT NOT NULL, linked INTEGER NOT NULL, parent INTEGER,
    inode_space INTEGER NOT NULL, owns_space INTEGER NOT NULL,
    soft INTEGER NOT NULL, hard INTEGER NOT NULL, comment TEXT NOT NULL,
    created INTEGER NOT NULL, PRIMARY KEY (fs, name));
CREATE TABLE file (
    id INTEGER PRIMARY KEY, fs TEXT NOT NULL, ino INTEGER NOT NULL,
    tag TEXT NOT NULL, path TEXT NOT NULL, fileset TEXT NOT NULL,
    parent INTEGER, depth INTEGER, sealed INTEGER NOT NULL DEFAULT 0,
    size INTEGER, mtime_ns INTEGER, pool TEXT NOT NULL,
    data_replicas INTEGER NOT NULL, max_data INTEGER NOT NULL,
    metadata_replicas INTEGER NOT NULL, max_metadata INTEGER NOT NULL,
    write_affinity TEXT NOT NULL DEFAULT '',
    immutable INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL,
    writer TEXT NOT NULL DEFAULT '');
CREATE INDEX file_ino ON file (fs, ino);
CREATE INDEX file_parent ON file (parent);
CREATE TABLE layer (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL, pool TEXT NOT NULL,
    replicas INTEGER NOT NULL, node TEXT NOT NULL, affinity TEXT NOT NULL,
    blocks BLOB NOT NULL);
CREATE INDEX layer_file ON layer (file);
CREATE TABLE copied (
    file INTEGER PRIMARY KEY, blocks BLOB NOT NULL, number INTEGER NOT NULL);
CREATE TABLE switch (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE fault (
    id INTEGER PRIMARY KEY, command TEXT NOT NULL, node TEXT NOT NULL,
    nth INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0,
    action TEXT NOT NULL, code INTEGER NOT NULL, text TEXT NOT NULL,
    seconds REAL NOT NULL, child INTEGER NOT NULL);
CREATE TABLE condition (
    kind TEXT NOT NULL, fs TEXT NOT NULL, node TEXT NOT NULL,
    fileset TEXT NOT NULL, PRIMARY KEY (kind, fs, node, fileset));
"""


class Store:
    """One connection to a cluster's state."""

    def __init__(self, directory: str) -> None:
        """Open the state below ``directory``; FileNotFoundError if none."""
        path = os.path.join(directory, 'state.sqlite')
        os.stat(path)
        self.directory = directory
        self._connection = sqlite.connect(path, 60.0, isolation_level=None)
        self._connection.execute('PRAGMA synchronous = OFF')

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Return all rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def columns(self, sql: str, *values: object) -> list[str]:
        """Return the names of a query's columns."""
        cursor = self._connection.execute(sql, values)
        return [column[0] for column in cursor.description]

    def execute(self, sql: str, *values: object) -> int:
        """Run a statement and return the id of the row it inserted."""
        return self._connection.execute(sql, values).lastrowid or 0

    def change(self) -> Change:
        """Return a context in which this process alone changes the state."""
        return Change(self)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Change:
    """A write transaction: all of it happens, or nothing.

    Writers queue on a lock file, since sqlite alone would poll.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = -1

    def __enter__(self) -> Store:
        path = os.path.join(self._store.directory, 'lock')
        self._lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC,
                             0o666)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._store.execute('BEGIN IMMEDIATE')
        return self._store

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._store.execute('ROLLBACK' if kind else 'COMMIT')
        finally:
            os.close(self._lock)


def create(directory: str) -> Store:
    """Make an empty state; FileExistsError if there is one."""
    path = os.path.join(directory, 'state.sqlite')
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    connection = sqlite.connect(path)
    connection.executescript(SCHEMA)
    connection.execute(f'PRAGMA user_version = {FORMAT}')
    connection.close()
    return Store(directory)
