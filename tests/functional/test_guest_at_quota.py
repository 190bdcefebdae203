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

"""A real QEMU whose guest writes until the quota of its fileset is used up.

With Nova's fixture nothing but the guest's XML can be seen.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import time

import fixtures
from oslotest import base

from nova.virt.libvirt import config as vconfig
from nova_gpfs.compute import guest_disk
from nova_gpfs import layout
from nova_gpfs import plan
from nova_gpfs.sim import cluster as sim_cluster
from nova_gpfs import storage
from tests import face
from tests import local_driver

PROGRAM = 'qemu-system-x86_64'
SECTOR = 512
#: Seconds for a guest of one sector, on a machine that does much else as well.
LONGEST = 120.0
#: What libvirt's attributes of a disk are to QEMU: "Domain XML format",
#: error_policy and rerror_policy; qemu(1), -drive, werror and rerror.
POLICIES = {'stop': 'stop', 'report': 'report', 'enospace': 'enospc'}
# The device isa-debug-exit ends QEMU with twice what is written to it, and 1.
WELL, FAILED = 2 * 0x10 + 1, 2 * 0x20 + 1

# A boot sector that writes itself, as it is then, to one sector of the second
# disk after the other by the BIOS (INT 13h, AH=43h).
_CODE = (
    ('fa', 'cli'),
    ('31c0', 'xor ax, ax'),
    ('8ed8', 'mov ds, ax'),
    ('8ed0', 'mov ss, ax'),
    ('bc007c', 'mov sp, 0x7c00'),
    ('fb', 'sti'),
    ('b80043', 'next: mov ax, 0x4300'),
    ('b281', 'mov dl, 0x81'),
    ('be307c', 'mov si, packet'),
    ('cd13', 'int 0x13'),
    ('7213', 'jc failed'),
    ('668106387c', 'add dword [sector], step'),
    ('{step}', ''),
    ('ff0e407c', 'dec word [count]'),
    ('75e5', 'jnz next'),
    ('b010', 'mov al, 0x10'),
    ('eb02', 'jmp end'),
    ('b020', 'failed: mov al, 0x20'),
    ('e6f4', 'end: out 0xf4, al'),
    ('ebfe', 'jmp $'),
    # The address of what is written to the disk, at 0x7c30.
    ('10000100007c0000', 'packet: one sector, from 0:0x7c00'),
    ('{sector}', ''),
    ('{count}', ''),
)


def boot_sector(sector, step, count):
    """Return the guest, to write so many sectors that are so far apart."""
    text = ''.join(code for code, _assembler in _CODE).format(
        step=struct.pack('<I', step).hex(),
        sector=struct.pack('<Q', sector).hex(),
        count=struct.pack('<H', count).hex())
    return bytes.fromhex(text).ljust(SECTOR - 2, b'\0') + b'\x55\xaa'


class Guest:
    """A QEMU with a disk, and what it says (QMP)."""

    def __init__(self, directory, boot, disk, policies):
        path = os.path.join(directory, 'qmp')
        drives = [
            word for name, file, options in (('boot', boot, 'bootindex=0'),
                                             ('disk', disk, policies))
            for word in (
                '-drive', f'if=none,id={name},file={file},format=raw,'
                'cache=none', '-device',
                f'virtio-blk-pci,drive={name},{options}')]
        self.process = subprocess.Popen(
            [PROGRAM, '-nodefaults', '-no-user-config', '-display', 'none',
             '-machine', 'pc,accel=tcg', '-m', '32', '-S',
             '-qmp', f'unix:{path},server=on,wait=off',
             '-device', 'isa-debug-exit,iobase=0xf4,iosize=1', *drives])
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LONGEST)
        self._connect(path)
        self._lines = self._socket.makefile('r')
        self._events = []
        self._lines.readline()
        self.ask('qmp_capabilities')

    def _connect(self, path):
        end = time.monotonic() + LONGEST
        while True:
            try:
                return self._socket.connect(path)
            except OSError:
                if (self.process.poll() is not None
                        or time.monotonic() > end):
                    raise
                time.sleep(0.02)

    def ask(self, command):
        """Return what QEMU answers to a command."""
        self._socket.sendall(json.dumps({'execute': command}).encode())
        while True:
            said = json.loads(self._lines.readline())
            if 'return' in said or 'error' in said:
                return said['return']
            self._events.append(said)

    def wait_for(self, name):
        """Return the data of the next event of a name."""
        while True:
            said = (self._events.pop(0) if self._events
                    else json.loads(self._lines.readline()))
            if said.get('event') == name:
                return said.get('data')

    def end(self):
        """Return the exit code, once it has ended by itself."""
        return self.process.wait(LONGEST)

    def close(self):
        self.process.kill()
        self.process.wait()
        self._lines.close()
        self._socket.close()


class QuotaTest(base.BaseTestCase):
    """The guest writes to four blocks of its disk; there is room for two."""

    def setUp(self):
        super().setUp()
        face.require()
        if not shutil.which(PROGRAM):
            self.skipTest(f'{PROGRAM} is not installed (qemu-system-x86)')
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.gpfs = sim_cluster.create(os.path.join(self.directory, 'gpfs'))
        face.put_on(self.gpfs, self.addCleanup)
        self.block = local_driver.make(
            self.gpfs.bin_dir('node1')).file_system('fs0').block_size
        self.disk = self.make_disk()
        self.set_quota(self.gpfs.usage('fs0', 'nova').data + 2 * self.block)

    def make_disk(self):
        """Make a disk of eight blocks, as nova-compute does."""
        top = os.path.join(self.gpfs.mount_point('fs0'), 'nova', 'instances')
        os.mkdir(top)
        here = storage.Storage(
            local_driver.make(self.gpfs.bin_dir('node1')), layout.Layout(top),
            copy=shutil.copyfile, require_clone=True, leftover_age=600)
        here.guard.establish()

        def fill(path):
            with open(path, 'wb') as image:
                image.write(b'i' * 8 * self.block)
            return plan.MasterInfo(plan.RAW, 8 * self.block)

        master, _made = here.masters.ensure('key', fill)
        os.mkdir(os.path.join(top, 'instance'))
        disk = os.path.join(top, 'instance', 'disk')
        with here.new_disk(master, disk):
            pass
        return disk

    def set_quota(self, size):
        """Give the fileset of the instances a hard limit in bytes."""
        with self.gpfs._state() as state, state.change():
            state.execute("UPDATE fileset SET hard = ? WHERE name = 'nova'",
                          size)

    def boot(self, policy):
        """Let a guest begin whose disk has a policy of [gpfs]."""
        config = vconfig.LibvirtConfigGuestDisk()
        config.source_type, config.source_path = 'file', self.disk
        config.target_bus, config.target_dev = 'virtio', 'vda'
        config.driver_name, config.driver_format = 'qemu', 'raw'
        driver = guest_disk.with_policy(config, policy).format_dom().find(
            'driver')
        boot = os.path.join(self.directory, 'boot')
        with open(boot, 'wb') as file:
            file.write(boot_sector(1, self.block // SECTOR, 4))
            # The BIOS reads by cylinders, of which there must be one.
            file.truncate(2 ** 20)
        guest = Guest(self.directory, boot, self.disk, ','.join((
            f'werror={POLICIES[driver.get("error_policy")]}',
            f'rerror={POLICIES[driver.get("rerror_policy")]}')))
        self.addCleanup(guest.close)
        guest.ask('cont')
        return guest

    def written(self):
        """Return which of the four sectors hold what the guest wrote."""
        with open(self.disk, 'rb') as disk:
            return [number for number in range(4) if boot_sector(
                1 + number * self.block // SECTOR, self.block // SECTOR,
                4 - number) == os.pread(disk.fileno(), SECTOR,
                                        SECTOR + number * self.block)]

    def test_it_stops_and_goes_on_once_there_is_room(self):
        guest = self.boot('stop')
        error = guest.wait_for('BLOCK_IO_ERROR')
        self.assertEqual(('write', 'stop', False), (
            error['operation'], error['action'], error['nospace']))
        guest.wait_for('STOP')
        self.assertEqual('io-error', guest.ask('query-status')['status'])
        self.assertEqual([0, 1], self.written())
        # It stops again, as it would for as long as there is no room.
        guest.ask('cont')
        guest.wait_for('BLOCK_IO_ERROR')
        self.set_quota(100 * self.block)
        guest.ask('cont')
        self.assertEqual(WELL, guest.end())
        self.assertEqual([0, 1, 2, 3], self.written())

    def test_with_the_policy_of_qemu_it_sees_an_error(self):
        guest = self.boot('enospace')
        self.assertEqual(FAILED, guest.end())
        self.assertEqual([0, 1], self.written())
