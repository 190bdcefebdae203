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
"""Glance's API, which dies when it is told to: see ``orders``.

A commit of a transaction that has written is an effect, and so is the answer
to a request.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if __name__ == '__main__':
    # The paste file names a filter of the second one.
    sys.path[:1] = [ROOT, os.path.join(ROOT, 'tests', 'programs')]

from sqlalchemy import engine  # noqa: E402
from sqlalchemy import event  # noqa: E402

from crash import orders  # noqa: E402
from tests.programs import glance_api  # noqa: E402

_WRITES = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)')


class Server(glance_api.Server):
    """Watches from when it serves: the start is nobody's work."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._watch = orders.watch()

    def serve_forever(self, *arguments):
        if self._watch is not None:
            tell_of_commits(self._watch)
            self._watch.begin()
        super().serve_forever(*arguments)

    def get_app(self):
        application = super().get_app()

        def answering(environ, start_response):
            answer = application(environ, start_response)
            if environ['REQUEST_METHOD'] != 'GET' or self._watch.tells_all:
                self._watch.answer('{REQUEST_METHOD} {PATH_INFO}'.format(
                    **environ))
            return answer

        return answering if self._watch is not None else application


def tell_of_commits(watch):
    """Note each commit with the tables that it changes."""
    @event.listens_for(engine.Engine, 'before_cursor_execute')
    def execute(connection, _cursor, statement, *_rest):
        if found := _WRITES.match(statement):
            connection.info.setdefault('written', set()).add(found[1])

    @event.listens_for(engine.Engine, 'rollback')
    def rollback(connection):
        connection.info.pop('written', None)

    @event.listens_for(engine.Engine, 'commit')
    def commit(connection):
        if written := connection.info.pop('written', None):
            watch.happen(' '.join(['commit', *sorted(written)]))


if __name__ == '__main__':
    glance_api.main(Server)
