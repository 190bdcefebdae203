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

"""What the installed distribution offers to others can be loaded."""

from importlib import metadata
import pathlib
import tomllib

from oslo_config import cfg
from oslo_config import sources
from oslotest import base

from nova_gpfs import conf as gpfs_conf

PYPROJECT = pathlib.Path(__file__).parents[2] / 'pyproject.toml'


def installed():
    """Return {(group, name): entry point} of the distribution."""
    return {(point.group, point.name): point
            for point in metadata.distribution('nova-gpfs').entry_points}


def declared():
    """Return {(group, name): 'module:attribute'} of pyproject.toml."""
    project = tomllib.loads(PYPROJECT.read_text())['project']
    groups = {'console_scripts': project['scripts'],
              **project['entry-points']}
    return {(group, name): value for group, points in groups.items()
            for name, value in points.items()}


class EntryPointsTest(base.BaseTestCase):

    def test_the_installation_is_that_of_this_source(self):
        self.assertEqual(declared(), {
            key: point.value for key, point in installed().items()})

    def test_each_one_loads(self):
        for key, point in installed().items():
            loaded = point.load()
            if key[0] == 'nova.api.extra_spec_validators':
                loaded = loaded.register
            self.assertTrue(callable(loaded), key)

    def test_nova_finds_the_source_of_configuration(self):
        driver = installed()['oslo.config.driver', 'gpfs'].load()
        self.assertTrue(issubclass(
            driver, sources.ConfigurationSourceDriver))
        driver()

    def test_the_sample_configuration_shows_every_option(self):
        groups = installed()['oslo.config.opts', 'nova_gpfs'].load()()
        names = {(str(group), option.name) for group, options in groups
                 for option in options}
        conf = cfg.ConfigOpts()
        gpfs_conf.register(conf)
        registered = {('gpfs', name) for name in conf.gpfs}
        self.assertEqual(set(), registered - names)

    def test_the_wheel_does_not_require_nova(self):
        requirements = metadata.requires('nova-gpfs') or []
        self.assertEqual([], [each for each in requirements
                              if each.startswith('nova')])
        self.assertIn('oslo.config', ' '.join(requirements))
