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
import struct

import fixtures
from oslotest import base

from nova_gpfs.compute import cache_manager


class BackingFilesTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path

    def instance(self, name):
        directory = os.path.join(self.path, name)
        os.mkdir(directory)
        return os.path.join(directory, 'disk')

    def test_a_disk_that_vanishes_meanwhile_is_passed_over(self):
        """Launchpad bug 1261442: an instance was deleted during a pass."""
        # It is still listed and can no longer be opened.
        os.symlink('gone', self.instance('one'))
        with open(self.instance('two'), 'wb') as disk:
            disk.write(struct.pack('>4sIQI', b'QFI\xfb', 3, 20, 4) + b'base')
        self.assertEqual([b'base'],
                         list(cache_manager._backing_files(self.path)))
