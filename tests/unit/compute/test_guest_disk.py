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

"""What QEMU is told of the disks of a guest."""

from unittest import mock

from nova import test
from nova.virt.libvirt import config as vconfig

from nova_gpfs.compute import guest_disk
from nova_gpfs.compute import image
from nova_gpfs import conf as gpfs_conf


class GuestDiskTest(test.NoDBTestCase):

    def config(self, bus='virtio'):
        """Return a disk as Nova makes it for an image of ours."""
        gpfs_conf.register(test.CONF)
        with mock.patch.multiple(image.Gpfs, storage=object(),
                                 placing=object(), following=object()):
            disk = image.Gpfs(path='/gpfs/uuid/disk', disk_info_mapping={
                'bus': bus, 'dev': 'vda', 'type': 'disk'})
        return disk.libvirt_info(
            'none', {'quota:disk_read_iops_sec': '7'}, boot_order='1')

    def driver(self, config):
        return dict(config.format_dom().find('driver').attrib)

    def test_by_default_a_guest_stops_for_any_error(self):
        found = self.driver(self.config())
        self.assertEqual(('stop', 'stop'), (found['error_policy'],
                                            found['rerror_policy']))

    def test_reads_have_no_policy_for_want_of_space(self):
        for policy, wanted in (('enospace', 'report'), ('report', 'report'),
                               ('stop', 'stop')):
            self.flags(guest_error_policy=policy, group='gpfs')
            found = self.driver(self.config())
            self.assertEqual((policy, wanted), (found['error_policy'],
                                                found['rerror_policy']))

    def test_nothing_else_is_changed(self):
        config = self.config()
        stock = vconfig.LibvirtConfigGuestDisk()
        for name in vars(stock):
            setattr(stock, name, getattr(config, name))
        changed = config.format_dom()
        for name in ('error_policy', 'rerror_policy'):
            del changed.find('driver').attrib[name]
        self.assertEqual(vconfig.etree.tostring(stock.format_dom()),
                         vconfig.etree.tostring(changed))

    def test_a_floppy_has_none_for_qemu_would_not_start(self):
        self.assertNotIn('error_policy', self.driver(self.config('fdc')))
        self.assertNotIsInstance(self.config('fdc'), guest_disk.GuestDisk)
