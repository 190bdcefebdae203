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

"""nova-gpfs cache prefetch, the program itself, against an image service.

Keystone and Glance are one small HTTP server that knows the few requests
which openstacksdk and Nova make of them; the images have real bytes.
"""

import hashlib
import http.server
import json
import logging
import os
import subprocess
import threading

import fixtures
from oslo_utils import uuidutils

from tests.functional import cloud
from tests.functional import test_policy_commands as commands

TOKEN = 'gAAAAA-a-token'
PASSWORD = 'the-password-of-admin'
FAST = {'pool': 'fast'}
ALSO_FAST = {'pool': 'fast', 'write_affinity_depth': 1}


class Services(http.server.ThreadingHTTPServer):
    """Keystone below /identity and Glance below /image."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.url = f'http://127.0.0.1:{self.server_port}'
        self.images = {}
        self.downloads = 0
        self.role = 'admin'
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def add(self, data, **fields):
        """Keep an image and return its UUID."""
        image_id = uuidutils.generate_uuid()
        self.images[image_id] = data, {
            'id': image_id, 'name': 'cirros', 'status': 'active',
            'visibility': 'public', 'container_format': 'bare',
            'disk_format': 'qcow2', 'size': len(data), 'min_disk': 0,
            'min_ram': 0, 'protected': False, 'tags': [], 'os_hidden': False,
            'checksum': hashlib.md5(data).hexdigest(),
            'created_at': '2026-01-01T00:00:00Z',
            'updated_at': '2026-01-01T00:00:00Z',
            'file': f'/v2/images/{image_id}/file',
            'schema': '/v2/schemas/image', **fields}
        return image_id


class _Handler(http.server.BaseHTTPRequestHandler):

    def log_message(self, *args):
        """Keep silent."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(
            int(self.headers['Content-Length'])))
        user = asked['auth']['identity']['password']['user']
        if user['password'] != PASSWORD:
            return self._say(401, {'error': {
                'code': 401, 'message': 'The password is wrong.'}})
        image = {'interface': 'public', 'region': 'one', 'region_id': 'one',
                 'id': 'e', 'url': self.server.url + '/image'}
        token = {
            'methods': ['password'], 'expires_at': '2099-01-01T00:00:00Z',
            'user': {'id': 'u', 'name': user['name'],
                     'domain': {'id': 'default', 'name': 'Default'}},
            'project': {'id': 'p', 'name': 'admin',
                        'domain': {'id': 'default', 'name': 'Default'}},
            'roles': [{'id': 'r', 'name': self.server.role}],
            'catalog': [{'type': 'image', 'name': 'glance', 'id': 'i',
                         'endpoints': [image]}]}
        self._say(201, {'token': token}, {'X-Subject-Token': TOKEN})

    def do_GET(self):
        path = self.path.partition('?')[0].rstrip('/')
        if path.startswith('/identity'):
            return self._say(200, {'version': {
                'id': 'v3.14', 'status': 'stable', 'links': [
                    {'rel': 'self', 'href': self.server.url
                     + '/identity/v3/'}]}})
        if path in ('/image', '/image/versions'):
            return self._say(200, {'versions': [{
                'id': 'v2.16', 'status': 'CURRENT', 'links': [
                    {'rel': 'self',
                     'href': self.server.url + '/image/v2/'}]}]})
        if self.headers.get('X-Auth-Token') != TOKEN:
            return self._say(401, {})
        if path == '/image/v2/schemas/image':
            (_data, fields), *_others = self.server.images.values()
            return self._say(200, {
                'name': 'image', 'properties': dict.fromkeys(fields, {}),
                'additionalProperties': {}})
        self._image(path.split('/')[4:])

    def _image(self, words):
        known = self.server.images
        if not words:
            return self._say(200, {'images': [
                fields for _data, fields in known.values()]})
        if words[0] not in known:
            return self._say(404, {})
        data, fields = known[words[0]]
        if words[1:] != ['file']:
            return self._say(200, fields)
        self.server.downloads += 1
        self._answer(200, data, {'Content-Type': 'application/octet-stream',
                                 'Content-MD5': fields['checksum']})

    def _say(self, code, document, headers=None):
        self._answer(code, json.dumps(document).encode(), {
            'Content-Type': 'application/json', **(headers or {})})

    def _answer(self, code, data, headers):
        self.send_response(code)
        for name, value in {**headers,
                            'Content-Length': str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class PrefetchCommandTest(commands.CommandsTestCase):

    def setUp(self):
        super().setUp()
        self.configure(
            gpfs='prefetch_policies = gold', gold=FAST,
            twin=ALSO_FAST, silver={'data_replicas': 2})
        with open(self.nova_conf, 'a') as f:
            f.write(f'[oslo_concurrency]\nlock_path = {self.directory}\n')
        self.services = Services()
        self.addCleanup(self.services.close)
        self.qcow2, self.raw = cloud.qcow2_image(self.directory)

    def environment(self, **variables):
        """Return what names the user, and nothing of the machine's own."""
        return {'OS_AUTH_URL': self.services.url + '/identity/v3',
                'OS_USERNAME': 'admin', 'OS_PASSWORD': PASSWORD,
                'OS_PROJECT_NAME': 'admin', 'OS_USER_DOMAIN_ID': 'default',
                'OS_PROJECT_DOMAIN_ID': 'default', 'HOME': self.directory,
                **variables}

    def argv(self, *words):
        argv = super().argv(*words)
        return argv[:argv.index('policy')] + ['cache', 'prefetch', *words]

    def prefetch(self, *words, **variables):
        """Run the command; return its exit code, document and stderr."""
        for name, value in self.environment(**variables).items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        return self.run_program(*words)

    def masters(self):
        return [master for _name, master in self.storage.masters.all()]

    def assert_refused(self, said, *words, **variables):
        code, out, err = self.prefetch(*words, **variables)
        self.assertEqual((2, None), (code, out), err)
        self.assertIn(said, err.splitlines()[-1])
        self.assertEqual([], self.masters())
        self.assertEqual([], os.listdir(
            os.path.join(self.storage.layout.home, 'incoming')))

    def test_an_image_is_fetched_once_for_all_policies(self):
        image_id = self.services.add(self.qcow2)
        code, out, err = self.prefetch(
            'cirros', '--policy', 'silver', '--policy', 'twin')
        self.assertEqual(0, code, err)
        self.assertIn(f'{image_id}: fetching', err)
        rows = out['masters']
        self.assertEqual([('fast', 1), ('system', 1), ('system', 2)], sorted(
            (row['placement']['pool'], row['placement']['data_replicas'])
            for row in rows))
        self.assertEqual({(image_id, 'fetched')},
                         {(row['image'], row['result']) for row in rows})
        self.assertEqual(1, self.services.downloads)
        for master in self.masters():
            self.assertEqual(self.raw, self.read(master.path))
        self.assertEqual([], self.gpfs.check())

    def test_no_secret_is_shown_or_logged(self):
        with open(self.nova_conf) as f:
            text = f.read()
        hidden = 'the-password-of-the-database'
        with open(self.nova_conf, 'w') as f:
            f.write(text.replace('[DEFAULT]', '[DEFAULT]\ndebug = True\n'
                                 f'transport_url = rabbit://nova:{hidden}@mq')
                    + f'[database]\nconnection = mysql://nova:{hidden}@db\n'
                    f'[keystone_authtoken]\npassword = {hidden}\n')
        image_id = self.services.add(self.qcow2)
        wrong = 'another-password'
        for password, code in ((PASSWORD, 0), (wrong, 2)):
            loggers = [self.useFixture(fixtures.FakeLogger(
                name, level=logging.DEBUG)) for name in
                ('nova_gpfs', 'keystoneauth', 'glanceclient', 'urllib3')]
            found, out, err = self.prefetch(image_id, OS_PASSWORD=password)
            self.assertEqual(code, found, err)
            logged = ''.join(each.output for each in loggers)
            self.assertIn('/auth/tokens', logged)
            for secret in (TOKEN, PASSWORD, wrong, hidden):
                self.assertNotIn(secret, f'{out}{err}{logged}')

    def test_what_is_there_is_not_fetched_again(self):
        image_id = self.services.add(self.qcow2)
        self.prefetch(image_id)
        code, out, err = self.prefetch(image_id)
        self.assertEqual((0, ''), (code, err))
        self.assertEqual({'existing'}, {
            row['result'] for row in out['masters']})
        self.assertEqual(1, self.services.downloads)

    def test_the_program_makes_what_nova_compute_looks_for(self):
        image_id = self.services.add(self.qcow2)
        done = subprocess.run(
            [*commands.PROGRAM, *self.argv(image_id), '--format=text'],
            env={'PATH': os.environ['PATH'], **self.environment()},
            cwd=commands.TOP, capture_output=True, text=True, timeout=300)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(3, len(done.stdout.splitlines()), done.stdout)
        key = hashlib.sha1(image_id.encode()).hexdigest()
        master = self.storage.masters.find(key)
        self.assertEqual(self.raw, self.read(master.path))

    def test_a_hostile_image_is_refused(self):
        path = os.path.join(self.directory, 'hostile')
        cloud.qemu_img('create', '-f', 'qcow2', '-b', '/etc/passwd', '-F',
                       'raw', path, '1M')
        image_id = self.services.add(self.read(path))
        self.assert_refused('does not pass safety check', image_id)

    def test_an_image_that_is_not_there(self):
        self.assert_refused('No Image found for nowhere', 'nowhere')

    def test_a_policy_that_is_not_there_is_refused_before_the_download(self):
        image_id = self.services.add(self.qcow2)
        self.assert_refused('tin', image_id, '--policy', 'tin')
        self.assertEqual(0, self.services.downloads)

    def test_a_wrong_password(self):
        image_id = self.services.add(self.qcow2)
        self.assert_refused('The password is wrong', image_id,
                            OS_PASSWORD='wrong')

    def test_without_credentials(self):
        image_id = self.services.add(self.qcow2)
        self.assert_refused('Auth plugin requires', image_id, OS_AUTH_URL='')

    def test_a_cloud_that_is_not_there(self):
        self.assert_refused('nirvana', 'cirros', '--os-cloud', 'nirvana')
