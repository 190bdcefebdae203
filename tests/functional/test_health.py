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

"""A host whose storage is sick gets no instances, until it is well again."""

import contextlib
import os
import subprocess
import threading

from nova import context
from nova import objects

from tests.functional import cloud
from tests import silent

SECONDS = 15.0


class HealthTestCase(cloud.CloudTestCase):

    def setUp(self):
        super().setUp()
        self.start_hosts()

    def _configure(self):
        super()._configure()
        self.flags(command_timeout=SECONDS, group='gpfs')

    def report(self, host='node1'):
        """Run the periodic task of a host."""
        self.computes[host].update_available_resource(
            context.get_admin_context())

    def found(self, host='node1'):
        """Return status and reason of a compute service in the API."""
        service = next(each for each in self.api.get_services(
            binary='nova-compute') if each['host'] == host)
        return service['status'], service['disabled_reason']

    def set_service(self, **fields):
        self.api.api_put(f'/os-services/{self.service("node1")}', fields)

    def assertInService(self, host='node1'):
        self.assertEqual(('enabled', None), self.found(host))

    def assertOutOfService(self, *words):
        status, reason = self.found()
        self.assertEqual('disabled', status)
        for word in ('AUTO: GPFS: ', *words):
            self.assertIn(word, reason)
        self.assertLessEqual(len(reason), 255)

    def traits(self, host='node1'):
        provider = self.placement.get(
            f'/resource_providers?name={host}').body['resource_providers'][0]
        return self.placement.get(
            f'/resource_providers/{provider["uuid"]}/traits',
            version='1.6').body['traits']


class SicknessTest(HealthTestCase):
    """Each kind: the reason and the next step are in the API."""

    @contextlib.contextmanager
    def node_state(self, state):
        self.gpfs.set_node_state('node1', state)
        yield
        self.gpfs.set_node_state('node1', 'up')

    @contextlib.contextmanager
    def condition(self, kind):
        self.gpfs.faults.add_condition(kind, fs='fs0', node='node1')
        yield
        self.gpfs.faults.clear()

    @contextlib.contextmanager
    def fault(self, **fault):
        self.gpfs.faults.add('mmlsattr', nth=0, node='node1', **fault)
        yield
        self.gpfs.faults.clear()

    @contextlib.contextmanager
    def unmounted(self):
        self.gpfs.unmount('fs0')
        os.makedirs(self.instances_path)
        yield
        os.rmdir(self.instances_path)
        os.rmdir(os.path.dirname(self.instances_path))
        self.gpfs.mount('fs0')

    @contextlib.contextmanager
    def other_file_system(self):
        """The same names on a file system of another number."""
        identity = os.path.join(self.instances_path, '_gpfs',
                                'identity.json')
        text = cloud.read(identity)
        os.rename(identity, identity + '.ours')
        with open(identity, 'wb') as marker:
            marker.write(text.replace(b'"fs0"', b'"fs7"'))
        yield
        os.rename(identity + '.ours', identity)

    def test_a_sick_storage_is_a_reason_and_a_healthy_one_brings_it_back(self):
        for sickness, words in (
                (self.node_state('down'), ('is down', 'mmstartup')),
                (self.node_state('quorum-lost'), ('is arbitrating',)),
                (self.node_state('expelled'), ('is down', 'mmgetstate')),
                (self.condition('stale'), ('not mounted', 'mmmount')),
                (self.condition('not-mounted'), ('not mounted', 'mmmount')),
                (self.unmounted(), ('not mounted', 'mmmount')),
                (self.other_file_system(), ('Another file system',)),
                (self.fault(action='garbage'), ('unknown', 'record-mm')),
                (self.fault(action='fail', text='mmlsattr: odd', code=5),
                 ('command failed', 'by hand')),
                (self.fault(action='hang'), ('did not end', 'mmdiag'))):
            with self.subTest(words=words), sickness:
                self.assertInService()
                self.report()
                self.assertOutOfService(*words)
            self.report()
            self.assertInService()
            self.assertInService('node2')

    def test_what_is_mounted_read_only_is_sick(self):
        if os.geteuid():
            self.skipTest('mounting needs root')
        data = os.path.realpath(self.gpfs.mount_point('fs0'))
        for words in (('--bind', data, data),
                      ('-o', 'remount,ro,bind', data)):
            subprocess.run(['mount', *words], check=True)
            if words[0] == '--bind':
                self.addCleanup(subprocess.run, ['umount', '--lazy', data])
        self.report()
        self.assertOutOfService('Read-only', 'mount options')
        subprocess.run(['mount', '-o', 'remount,rw,bind', data], check=True)
        self.report()
        self.assertInService()

    def test_a_change_is_said_once_with_the_next_step(self):
        for _ in range(3):
            with self.node_state('down'):
                self.report()
                self.report()
            for _ in range(2):
                self.report()
        output = self.stdlog.logger.output
        self.assertEqual(3, output.count('storage of the instances is sick'))
        self.assertEqual(3, output.count('The storage of the instances is '
                                         'well again'))

    def test_another_trouble_is_another_reason(self):
        with self.node_state('down'):
            self.report()
            self.assertOutOfService('not ready')
        with self.condition('stale'):
            self.report()
            self.assertOutOfService('not mounted')

    def test_the_state_of_the_daemon_explains_what_is_not_understood(self):
        with self.node_state('down'), self.fault(
                action='fail', text='mmlsattr: odd', code=5):
            self.report()
            self.assertOutOfService('the daemon of node1 is down')


