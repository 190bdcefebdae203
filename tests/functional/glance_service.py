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

"""The real Glance: its API in a process of its own, with stores of ours.

Below are a SQLite database and simulated GPFS. Tokens are read, not checked:
``user:project:role,role``, see ``tests.programs.glance_api``.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time

import fixtures
import requests
from testtools import content

from nova_gpfs import conf as gpfs_conf
from tests.programs import glance_api

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
ADMIN = glance_api.ANYBODY
SERVICE = glance_api.ANY_SERVICE
#: Seconds to wait for what takes one or two on an idle machine.
PATIENCE = 120
#: How often to ask whether Glance's hashing of an image has started.
HASH_STARTS = 50

_EMPTY_DATABASES = []

_CONF = """
[DEFAULT]
enabled_backends = {backends}
show_multiple_locations = True
show_image_direct_url = True
enabled_import_methods = [glance-direct,copy-image]
worker_self_reference_url = http://127.0.0.1
debug = True
{default}
[database]
connection = sqlite:///{directory}/glance.sqlite
[paste_deploy]
flavor = keystone
config_file = {directory}/paste.ini
[oslo_concurrency]
lock_path = {directory}/locks
[glance_store]
default_backend = {default_backend}
[os_glance_staging_store]
filesystem_store_datadir = {directory}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {directory}/tasks
"""

_FILTER = """
[filter:authtoken]
paste.filter_factory = glance_api:identity_factory
"""


def script(name):
    """Return the path of a program that is installed beside Glance."""
    return os.path.join(sysconfig.get_path('scripts'), name)


def gpfs_store(cluster, directory, node=None, **options):
    """Return the groups of a store over a simulated cluster.

    Commands of GPFS run as this user, on a node of the cluster.
    """
    return {'type': 'gpfs', 'gpfs_store_directory': directory,
            'gpfs': {'mm_path': cluster.bin_dir(node),
                     'rootless_commands': ','.join(gpfs_conf.COMMANDS)},
            **options}


class GlanceService(fixtures.Fixture):
    """Glance's API as a process; ``url`` is where it answers.

    ``stores`` has what is in the group of each store and its ``type``; a
    value that is a dictionary is a group beside it. The first store is the
    default one. ``default`` is for [DEFAULT]. In values ``%(conf)s`` is the
    path of the configuration file.
    """

    program = os.path.join(ROOT, 'tests', 'programs', 'glance_api.py')

    def __init__(self, stores, default=''):
        super().__init__()
        self.stores = stores
        self.default = default
        self.process = None
        self.port = 0

    def _setUp(self):
        self.directory = self.useFixture(fixtures.TempDir()).path
        for name in ('staging', 'tasks', 'locks'):
            os.mkdir(os.path.join(self.directory, name))
        self.conf = os.path.join(self.directory, 'glance-api.conf')
        self.log = os.path.join(self.directory, 'log')
        self.configure()
        self._make_paste()
        self._make_database()
        self.start()
        self.addCleanup(self.stop)
        self.addDetail('glance', content.content_from_file(
            self.log, buffer_now=False))

    def configure(self):
        """Write Glance's configuration file from ``stores``."""
        groups = {}
        backends = []
        for name, store in self.stores.items():
            options = dict(store)
            backends.append(f'{name}:{options.pop("type")}')
            for key, value in options.items():
                if isinstance(value, dict):
                    groups.setdefault(key, {}).update(value)
                else:
                    groups.setdefault(name, {})[key] = value
        text = _CONF.format(
            backends=','.join(backends), directory=self.directory,
            default=self.default, default_backend=next(iter(self.stores)))
        for name, options in groups.items():
            text += f'[{name}]\n' + ''.join(
                f'{key} = {value}\n'.replace('%(conf)s', self.conf)
                for key, value in options.items())
        with open(self.conf, 'w') as f:
            f.write(text)

    def _make_database(self):
        """Make an empty database; the first one serves all tests."""
        path = os.path.join(self.directory, 'glance.sqlite')
        if _EMPTY_DATABASES:
            with open(path, 'wb') as f:
                f.write(_EMPTY_DATABASES[0])
            return
        self._run(script('glance-manage'), '--config-file', self.conf,
                  'db', 'sync')
        with open(path, 'rb') as f:
            _EMPTY_DATABASES.append(f.read())

    def _make_paste(self):
        """Take Glance's own paste file, with another authtoken filter."""
        installed = os.path.join(sys.prefix, 'etc', 'glance',
                                 'glance-api-paste.ini')
        with open(installed) as f:
            before, _, after = f.read().partition('[filter:authtoken]')
        after = after[after.index('\n['):]
        with open(os.path.join(self.directory, 'paste.ini'), 'w') as f:
            f.write(before + _FILTER + after)

    @property
    def env(self):
        return {**os.environ, 'PYTHONPATH': ROOT, 'PYTHONWARNINGS': 'ignore',
                'HOME': self.directory, 'LC_ALL': 'C.UTF-8'}

    def run_module(self, name, *words):
        """Run a program of ours, a module, as the user of Glance would."""
        return self._run('-m', name, *words)

    def _run(self, *argv):
        done = subprocess.run([sys.executable, *argv], env=self.env,
                              cwd=self.directory, capture_output=True,
                              text=True)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        return done.stdout

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}'

    def start(self):
        """Start the process, on the port that it had before."""
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [sys.executable, self.program, self.directory,
                 str(self.port)],
                env=self.env, cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log)
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            with open(self.log) as log:
                raise AssertionError(log.read()[-5000:])
        self.port = int(answer)

    def stop(self):
        """End the process; "already done" if it has ended."""
        self._end(signal.SIGTERM)

    def kill(self):
        """End the process as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process = None

    def request(self, method, path, token=ADMIN, expect=None,
                service=False, **how):
        """Send a request and return the answer.

        ``service`` is whether a service asks in the name of the user, as
        Nova does. ``how`` is for requests.request. A status that is not
        expected, which by default is an error, is a failure.
        """
        answer = self._send(method, path, token, service, **how)
        return self._checked(answer, expect)

    def _send(self, method, path, token=ADMIN, service=False, **how):
        headers = {'X-Auth-Token': token, **how.pop('headers', {})}
        if service:
            headers['X-Service-Token'] = SERVICE
        return requests.request(method, self.url + path, headers=headers,
                                timeout=PATIENCE, **how)

    @staticmethod
    def _checked(answer, expect):
        if (answer.status_code >= 400 if expect is None
                else answer.status_code != expect):
            asked = answer.request
            raise AssertionError(f'{asked.method} {asked.url}: '
                                 f'{answer.status_code} {answer.text[:2000]}')
        return answer

    def create(self, disk_format='raw', **fields):
        """Make the record of an image; return its id."""
        body = {'name': 'image', 'disk_format': disk_format,
                'container_format': 'bare', 'visibility': 'public', **fields}
        return self.request('POST', '/v2/images', json=body).json()['id']

    def upload(self, image_id, data, store=None, **how):
        """Send the data of an image; an iterator is sent in chunks."""
        headers = {'Content-Type': 'application/octet-stream'}
        if store is not None:
            headers['X-Image-Meta-Store'] = store
        return self.request('PUT', f'/v2/images/{image_id}/file', data=data,
                            headers=headers, **how)

    @contextlib.contextmanager
    def begin_upload(self, image_id, data, size):
        """Send the first bytes of an upload; the client then goes away."""
        with socket.create_connection(('127.0.0.1', self.port)) as client:
            client.sendall(
                f'PUT /v2/images/{image_id}/file HTTP/1.1\r\n'
                f'Host: glance\r\nX-Auth-Token: {ADMIN}\r\n'
                'Content-Type: application/octet-stream\r\n'
                f'Content-Length: {size}\r\n\r\n'.encode() + data)
            yield

    def add(self, data, disk_format='raw', store=None, **fields):
        """Make an image of some data; return its id."""
        image_id = self.create(disk_format, **fields)
        self.upload(image_id, data, store)
        return image_id

    def image(self, image_id):
        """Return the record of an image."""
        return self.request('GET', f'/v2/images/{image_id}').json()

    def images(self):
        """Return the records of all images by id."""
        found = self.request('GET', '/v2/images?limit=1000').json()
        return {each['id']: each for each in found['images']}

    def download(self, image_id, **how):
        """Return the data of an image, or the part that headers ask for."""
        return self.request('GET', f'/v2/images/{image_id}/file',
                            **how).content

    def delete(self, image_id, expect=None):
        """Delete an image; again where that met a race in Glance.

        Glance 33 answers 500 between noting which worker hashes the data of
        a new location and the start of that (its task_cancellation_tracker
        then has no file of the operation), which is over in an instant.
        """
        for _ in range(HASH_STARTS):
            answer = self._send('DELETE', f'/v2/images/{image_id}')
            if answer.status_code != 500:
                break
            time.sleep(0.1)
        return self._checked(answer, expect)

    def patch(self, image_id, *operations, **how):
        """Change a record by operations of RFC 6902."""
        kind = 'application/openstack-images-v2.1-json-patch'
        return self.request('PATCH', f'/v2/images/{image_id}',
                            data=json.dumps(operations),
                            headers={'Content-Type': kind}, **how)

    def add_location(self, image_id, url, **how):
        """Tell where the data of an image are, as Nova does from 32 on."""
        return self.request('POST', f'/v2/images/{image_id}/locations',
                            json={'url': url, 'validation_data': {}},
                            service=True, **how)

    def locations(self, image_id):
        """Return where the data of an image are, as Nova asks for it."""
        return self.request('GET', f'/v2/images/{image_id}/locations',
                            service=True).json()

    def wait_for(self, image_id, **fields):
        """Wait until the record has these values; return it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self.image(image_id)
            if all(found.get(key) == value for key, value in fields.items()):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f'{fields} is not in {found}')
            time.sleep(0.05)
