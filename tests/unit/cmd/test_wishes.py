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

import io
import json
import os

import fixtures
from oslotest import base

from nova_gpfs.cmd import wishes
from nova_gpfs import errors
from nova_gpfs import policy


class WishesTest(base.BaseTestCase):

    def file(self, shown):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'shown')
        with open(path, 'w') as f:
            f.write(shown if isinstance(shown, str) else json.dumps(shown))
        return f'@{path}'

    def test_keys_are_read_with_and_without_their_prefix(self):
        for flavor, image, expected in (
                (['gpfs:pool=a'], [], policy.Wishes({'pool': 'a'})),
                (['pool=a'], [], policy.Wishes({'pool': 'a'})),
                (['root_pool=a=b', 'policy='], [],
                 policy.Wishes({'root_pool': 'a=b', 'policy': ''})),
                ([], ['gpfs_swap_pool=a', 'policy=b'],
                 policy.Wishes({}, {'swap_pool': 'a', 'policy': 'b'})),
                # As the flavor's own prefix would be on an image.
                ([], ['gpfs:pool=a'], policy.Wishes({}, {'gpfs:pool': 'a'}))):
            self.assertEqual((expected, ''), wishes.parse(flavor, image))

    def test_a_file_says_what_the_openstack_client_has_shown(self):
        for properties in (
                {'gpfs:pool': 'a', 'hw:cpu_policy': 'shared',
                 'gpfs:data_replicas': 2},
                "gpfs:data_replicas='2', gpfs:pool='a', hw:x='it's, y='"):
            shown = self.file({'name': 'm1', 'properties': properties})
            self.assertEqual({'pool': 'a', 'data_replicas': '2'},
                             wishes.parse([shown], [])[0].flavor)
        self.assertEqual(({}, 'one'), (wishes.parse([], [self.file(
            {'id': 'one', 'properties': ''})])[0].image, 'one'))

    def test_the_image_of_a_file_is_known_by_its_id(self):
        found = wishes.parse([self.file({'id': 'flavor', 'properties': {}})],
                             [self.file({'id': 'image', 'properties': {
                                 'gpfs_pool': 'a', 'os_type': 'linux'}})])
        self.assertEqual((policy.Wishes({}, {'pool': 'a'}), 'image'), found)

    def test_what_comes_later_counts(self):
        shown = self.file({'properties': {'gpfs:pool': 'a'}})
        self.assertEqual({'pool': 'b'},
                         wishes.parse([shown, 'pool=b'], [])[0].flavor)

    def test_standard_input_is_a_file_too(self):
        self.useFixture(fixtures.MonkeyPatch('sys.stdin', io.StringIO(
            '{"properties": {"gpfs:pool": "a"}}')))
        self.assertEqual({'pool': 'a'}, wishes.parse(['@-'], [])[0].flavor)

    def test_anything_else_is_refused(self):
        for argument in ('pool', '=a', '', self.file('{'), self.file([]),
                         self.file({}), self.file({'properties': 'pool: a'}),
                         self.file({'properties': ['a']})):
            self.assertRaises(errors.InvalidPolicy, wishes.parse, [argument],
                              [])
        self.assertRaises(OSError, wishes.parse, ['@/nowhere/at/all'], [])
