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
"""The real Glance as a process that dies when it is told to."""

import contextlib
import os
import shutil

from crash import effects
from crash import glance_server
from crash import orders
from crash import snapshot
from tests.functional import glance_service

PROGRAM = os.path.join(glance_server.ROOT, 'crash', 'glance_server.py')


class GlanceService(glance_service.GlanceService):
    """A Glance whose process may have an order; ``name`` is that of a store.

    It computes no digests in the background: when it does is chance.
    """

    program = PROGRAM
    order = None

    def __init__(self, stores, cluster, roots, name):
        super().__init__(stores, 'do_secure_hash = False')
        self._cluster = cluster
        self._roots = roots
        self._name = name

    @property
    def env(self):
        return {**super().env, **(self.order.env if self.order else {})}

    def images(self):
        """Return the records of images that are not deleted.

        Glance sets the status, commits, and then deletes the record. One that
        is left in between is listed, and refuses to be deleted again.
        """
        return {image_id: record for image_id, record
                in super().images().items() if record['status'] != 'deleted'}

    def start_with_order(self, end_at=None, when=effects.BEFORE):
        """Start the process, which is to die at one of its effects."""
        self.stop()
        self.order = orders.Order(os.path.join(self.directory, 'order'),
                                  self._roots, end_at, when)
        self.start()

    def start_as(self, host):
        """Start it as a node of the cluster, with no order."""
        self.stop()
        self.order = None
        self.stores[self._name]['gpfs']['mm_path'] = (
            self._cluster.bin_dir(host))
        self.configure()
        self.start()


@contextlib.contextmanager
def saying(where):
    """Let a failure say at which crash point it is."""
    try:
        yield
    except BaseException as error:
        error.add_note(where)
        raise


class State:
    """The state of a cluster and of a Glance, to be put back."""

    def __init__(self, glance, cluster, directory):
        self._glance = glance
        self._kept = directory + '.glance'
        self._cluster = snapshot.Snapshot(cluster, directory)
        glance.stop()
        shutil.copytree(glance.directory, self._kept)

    def put_back(self):
        """Let them be what they were; Glance does not run then."""
        self._glance.stop()
        self._cluster.put_back()
        shutil.rmtree(self._glance.directory)
        shutil.copytree(self._kept, self._glance.directory)

    def forget(self):
        self._cluster.forget()
        shutil.rmtree(self._kept)
