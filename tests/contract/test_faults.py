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

"""Each fault, with each call of each thing that the storage is asked for.

Whatever happens, there is a result or one typed error; what was there is
there, byte for byte; what failed has left nothing that could be taken for a
result; nothing is written below an empty mount point; and once the cluster is
well, the same object does the same thing, without a restart. On a FUSE mount
system calls fail as well, with what boundary.to_nova understands.
"""

import itertools
import os
import pathlib
import shutil
import tempfile

from oslotest import base

from nova_gpfs import errnos
from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs.sim import cluster
from nova_gpfs.sim import spec
from tests import face
from tests import sick

KIB = 1024
MIB = 1024 * KIB
CONTENT = b'content of the image\n' * 4 * KIB
FAST = model.Placement('fast', data_replicas=1)
OWNER = '11111111-2222-4333-8444-555555555555'


class SickTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        top = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, top)
        system = spec.standard_file_system()
        system.filesets.append(spec.Fileset('full', 'full', hard=64 * KIB))
        self.cluster = cluster.create(
            os.path.join(top, 'sim'), spec.Spec(file_systems=[
                system, spec.standard_file_system('fs1')]))
        face.put_on(self.cluster, self.addCleanup, node=sick.NODE)
        self.instances = os.path.join(self.cluster.mount_point('fs0'), 'nova',
                                      'instances')
        os.mkdir(self.instances)
        self.transport = sick.Transport(self.cluster, self.instances)
        self.gpfs = sick.driver(self.transport, sick.Library(self.transport))
        self.numbers = itertools.count()

    def file(self, name):
        path = self.path(name)
        pathlib.Path(path).write_bytes(CONTENT)
        return path

    def path(self, name):
        return os.path.join(self.instances, f'{name}{next(self.numbers)}')

    def read(self, path):
        return pathlib.Path(path).read_bytes()

    def calls_of(self, work):
        """Return how many commands something takes when all is well."""
        self.transport.heal()
        work()
        return self.transport.count

    def attempt(self, work):
        """Return the error of something, None if it has come to an end."""
        try:
            work()
        except errors.GpfsError as error:
            self.assertTrue(str(error).isprintable())
            self.assertIn(error.next_step, str(error))
            return error
        except OSError as error:
            meaning = face.is_asked_for() and errnos.meaning(error)
            if not meaning:
                raise
            return meaning
        return None


class DriverTest(SickTestCase):
    """Each method of the driver."""

    def setUp(self):
        super().setUp()
        self.parent = self.file('parent')
        self.gpfs.seal(self.parent)

    def disk(self):
        path = self.path('disk')
        self.gpfs.clone(self.parent, path)
        return path

    def questions(self):
        disk = self.disk()
        return {
            'cluster': self.gpfs.cluster,
            'file_system': lambda: self.gpfs.file_system('fs0'),
            'file_systems': self.gpfs.file_systems,
            'pools': lambda: self.gpfs.pools('fs0'),
            'filesets': lambda: self.gpfs.filesets('fs0'),
            'disks': lambda: self.gpfs.disks('fs0'),
            'quota': lambda: self.gpfs.quota('fs0', 'full'),
            'attributes': lambda: self.gpfs.attributes(disk),
            'clone_info': lambda: self.gpfs.clone_info(disk)}

    def changes(self):
        """Return for each change what makes it a place to happen in.

        That returns the change, the paths that must hold the content in any
        case, and the one that it makes, if any.
        """
        def seal():
            path = self.file('file')
            return lambda: self.gpfs.seal(path), [path], None

        def snapshot():
            path, parent = self.disk(), self.path('parent')
            return (lambda: self.gpfs.snapshot(path, parent), [path],
                    parent)

        def clone():
            path = self.path('disk')
            return lambda: self.gpfs.clone(self.parent, path), [], path

        def detach(ancestors):
            path = self.disk()
            return lambda: self.gpfs.detach(path, ancestors), [path], None

        def detach_part():
            path = self.disk()
            return lambda: self.gpfs.detach_part(path, 1, 0), [path], None

        def place():
            path = self.file('file')
            return lambda: self.gpfs.place(path, FAST), [path], None

        def relocate():
            path = self.file('file')
            return lambda: self.gpfs.relocate(path), [path], None

        return {'seal': seal, 'snapshot': snapshot, 'clone': clone,
                'detach all': lambda: detach(model.Ancestors.ALL),
                'detach parent': lambda: detach(model.Ancestors.PARENT),
                'place': place, 'relocate': relocate,
                'detach_part': detach_part}

    def test_every_method_of_the_driver_is_here(self):
        here = {name.partition(' ')[0] for name in (*self.questions(),
                                                    *self.changes())}
        self.assertEqual(type(self.gpfs).__abstractmethods__
                         | {name for kind in type(self.gpfs).__mro__ for name
                            in getattr(kind, '__abstractmethods__', ())},
                         here)

    def test_a_question_has_an_answer_or_a_typed_error(self):
        for name, ask in self.questions().items():
            right = ask()
            for fault, number in self.faults(self.calls_of(ask)):
                with self.subTest(ask=name, fault=fault, call=number):
                    given = []
                    error = self.attempt(lambda: given.append(ask()))
                    if not error:
                        self.assertSound(name, right, given[0], fault)
                    sick.cure(self.transport)
                    self.assertEqual(right, ask())

    def assertSound(self, name, right, given, fault):
        """Require the right answer, but for what is known to be optional."""
        if name == 'disks':
            # Who serves them may be unknown.
            right = [disk.name for disk in right]
            given = [disk.name for disk in given]
        if name == 'cluster':
            # It is told of a daemon that is down.
            right, given = right.id, given.id
        self.assertEqual(right, given, fault)

    def test_a_change_is_made_or_a_typed_error_and_made_later(self):
        for name, prepare in self.changes().items():
            change, _kept, _made = prepare()
            for fault, number in self.faults(self.calls_of(change), prepare):
                with self.subTest(change=name, fault=fault, call=number):
                    change, kept, made = self.prepared
                    error = self.attempt(change)
                    sick.cure(self.transport)
                    self.assertWhole(kept, made, error)
                    if error and made and os.path.lexists(made):
                        # Only once nobody knew how it had ended.
                        for path in kept:
                            self.gpfs.detach(path, model.Ancestors.ALL)
                        os.unlink(made)
                    if error:
                        change()
                    self.assertWhole(kept, made, None)

    def assertWhole(self, kept, made, error):
        for path in kept:
            self.assertEqual(CONTENT, self.read(path))
        if made and (error is None or os.path.lexists(made)):
            self.assertEqual(CONTENT, self.read(made))
        self.assertEqual(CONTENT, self.read(self.parent))

    def faults(self, calls, prepare=None):
        """Yield name and call of each fault, after it has been set."""
        for number in range(1, calls + 1):
            for name, fault in sick.ALL.items():
                self.transport.heal()
                if prepare:
                    self.prepared = prepare()
                self.transport.spoil(fault, number)
                yield name, number
