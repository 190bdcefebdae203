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


"""What is measured; each backend in turn, round after round.

Every function returns samples by backend, one for each round, so that
samples of one round can be compared with each other. What is left of a disk
is removed, and dirty pages are written out, before the next is measured.
"""

from collections.abc import Callable
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import subprocess
import threading
import time
from unittest import mock
import uuid

from benchmarks import backends
from benchmarks import counting
from benchmarks import ground
from benchmarks import image
from nova_gpfs import run
from nova_gpfs.sim import cluster


class Broken(Exception):
    """Something did not come out as it has to; times mean nothing then."""


@dataclasses.dataclass
class Stand:
    """What all scenarios work with; sizes in bytes."""

    cluster: cluster.Cluster
    backends: list[backends.Backend]
    grounds: dict[str, ground.Ground]
    image: str
    disk_size: int
    repeat: int
    progress: Callable[[str], None]

    def rounds(self, title, repeat=None):
        """Yield backends in turn; each round begins with another one."""
        for number in range(repeat or self.repeat):
            self.progress(f'{title}, round {number + 1}')
            turn = number % len(self.backends)
            for backend in self.backends[turn:] + self.backends[:turn]:
                backend.enter()
                yield backend

    def settle(self, backend):
        self.grounds[backend.name].flush()

    def check(self, path):
        """Raise ``Broken`` unless a disk is the image, made larger."""
        said = json.loads(_qemu_img('info', '-U', '--output=json', path))
        if said['virtual-size'] != self.disk_size:
            raise Broken(f'{path} has {said["virtual-size"]} bytes')
        _qemu_img('compare', '-U', '-f', 'raw', '-F', said['format'],
                  self.image, path)

    def compare(self, one, other):
        """Raise ``Broken`` unless two disks are the same to a guest."""
        _qemu_img('compare', '-U', one, other)


def _qemu_img(*arguments):
    try:
        return subprocess.run(('qemu-img', *arguments), check=True,
                              capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        raise Broken(f'{error}: {error.stdout}{error.stderr}') from None


@contextlib.contextmanager
def _instance(stand, backend):
    instance = backend.new_instance()
    try:
        yield instance
    finally:
        backend.remove(instance)
        stand.settle(backend)


def cached_image(stand):
    """Have all backends cache the image; return its id and the download."""
    image_id, download = str(uuid.uuid4()), image.Download(stand.image)
    for backend in stand.rounds('caching the image', repeat=1):
        with _instance(stand, backend) as instance:
            backend.make_disk(instance, image_id, download, stand.disk_size)
    if download.calls != len(stand.backends):
        raise Broken(f'{download.calls} downloads')
    return image_id, download


def warm(stand, image_id, download):
    """Seconds that a disk takes when its image is cached."""
    samples = {backend.name: [] for backend in stand.backends}
    for backend in stand.rounds('warm'):
        with _instance(stand, backend) as instance:
            _path, seconds = backend.make_disk(instance, image_id, download,
                                               stand.disk_size)
            samples[backend.name].append(seconds)
    return samples


def counts(stand, image_id, download):
    """Programs, locks and bytes of one disk whose image is cached.

    Returns counts, growth of the file system and system calls by backend.
    """
    found = {}
    for backend in stand.rounds('counting', repeat=1):
        used = stand.grounds[backend.name].used()
        called = len(stand.cluster.calls())
        with _instance(stand, backend) as instance:
            with counting.counted() as seen:
                path, _seconds = backend.make_disk(
                    instance, image_id, download, stand.disk_size)
            if backend.name == backends.PRIVSEP:
                # The children of the daemon are not ours.
                seen.programs.update(
                    counting.program(call['argv'])
                    for call in stand.cluster.calls()[called:])
            taken = _growth(stand, backend, used)
            stand.check(path)
        found[backend.name] = (
            seen, taken, _system_calls(stand, backend, image_id, download))
    return found


def _system_calls(stand, backend, image_id, download):
    if backend.name == backends.PRIVSEP:
        return None
    with _instance(stand, backend) as instance:
        with counting.system_calls() as calls:
            backend.make_disk(instance, image_id, download, stand.disk_size)
    return calls[0] if calls else None


def _growth(stand, backend, used):
    return None if used is None else (
        stand.grounds[backend.name].used() - used)


@dataclasses.dataclass
class Cold:
    """One round from cold; ``taken`` is the growth of the file system."""

    seconds: float
    downloads: int
    written: int
    taken: int | None = None


def cold(stand, callers, repeat):
    """Rounds of several callers at once that want an image never seen."""
    samples = {backend.name: [] for backend in stand.backends}
    for backend in stand.rounds(f'cold, callers: {callers}', repeat):
        samples[backend.name].append(_cold(stand, backend, callers))
    return samples


def _cold(stand, backend, callers):
    image_id, download = str(uuid.uuid4()), image.Download(stand.image)
    instances = [backend.new_instance() for _number in range(callers)]
    used = stand.grounds[backend.name].used()
    with counting.counted() as seen:
        seconds, disks = _at_once(
            lambda instance: backend.make_disk(
                instance, image_id, download, stand.disk_size), instances)
    found = Cold(seconds, download.calls, seen.written,
                 _growth(stand, backend, used))
    stand.check(disks[-1][0])
    for instance in instances:
        backend.remove(instance)
    backend.forget(image_id)
    stand.settle(backend)
    return found


def _at_once(work, arguments):
    """Call ``work`` in as many threads; return seconds and results."""
    start = threading.Barrier(len(arguments) + 1)

    def wait_and_work(argument):
        start.wait()
        return work(argument)

    with concurrent.futures.ThreadPoolExecutor(len(arguments)) as pool:
        futures = [pool.submit(wait_and_work, argument)
                   for argument in arguments]
        start.wait()
        begun = time.perf_counter()
        results = [future.result() for future in futures]
        return time.perf_counter() - begun, results


def overhead(stand, image_id, download):
    """Seconds that a disk takes beyond the bare mmclone copy.

    Keys are (backend, what it is compared with). ``outside the command`` is
    the part of the same disk's time that is not spent in running programs.
    """
    samples = {}
    gpfs = [one for one in stand.backends if one.is_gpfs]
    for backend in dataclasses.replace(stand, backends=gpfs).rounds(
            'overhead', 2 * stand.repeat):
        bare = _bare(stand, backend, image_id)
        with _instance(stand, backend) as instance, _spent() as spent:
            _path, seconds = backend.make_disk(
                instance, image_id, download, stand.disk_size)
        differences = {'over the command': seconds - bare}
        if spent:
            differences['outside the command'] = seconds - sum(spent)
        for what, value in differences.items():
            samples.setdefault((backend.name, what), []).append(value)
    return samples


def _bare(stand, backend, image_id):
    backend.enter()
    with _instance(stand, backend) as instance:
        argv = (os.path.join(stand.cluster.bin_dir('node1'), 'mmclone'),
                'copy', backend.master(image_id),
                os.path.join(backend.instances_path, instance.uuid, 'disk'))
        begun = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True, cwd='/', env={
            'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C'})
        return time.perf_counter() - begun


@contextlib.contextmanager
def _spent():
    """Give a list of the seconds spent in nova_gpfs.run.execute."""
    execute, spent = run.execute, []

    def timed(*args, **kwargs):
        begun = time.perf_counter()
        try:
            return execute(*args, **kwargs)
        finally:
            spent.append(time.perf_counter() - begun)

    with mock.patch.object(run, 'execute', timed):
        yield spent
