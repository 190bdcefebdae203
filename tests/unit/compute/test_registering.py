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
"""Whose the file of a snapshot is when Glance does not answer."""

from unittest import mock

from nova import conf
from nova import exception
from nova.image import glance
from oslotest import base

from nova_gpfs.compute import registering
from nova_gpfs.compute import sealing
from nova_gpfs import conf as gpfs_conf

gpfs_conf.register(conf.CONF)
GONE = exception.GlanceConnectionFailed(server='glance', reason='killed')
QUEUED = {'status': 'queued', 'properties': {}}
LOCKED = {'status': 'queued', 'properties': {'os_glance_import_task': 'x'}}
ACTIVE = {'status': 'active', 'properties': {}}


class DoubtTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(sealing.glance_may_have, '')

    def is_glances(self, error, *records):
        """Register a location, which ends so; say whose the file is then.

        :param records: what Glance says of the image, or fails with
        """
        with (mock.patch.object(glance.API, 'update', autospec=True,
                                side_effect=[error]),
              mock.patch.object(glance.API, 'get', autospec=True,
                                side_effect=records)):
            try:
                registering.ImageApi().update(
                    None, 'image', {'location': 'gpfs://1/fs0/root/image'})
            except exception.NovaException:
                pass
        return sealing.may_be_glances('image')

    def test_what_glance_has_it_keeps(self):
        self.assertTrue(self.is_glances(None, ACTIVE))

    def test_what_glance_may_have_stays(self):
        for error in (GONE, exception.Invalid('asked again')):
            self.assertTrue(self.is_glances(error, GONE))
            for told in (ACTIVE, LOCKED):
                self.assertTrue(self.is_glances(error, told, ACTIVE))

    def test_what_glance_has_not_taken_may_be_removed(self):
        for told in (QUEUED, exception.ImageNotFound(image_id='image')):
            self.assertFalse(self.is_glances(GONE, told))

    def test_what_glance_refuses_may_be_removed(self):
        self.assertFalse(self.is_glances(exception.Invalid('no'), QUEUED))
        self.assertFalse(self.is_glances(None, QUEUED))

    def test_a_glance_that_dies_while_it_looks_keeps_it(self):
        self.assertTrue(self.is_glances(None, LOCKED, GONE))

    def test_the_file_of_another_image_is_not_meant(self):
        self.is_glances(None, ACTIVE)
        self.assertFalse(sealing.may_be_glances('other'))
