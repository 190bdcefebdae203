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

from oslotest import base

from nova_gpfs import libgpfs
from nova_gpfs import mmdriver
from nova_gpfs import run
from tests.contract import simulated
from tests.contract import suite


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
