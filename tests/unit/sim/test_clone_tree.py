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

"""Random sequences of commands against a model of what GPFS would hold."""

import errno
import os
import shutil
import tempfile

import hypothesis
from hypothesis import stateful
from hypothesis import strategies

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import cluster
from nova_gpfs.sim import program
from nova_gpfs.sim import store
from tests.unit.sim import simulated

BLOCK = simulated.BLOCK
NAMES = strategies.sampled_from('abcdef')


class Modelled:
    """A file of the model: its content, block by block, and its parent."""

    def __init__(self, blocks, parent=None):
        self.blocks = list(blocks)
        self.parent = parent
        self.sealed = False

    def own(self):
        """Return how many blocks this file pays for."""
        above = self.parent.blocks if self.parent else []
        return sum(block != (above[at] if at < len(above) else None)
                   for at, block in enumerate(self.blocks))


class CloneTree(stateful.RuleBasedStateMachine):

    def __init__(self):
        super().__init__()
        self.root = tempfile.mkdtemp()
        self.cluster = cluster.create(self.root + '/c', simulated.spec())
        self.state = store.Store(self.cluster.directory)
        self.directory = self.cluster.mount_point('fs0') + '/nova/'
        self.files = {}
        self.written = 0

    def teardown(self):
        self.state.close()
        shutil.rmtree(self.root)

    def mmclone(self, keyword, *names):
        """Run mmclone in this process and return its exit code."""
        paths = [self.directory + name for name in names]
        call = calls.Call('mmclone', 'node1', [keyword, *paths], self.state)
        program.serve(call)
        return call.code

    def children(self, parent):
        return [file for file in self.files.values() if file.parent is parent]

    @stateful.rule(name=NAMES, at=strategies.integers(0, 2))
    def write(self, name, at):
        file = self.files.setdefault(name, Modelled([]))
        if file.sealed:
            return
        self.written += 1
        block = self.written.to_bytes(4, 'big') * (BLOCK // 4)
        at = min(at, len(file.blocks))
        file.blocks[at:at + 1] = [block]
        fd = os.open(self.directory + name, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, block, at * BLOCK)
        os.close(fd)

    @stateful.rule(name=NAMES)
    def snap_in_place(self, name):
        file = self.files.get(name)
        code = self.mmclone('snap', name)
        if file is None:
            assert code == errno.ENOENT
        elif file.sealed:
            assert code == errno.EROFS
        else:
            assert code == 0
            file.sealed = True

    @stateful.rule(source=NAMES, to=NAMES)
    def snap(self, source, to):
        file = self.files.get(source)
        code = self.mmclone('snap', source, to)
        if file is None:
            assert code == errno.ENOENT
        elif file.sealed:
            assert code == errno.EROFS
        elif to in self.files:
            assert code == errno.EEXIST
        else:
            assert code == 0
            parent = Modelled(file.blocks, file.parent)
            parent.sealed = True
            file.parent = self.files[to] = parent

    @stateful.rule(source=NAMES, to=NAMES)
    def copy(self, source, to):
        file = self.files.get(source)
        code = self.mmclone('copy', source, to)
        if file is None:
            assert code == errno.ENOENT
        elif not file.sealed:
            assert code == errno.EPERM
        elif to in self.files:
            assert code == errno.EEXIST
        else:
            assert code == 0
            self.files[to] = Modelled(file.blocks, file)

    @stateful.rule(name=NAMES, keyword=strategies.sampled_from(
        ['split', 'redirect']))
    def detach(self, name, keyword):
        file = self.files.get(name)
        code = self.mmclone(keyword, name)
        if file is None:
            assert code == errno.ENOENT
        elif file.parent is None or self.children(file):
            assert code == errno.EPERM
        else:
            assert code == 0
            file.parent = (file.parent.parent if keyword == 'redirect'
                           else None)

    @stateful.rule(name=NAMES)
    def remove(self, name):
        file = self.files.get(name)
        if file is not None and not self.children(file):
            del self.files[name]
            os.unlink(self.directory + name)

    @stateful.rule(source=NAMES, to=NAMES)
    def rename(self, source, to):
        if source in self.files and to not in self.files:
            self.files[to] = self.files.pop(source)
            os.rename(self.directory + source, self.directory + to)

    @stateful.invariant()
    def every_file_holds_what_was_written_to_it(self):
        assert set(os.listdir(self.directory)) == set(self.files)
        for name, file in self.files.items():
            with open(self.directory + name, 'rb') as found:
                assert found.read() == b''.join(file.blocks)

    @stateful.invariant()
    def the_cluster_is_consistent(self):
        assert self.cluster.check() == []

    @stateful.invariant()
    def space_is_charged_to_who_changed_it(self):
        expected = sum(file.own() for file in self.files.values()) * BLOCK
        assert self.cluster.usage('fs0').data == expected

    @stateful.invariant()
    def the_tree_is_the_models(self):
        shown = {name: file.parent for name, file in self.files.items()
                 if file.sealed or file.parent}
        names = {id(file): name for name, file in self.files.items()}
        found = {}
        branches = [(None, root) for root in self.cluster.tree('fs0')]
        while branches:
            parent, branch = branches.pop()
            name = branch.path.removeprefix('nova/')
            found[name] = parent
            branches += [(name, child) for child in branch.children]
        assert found == {name: parent and names[id(parent)]
                         for name, parent in shown.items()}


TestCloneTree = CloneTree.TestCase
TestCloneTree.settings = hypothesis.settings(
    max_examples=25, stateful_step_count=25, deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck))
