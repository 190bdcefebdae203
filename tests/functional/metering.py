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

"""What operations take: mm commands, copies, bytes read and written.

Nothing is estimated. Commands are in the log of the simulated cluster,
programs pass an audit hook, and what was written is found by looking at all
blocks before and afterwards: who holds them, in which pool, how often.
"""

import collections
import dataclasses
import os
import sys

import fixtures

from benchmarks import counting
from nova_gpfs import digest
from nova_gpfs.sim import cluster as sim_cluster

#: Smaller files are records and XML, not disks. Bytes.
SMALLEST = 64 * 1024
NOTHING = 'none'
_COPIES = ('cp', 'qemu-img convert')
_COPIES_INSIDE = ('gpfs_declone', 'mmclone split', 'mmclone redirect')


@dataclasses.dataclass(frozen=True)
class Costs:
    """``read`` is what programs have read, ``written`` what disks got.

    Both are bytes; each replica is written.
    """

    commands: str
    copies: str
    read: int
    written: int


class _Programs:
    """Tells somebody of every program that is started.

    An audit hook can be set once and never be removed.
    """

    def __init__(self):
        self.tell = None
        self._set = False

    def __call__(self, event, arguments):
        if event == 'subprocess.Popen' and self.tell is not None:
            self.tell([os.fsdecode(word) for word in arguments[1]])

    def watch(self, tell):
        if not self._set:
            sys.addaudithook(self)
            self._set = True
        self.tell = tell


_programs = _Programs()


class Blocks:
    """The blocks of all disks of a simulated file system at some time.

    Until ``close()`` no other file gets the inode of one of them.
    """

    def __init__(self, gpfs):
        self._handles = []
        self.inodes = set()
        self.held = {}
        for path in _disks(gpfs.mount_point('fs0')):
            handle = os.open(path, os.O_PATH)
            self._handles.append(handle)
            inode = os.fstat(handle).st_ino
            self.inodes.add(inode)
            self.held.update({
                (inode, block.index): block for block in gpfs.blocks(path)
                if block.inode == inode})

    def close(self):
        while self._handles:
            os.close(self._handles.pop())


def _disks(top):
    for directory, _directories, names in os.walk(top):
        for path in (os.path.join(directory, name) for name in names):
            if os.path.isfile(path) and os.path.getsize(path) >= SMALLEST:
                yield path


def written(before, after):
    """Return the bytes that were written from one time to another.

    A file that has become a child has handed blocks to its parent, which are
    not written for that.
    """
    total = sum(_new(before.held.get(key), block)
                for key, block in after.held.items())
    return total - sum(
        _bytes(before.held[key])
        for key in before.held.keys() - after.held.keys()
        if key[0] in after.inodes)


def _new(had, block):
    """Return what was written of a block that was another one before."""
    if had is None or had.pool != block.pool:
        return _bytes(block)
    return max(0, _bytes(block) - _bytes(had))


def _bytes(block):
    return block.size * block.replicas


def moved(before, after):
    """Whether blocks lie in other pools than before."""
    return any(key in before.held and before.held[key].pool != block.pool
               for key, block in after.held.items())


class Meter:
    """Measures one operation after the other of a test."""

    def __init__(self, test_case, gpfs):
        self._gpfs = gpfs
        self._before = None
        test_case.addCleanup(self._stop)
        of_file = digest.of_file

        def noted(path):
            self._reads(path)
            return of_file(path)

        test_case.useFixture(fixtures.MonkeyPatch(
            'nova_gpfs.digest.of_file', noted))
        _programs.watch(self._runs)
        self.begin()

    def _stop(self):
        _programs.tell = None
        self._before.close()

    def begin(self):
        """Measure from now on."""
        if self._before:
            self._before.close()
        self._before = Blocks(self._gpfs)
        self._called = len(self._gpfs.calls())
        self._copies = []
        self._read = self._received = 0

    def filled(self, path):
        """Return the bytes of the blocks of a file that are no holes."""
        return sum(block.size for block in self._gpfs.blocks(path))

    def _reads(self, path):
        size = os.path.getsize(path)
        try:
            self._read += min(size, self.filled(path))
        except sim_cluster.NotThere:
            self._read += size

    def _runs(self, argv):
        name = counting.program(argv).removesuffix(' (prlimit)')
        if name in _COPIES and not argv[-1].endswith('disk.info'):
            self._copies.append(name)
            self._reads(argv[-2])

    def downloaded(self, path):
        """Note that an image was written to a file."""
        self._copies.append('download')
        self._received += os.path.getsize(path)

    def uploads(self, path):
        """Note that a file is sent to Glance."""
        self._copies.append('upload')
        self._reads(path)

    def costs(self, ignore=(), looks=False):
        """Return what was done since the last time.

        :param ignore: names of commands that do not count
        :param looks: whether looks at the storage as a whole count
        """
        commands = [command(call['argv'])
                    for call in self._gpfs.calls()[self._called:]
                    if looks or not _is_look(call['argv'])]
        copies = self._copies + [name for name in commands
                                 if name in _COPIES_INSIDE]
        after = Blocks(self._gpfs)
        if moved(self._before, after):
            copies.append('mmchattr')
        found = Costs(
            counted(name for name in commands if name not in ignore),
            counted(copies), self._read,
            self._received + written(self._before, after))
        after.close()
        self.begin()
        return found


def _is_look(argv):
    """Whether a command is that by which a host looks at its storage.

    It does so once a minute, and where Nova reports in between.
    """
    return command(argv) == 'mmlsattr' and os.path.isdir(argv[-1])


def counted(names):
    """Return names as the table has them: '2 mmclone copy, mmclone snap'."""
    return ', '.join(
        f'{number} {name}' if number > 1 else name for name, number
        in sorted(collections.Counter(names).items())) or NOTHING


def command(argv):
    """Return the name of an mm command, with what mmclone is to do."""
    name = os.path.basename(argv[0])
    return f'{name} {argv[1]}' if name == 'mmclone' else name
