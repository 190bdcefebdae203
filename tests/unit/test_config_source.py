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

"""The source of configuration that supplies nothing and activates."""

import json
import os
import subprocess
import sys

import fixtures
from oslo_config import cfg
from oslo_config import sources
from oslotest import base

from nova_gpfs import config_source

CONFIGURATION = """
[DEFAULT]
config_source = gpfs
[gpfs]
driver = gpfs
"""

IMPORTS = """
import json, sys
import oslo_config.cfg, oslo_config.sources
before = set(sys.modules)
import nova_gpfs.config_source
print(json.dumps(sorted(set(sys.modules) - before)))
"""

PARSE = """
import json, sys
from oslo_config import cfg
if {nova_imported}:
    import nova.conf
conf = {conf}
conf(['--config-file', sys.argv[1]])
print(json.dumps([list(conf.config_source), conf.gpfs.driver,
                  'nova_gpfs.compute.activation' in sys.modules]))
"""


class ConfigSourceTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def _python(self, code, *arguments):
        """Run code in an interpreter of its own; return what it printed."""
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', code, *arguments],
            cwd=self.directory, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def _activates(self, nova_imported, conf):
        path = os.path.join(self.directory, 'nova.conf')
        with open(path, 'w') as f:
            f.write(CONFIGURATION)
        code = PARSE.format(nova_imported=nova_imported, conf=conf)
        source, driver, activated = self._python(code, path)
        self.assertEqual((['gpfs'], 'gpfs'), (source, driver))
        return activated

    def test_it_has_no_value_for_any_option(self):
        source = config_source.NoValues()
        for group, name in (('libvirt', 'images_type'), (None, 'debug'),
                            ('gpfs', 'mm_path')):
            self.assertEqual((sources._NoValue, None),
                             source.get(group, name, cfg.StrOpt(name)))

    def test_it_asks_for_no_options_of_its_own(self):
        self.assertEqual(
            [], config_source.Driver().list_options_for_discovery())

    def test_loading_it_imports_nothing_else(self):
        # Nova 34 loads it before it decides on eventlet, and privileged
        # daemons load it as root.
        self.assertEqual(['nova_gpfs', 'nova_gpfs.config_source'],
                         self._python(IMPORTS))

    def test_parsing_the_configuration_of_nova_activates(self):
        self.assertTrue(self._activates(True, 'cfg.CONF'))

    def test_an_object_of_its_own_for_the_same_files_does_not(self):
        self.assertFalse(self._activates(True, 'cfg.ConfigOpts()'))

    def test_a_process_without_the_options_of_nova_does_not(self):
        self.assertFalse(self._activates(False, 'cfg.CONF'))
