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

import os

import fixtures
from oslo_config import cfg
from oslotest import base

from nova_gpfs import nova_options


class NovaOptionsTest(base.BaseTestCase):

    def read(self, text):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'conf')
        with open(path, 'w') as f:
            f.write(text)
        conf = cfg.ConfigOpts()
        conf(args=[], default_config_files=[path], default_config_dirs=[])
        return nova_options.read(conf), conf

    def test_instances_path_is_found_as_nova_finds_it(self):
        for text, expected in (
                ('instances_path = /a', '/a'),
                ('state_path = /a', '/a/instances'),
                ('state_path = /a\ninstances_path = $state_path/b', '/a/b'),
                ('', '')):
            found, _conf = self.read(f'[DEFAULT]\n{text}\n')
            self.assertEqual(expected, found.instances_path)

    def test_root_is_become_as_nova_becomes_it(self):
        for text, expected in (
                ('', ['sudo', 'nova-rootwrap', '/etc/nova/rootwrap.conf']),
                ('rootwrap_config = /a', ['sudo', 'nova-rootwrap', '/a']),
                ('[workarounds]\ndisable_rootwrap = True', ['sudo'])):
            found, _conf = self.read(f'[DEFAULT]\n{text}\n')
            self.assertEqual(expected, nova_options.root_helper(found))

    def test_the_configuration_that_was_given_stays_as_it_was(self):
        _found, conf = self.read('[DEFAULT]\ninstances_path = /a\n')
        self.assertNotIn('instances_path', conf)
