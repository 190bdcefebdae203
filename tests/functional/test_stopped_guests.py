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

"""Guests that QEMU has stopped for an error of their disks go on."""

import os
from unittest import mock

import fixtures
from lxml import etree
from nova import context
from nova import objects
from nova.tests.fixtures import libvirt as libvirtd

from tests.functional import cloud

# virDomainPausedReason in libvirt-domain.h.
USER, MIGRATION, IO_ERROR = 1, 2, 5


class GuestsTestCase(cloud.CloudTestCase):

    hosts = ('node1',)

    def setUp(self):
        super().setUp()
        self._let_libvirt_know_reasons()
        self.start_hosts()
        data, _guest_bytes = cloud.qcow2_image(self.directory)
        self.image = self.glance.add('image', data, 'qcow2')
        self.server = self.boot(self.image, self.flavor('tiny', swap=16),
                                config_drive=True)
        self.driver = self.computes['node1'].driver

    def _let_libvirt_know_reasons(self):
        """Do what libvirt does, where Nova's fixture knows states alone.

        A guest that stands still keeps its reason when it is paused
        (libvirt, qemuDomainSuspend).
        """
        suspend = libvirtd.Domain.suspend

        def suspended(domain):
            if domain._state != libvirtd.VIR_DOMAIN_PAUSED:
                domain.reason = USER
            suspend(domain)

        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.suspend', suspended))
        # Nova's fixture has nothing to patch.
        libvirtd.Domain.state = lambda domain, flags: [
            domain._state, getattr(domain, 'reason', 0)]
        self.addCleanup(delattr, libvirtd.Domain, 'state')

    @property
    def domain(self):
        return self.connection(self.computes['node1']).lookupByUUIDString(
            self.server['id'])

    def stop(self, reason=IO_ERROR):
        """Do what QEMU and libvirt do."""
        self.domain.suspend()
        # Under eventlet it is a proxy, which would keep this to itself.
        self.domain.__dict__.get('_obj', self.domain).reason = reason

    def report(self):
        self.computes['node1'].update_available_resource(
            context.get_admin_context())

    def is_running(self):
        self.report()
        return self.domain._state == libvirtd.VIR_DOMAIN_RUNNING

    def set_instance(self, **fields):
        instance = objects.Instance.get_by_uuid(
            context.get_admin_context(), self.server['id'])
        for name, value in fields.items():
            setattr(instance, name, value)
        instance.save()