class SchedulingTest(HealthTestCase):

    def setUp(self):
        super().setUp()
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.tiny = self.flavor('tiny')

    def test_instances_go_to_healthy_hosts_and_those_there_are_left_alone(
            self):
        server = self.boot(self.image, self.tiny, host='node1')
        self.gpfs.set_node_state('node1', 'down')
        self.report()
        self.assertIn('COMPUTE_STATUS_DISABLED', self.traits())
        for _ in range(3):
            made = self.boot(self.image, self.tiny)
            self.assertEqual('node2', made['OS-EXT-SRV-ATTR:host'])
        self.boot(self.image, self.tiny, host='node1',
                  expected_state='ERROR')
        found = self.api.get_server(server['id'])
        self.assertEqual(('ACTIVE', 1, None), (
            found['status'], found['OS-EXT-STS:power_state'],
            found['OS-EXT-STS:task_state']))
        self.gpfs.set_node_state('node1', 'up')
        self.report()
        self.assertNotIn('COMPUTE_STATUS_DISABLED', self.traits())
        self.boot(self.image, self.tiny, host='node1')


class OthersTest(HealthTestCase):
    """Nobody else's decision is undone."""

    def sicken(self):
        self.gpfs.set_node_state('node1', 'down')
        self.report()

    def heal(self):
        self.gpfs.set_node_state('node1', 'up')
        self.report()

    def test_what_the_operator_has_disabled_stays_disabled(self):
        for reason in ({'disabled_reason': 'kernel update'}, {}):
            self.set_service(status='disabled', **reason)
            wanted = self.found()
            self.sicken()
            self.assertEqual(wanted, self.found())
            self.heal()
            self.assertEqual(wanted, self.found())

    def test_so_it_does_if_that_was_while_the_storage_was_sick(self):
        for reason in ({'disabled_reason': 'disk swap'}, {}):
            self.set_service(status='enabled')
            self.sicken()
            self.assertOutOfService()
            self.set_service(status='disabled', **reason)
            wanted = self.found()
            self.report()
            self.heal()
            self.assertEqual(wanted, self.found())

    def test_a_host_that_has_lost_libvirt_is_not_brought_back(self):
        driver = self.computes['node1'].driver
        self.flags(host='node1')
        driver._set_host_enabled(False, 'libvirt is gone')
        wanted = ('disabled', 'AUTO: libvirt is gone')
        self.sicken()
        self.assertEqual(wanted, self.found())
        self.heal()
        self.assertEqual(wanted, self.found())
        driver._set_host_enabled(True)
        self.assertInService()

    def test_nova_brings_back_what_we_have_disabled_and_we_look_again(self):
        self.sicken()
        self.flags(host='node1')
        self.computes['node1'].driver._set_host_enabled(True)
        self.assertInService()
        self.report()
        self.assertOutOfService('not ready')

    def test_a_restart_brings_it_back(self):
        self.sicken()
        self.computes['node1'].stop()
        self.gpfs.set_node_state('node1', 'up')
        self.start_host('node1')
        self.report()
        self.assertInService()

    def test_the_operator_may_do_without(self):
        self.sicken()
        self.flags(disable_sick_host=False, group='gpfs')
        self.report()
        self.assertInService()
        self.assertIn('storage of the instances is sick',
                      self.stdlog.logger.output)

    def test_a_database_that_is_away_neither_fails_the_report_nor_stays(self):
        real = objects.Service.get_by_compute_host
        objects.Service.get_by_compute_host = _unreachable
        self.addCleanup(setattr, objects.Service, 'get_by_compute_host', real)
        self.sicken()
        self.assertIn('could not be disabled', self.stdlog.logger.output)
        objects.Service.get_by_compute_host = real
        self.report()
        self.assertOutOfService('not ready')

    def test_a_healthy_host_costs_one_mm_command_and_no_query(self):
        for _ in range(2):
            self.report()
        before = len(self.gpfs.calls())
        asked = []
        real = objects.Service.get_by_compute_host
        objects.Service.get_by_compute_host = asked.append
        self.addCleanup(setattr, objects.Service, 'get_by_compute_host', real)
        self.computes['node1'].driver._look()
        self.assertEqual(['mmlsattr'], [
            os.path.basename(call['argv'][0])
            for call in self.gpfs.calls()[before:]])
        self.assertEqual([], asked)


