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

"""All programs of Nova with the plug-in's lines in a nova.conf they share."""

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import fixtures

from tests.functional import programs


class Placement(fixtures.Fixture):
    """Answers nova-status which version of placement there is."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({'versions': [{
                'id': 'v1.0', 'status': 'CURRENT', 'links': [],
                'min_version': '1.0', 'max_version': '1.39'}]}).encode()
            self.send_response(200)
            self.send_header('Content-Type', 'application/json')
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    def _setUp(self):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                 self.Handler)
        self.url = f'http://127.0.0.1:{server.server_port}'
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)


class SharedConfigurationTest(programs.ProgramsTestCase):
    """The lines of the drop-in in the nova.conf that all programs read."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        home = programs.Home()
        cls.bare = programs.BarePython()
        for fixture in (home, cls.bare):
            fixture.setUp()
            cls.addClassCleanup(fixture.cleanUp)
        for command in (['api_db', 'sync'], ['db', 'sync', '--local_cell']):
            done = home.program('nova-manage', *command)
            assert done.returncode == 0, done.stderr
        cls.databases = [os.path.join(home.path, name)
                         for name in ('nova.sqlite', 'nova_api.sqlite')]

    def setUp(self):
        super().setUp()
        self.placement = self.useFixture(Placement()).url
        self.with_plug_in = self._home(sys.executable)
        self.without = self._home(self.bare.path)

    def _home(self, python):
        home = self.useFixture(programs.Home(python))
        home.placement = self.placement
        home.nova_conf(programs.ACTIVATE)
        for path in self.databases:
            shutil.copy(path, home.path)
        return home

    def _assert_novas_message(self, done):
        self._assert_ended(done, programs.NOVAS_MESSAGE)

    def test_a_python_without_the_plug_in_is_what_the_others_use(self):
        code = ('import importlib.metadata, importlib.util, json\n'
                'points = importlib.metadata.entry_points(\n'
                '    group="oslo.config.driver")\n'
                'print(json.dumps([\n'
                '    bool(importlib.util.find_spec("nova_gpfs")),\n'
                '    "gpfs" in points.names]))')
        self.assertEqual([True, True],
                         self._printed(self.with_plug_in.run(code)))
        self.assertEqual([False, False],
                         self._printed(self.without.run(code)))

    def _starts(self, name, line):
        """Start a service, wait for a line in its log, and stop it."""
        home = self.with_plug_in
        log_path = os.path.join(home.path, name)
        with open(log_path, 'w') as log:
            service = subprocess.Popen(
                home.argv(name), env=home.env, cwd=home.path,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                text = self._wait_for(service, log_path, line)
                service.terminate()
                return service.wait(60), text
            finally:
                service.kill()
                service.wait()

    def _wait_for(self, service, log_path, line):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            text = pathlib.Path(log_path).read_text()
            if line in text:
                return text
            self.assertIsNone(service.poll(), text)
            time.sleep(0.1)
        self.fail(f'{line!r} did not come:\n{text}')

    def test_the_conductor_starts_and_stops(self):
        code, text = self._starts('nova-conductor', 'Starting conductor node')
        self.assertEqual(0, code, text)
        self.assertNotIn('CRITICAL', text)

    def test_the_scheduler_starts_and_stops(self):
        code, text = self._starts('nova-scheduler', 'Starting scheduler node')
        self.assertEqual(0, code, text)
        self.assertNotIn('CRITICAL', text)

    def test_without_the_plug_in_the_conductor_says_novas_message(self):
        self._assert_novas_message(self.without.program('nova-conductor'))

    def test_without_the_plug_in_the_scheduler_says_novas_message(self):
        self._assert_novas_message(self.without.program('nova-scheduler'))

    def test_without_the_plug_in_nova_compute_says_novas_message(self):
        self._assert_novas_message(self.without.compute())

    def _api(self, home):
        """Load Nova's API as a web server does."""
        directory = os.path.join(home.path, 'api')
        os.mkdir(directory)
        paste = next(
            path for path in (
                os.path.join(sys.prefix, 'etc/nova/api-paste.ini'),
                '/etc/nova/api-paste.ini') if os.path.exists(path))
        shutil.copy(paste, directory)
        shutil.copy(os.path.join(home.path, '.nova', 'nova.conf'), directory)
        return home.run(
            'import json, nova.wsgi.osapi_compute as api\n'
            'print(json.dumps(type(api.application).__name__))',
            OS_NOVA_CONFIG_DIR=directory)

    def test_the_api_starts(self):
        self.assertEqual('URLMap',
                         self._printed(self._api(self.with_plug_in)))

    def test_without_the_plug_in_the_api_says_novas_message(self):
        self._assert_novas_message(self._api(self.without))

    def test_nova_manage_works_with_and_without(self):
        # It never reads the option.
        for home in (self.with_plug_in, self.without):
            done = home.program('nova-manage', 'db', 'version')
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertRegex(done.stdout, '\n[0-9a-f]{12}\n$')

    def test_nova_status_works_with_and_without(self):
        for home in (self.with_plug_in, self.without):
            done = home.program('nova-status', 'upgrade', 'check')
            self.assertIn('Upgrade Check Results', done.stdout, done.stderr)
            self.assertIn('Placement API', done.stdout)

    def _validate(self, home, *namespaces):
        arguments = [word for each in ('nova.conf', 'oslo.config', 'oslo.db',
                                       'oslo.messaging', *namespaces)
                     for word in ('--namespace', each)]
        return home.program(
            'oslo-config-validator', *arguments, '--input-file',
            os.path.join(home.path, '.nova', 'nova.conf'))

    def test_the_validator_knows_all_lines(self):
        done = self._validate(self.with_plug_in, 'nova_gpfs')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertNotIn('ERROR', done.stderr)

    def test_the_validator_finds_a_misspelt_option_of_the_plug_in(self):
        self.with_plug_in.nova_conf(programs.ACTIVATE.replace(
            'driver = gpfs', 'driver = gpfs\nrequire_clones = true'))
        done = self._validate(self.with_plug_in, 'nova_gpfs')
        self._assert_ended(done, 'gpfs/require_clones')