class ResumeTest(GuestsTestCase):

    def test_a_guest_that_qemu_has_stopped_goes_on(self):
        self.stop()
        self.assertTrue(self.is_running())
        self.assertEqual('ACTIVE', self.api.get_server(
            self.server['id'])['status'])

    def test_one_that_is_paused_for_another_reason_stays_so(self):
        for reason in (0, USER, MIGRATION, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13):
            self.stop(reason)
            self.assertFalse(self.is_running(), reason)

    def test_one_that_nova_does_something_with_stays_so(self):
        self.stop()
        for task in ('pausing', 'migrating', 'image_snapshot', 'suspending',
                     'powering-off', 'deleting', 'resize_prep'):
            self.set_instance(task_state=task)
            self.assertFalse(self.is_running(), task)
        self.set_instance(task_state=None)
        self.assertTrue(self.is_running())

    def test_one_that_is_not_to_run_or_not_here_stays_so(self):
        self.stop()
        for fields in ({'vm_state': 'paused'}, {'vm_state': 'suspended'},
                       {'vm_state': 'stopped'}, {'vm_state': 'error'},
                       {'vm_state': 'soft-delete'},
                       {'vm_state': 'active', 'host': 'node2'}):
            self.set_instance(**fields)
            self.assertFalse(self.is_running(), fields)
        for state in ('active', 'rescued', 'resized'):
            self.set_instance(vm_state=state, host='node1')
            self.assertTrue(self.is_running(), state)
            self.stop()
            self.driver._stopped._tries.clear()

    def test_what_a_user_has_paused_meanwhile_is_paused_again(self):
        """libvirt goes on to say that it was an I/O error."""
        self.stop()
        self.api.post_server_action(self.server['id'], {'pause': None})
        self.wait_for(self.server, 'PAUSED')
        self.assertEqual([3, IO_ERROR], self.domain.state(0))
        self.assertFalse(self.is_running())
        self.api.post_server_action(self.server['id'], {'unpause': None})
        self.wait_for(self.server, 'ACTIVE')
        self.assertTrue(self.is_running())

    def test_what_a_user_pauses_at_the_same_moment_is_paused(self):
        self.stop()
        real = libvirtd.Domain.resume

        def resumed(domain):
            self.set_instance(vm_state='paused')
            real(domain)

        with mock.patch.object(libvirtd.Domain, 'resume', resumed):
            self.assertFalse(self.is_running())

    def test_while_the_storage_is_sick_it_stays_so(self):
        self.stop()
        # Whether there is room can still be found out.
        self.gpfs.faults.add('mmlsattr', action='garbage', nth=0)
        self.assertFalse(self.is_running())
        self.gpfs.faults.clear()
        self.assertTrue(self.is_running())

    def test_a_guest_without_a_disk_of_ours_is_not_ours(self):
        self.stop()
        self.flags(instances_path='/elsewhere')
        with mock.patch.object(self.driver, '_look', autospec=True):
            self.driver._stopped.resume(lambda: True)
        self.assertEqual(libvirtd.VIR_DOMAIN_PAUSED, self.domain._state)

    def test_the_operator_may_do_it_himself(self):
        self.flags(resume_guests=False, group='gpfs')
        self.stop()
        self.assertFalse(self.is_running())

    def test_one_that_stops_again_is_tried_less_and_less_often(self):
        now = [0.0]
        self.driver._stopped._clock = lambda: now[0]
        tried = []
        for minute in range(300):
            self.stop()
            now[0] = 60.0 * minute
            self.driver._stopped.resume(lambda: True)
            if self.domain._state == libvirtd.VIR_DOMAIN_RUNNING:
                tried.append(minute)
        self.assertEqual([0, 1, 2, 4, 8, 16, 32, 64, 124, 184, 244], tried)
        output = self.stdlog.logger.output
        self.assertEqual(10, output.count('has stopped the guest again'))
        # Once it has run for a while, all is as at first.
        self.domain.resume()
        self.driver._stopped.resume(lambda: True)
        self.assertEqual({}, self.driver._stopped._tries)

    def test_a_guest_that_cannot_be_resumed_does_not_end_the_report(self):
        self.stop()
        with mock.patch.object(libvirtd.Domain, 'resume', autospec=True,
                               side_effect=ConnectionError):
            self.assertFalse(self.is_running())
        self.assertIn('could not be resumed', self.stdlog.logger.output)


class RoomTest(GuestsTestCase):

    def set_quota(self, size):
        """Give the fileset of the instances a hard limit in bytes, or 0."""
        with self.gpfs._state() as state, state.change():
            state.execute("UPDATE fileset SET hard = ? WHERE name = 'nova'",
                          size)

    def test_while_the_quota_is_used_up_it_stays_so(self):
        self.set_quota(cloud.MIB)
        self.stop()
        self.assertFalse(self.is_running())
        self.set_quota(64 * cloud.MIB)
        self.assertTrue(self.is_running())

    def test_where_that_is_not_known_it_stays_so(self):
        self.stop()
        self.gpfs.faults.add('mmlspool', action='garbage', nth=0)
        self.assertFalse(self.is_running())
        self.gpfs.faults.clear()
        self.assertTrue(self.is_running())


class XmlTest(GuestsTestCase):

    def disks(self):
        """Return what libvirt is told of each disk at a hard reboot."""
        defined = []
        real = libvirtd.Connection.defineXML

        def define(connection, xml):
            defined.append(xml)
            return real(connection, xml)

        with mock.patch.object(libvirtd.Connection, 'defineXML', define):
            self.api.post_server_action(self.server['id'],
                                        {'reboot': {'type': 'HARD'}})
            self.wait_for(self.server, 'ACTIVE')
            self.wait_for_no_task()
        xml = etree.fromstring(defined[-1])
        return {os.path.basename(disk.find('source').get('file')): (
            disk.find('driver').get('error_policy'),
            disk.find('driver').get('rerror_policy'))
            for disk in xml.iterfind('./devices/disk')}

    def test_each_disk_has_the_policy_from_the_next_hard_reboot_on(self):
        for policy, wanted in (('report', ('report', 'report')),
                               ('enospace', ('enospace', 'report')),
                               ('stop', ('stop', 'stop'))):
            self.flags(guest_error_policy=policy, group='gpfs')
            self.assertEqual(
                {'disk': wanted, 'disk.swap': wanted, 'disk.config': wanted},
                self.disks())
