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

"""The programs of Nova, each in an interpreter of its own.

What is tested with them is what happens when a program starts: the order of
imports, eventlet or threads, which files are read, which entry points are
found. Nova is not changed and runs as far as it comes without a message bus.
"""

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import venv

import fixtures
from oslotest import base

NOVAS_MESSAGE = ('Valid values are [raw, flat, qcow2, lvm, rbd, ploop, '
                 "default], but found 'gpfs'")

NOVA_CONF = """
[DEFAULT]
{default}
state_path = {home}
instances_path = {home}/instances
transport_url = fake://
compute_driver = libvirt.LibvirtDriver
[database]
connection = sqlite:///{home}/nova.sqlite
[api_database]
connection = sqlite:///{home}/nova_api.sqlite
[placement]
auth_type = none
endpoint_override = {placement}
[conductor]
workers = 1
[scheduler]
workers = 1
"""

ACTIVATE = """
[DEFAULT]
config_source = gpfs
[gpfs]
driver = gpfs
[libvirt]
images_type = gpfs
"""

#: As far as importing Nova's driver and making one object of it needs it.
LIBVIRT = """
class libvirtError(Exception):
    pass

def __getattr__(name):
    if name.startswith('VIR_'):
        return hash(name)
    raise AttributeError(name)
"""

#: nova-compute from its first line until its driver is loaded. What comes
#: after that, and the wait for a conductor before it, needs a message bus.
COMPUTE = """
import json, sys
sys.argv[0] = '/usr/bin/{program}'
import {module}
{before}
import nova.conf, nova.monkey_patch, nova.service
import nova.virt.driver

def create(*args, **kwargs):
    loaded = nova.virt.driver.load_compute_driver(None)
    patched = 'eventlet' in sys.modules and sys.modules[
        'eventlet'].patcher.is_monkey_patched('socket')
    print(json.dumps({{
        'driver': type(loaded).__module__,
        'backend': type(loaded.image_backend).__module__,
        'disk': [each.__name__ for each in
                 loaded.image_backend.backend().__mro__],
        'images_type': nova.conf.CONF.libvirt.images_type,
        'activated': 'nova_gpfs.compute.activation' in sys.modules,
        'threads': not patched}}))
    sys.exit(0)

nova.service.Service.create = create
{main}.main()
"""

#: Any program of Nova up to the point where nova.conf has been parsed.
PARSE = """
import json, sys
sys.argv[0] = '/usr/bin/{program}'
import nova.cmd
import nova.conf
from nova import config
config.parse_args(sys.argv)
CONF = nova.conf.CONF
{after}
"""


