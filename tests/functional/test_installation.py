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

"""The plug-in is found however it is installed."""

import os
import pathlib
import shutil
import subprocess
import sys

from tests.functional import programs

ROOT = pathlib.Path(__file__).parents[2]


class InstallationTest(programs.ProgramsTestCase):
    """However it is installed, its entry points are found."""

    def setUp(self):
        super().setUp()
        self.source = os.path.join(self.home.path, 'source')
        shutil.copytree(ROOT, self.source, ignore=shutil.ignore_patterns(
            '.*', '__pycache__', '*.egg-info', 'build', 'dist', 'doc',
            'tests', 'cover'))
        self.home.python = self.useFixture(programs.BarePython()).path

    def _pip(self, *arguments):
        # Without the network, and without what tox tells pip: it refuses
        # constraints for a build environment that it is not to make.
        done = subprocess.run(
            [sys.executable, '-m', 'pip', '--python', self.home.python,
             '--isolated', '--disable-pip-version-check', 'install',
             '--no-deps', '--no-index', '--no-build-isolation', *arguments],
            cwd=self.home.path, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr + done.stdout)

    def _assert_works(self):
        self.home.drop_in()
        self._assert_ours(self._printed(self.home.compute()))
        where = self.home.run('import nova_gpfs; print(nova_gpfs.__file__)')
        script = os.path.join(os.path.dirname(self.home.python),
                              'nova-compute-gpfs')
        self.assertTrue(os.access(script, os.X_OK))
        return where.stdout.strip()

    def test_it_works_from_a_wheel(self):
        self._pip(self.source)
        shutil.rmtree(self.source)
        self.assertIn('site-packages', self._assert_works())

    def test_it_works_from_an_editable_installation(self):
        self._pip('--editable', self.source)
        self.assertEqual(os.path.join(self.source, 'nova_gpfs/__init__.py'),
                         self._assert_works())
