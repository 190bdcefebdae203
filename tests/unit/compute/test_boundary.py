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


"""What the log and what a user is told of a failure of the storage."""

import errno
import os

import fixtures
from oslotest import base

from nova_gpfs.compute import boundary
from nova_gpfs import errors

PATH = '/gpfs/fs0/nova/instances/secret'


class BoundaryTest(base.BaseTestCase):

    def fail_with(self, number):
        """Return (what the log is told, what a user is)."""
        log = self.useFixture(fixtures.FakeLogger())

        def work():
            with boundary.to_nova():
                raise OSError(number, os.strerror(number), PATH)
        told = self.assertRaises(boundary.StorageFailed, work)
        return log.output, str(told)

    def test_a_system_call_that_fails_names_the_next_step(self):
        for number, kind in ((errno.ESTALE, errors.NotMounted),
                             (errno.ENODEV, errors.NotMounted),
                             (errno.ENOTCONN, errors.NotMounted),
                             (errno.EDQUOT, errors.QuotaExceeded),
                             (errno.ENOSPC, errors.NoSpace),
                             (errno.EROFS, errors.ReadOnly)):
            log, told = self.fail_with(number)
            for words in (kind.summary, PATH, kind.next_step):
                self.assertIn(words, log)
            self.assertIn(kind.summary, told)
            self.assertNotIn(PATH, told)

    def test_what_tells_nothing_is_told_as_it_is(self):
        log, told = self.fail_with(errno.EIO)
        self.assertIn(PATH, log)
        self.assertIn(os.strerror(errno.EIO), told)
        self.assertNotIn(PATH, told)
