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
"""The privileged daemon, which dies when it is told to: see ``orders``."""

import os
import shlex
import sys

from oslo_privsep import daemon

from crash import orders

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def command(config):
    """Return the words that start it, for the option helper_command."""
    return shlex.join([
        sys.executable, '-W', 'ignore', '-c',
        f'import sys; sys.path.insert(0, {_ROOT!r}); '
        'from crash import privileged_daemon; privileged_daemon.main()',
        '--config-file', config])


class Daemon(daemon.Daemon):
    """The daemon itself: the helper that starts it has ended by then."""

    def run(self):
        self._watch = orders.watch()
        if self._watch is not None:
            self._watch.begin()
        super().run()

    def _process_cmd(self, *arguments):
        answer = super()._process_cmd(*arguments)
        if self._watch is not None:
            self._watch.answer()
        return answer


def main():
    daemon.Daemon = Daemon
    daemon.helper_main()
