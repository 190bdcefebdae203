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

"""A store over a simulated cluster."""

import atexit
import errno
import io
import os
import shutil
import subprocess
import tempfile
from unittest import mock

import fixtures
from glance_store import location as store_location
from oslo_config import cfg
from oslotest import base

from nova_gpfs import conf as gpfs_conf
from nova_gpfs.glance import access
from nova_gpfs.glance import guard
from nova_gpfs.glance import store as gpfs_store
from nova_gpfs import image_store
from nova_gpfs.sim import cluster as sim_cluster

IMAGE = '11111111-2222-4333-8444-555555555555'
OTHER = '22222222-2222-4333-8444-555555555555'

ALL_COMMANDS = gpfs_conf.COMMANDS

_unlink = os.unlink


def unlink(name, *, dir_fd=None):
    """os.unlink as on GPFS: clone parents that have clones stay.

    A simulated parent has a link for each clone.
    """
    if os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_nlink > 1:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)
    _unlink(name, dir_fd=dir_fd)


def gpfs_keeps_parents():
    """Let nothing of ours unlink a clone parent that has clones."""
    return mock.patch('os.unlink', unlink)


_shared: list[sim_cluster.Cluster] = []


def shared_cluster():
    """Return a cluster for tests that only use it; making one takes long."""
    if not _shared:
        directory = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, directory)
        _shared.append(sim_cluster.create(os.path.join(directory, 'gpfs')))
    return _shared[0]


class StoreTestCase(base.BaseTestCase):
    """``self.store`` is a configured store, ``self.files`` its paths.

    Where it lies was noted beforehand, as by ``nova-gpfs-glance init``, and
    of mm commands the user may run ``rootless`` alone.
    """

    rootless = ['mmlsattr', 'mmclone']

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Not in a test, whose temporary directory goes with it.
        shared_cluster()

    def setUp(self):
        super().setUp()
        self.test_dir = self.useFixture(fixtures.TempDir()).path
        self.gpfs = self.make_cluster()
        self.directory = tempfile.mkdtemp(
            prefix='glance.', dir=self.gpfs.mount_point('fs0'))
        self.files = image_store.ImageStore(self.directory)
        self.conf = cfg.ConfigOpts()
        self.conf([])
        gpfs_conf.register(self.conf)
        self.config(group='gpfs', mm_path=self.gpfs.bin_dir(),
                    rootless_commands=ALL_COMMANDS)
        self.init()
        self.config(group='gpfs', rootless_commands=self.rootless)
        self.store = self.new_store()
        self.store.configure(re_raise_bsc=True)

    def make_cluster(self):
        return shared_cluster()

    def init(self):
        """Do what nova-gpfs-glance init does."""
        guard.StoreGuard(access.driver(self.conf, False),
                         self.files).establish()

    def config(self, group='glance_store', **values):
        for name, value in values.items():
            self.conf.set_override(name, value, group=group)

    def new_store(self, **options):
        """Return a store that is not yet configured."""
        made = gpfs_store.Store(self.conf)
        self.config(gpfs_store_directory=self.directory, **options)
        return made

    def add(self, data=b'data', image_id=IMAGE, size=None, **how):
        stream = data if hasattr(data, 'read') else io.BytesIO(data)
        size = len(data) if size is None else size
        return self.store.add(image_id, stream, size, 'sha256', **how)

    def at(self, uri):
        """Return a location of glance_store's for a URI."""
        return store_location.Location('gpfs', gpfs_store.StoreLocation,
                                       self.conf, uri=uri)

    def read(self, uri, **part):
        pieces, size = self.store.get(self.at(uri), **part)
        return b''.join(pieces), size

    def entries(self, kind):
        return sorted(os.listdir(self.files.room(kind)))

    def make_parent(self, path, clone='clone'):
        """Seal a file and make one clone of it; return the clone's path."""
        target = os.path.join(self.directory, clone)
        for words in (('snap', path), ('copy', path, target)):
            self.run_mm('mmclone', *words)
        return target

    def run_mm(self, program, *words):
        subprocess.run([os.path.join(self.gpfs.bin_dir(), program), *words],
                       check=True, capture_output=True)
