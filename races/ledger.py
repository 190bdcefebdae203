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
"""What hosts say they do, and when: one file for each, one event a line.

The times are those of the machine's one monotonic clock. They put events of
different hosts into an order and nothing is concluded from how long it took.
"""

import dataclasses
import glob
import json
import os
import time


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that a host did; ``act`` is the number of what it was for."""

    time: int
    host: str
    act: int
    kind: str
    what: str
    more: dict


class Ledger:
    """Written by one host; a line is written at once."""

    def __init__(self, directory, host):
        self._file = os.open(os.path.join(directory, f'{host}.ledger'),
                             os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._host = host
        #: The number of what this host is about.
        self.act = 0

    def note(self, kind, what='', **more):
        fields = (time.monotonic_ns(), self._host, self.act, kind, what, more)
        os.write(self._file, json.dumps(fields).encode() + b'\n')


def read(directory):
    """Return the events of all hosts, in order."""
    events = []
    for path in glob.glob(os.path.join(directory, '*.ledger')):
        with open(path) as lines:
            events += [Event(*json.loads(line)) for line in lines]
    return sorted(events, key=lambda event: event.time)
