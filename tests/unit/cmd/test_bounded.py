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

import errno
import os
import time

from oslotest import base

from nova_gpfs.cmd import bounded

LONG = 100.0


class BoundedTest(base.BaseTestCase):

    def test_what_is_written_is_read_line_by_line(self):
        def work(write):
            for word in ('one', 'zwei', 'drei \u00e4'):
                write(word)
        self.assertEqual(['one', 'zwei', 'drei \u00e4'],
                         list(bounded.lines(work, LONG)))

    def test_what_takes_too_long_is_left_with_what_it_has_written(self):
        def work(write):
            write(str(os.getpid()))
            time.sleep(LONG)
        (pid,) = bounded.lines(work, 1.0)
        self.assertFalse(is_there(int(pid)))

    def test_what_does_not_end_by_itself_is_killed(self):
        def work(write):
            write(str(os.getpid()))
            while True:
                try:
                    time.sleep(LONG)
                except SystemExit:
                    continue
        (pid,) = bounded.lines(work, 1.0)
        self.assertFalse(is_there(int(pid)))

    def test_what_fails_ends(self):
        def work(write):
            write('before')
            raise ValueError
        self.assertEqual(['before'], list(bounded.lines(work, LONG)))

    def test_who_reads_no_further_ends_it(self):
        def work(write):
            write(str(os.getpid()))
            time.sleep(LONG)
        reading = bounded.lines(work, LONG)
        pid = next(reading)
        reading.close()
        self.assertFalse(is_there(int(pid)))


def is_there(pid):
    """Whether a child is there and was not waited for."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return False
        except OSError as error:
            return error.errno != errno.ECHILD
        time.sleep(0.01)
    return True
