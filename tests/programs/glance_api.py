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

"""Serve Glance's API, as uWSGI does elsewhere: DIRECTORY [PORT].

The directory has Glance's configuration files. What is printed first is the
port. Each request has a thread.
"""

import os
import socketserver
import sys
from wsgiref import simple_server

from sqlalchemy import engine
from sqlalchemy import event

#: Who a request is from whose token says nothing: user, project, roles.
ANYBODY = 'nova:project:admin,member,reader'
#: The same for the token of a service that asks in the name of a user.
ANY_SERVICE = 'nova:service:service'


class Chunks:
    """A request body in chunks (RFC 9112, 7.1), as a file."""

    def __init__(self, connection):
        self._connection = connection
        self._left = 0
        self._ended = False

    def read(self, size=-1):
        pieces = []
        while size and not self._ended:
            if not self._left:
                self._begin_chunk()
                continue
            piece = self._connection.read(
                self._left if size < 0 else min(size, self._left))
            if not piece:
                raise ConnectionResetError('the client went away')
            self._left -= len(piece)
            size -= len(piece) if size > 0 else 0
            pieces.append(piece)
            if not self._left:
                self._connection.readline()
        return b''.join(pieces)

    def _begin_chunk(self):
        line = self._connection.readline()
        if not line:
            raise ConnectionResetError('the client went away')
        self._left = int(line.split(b';')[0], 16)
        if not self._left:
            while self._connection.readline().strip():
                pass
            self._ended = True


class Handler(simple_server.WSGIRequestHandler):

    def get_environ(self):
        environ = super().get_environ()
        if self.headers.get('transfer-encoding', '').lower() == 'chunked':
            environ['wsgi.input_terminated'] = True
        return environ

    def handle(self):
        self.raw_requestline = self.rfile.readline(65537)
        if not self.parse_request():
            return
        environ = self.get_environ()
        body = (Chunks(self.rfile) if 'wsgi.input_terminated' in environ
                else self.rfile)
        handler = simple_server.ServerHandler(
            body, self.wfile, sys.stderr, environ, multithread=True)
        handler.request_handler = self
        handler.run(self.server.get_app())


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self):
        # Not the name of the host, which may take long to find.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()


class Identity:
    """Stands for keystonemiddleware: a token says who it is from."""

    def __init__(self, application):
        self._application = application

    def __call__(self, environ, start_response):
        user, project, roles = self._words(environ, 'HTTP_X_AUTH_TOKEN',
                                           ANYBODY)
        environ.update({
            'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_USER_ID': user,
            'HTTP_X_PROJECT_ID': project, 'HTTP_X_ROLES': roles})
        if 'HTTP_X_SERVICE_TOKEN' in environ:
            environ['HTTP_X_SERVICE_ROLES'] = self._words(
                environ, 'HTTP_X_SERVICE_TOKEN', ANY_SERVICE)[2]
        return self._application(environ, start_response)

    @staticmethod
    def _words(environ, name, default):
        token = environ.get(name, '')
        return (token if token.count(':') == 2 else default).split(':')


def identity_factory(_settings, **_options):
    """Make a filter for PasteDeploy."""
    return Identity


def let_sqlite_wait():
    """Let transactions wait for each other, where SQLite would fail.

    It does so at once when two that have read want to write, whatever the
    time limit. One that may write from its beginning waits for it.
    """
    @event.listens_for(engine.Engine, 'connect')
    def connect(connection, _record):
        connection.execute('PRAGMA busy_timeout = 60000')

    # oslo.db begins transactions by itself.
    @event.listens_for(engine.Engine, 'before_cursor_execute', retval=True)
    def execute(_connection, _cursor, statement, parameters, *_rest):
        return ('BEGIN IMMEDIATE' if statement == 'BEGIN' else statement,
                parameters)


def main(kind=Server):
    directory, port = sys.argv[1], int((sys.argv[2:] or ['0'])[0])
    os.environ['OS_GLANCE_CONFIG_DIR'] = directory
    sys.argv[1:] = []
    # Glance logs to standard output.
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    let_sqlite_wait()
    from glance.wsgi import api  # reads the configuration
    server = kind(('127.0.0.1', port), Handler)
    server.set_app(api.application)
    print(server.server_port, file=answers, flush=True)
    server.serve_forever()


if __name__ == '__main__':
    main()