def _unreachable(*args):
    raise ConnectionError


class SilenceTest(HealthTestCase):
    """A file system that answers nobody, and lets nobody go."""

    hosts = ('node1',)

    def setUp(self):
        if reason := silent.reason_not():
            self.skipTest(reason)
        super().setUp()
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.server = self.boot(self.image, self.flavor('tiny'))

    def _in_time(self, work):
        """Do it in a thread, which is given up if it does not come back."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(cloud.PATIENCE)
        self.assertFalse(thread.is_alive(), 'it waits for the file system')

    def _waiting(self):
        """Return the processes that this one has started and that wait."""
        return subprocess.run(
            ['ps', '-o', 'args=', '--ppid', str(os.getpid())],
            capture_output=True, text=True).stdout.count('/usr/bin/stat')

    def test_it_holds_up_no_report_and_is_waited_for_once(self):
        driver = self.computes['node1'].driver
        left = driver.get_available_resource('node1')['disk_available_least']
        with silent.Silent(self.gpfs.mount_point('fs0')):
            for _ in range(3):
                self._in_time(self.report)
            self.assertOutOfService('did not end in time', 'mmdiag')
            self.assertEqual(1, self._waiting())
            self.assertEqual(int(left), self.computes[
                'node1'].rt.compute_nodes['node1'].disk_available_least)
            self._boot_in_vain()

        self.report()
        self.assertInService()
        self.assertEqual(0, self._waiting())
        self.boot(self.image, 'tiny')

    def _boot_in_vain(self):
        """What is under way is refused, and does not hang."""
        self.flags(disable_sick_host=False, group='gpfs')
        self._in_time(self.report)
        self.assertInService()
        self.boot(self.image, 'tiny', expected_state='ERROR')
        self.flags(disable_sick_host=True, group='gpfs')


class RescheduleTest(HealthTestCase):
    """A boot that meets a sick host which is not known as such goes on."""

    hosts = ('node1', 'node2')
    STATES = ('expelled', 'down', 'quorum-lost')

    def setUp(self):
        super().setUp()
        self.flags(disable_sick_host=False, group='gpfs')
        # Each boot is to come to node1 first, whatever became of the others.
        self.flags(build_failure_weight_multiplier=0.0,
                   group='filter_scheduler')
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        # So that the scheduler prefers node1, which has more room.
        self.boot(self.image, self.flavor('large', memory_mb=2048),
                  host='node2')

    def test_it_goes_to_the_other_host(self):
        small = self.flavor('small', memory_mb=64)
        for number, state in enumerate(self.STATES, 1):
            self.gpfs.set_node_state('node1', state)
            server = self.boot(self.image, small)
            self.gpfs.set_node_state('node1', 'up')
            self.assertEqual(('ACTIVE', 'node2'), (
                server['status'], server['OS-EXT-SRV-ATTR:host']))
            self.assertEqual(number, self.stdlog.logger.output.count(
                'was re-scheduled'))
            self.assertTrue(os.path.exists(self.instance_file(server,
                                                              'disk')))
        self.assertEqual([], self.gpfs.check())
