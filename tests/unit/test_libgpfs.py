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

"""What becomes of a library that is not there or is not the right one.

What the right one answers is in tests/contract.
"""

import fixtures
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import libgpfs
from nova_gpfs import mmdriver


class LibraryTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir())
        self.disk = self.directory.join('disk')
        with open(self.disk, 'wb') as disk:
            disk.write(b'data')

    def refusal(self, path):
        return str(self.assertRaises(
            errors.LibraryUnusable, libgpfs.Library(path).declone, self.disk,
            1, 0))

    def test_one_that_is_not_there_is_named(self):
        self.assertIn('/no/such/libgpfs.so: cannot open',
                      self.refusal('/no/such/libgpfs.so'))

    def test_a_file_that_is_no_library_is_named(self):
        self.assertIn(self.disk, self.refusal(self.disk))

    def test_a_library_without_the_subroutine_is_named(self):
        refusal = self.refusal('libc.so.6')
        self.assertIn('gpfs_declone', refusal)
        self.assertIn('[gpfs] library', refusal)

    def test_nothing_is_loaded_before_it_is_needed(self):
        libgpfs.Library('/no/such/libgpfs.so')

    def test_a_driver_without_one_cannot_detach_in_parts(self):
        driver = mmdriver.MmDriver(self.fail)
        self.assertRaises(errors.LibraryUnusable, driver.detach_part,
                          self.disk, 1, 0)
