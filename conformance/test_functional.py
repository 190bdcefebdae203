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

"""Nova's functional tests of what meets the disks of instances."""

import importlib

import fixtures
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.libvirt import test_evacuate

from conformance import derived

MODULES = ('test_live_migration', 'test_migration_addr',
           'test_rescue_deleted_base', 'test_shared_resource_provider')

for module in MODULES:
    globals().update(derived.classes(importlib.import_module(
        f'nova.tests.functional.libvirt.{module}'), __name__))


class Glance(nova_fixtures.GlanceFixture):
    """Nova's fake Glance, with an image that is one.

    Nova's has no bytes and is called a vhd; its tests mock what reads it.
    """

    def setUp(self):
        super().setUp()
        data = b'nova-gpfs' * 1000
        self.images[test_evacuate.IMAGE_ID].update(
            disk_format='raw', container_format='bare', size=len(data))
        self._imagedata[test_evacuate.IMAGE_ID] = data


class LibvirtGpfsEvacuateTest(test_evacuate._FileTest,
                              test_evacuate._LibvirtEvacuateTest,
                              test.TestCase):
    """What Nova has for each of its image backends, for ours.

    The disks are real ones; for Nova's backends they are mocked.
    """

    def setUp(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.GlanceFixture', Glance))
        super().setUp()


LibvirtGpfsEvacuateTest = derived.on_gpfs(LibvirtGpfsEvacuateTest, __name__)
