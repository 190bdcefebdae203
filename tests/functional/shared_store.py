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

"""A cloud whose Glance keeps its images beside the instances on GPFS."""

import os
import pathlib
import threading

import fixtures

from nova_gpfs import image_location
from nova_gpfs import image_store
from nova_gpfs import location
from nova_gpfs import privsep
from tests.functional import caching
from tests.functional import cloud

MIB = cloud.MIB


class Glance(cloud.Glance):
    """Keeps what is uploaded or registered in files of a store on GPFS.

    ``directory`` and ``place`` are those of the store. ``refusal`` is raised
    when a location is registered, ``lost`` after it has been registered.
    """

    directory = ''
    place: location.Location
    refusal: Exception | None = None
    lost: Exception | None = None
    shows_locations = True

    @property
    def store(self):
        return image_store.ImageStore(self.directory)

    def uri(self, image_id):
        return image_location.at(self.place, image_id).uri

    def add(self, name, data, disk_format, **properties):
        image_id = super().add(name, data, disk_format, **properties)
        del self._imagedata[image_id]
        self._write(image_id, data)
        return image_id

    def add_file(self, path, disk_format, **properties):
        """Move a file into the store as an image."""
        image_id = self.add(os.path.basename(path), b'', disk_format,
                            **properties)
        os.rename(path, self.store.image(image_id))
        self.images[image_id]['size'] = os.stat(
            self.store.image(image_id)).st_size
        return image_id

    def _write(self, image_id, data):
        with open(self.store.image(image_id), 'wb') as f:
            f.write(data)
        self.images[image_id]['locations'] = [
            {'url': self.uri(image_id), 'metadata': {}}]

    def path(self, image_id):
        """Return where the data of an image are; None without any."""
        for path in (self.store.image(image_id),
                     self.store.snapshot(image_id)):
            if os.path.exists(path):
                return path
        return None

    def data(self, image_id):
        return cloud.read(self.path(image_id))

    def has(self, image_id):
        return self.path(image_id) is not None

    def download(self, context, image_id, data=None, dst_path=None,
                 trusted_certs=None):
        self._imagedata[image_id] = self.data(image_id)
        try:
            super().download(context, image_id, data, dst_path,
                             trusted_certs)
        finally:
            del self._imagedata[image_id]

    def show(self, context, image_id, include_locations=False,
             show_deleted=True):
        found = super().show(context, image_id, include_locations,
                             show_deleted)
        if not include_locations or not self.shows_locations:
            found.pop('locations', None)
        elif not found.get('locations'):
            found['locations'] = []
        return found

    def create(self, context, metadata, data=None):
        made = super().create(context, metadata, data)
        if data is None:
            self.images[made['id']]['status'] = 'queued'
        return made

    def update(self, context, image_id, metadata, data=None,
               purge_props=False):
        metadata = dict(metadata)
        uri = metadata.pop('location', None)
        if uri and self.refusal:
            raise self.refusal
        updated = super().update(context, image_id, metadata, data,
                                 purge_props)
        if data is not None:
            self._write(image_id, self._imagedata.pop(image_id))
            updated['status'] = 'active'
        if uri:
            self.images[image_id]['locations'] = [
                {'url': uri, 'metadata': {}}]
            updated['size'] = os.stat(self.path(image_id)).st_size
            updated['status'] = 'active'
            if self.lost:
                raise self.lost
        # Nova's client of the real Glance sends nothing where these are ''.
        updated['properties'] = {
            name: value for name, value in updated['properties'].items()
            if value != ''}
        return updated

    def delete(self, context, image_id):
        super().delete(context, image_id)
        path = self.path(image_id)
        if path:
            os.unlink(path)


class SharedStoreTestCase(caching.ImageCacheMixin, cloud.CloudTestCase):
    """``store_path`` is where the store is, below the mount point."""

    store_path = 'nova/glance'

    def setUp(self):
        super().setUp()
        self.glance.directory = self.store_directory
        self.start_hosts()
        self.glance.place = self.storage().guard.where()

    def make_glance(self):
        return Glance(self)

    def _configure(self):
        super()._configure()
        self.store_directory = os.path.join(self.gpfs.mount_point('fs0'),
                                            self.store_path)
        for kind in ('', *image_store.DIRECTORIES):
            os.makedirs(os.path.join(self.store_directory, kind))
        self.flags(image_store=self.store_directory, group='gpfs')

    def storage(self, host='node1'):
        return self.computes[host].driver.image_backend.storage

    def log(self):
        return self.stdlog.logger.output

    def let_parents_be_unreadable(self):
        """Let this user read no clone parent below instances_path.

        The privileged daemon, which may, is in this process.
        """
        self.addCleanup(privsep.context.set_client_mode,
                        privsep.context.client_mode)
        privsep.context.set_client_mode(False)
        # What commands are given is looked at.
        self.flags(pin_paths='never', group='gpfs')
        access = os.access
        home = os.path.join(self.instances_path, '_gpfs')
        looks = threading.local()

        def may(path, mode):
            if mode != os.R_OK or not os.fspath(path).startswith(home) or (
                    getattr(looks, 'now', False)):
                return access(path, mode)
            looks.now = True
            try:
                return not (os.path.isfile(path) and self.storage().driver
                            .clone_info(path).is_parent)
            finally:
                looks.now = False

        self.useFixture(fixtures.MonkeyPatch('os.access', may))

    def read_bytes(self):
        """Return how many bytes the threads of this process have read.

        That is without the programs that it has run; see proc(5).
        """
        return sum(_read_by(path) for path
                   in pathlib.Path('/proc/self/task').iterdir())

    def delete_server(self, server):
        self.api.delete_server(server['id'])
        self._wait_until_deleted(server)


class FileStoreMixin:
    """Glance keeps files on GPFS, with its own store for them.

    ``files`` is their directory. There is no store ``gpfs``.
    """

    def _configure(self):
        super()._configure()
        self.files = os.path.join(self.gpfs.mount_point('fs0'), 'nova',
                                  'files')
        os.mkdir(self.files)
        self.flags(image_store=None, image_file_directories=[self.files],
                   group='gpfs')


def _read_by(task):
    fields = dict(line.split(': ') for line in
                  (task / 'io').read_text().splitlines())
    return int(fields['rchar'])
