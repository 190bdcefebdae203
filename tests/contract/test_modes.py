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

"""Modes and owners of every file and directory that the storage makes."""

import os
import pathlib
import re
import shutil
import stat

import fixtures

from nova_gpfs import collection
from nova_gpfs.compute import disk_info
from nova_gpfs import hosts
from nova_gpfs import layout
from nova_gpfs import master_record
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import plan
from nova_gpfs import storage
from tests.contract import test_faults

OWNER = '11111111-2222-4333-8444-555555555555'
FAST = model.Placement('fast', data_replicas=1)

# Below instances_path, with a usual umask. What is in a directory that is
# its owner's alone is nobody else's either.
MODES = {
    '_gpfs': 0o700,
    '_gpfs/(masters|placed|incoming|parents|hosts|splits|trash|leaving|shared'
    '|locks)': 0o700,
    '_gpfs/(clock|collected|swept|cleared)': 0o644,
    '_gpfs/placed/key': 0o700,
    '_gpfs/placed/key/key_[^/]+': 0o644,
    '_gpfs/shared/(addresses|whereabouts).json': 0o644,
    f'_gpfs/splits/{OWNER}': 0o644,
    '_gpfs/identity.json': 0o644,
    '_gpfs/hosts/node1.json': 0o644,
    '_gpfs/locks/nova-gpfs-[^/]+': 0o644,
    '_gpfs/masters/[^/]+': 0o700,
    '_gpfs/masters/[^/]+/image': 0o644,
    '_gpfs/masters/[^/]+/info.json': 0o644,
    '_gpfs/masters/[^/]+/(used|digest)': 0o644,
    f'_gpfs/parents/{OWNER}': 0o700,
    f'_gpfs/parents/{OWNER}/disk[^/]+': 0o644,
    # Of Nova; QEMU's user has to reach the disks.
    'instance[0-9]+': 0o755,
    'instance[0-9]+/(disk|gpfs.json|disk.info)': 0o644,
}


class ModesTest(test_faults.SickTestCase):

    def make_everything(self):
        made = storage.Storage(
            self.gpfs, layout.Layout(self.instances), copy=shutil.copyfile,
            require_clone=True, leftover_age=86400.0)
        made.guard.establish()
        made.hosts.announce(hosts.Host('node1', 'node1.example'))
        master, _made = made.masters.ensure('key', self.fill)
        master_record.add_digest(master.directory, 'sha512:0')
        made.masters.ensure('key', self.fill, FAST)
        first, second = self.instance(), self.instance()
        with made.new_disk(master, f'{first}/disk', FAST):
            pass
        made.double(OWNER, f'{first}/disk', f'{second}/disk')
        placements.write(first, placements.Record().with_disk('disk', FAST))
        disk_info.record(f'{first}/disk.info', f'{first}/disk', plan.RAW,
                         self.useFixture(fixtures.TempDir()).path)
        self.do_now_and_then(made)

    def do_now_and_then(self, made):
        made.hosts.number()
        made.whereabouts.in_group('1')
        made.pending_splits.add(OWNER)
        made.sweep_in_turn()
        made.collection.is_due(3600)
        made.collection.collect(collection.Ages(3600, 3600))

    def fill(self, path):
        pathlib.Path(path).write_bytes(test_faults.CONTENT)
        return plan.MasterInfo(plan.RAW, len(test_faults.CONTENT))

    def instance(self):
        path = self.path('instance')
        os.mkdir(path)
        os.chmod(path, 0o755)
        return path

    def found(self):
        """Yield the path and status of everything below instances_path."""
        for top, directories, files in os.walk(self.instances):
            for name in (*directories, *files):
                path = os.path.join(top, name)
                yield os.path.relpath(path, self.instances), os.lstat(path)

    def assertModes(self, allowed):
        unused = set(MODES)
        for path, status in self.found():
            pattern, = [each for each in MODES if re.fullmatch(each, path)]
            unused.discard(pattern)
            mode = stat.S_IMODE(status.st_mode)
            self.assertTrue(allowed(mode, MODES[pattern]),
                            f'{path} has mode {mode:o}')
            self.assertEqual((os.geteuid(), os.getegid()),
                             (status.st_uid, status.st_gid), path)
            self.assertTrue(stat.S_ISREG(status.st_mode)
                            or stat.S_ISDIR(status.st_mode))
        self.assertEqual(set(), unused, 'nothing of this was made')

    def test_each_has_just_the_mode_that_it_needs(self):
        self.addCleanup(os.umask, os.umask(0o022))
        self.make_everything()
        self.assertModes(lambda mode, most: mode == most)

    def test_with_a_narrow_umask_none_has_more(self):
        self.addCleanup(os.umask, os.umask(0o077))
        self.make_everything()
        self.assertModes(lambda mode, most: mode | most == most)
        for path, status in self.found():
            # QEMU runs as another user.
            if path.endswith('/disk'):
                self.assertEqual(0o644, stat.S_IMODE(status.st_mode))

    def test_without_a_umask_none_can_be_written_by_others(self):
        self.addCleanup(os.umask, os.umask(0))
        self.make_everything()
        for path, status in self.found():
            # All else is in a directory that is its owner's alone.
            if not path.startswith('_gpfs/') or path.endswith('.json'):
                self.assertEqual(0, stat.S_IMODE(status.st_mode) & 0o022,
                                 path)
