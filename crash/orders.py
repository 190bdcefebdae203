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
"""Orders to die for processes that are started, as those of Glance.

The order is a file, of which an environment variable tells. The process
writes beside it what it does, one effect in a line, and that it has died, so
that one that is started in its place lives.
"""

import json
import os
import time

from crash import effects

#: Seconds without an effect after which there will be no more.
QUIET = 2
_VARIABLE = 'NOVA_GPFS_CRASH_ORDER'


class Order:
    """What a process is told that is to be started with ``env``."""

    def __init__(self, path, roots, end_at=None, when=effects.BEFORE):
        self.env = {_VARIABLE: path}
        self._path = path
        for suffix in ('', '.seen', '.died'):
            if os.path.exists(path + suffix):
                os.unlink(path + suffix)
        with open(path, 'w') as file:
            json.dump({'roots': roots, 'end_at': end_at, 'when': when}, file)

    @property
    def seen(self):
        """Return the effects so far."""
        if not os.path.exists(self._path + '.seen'):
            return []
        with open(self._path + '.seen') as file:
            return file.read().splitlines()

    def wait_for_quiet(self):
        """Wait until a process has no effects after what it has answered."""
        before = None
        while before != self.seen:
            before = self.seen
            time.sleep(QUIET)

    @property
    def is_done(self):
        """Whether a process has died by it."""
        return os.path.exists(self._path + '.died')


class Watch(effects.Watch):
    """The watch of a process that has an order.

    Answers of what has had no effect are not told, unless ``tells_all``.
    """

    tells_all = False

    def __init__(self, path):
        self._path = path
        with open(path) as file:
            super().__init__(**json.load(file))

    def happen(self, effect, tear=None):
        if len(self.seen) == self._end_at:
            with open(self._path + '.died', 'w'):
                pass
        else:
            with open(self._path + '.seen', 'a') as file:
                file.write(effect + '\n')
        super().happen(effect, tear)

    def answer(self, request=''):
        """Note that somebody is about to be told what was done."""
        effect = f'{effects.ANSWER} {effects.plain(request)}'.rstrip()
        last = self.seen[-1] if self.seen else effects.ANSWER
        if self.tells_all or not last.startswith(effects.ANSWER):
            self.happen(effect)


def watch():
    """Return the watch that this process has been told of, or None."""
    path = os.environ.get(_VARIABLE)
    if path is None or os.path.exists(path + '.died'):
        return None
    return Watch(path)
