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

"""Real processes make disks, and a large cache is passed: counts, no times."""

import json
import pathlib
import shutil
import subprocess
import sys

from oslotest import base

ROOT = pathlib.Path(__file__).parents[2]
DISKS, IMAGES, INSTANCES, OF_NOVA = 12, 3, 60, 3


class RealTest(base.BaseTestCase):
    """One small run of both, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not shutil.which('qemu-img'):
            cls.skipTest(cls, 'qemu-img is not installed')
        done = subprocess.run(
            (sys.executable, ROOT / 'benchmarks' / 'scale' / 'real.py',
             '--processes=4', f'--disks={DISKS}', f'--images={IMAGES}',
             f'--instances={INSTANCES}', f'--nova-instances={OF_NOVA}',
             '--format=json'), capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise AssertionError(done.stderr)
        cls.found = json.loads(done.stdout)

    def test_an_image_is_downloaded_once_by_any_number_of_processes(self):
        self.assertEqual(IMAGES, self.found['disks']['downloads'])

    def test_a_disk_takes_one_mmclone_and_an_image_one_more(self):
        commands = self.found['disks']['commands']
        self.assertEqual(DISKS, commands['mmclone copy'])
        self.assertEqual(IMAGES, commands['mmclone snap'])

    def test_a_cache_pass_runs_a_program_for_a_master_not_an_instance(self):
        ours, of_nova = (self.found['passes'][name]
                         for name in ('gpfs', 'nova'))
        self.assertLessEqual(sum(ours['programs'].values()), 2 * IMAGES)
        self.assertLessEqual(OF_NOVA, sum(of_nova['programs'].values()))

    def test_both_remove_what_nobody_needs(self):
        for one in self.found['passes'].values():
            self.assertEqual(IMAGES // 2, one['removed'])
