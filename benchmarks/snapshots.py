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


"""A snapshot, and a disk from it, for disks with more and more data.

Where Glance keeps its images on the same GPFS, the plug-in clones both ways.
Nova's own backends copy the disk to a file, send it to Glance, and fetch it
from there. Glance is a directory on the file system of the backend: what is
sent is read and written once, by hand, and costs no network.
"""

import contextlib
import os
import shutil
import subprocess
import time
from unittest import mock
import uuid

from nova.virt import images

from benchmarks import backends
from benchmarks import counting
from benchmarks import image
from nova_gpfs.compute import sealing
from nova_gpfs import image_store

CONF = backends.CONF
MIB = 2 ** 20
SNAPSHOT = 'snapshot'
BOOT = 'boot from it'


def fits(backend, amount, free):
    """Whether there is space for a disk and what is made of it.

    Nova's backends have the disk, its snapshot twice or a base file and a
    second disk of it, at the same time.

    :param amount: bytes of data
    :param free: bytes
    """
    return (2 if backend == backends.GPFS else 5) * amount <= free


def measure(stand, amounts, free):
    """Return one row for each backend, amount of data and step.

    :param amounts: bytes of data; a disk has no holes but its first MiB
    :param free: bytes; a backend leaves out what it has no space for
    """
    found = []
    for backend in _backends(stand):
        _warm_up(stand, backend)
        for amount in amounts:
            if not fits(backend.name, amount, free):
                continue
            stand.progress(f'snapshot, {amount // MIB} MiB, {backend.name}')
            with _Case(stand, backend, amount) as case:
                found += [case.row(SNAPSHOT, case.snapshot),
                          case.row(BOOT, case.boot)]
                case.check()
    return found


def _warm_up(stand, backend):
    """Do it once, since some things are done once in a process."""
    with _Case(stand, backend, MIB) as case:
        case.snapshot()
        case.boot()


def _backends(stand):
    """Return Nova's, which cannot share blocks if possible, and ours."""
    names = [one.name for one in stand.backends]
    wanted = (backends.COPIED if backends.COPIED in names else backends.RAW,
              backends.QCOW2)
    chosen = [one for one in stand.backends if one.name in wanted]
    ours = next(one for one in stand.backends if one.name == backends.GPFS)
    store = os.path.join(os.path.dirname(ours.instances_path), 'glance')
    for kind in ('', *image_store.DIRECTORIES):
        os.mkdir(os.path.join(store, kind))
    CONF.set_override('image_store', store, 'gpfs')
    try:
        return [*chosen, backends.make(
            backends.GPFS, ours.instances_path,
            stand.cluster.bin_dir('node1'))]
    finally:
        CONF.clear_override('image_store', 'gpfs')


class _Case(contextlib.ExitStack):
    """One disk of one backend; removed in the end with what came of it."""

    def __init__(self, stand, backend, amount):
        super().__init__()
        self._stand = stand
        self._backend = backend
        self._amount = amount
        self._size = amount + MIB
        self._image_id = str(uuid.uuid4())
        self._glance = f'{backend.instances_path}-images'
        self._uploaded = 0
        self._download = image.Download(self._file)
        self._uri = ''

    @property
    def _file(self):
        """What Glance has that got it by an upload."""
        return os.path.join(self._glance, self._image_id)

    def __enter__(self):
        backend = self._backend
        backend.enter()
        if backend.is_gpfs:
            self.callback(self._forget_parents)
        os.makedirs(self._glance)
        self.callback(shutil.rmtree, self._glance)
        self._disk = self._new_instance()
        self._owner = self._instance.uuid
        raw = os.path.join(self._glance, 'raw')
        image.write(raw, self._size, self._amount)
        if backend.name == backends.QCOW2:
            subprocess.run(('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                            raw, self._disk.path), check=True)
            os.unlink(raw)
        else:
            shutil.move(raw, self._disk.path)
        self._stand.settle(backend)
        return self

    def _new_instance(self):
        """Return the root disk, not yet made, of a new instance."""
        self._instance = self._backend.new_instance()
        self.callback(self._backend.remove, self._instance)
        return self._backend.nova.by_name(
            self._instance, 'disk', backends.image_type(self._backend.name))

    def _forget_parents(self):
        self._backend.nova.storage.parents.forget(self._owner)

    def row(self, step, act):
        """Do a step; return what it took, sizes in bytes."""
        called = len(self._stand.cluster.calls())
        begun, before = time.perf_counter(), counting.read()
        with counting.counted() as seen:
            act()
            seconds = time.perf_counter() - begun
            self._stand.settle(self._backend)
        return {'backend': self._backend.name, 'data': self._amount,
                'step': step, 'seconds': seconds,
                'read': counting.read() - before, 'written': seen.written,
                'uploaded': self._uploaded if step == SNAPSHOT else 0,
                'downloaded': self._download.calls * self._size,
                'commands': self._commands(called)}

    def _commands(self, called):
        names = [counting.program(call['argv'])
                 for call in self._stand.cluster.calls()[called:]]
        return {name: names.count(name) for name in sorted(set(names))}

    def snapshot(self):
        if self._backend.is_gpfs:
            with sealing.snapshot_of(True, contextlib.nullcontext):
                self._uri = self._disk.direct_snapshot(
                    None, 'snap', 'raw', self._image_id, None)
            return
        extracted = f'{self._file}.extracted'
        self._disk.snapshot_extract(extracted, 'raw')
        image.Download(extracted)(None, self._file, self._image_id)
        self._uploaded = os.path.getsize(self._file)
        os.unlink(extracted)

    def boot(self):
        # What hangs on another goes first, so this is undone from below.
        self.callback(self._backend.forget, self._image_id)
        if self._backend.is_gpfs:
            self.callback(self._backend.nova.storage.snapshots.remove,
                          self._image_id)
        record = {'id': self._image_id, 'status': 'active',
                  'size': self._size, 'disk_format': 'raw',
                  'container_format': 'bare',
                  'locations': [{'url': self._uri, 'metadata': {}}]}
        second = self._new_instance()
        with mock.patch.object(images.IMAGE_API, 'get', autospec=True,
                               return_value=record):
            self._backend.make_disk(self._instance, self._image_id,
                                    self._download, self._size)
        self._made = second.path

    def check(self):
        """Raise ``Broken`` unless the new disk holds what the first does."""
        self._stand.compare(self._disk.path, self._made)
