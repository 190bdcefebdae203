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

"""Whose blocks a disk has, while another host changes that."""

import os

from nova_gpfs import errors
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs import run
from nova_gpfs import sealed
from tests.functional import test_policy_commands as commands


class Detaching(mmdriver.MmDriver):
    """While a parent is looked at, another host takes its last disk off."""

    disk = None

    def attributes(self, path):
        if self.disk is not None and '/parents/' in path:
            disk, self.disk = self.disk, None
            self.detach(disk, model.Ancestors.ALL)
            os.unlink(path)
        return super().attributes(path)


class AncestorsTest(commands.CommandsTestCase):

    def setUp(self):
        super().setUp()
        self.instance, self.disk = self.boot()
        self.storage.parents.make(self.instance, self.disk)
        self.driver = Detaching(run.Local(self.mm_path, 60.0, 120.0),
                                self.fail)
        self.sealed = sealed.Sealed(self.driver, self.storage.layout,
                                    self.storage.masters)

    def test_a_parent_of_the_instance_is_one(self):
        parent, master = self.sealed.ancestors(self.disk)
        self.assertEqual((True, False), (parent.is_own, master.is_own))

    def test_one_that_goes_meanwhile_is_none(self):
        self.driver.disk = self.disk
        self.assertEqual((), self.sealed.ancestors(self.disk))
        self.assertEqual([], self.gpfs.check())

    def test_a_disk_that_is_gone_has_no_answer(self):
        os.unlink(self.disk)
        self.assertRaises(errors.NoSuchFile, self.sealed.ancestors, self.disk)
