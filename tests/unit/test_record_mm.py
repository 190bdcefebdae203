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


import dataclasses
import os
import pathlib
import subprocess

import fixtures
from oslotest import base

from nova_gpfs import mm
from nova_gpfs.mm import base as mm_base
from nova_gpfs import model
from nova_gpfs.sim import cluster
from tests.unit import test_run

TOOL = pathlib.Path(__file__).parents[2] / 'tools' / 'record-mm'


class TestRecordMm(test_run.ProgramsTestCase):

    def setUp(self):
        super().setUp()
        self.data = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def record(self, *arguments):
        return subprocess.run(
            [TOOL, *arguments], capture_output=True, text=True,
            env={'PATH': '/usr/bin:/bin', 'MM_PATH': self.mm_path,
                 'RECORD_MM_DIR': str(self.data)})

    def stored(self):
        return {path.name: path.read_text()
                for path in self.data.glob('*/*')}

    def test_what_a_command_says_is_stored_as_it_is(self):
        self.program('mmclone', '''
            printf 'one  \\n\\ntwo'; echo "$LC_ALL $2" >&2; exit 22
        ''')
        done = self.record('5.2/mmclone-show-x', 'mmclone', 'show', '/a b')
        self.assertEqual(22, done.returncode)
        self.assertEqual(
            {'mmclone-show-x.txt': 'one  \n\ntwo',
             'mmclone-show-x.stderr.txt': 'C /a b\n',
             'mmclone-show-x.call': 'mmclone\nshow\n/a b\nexit code 22\n'},
            self.stored())
        for name in ('5.2/mmclone-show-x.txt',
                     '5.2/mmclone-show-x.stderr.txt'):
            self.assertIn(f'   * - {name}\n     - REAL\n', done.stdout)

    def test_silence_leaves_no_empty_file(self):
        self.program('mmchattr', 'exit 0')
        self.assertEqual(0, self.record('5.2/mmchattr-x', 'mmchattr', '/a')
                         .returncode)
        self.assertEqual(['mmchattr-x.call'], list(self.stored()))

    def test_nothing_is_overwritten(self):
        self.program('mmlsfs', 'echo "$1"')
        self.record('5.2/mmlsfs-x', 'mmlsfs', 'first')
        before = self.stored()
        self.assertNotEqual(0, self.record('5.2/mmlsfs-x', 'mmlsfs', 'again')
                            .returncode)
        self.assertEqual(before, self.stored())

    def test_only_mm_commands_and_their_own_names_are_taken(self):
        self.program('mmlsfs', 'echo')
        for arguments in (
                (), ('5.2/mmlsfs-x',), ('5.2/mmlsfs-x', 'sh', '-c', 'id'),
                ('5.2/mmlspool-x', 'mmlsfs'), ('mmlsfs-x', 'mmlsfs'),
                ('../../mmlsfs-x', 'mmlsfs'), ('/tmp/mmlsfs-x', 'mmlsfs'),
                ('a/b/mmlsfs-x', 'mmlsfs'), ('5.2/mm/../sh-x', 'mm/../sh'),
                ('5.2/mmgone-x', 'mmgone')):
            self.assertNotIn(self.record(*arguments).returncode, (0, 22))
        self.assertEqual({}, self.stored())


class TestQueries(base.BaseTestCase):
    """All that the product asks, recorded on a simulated cluster."""

    def setUp(self):
        super().setUp()
        self.top = self.useFixture(fixtures.TempDir()).path
        self.gpfs = cluster.create(os.path.join(self.top, 'gpfs'))
        self.path = os.path.join(self.gpfs.mount_point('fs0'), 'nova', 'a')
        pathlib.Path(self.path).touch()

    def record(self, *arguments):
        return subprocess.run(
            [TOOL, '--queries', *arguments], capture_output=True, text=True,
            env={'PATH': '/usr/bin:/bin', 'RECORD_MM_DIR': self.top,
                 'MM_PATH': self.gpfs.bin_dir('node1')})

    def queries(self):
        """Return a value of every query that the product knows."""
        values = {'path': self.path, 'file_system': 'fs0', 'device': 'fs0',
                  'fileset': 'nova'}
        for kind in mm.COMMANDS.values():
            if issubclass(kind, mm_base.Query):
                yield kind(*(values[field.name] for field
                             in dataclasses.fields(kind)))

    def test_each_is_recorded_as_the_product_asks_and_can_be_read(self):
        done = self.record('5.2/sim', 'fs0', 'nova', self.path)
        self.assertEqual(0, done.returncode, done.stderr)
        asked = set()
        for query in self.queries():
            name = os.path.join(self.top, '5.2', f'{query.program}-sim')
            with open(f'{name}.call') as call:
                self.assertEqual([*query.argv(), 'exit code 0'],
                                 call.read().splitlines())
            with open(f'{name}.txt') as stdout:
                query.outcome(model.Result(0, stdout.read(), ''))
            asked.add(query.program)
        self.assertEqual(asked, {path.name.partition('-')[0] for path
                                 in pathlib.Path(self.top, '5.2').iterdir()})

    def test_one_that_fails_does_not_stop_the_others(self):
        self.gpfs.faults.add('mmlspool', 'fail', code=5, text='no')
        done = self.record('5.2/sim', 'fs0', 'nova', self.path)
        self.assertEqual(5, done.returncode)
        self.assertTrue(pathlib.Path(
            self.top, '5.2', 'mmclone-sim.txt').exists())
        self.assertEqual('no', pathlib.Path(
            self.top, '5.2', 'mmlspool-sim.stderr.txt').read_text().strip())

    def test_it_takes_no_less_and_no_more(self):
        for arguments in ((), ('5.2/sim', 'fs0', 'nova'),
                          ('sim', 'fs0', 'nova', self.path),
                          ('5.2/sim', 'fs0', 'nova', self.path, 'x')):
            self.assertEqual(64, self.record(*arguments).returncode)
