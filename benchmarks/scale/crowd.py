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
"""Many hosts that make disks at once, each a process of its own.

They are forks of one process, since importing Nova takes far longer than what
is measured.
"""

import collections
import contextlib
import multiprocessing
import os
import random
import statistics
import time
from unittest import mock
import uuid

from oslo_concurrency import lockutils

from benchmarks import backends
from benchmarks import counting
from benchmarks import image
from benchmarks import scenarios
from nova_gpfs import turns

MIB = 2 ** 20
IMAGE_SIZE = 2 * MIB
DISK_SIZE = 3 * MIB
#: Seconds for all disks; who takes longer hangs.
LONGEST = 3600


def measure(cluster, directory, nodes, wish):
    """Make disks, on all nodes at once, and return what it took.

    :raises scenarios.Broken: a disk is not what it has to be, or an image
        was fetched twice
    """
    path = os.path.join(cluster.mount_point('fs0'), 'nova', 'crowd')
    backends.make(backends.GPFS, path, cluster.bin_dir(nodes[0]))
    images = [_image(directory, number) for number in range(wish.images)]
    called = len(cluster.calls())
    shares = [range(number, wish.disks, len(nodes))
              for number in range(len(nodes))]
    said = _all([(path, cluster.bin_dir(node), images, share)
                 for node, share in zip(nodes, shares)])
    made = [disk for one in said for disk in one['disks']]
    _check(made, images, said)
    return {**_summary(said, made), 'commands': _commands(
        cluster.calls()[called:])}


def _image(directory, number):
    """Return (id, path, contents) of an image like no other."""
    contents = random.Random(number).randbytes(IMAGE_SIZE)  # noqa: S311
    path = os.path.join(directory, f'image{number}')
    with open(path, 'xb') as f:
        f.write(contents)
    return str(uuid.UUID(int=number + 1)), path, contents


def _all(shares):
    """Run a host for each share, and return what they say."""
    context = multiprocessing.get_context('fork')
    # All begin when the last one is ready.
    barrier = context.Barrier(len(shares))
    pipes = [context.Pipe(duplex=False) for _share in shares]
    processes = [context.Process(target=_host, args=(barrier, pipe[1], *share))
                 for pipe, share in zip(pipes, shares)]
    for process in processes:
        process.start()
    try:
        return [_hear(process, receiver)
                for process, (receiver, sender) in zip(processes, pipes)]
    finally:
        for process in processes:
            process.kill()
            process.join()


def _hear(process, receiver):
    if not receiver.poll(LONGEST):
        raise scenarios.Broken('a host does not come to its end')
    said = receiver.recv()
    process.join()
    if 'error' in said:
        raise scenarios.Broken(said['error'])
    return said


def _host(barrier, sender, path, mm_path, images, share):
    """Be one host: make the disks of its share."""
    try:
        backend = backends.make(backends.GPFS, path, mm_path)
        downloads = [image.Download(path) for _id, path, _text in images]
        with _locks() as seen:
            barrier.wait()
            disks = [_disk(backend, images, downloads, turn)
                     for turn, _number in enumerate(share)]
        sender.send({'disks': disks, **seen,
                     'downloads': sum(one.calls for one in downloads)})
    except Exception as error:
        sender.send({'error': repr(error)})


def _disk(backend, images, downloads, turn):
    """Make a disk; return the number of its image, its path and seconds.

    All hosts begin with the same image, and go on to the next one.
    """
    which = turn % len(images)
    path, seconds = backend.make_disk(
        backend.new_instance(), images[which][0], downloads[which], DISK_SIZE)
    return which, path, seconds


@contextlib.contextmanager
def _locks():
    """Give what is seen of locks between hosts; waits are in seconds."""
    seen = {'tries': 0, 'refused': 0, 'waits': []}
    take, turn = lockutils.lock, turns.Turns.turn

    @contextlib.contextmanager
    def lock(name, lock_file_prefix=None, external=False, *args, **kwargs):
        seen['tries'] += bool(external)
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(take(name, lock_file_prefix, external,
                                        *args, **kwargs))
            except lockutils.AcquireLockFailedException:
                seen['refused'] += 1
                raise
            yield

    @contextlib.contextmanager
    def timed(*args):
        begun = time.monotonic()
        with turn(*args) as found:
            seen['waits'].append(time.monotonic() - begun)
            yield found

    with (mock.patch.object(lockutils, 'lock', lock),
          mock.patch.object(turns.Turns, 'turn', timed)):
        yield seen


def _check(made, images, said):
    """Raise ``Broken`` unless all is as it has to be."""
    wanted = {which for which, _path, _seconds in made}
    downloads = sum(one['downloads'] for one in said)
    if downloads != len(wanted):
        raise scenarios.Broken(f'{downloads} downloads of {len(wanted)} '
                               'images')
    for which, path, _seconds in made:
        with open(path, 'rb') as disk:
            if (os.fstat(disk.fileno()).st_size != DISK_SIZE
                    or disk.read(IMAGE_SIZE) != images[which][2]):
                raise scenarios.Broken(f'{path} is not image {which}')


def _summary(said, made):
    seconds = [took for _which, _path, took in made]
    waits = [each for one in said for each in one['waits']]
    return {
        'downloads': sum(one['downloads'] for one in said),
        'lock tries': sum(one['tries'] for one in said),
        'refused': sum(one['refused'] for one in said),
        'waited': len(waits),
        'waits': {'median': statistics.median(waits or [0]),
                  'longest': max(waits or [0])},
        'median seconds': statistics.median(seconds),
        'longest seconds': max(seconds)}


def _commands(calls):
    found = collections.Counter(counting.program(call['argv'])
                                for call in calls)
    return dict(sorted(found.items()))
