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

import hypothesis
from hypothesis import strategies
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import image_location
from nova_gpfs import location

IMAGE = '11111111-2222-4333-8444-555555555555'
PLACE = location.Location('7071', 'fs0', 'UID', 'cloud')
WORDS = strategies.text(
    strategies.characters(blacklist_categories=('Cs',)), min_size=1)


class ImageLocationTest(base.BaseTestCase):

    def test_it_names_cluster_file_system_fileset_and_image(self):
        self.assertEqual(f'gpfs://7071/fs0/cloud/{IMAGE}',
                         image_location.at(PLACE, IMAGE).uri)

    @hypothesis.given(cluster=WORDS, file_system=WORDS, fileset=WORDS)
    def test_every_name_comes_back(self, cluster, file_system, fileset):
        given = image_location.ImageLocation(cluster, file_system, fileset,
                                             IMAGE)
        self.assertEqual(given, image_location.parse_uri(given.uri))

    def test_a_place_is_known_by_all_three_names(self):
        here = image_location.at(PLACE, IMAGE)
        self.assertTrue(here.is_in(PLACE))
        for other in (location.Location('7072', 'fs0', 'UID', 'cloud'),
                      location.Location('7071', 'fs1', 'UID', 'cloud'),
                      location.Location('7071', 'fs0', 'UID', 'root')):
            self.assertFalse(here.is_in(other))

    def test_the_name_of_a_file_is_a_uuid_and_nothing_else(self):
        for name in ('', '..', '../x', IMAGE.upper() + 'x', f'{{{IMAGE}}}',
                     IMAGE.replace('-', ''), f'{IMAGE}\n', f'urn:uuid:{IMAGE}',
                     '-rf', 'AAAAAAAA-2222-4333-8444-555555555555'):
            self.assertRaises(errors.InvalidName, image_location.at, PLACE,
                              name)
            self.assertRaises(errors.InvalidName, image_location.parse_uri,
                              f'gpfs://7071/fs0/cloud/{name}')

    def test_what_is_no_location_of_ours_is_refused(self):
        for uri in ('', 'gpfs', f'file:///7071/fs0/cloud/{IMAGE}',
                    f'GPFS://7071/fs0/cloud/{IMAGE}',
                    f'gpfs:/7071/fs0/cloud/{IMAGE}',
                    f'gpfs://7071/fs0/{IMAGE}', f'gpfs://7071/fs0//{IMAGE}',
                    f'gpfs://7071/fs0/a/b/{IMAGE}',
                    f'gpfs://7071/fs0/cloud/{IMAGE}/',
                    f'gpfs://7071/fs0/cloud/{IMAGE}?x=1',
                    f'gpfs://user@7071/fs0/cloud/{IMAGE}',
                    f'gpfs://7071/%66s0/cloud/{IMAGE}'):
            self.assertRaises(errors.InvalidName, image_location.parse_uri,
                              uri)

    def test_who_may_use_a_location_is_not_shown(self):
        for uri in ('gpfs://me:SECRET@7071/fs0/cloud/x',
                    'file://me:SECRET@host/x', 'gpfs://SECRET@/@/x',
                    'http://me:SECRET@with-an-at@host/x'):
            self.assertNotIn('SECRET', image_location.shown(uri))
            error = self.assertRaises(errors.InvalidName,
                                      image_location.parse_uri, uri)
            self.assertNotIn('SECRET', str(error))
        self.assertEqual('file:///a/b', image_location.shown('file:///a/b'))

    @hypothesis.given(strategies.text())
    def test_any_text_is_a_location_or_refused(self, text):
        try:
            found = image_location.parse_uri('gpfs://' + text)
        except errors.InvalidName:
            return
        self.assertEqual('gpfs://' + text, found.uri)
