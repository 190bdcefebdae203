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


"""Names, properties and extra specs of 10 MB: one short message, or nothing.

Nova and Glance have limits of their own for most of them, which are not for
the plug-in to count on.
"""

import logging
import os

import fixtures
from nova import exception
from nova import objects
from nova import test

from nova_gpfs.api import extra_specs
from nova_gpfs.cmd import fetching as prefetching
from nova_gpfs.compute import boundary
from nova_gpfs.compute import host
from nova_gpfs.compute import image_size
from nova_gpfs.compute import image_source
from nova_gpfs.compute import placing
from nova_gpfs import errors
from nova_gpfs import image_location
from nova_gpfs import layout
from nova_gpfs import locality
from nova_gpfs import location
from nova_gpfs import policy
from tests.unit.compute import test_image

LARGE = '\u202e\nx1' * (10 * 2 ** 20 // 4)
#: Texts are cut at 2000 characters, of which some are written out then.
SHORT = 8000
NAMES = [prefix + field
         for prefix in ('', *(f'{role}_' for role in policy.ROLES))
         for field in (policy.POLICY, *policy.FIELDS)]
RULES = policy.Rules(image_may_set=frozenset((policy.POLICY, *policy.FIELDS)))
PLACE = location.Location('1', 'fs0', 'nova', '/gpfs')


def instance(specs, properties):
    return objects.Instance(
        flavor=objects.Flavor(extra_specs=specs), system_metadata={
            f'image_{name}': value for name, value in properties.items()})


def resolve(specs, properties):
    """Return the placement of a root disk, as nova-compute finds it."""
    with boundary.to_nova():
        return policy.resolve(RULES, 'root', placing.wishes(
            instance(specs, properties)))


class LargeValuesTest(test.NoDBTestCase):

    def assertShort(self, error):
        said = str(error)
        self.assertLess(len(said), SHORT)
        self.assertNotIn('\u202e', said)
        self.assertNotIn('\n', said)

    def log(self):
        """Return what has been logged since it was last asked for."""
        log, self._log = self._log, self._listen()
        return log.output

    def _listen(self):
        return self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))

    def setUp(self):
        super().setUp()
        self._log = self._listen()

    def test_what_a_flavor_or_an_image_asks_for_of_gpfs(self):
        for specs, properties in (
                *(({f'gpfs:{name}': LARGE}, {}) for name in NAMES),
                *(({}, {f'gpfs_{name}': LARGE}) for name in NAMES),
                ({f'gpfs:{LARGE}': 'fast'}, {}),
                ({}, {f'gpfs_{LARGE}': 'fast'})):
            self.assertShort(self.assertRaises(
                exception.InvalidInput, resolve, specs, properties))
            self.assertLess(len(self.log()), SHORT)

    def test_what_they_say_to_others(self):
        self.assertEqual(resolve({}, {}), resolve(
            {'hw:mem_page_size': LARGE, LARGE: 'x'},
            {'os_type': LARGE, LARGE: 'x'}))
        self.assertEqual('', self.log())

    def test_what_nova_api_answers(self):
        for validator in extra_specs.register():
            self.assertShort(self.assertRaises(
                exception.ValidationError, validator.validate, validator.name,
                LARGE))

    def test_what_a_host_that_is_weighed_has(self):
        self.assertFalse(locality.has_pool('system,fast', LARGE))
        self.assertIsNone(locality.pool_of_policy('gold=fast', LARGE))

    def test_the_id_of_an_image(self):
        self.assertLess(len(layout.master_key(LARGE)), 101)
        for work in (lambda: image_location.at(PLACE, LARGE),
                     lambda: image_location.parse_uri(
                         f'{image_location.prefix(PLACE)}{LARGE}'),
                     lambda: image_location.parse_uri(LARGE)):
            self.assertShort(self.assertRaises(errors.InvalidName, work))

    def test_a_path(self):
        def work():
            with boundary.to_nova():
                os.stat(f'/{LARGE}')
        self.assertShort(self.assertRaises(boundary.StorageFailed, work))
        self.assertShort(self.log().rstrip('\n'))

    def test_an_image_that_lies_in_the_file_system(self):
        gpfs = self.useFixture(test_image.OnGpfs(self))
        directory = os.path.join(os.path.dirname(
            test.CONF.instances_path), 'files')
        os.mkdir(directory)
        self.flags(image_file_directories=[directory], group='gpfs')
        storage = host.storage_from_conf()
        storage.guard.establish()
        for image_id, url in (
                (LARGE, f'file://{directory}/{LARGE}'), (LARGE, LARGE),
                ('1', f'file://{directory}/{LARGE}'), ('1', LARGE)):
            self.record = {
                'id': image_id, 'name': LARGE, 'status': 'active', 'size': 1,
                'disk_format': 'raw', 'properties': {LARGE: LARGE},
                'locations': [{'url': url}]}
            self.unclonable(storage, image_id)
        self.record = None
        self.unclonable(storage, LARGE)
        self.assertEqual([], gpfs.gpfs.check())

    def unclonable(self, storage, image_id):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.images.IMAGE_API.get', self.get))
        self.log()
        source = image_source.ImageSource(storage, image_id)
        self.assertIsNone(source.clone('/nowhere'))
        told = self.log()
        self.assertIn('is downloaded and not cloned', told)
        self.assertLess(len(told), SHORT)

    def get(self, context, image_id, **kwargs):
        if self.record is None:
            raise exception.ImageNotFound(image_id=image_id)
        return self.record

    def test_an_image_whose_size_glance_does_not_tell(self):
        def ask(context, image_id):
            raise exception.ImageNotFound(image_id=image_id)
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.images.IMAGE_API._get_session_and_image_id', ask))
        image_size.require_fits(None, LARGE, 1)
        told = self.log()
        self.assertIn('does not tell', told)
        self.assertLess(len(told), SHORT)

    def test_the_name_of_an_image_that_is_prefetched(self):
        def work():
            with prefetching.refusals():
                raise exception.ImageNotFound(image_id=LARGE)
        self.assertShort(self.assertRaises(errors.ImageNotFetched, work))
