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


"""The contract on a simulated cluster, commands run as the current user."""

import contextlib
import os
import pathlib
import uuid

from oslotest import base

from nova_gpfs import errors
from nova_gpfs import libgpfs
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import run
from nova_gpfs.sim import switches
from nova_gpfs.trials import table
from tests.contract import simulated
from tests.contract import suite
from tests import face


class LocalTestCase(simulated.ClusterTestCase, base.BaseTestCase):

    def make_driver(self, node, command_timeout, copy_timeout):
        return mmdriver.MmDriver(
            run.Local(self.cluster.bin_dir(node), command_timeout,
                      copy_timeout),
            libgpfs.Library(self.library))


class TestPromises(suite.Promises, LocalTestCase):
    pass


class TestTrouble(simulated.Trouble, LocalTestCase):
    pass


class TestSwitches(suite.Contract, LocalTestCase):
    """What ``nova-gpfs check`` does not ask a cluster."""

    def test_what_no_trial_tells_makes_no_difference(self):
        """To what the product says, and to what it looks at."""
        usual = self.everything()
        # Who counts as root there is a matter of who runs the tests.
        for name in set(table.NOT_TRIED) - {'superuser'}:
            switch = switches.SWITCHES[name]
            self.addCleanup(self.cluster.set_switch, name, switch.default)
            for position in switch.alternatives[1:]:
                with self.subTest(name, position=position):
                    self.cluster.set_switch(name, position)
                    self.assertEqual(usual, self.everything())
                    self.assert_full_or_made()
            self.cluster.set_switch(name, switch.default)
        self.assertEqual([], self.cluster.check())

    def everything(self):
        """Do all that the product does with files; return what it says."""
        placement = model.Placement(
            pool='fast', data_replicas=2, write_affinity_depth=2,
            block_group_factor=2, write_affinity_failure_group='1,0,2')
        name = uuid.uuid4().hex
        image = self.file(f'{name}.image', b'image' * 1024)
        disk, parent = self.path(f'{name}.disk'), self.path(f'{name}.parent')
        said = [self.gpfs.place(image, placement), self.gpfs.seal(image),
                self.gpfs.clone(image, disk),
                self.gpfs.place(disk, placement)]
        with open(disk, 'r+b') as file:
            file.write(b'guest')
        said += [self.gpfs.snapshot(disk, parent), self.gpfs.relocate(disk),
                 self.gpfs.clone_info(disk).depth,
                 self.gpfs.detach(disk, model.Ancestors.PARENT),
                 self.gpfs.clone_info(disk).depth,
                 self.gpfs.detach(disk, model.Ancestors.ALL),
                 self.gpfs.clone_info(disk)]
        far = self.path(f'{name}.far')
        said.append(self.relocated(far))
        for path in (image, disk, far):
            found = self.gpfs.attributes(path)
            said += [found.pool, found.data_replicas,
                     pathlib.Path(path).read_bytes()]
        return said

    def relocated(self, path):
        """Relocate blocks that another host has written, as is asked now."""
        pathlib.Path(path).touch()
        self.gpfs.place(path, model.Placement(
            pool='fast', write_affinity_depth=1))
        self.cluster.note_writer(path, 'node3')
        pathlib.Path(path).write_bytes(b'data' * suite.MIB)
        self.cluster.note_writer(path, simulated.NODE)
        self.gpfs.place(path, model.Placement(
            write_affinity_failure_group='1,0,1'))
        return self.gpfs.relocate(path)

    def assert_full_or_made(self):
        """A clone in a full fileset is made, or one error says why not."""
        room = self.elsewhere('full', uuid.uuid4().hex)
        os.mkdir(room)
        image, disk = os.path.join(room, 'image'), os.path.join(room, 'disk')
        with open(image, 'wb', buffering=0) as file:
            # A FUSE mount refuses what is too much.
            with contextlib.suppress(OSError):
                for _each in range(64):
                    file.write(b'x' * 1024)
        self.gpfs.seal(image)
        try:
            self.gpfs.clone(image, disk)
        except (errors.QuotaExceeded, errors.NoSpace):
            self.assertFalse(os.path.lexists(disk))
        else:
            self.assertEqual(self.gpfs.clone_info(disk).parent_inode,
                             os.stat(image).st_ino)
        face.remove(room)