class Home(fixtures.Fixture):
    """A home directory with a nova.conf, and what runs below it.

    oslo.config looks for ``~/.nova/nova.conf`` and, for each program, for
    ``~/.nova/PROGRAM.conf.d`` before it looks below /etc.
    """

    def __init__(self, python=sys.executable):
        self.python = python
        self.placement = 'http://127.0.0.1:1'

    def _setUp(self):
        self.path = self.useFixture(fixtures.TempDir()).path
        stubs = self._directory('stubs')
        self._write(os.path.join(stubs, 'libvirt.py'), LIBVIRT)
        self.env = {
            'HOME': self.path, 'PATH': os.environ['PATH'],
            'PYTHONWARNINGS': 'ignore', 'LC_ALL': 'C.UTF-8',
            'PYTHONPATH': stubs}
        self.nova_conf()

    def _directory(self, *names):
        path = os.path.join(self.path, *names)
        os.makedirs(path, exist_ok=True)
        return path

    @staticmethod
    def _write(path, text):
        with open(path, 'w') as f:
            f.write(text)
        return path

    def nova_conf(self, extra='', default=''):
        """Write nova.conf, which every program reads; return its path."""
        self._directory('instances')
        text = NOVA_CONF.format(home=self.path, placement=self.placement,
                                default=default)
        return self._write(
            os.path.join(self._directory('.nova'), 'nova.conf'), text + extra)

    def drop_in(self, text=ACTIVATE, directory='nova-compute.conf.d'):
        """Write the file for nova-compute alone; return its directory."""
        path = self._directory('.nova', directory)
        self._write(os.path.join(path, '50-gpfs.conf'), text)
        return path

    def run(self, code, *arguments, **env):
        """Run code in an interpreter of its own."""
        return self.execute([self.python, '-c', code, *arguments], env)

    def program(self, name, *arguments, **env):
        """Run a program that is installed beside Nova."""
        return self.execute(self.argv(name, *arguments), env)

    def argv(self, name, *arguments):
        script = os.path.join(sysconfig.get_path('scripts'), name)
        return [self.python, script, *arguments]

    def execute(self, argv, env):
        """Run a command in this home; return it when it has ended."""
        return subprocess.run(
            argv, env={**self.env, **env}, cwd=self.path, timeout=300,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def compute(self, *arguments, before='', **env):
        """Run nova-compute until it has loaded its driver."""
        return self.run(COMPUTE.format(
            program='nova-compute', before=before, main='nova.cmd.compute',
            module='nova.cmd.compute'), *arguments, **env)

    def wrapper(self, *arguments, before='', **env):
        """Run nova-compute-gpfs until it has loaded its driver.

        Nova's service is replaced as soon as the wrapper has imported it.
        """
        return self.run(COMPUTE.format(
            program='nova-compute-gpfs', before=before,
            module='nova_gpfs.cmd.nova_compute, nova.cmd.compute',
            main='nova_gpfs.cmd.nova_compute'), *arguments, **env)

    def parse(self, program, after, *arguments, **env):
        """Parse nova.conf as a program does, then run some code."""
        return self.run(PARSE.format(program=program, after=after),
                        *arguments, **env)


class BarePython(fixtures.Fixture):
    """A Python that has all that this one has, but not nova-gpfs.

    It is an environment of its own. What is installed here is there as
    links; the plug-in's package and metadata are left out, and so is the
    hook of an editable installation.
    """

    def _setUp(self):
        top = self.useFixture(fixtures.TempDir()).path
        venv.create(os.path.join(top, 'python'), symlinks=True)
        self.path = os.path.join(top, 'python', 'bin', 'python')
        self._use(self._links(os.path.join(top, 'links')))

    @staticmethod
    def _links(directory):
        os.mkdir(directory)
        for entry in {sysconfig.get_path('purelib'),
                      sysconfig.get_path('platlib')}:
            for name in os.listdir(entry):
                if 'nova_gpfs' not in name:
                    with contextlib.suppress(FileExistsError):
                        os.symlink(os.path.join(entry, name),
                                   os.path.join(directory, name))
        return directory

    def _use(self, directory):
        packages = subprocess.run(
            [self.path, '-c', 'import sysconfig\n'
             'print(sysconfig.get_path("purelib"))'],
            check=True, capture_output=True, text=True).stdout.strip()
        with open(os.path.join(packages, 'links.pth'), 'w') as f:
            f.write(directory + '\n')


class ProgramsTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.home = self.useFixture(Home())

    def _printed(self, done):
        self.assertEqual(0, done.returncode, done.stderr + done.stdout)
        return json.loads(done.stdout.splitlines()[-1])

    def _assert_ours(self, loaded):
        self.assertEqual(
            ('gpfs', 'nova_gpfs.compute.libvirt_driver',
             'nova_gpfs.compute.backend'),
            (loaded['images_type'], loaded['driver'], loaded['backend']))
        self.assertIn('Gpfs', loaded['disk'])

    def _assert_stock(self, loaded):
        self.assertEqual(
            ('nova.virt.libvirt.driver', 'nova.virt.libvirt.imagebackend'),
            (loaded['driver'], loaded['backend']))

    def _assert_ended(self, done, *words):
        self.assertNotIn(done.returncode, (0, None))
        for word in words:
            self.assertIn(word, done.stderr + done.stdout)
        self.assertNotIn('nova_gpfs.compute.backend', done.stdout)
