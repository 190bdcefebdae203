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


"""nova-gpfs cache, on masters of a simulated cluster."""

import os

from nova_gpfs.cmd import caching
from tests import face
from tests.functional import test_policy_commands as commands
from tests import refusing

DAY = 86400


class CacheCommandsTest(commands.CommandsTestCase):

    def argv(self, *words):
        """Return the words of a command of the group cache."""
        argv = super().argv(*words)
        argv[argv.index('policy')] = 'cache'
        return argv

    def age(self):
        path = os.path.join(self.storage.layout.master(commands.KEY), 'used')
        then = os.stat(path).st_mtime - 2 * DAY
        os.utime(path, (then, then))

    def unused(self):
        """Make a master without clones that was not needed for two days."""
        master, _made = self.storage.masters.ensure(commands.KEY, self.fill)
        self.age()
        return master

    def test_the_list_has_clones_and_age(self):
        self.unused()
        code, document, _err = self.run_program('list')
        (row,) = document['masters']
        self.assertEqual((0, commands.KEY, 0),
                         (code, row['master'], row['clones']))
        self.assertGreaterEqual(row['unused_seconds'], 2 * DAY)
        self.boot()
        (row,) = self.run_program('list')[1]['masters']
        self.assertEqual(1, row['clones'])

    def test_clean_removes_what_is_unused_and_a_dry_run_does_not(self):
        self.unused()
        for words, section in ((['clean', '--dry-run'], 'would be removed'),
                               (['clean'], 'removed')):
            self.assertIsNotNone(self.storage.masters.find(commands.KEY))
            code, document, _err = self.run_program(*words)
            self.assertEqual((0, [commands.KEY]), (code, [
                row['master'] for row in document[section]]))
        self.assertIsNone(self.storage.masters.find(commands.KEY))
        self.assertEqual([], self.gpfs.check())

    def test_clean_leaves_a_master_that_has_clones(self):
        self.boot()
        self.age()
        with refusing.with_clones():
            code, document, _err = self.run_program('clean')
        self.assertEqual((0, {'removed': []}), (code, document))
        self.assertEqual([], self.gpfs.check())

    def test_a_master_that_holds_something_else_is_found(self):
        master = self.unused()
        code, document, _err = self.run_program('verify')
        self.assertEqual((0, 'ok'), (code, document['masters'][0]['state']))
        with open(face.behind(self.gpfs, master.path), 'r+b') as image:
            image.write(b'damage')
        code, document, _err = self.run_program('verify')
        self.assertEqual((1, ['it does not hold what it held']),
                         (code, document['masters'][0]['why']))

    def test_what_was_not_recorded_is_recorded_and_compared_from_then_on(self):
        self.storage.masters._record_digests = False
        master = self.unused()
        self.assertEqual('', master.digest)
        notes = [self.verified()['note'] for _ in range(2)]
        self.assertEqual([caching.RECORDED, ''], notes)
        with open(face.behind(self.gpfs, master.path), 'r+b') as image:
            image.seek(2 * commands.MIB)
            image.write(b'X')
        self.assertEqual(['it does not hold what it held'],
                         self.verified()['why'])
        self.assertEqual({'image', 'info.json', 'used', 'digest'},
                         set(os.listdir(master.directory)))

    def test_who_may_not_record_is_told_so(self):
        self.storage.masters._record_digests = False
        master = self.unused()
        os.mkdir(os.path.join(master.directory, 'digest'))
        row = self.verified()
        self.assertEqual('ok', row['state'])
        self.assertIn(caching.NOT_RECORDED, row['note'])
        self.assertEqual([], [name for name in os.listdir(master.directory)
                              if name.startswith('digest.')])

    def verified(self):
        (row,) = self.run_program('verify')[1]['masters']
        return row

    def test_a_master_that_lies_elsewhere_is_found(self):
        master = self.unused()
        self.gpfs_run('mmchattr', '-P', 'fast', master.path)
        code, document, _err = self.run_program('verify')
        self.assertEqual((1, ['pool is fast']),
                         (code, document['masters'][0]['why']))

    def gpfs_run(self, name, *arguments):
        commands.subprocess.run(
            [os.path.join(self.mm_path, name), *arguments], check=True)
