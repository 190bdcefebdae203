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


"""Compare Nova's raw and qcow2 image backends with the GPFS one.

All are measured side by side in one run, on one file system, a simulated
GPFS being made of it. What counts are ratios and numbers of things done: the
times themselves are those of this machine and of the simulator.
"""

import argparse
import contextlib
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')

from oslo_utils import strutils  # noqa: E402

from benchmarks import backends  # noqa: E402
from benchmarks import ground  # noqa: E402
from benchmarks import hosts  # noqa: E402
from benchmarks import image  # noqa: E402
from benchmarks import results  # noqa: E402
from benchmarks import scenarios  # noqa: E402
from benchmarks import snapshots  # noqa: E402
from nova_gpfs.sim import cluster as sim_cluster  # noqa: E402

MIB = 2 ** 20


def _size(text):
    return strutils.string_to_bytes(f'{text}iB', return_int=True)


def _numbers(text):
    return [int(number) for number in text.split(',')]


def _sizes(text):
    return [_size(each) for each in text.split(',')]


def options(arguments=None):
    """Return the options of the command line, complete."""
    parser = _parser()
    found = parser.parse_args(arguments)
    found.repeat = found.repeat or (3 if found.quick else 20)
    found.size = found.size or _size('128M' if found.quick else '2G')
    found.callers = found.callers or ([1, 8] if found.quick else [1, 8, 32])
    found.hosts = found.hosts or (2 if found.quick else 8)
    found.data = found.data or _sizes('16M,64M,256M' if found.quick
                                      else '1G,4G,16G')
    found.cold_repeat = max(1, found.repeat // 6)
    if (min(found.repeat, found.hosts, *found.callers) < 1
            or found.size < 16 * MIB):
        parser.error('at least one of each, and an image of 16M')
    found.free = shutil.disk_usage(tempfile.gettempdir()).free
    found.left_out = [each for each in found.data
                      if not snapshots.fits(backends.GPFS, each, found.free)]
    found.data = [each for each in found.data
                  if each not in found.left_out]
    if not found.data:
        parser.error('there is no space for any --data')
    reason = ground.reason_not_xfs()
    if found.ground == 'auto':
        found.ground = ground.HERE if reason else ground.XFS
    elif found.ground == ground.XFS and reason:
        parser.error(reason)
    return found


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeat', type=int,
                        help='rounds of the warm comparison (default 20)')
    parser.add_argument('--size', type=_size,
                        help='virtual size of the image, like 512M (default '
                        '2G); an eighth of it holds data')
    parser.add_argument('--callers', type=_numbers,
                        help='how many at once from cold (default 1,8,32)')
    parser.add_argument('--hosts', type=int,
                        help='processes at once from cold (default 8)')
    parser.add_argument('--data', type=_sizes,
                        help='data of the disks that are snapshotted '
                        '(default 1G,4G,16G); left out where the temporary '
                        'directory has not twice the space, and with the '
                        'backends of Nova, which copy, five times')
    parser.add_argument('--quick', action='store_true',
                        help='smaller defaults: 3 rounds, 128M, 1 and 8 '
                        'callers, 2 hosts')
    parser.add_argument('--ground', choices=('auto', ground.XFS, ground.HERE),
                        default='auto', help='work on an XFS in a loop '
                        'device, which takes root, or here: in the temporary '
                        'directory')
    parser.add_argument('--format', choices=('text', 'json'), default='text')
    return parser


def _nodes(wish):
    return [f'node{number + 1}' for number in range(wish.hosts)]


@contextlib.contextmanager
def _grounds(wish, directory):
    """Give the file system to work on, and one that cannot share blocks.

    There is no second one where the first cannot share blocks either.
    """
    if wish.ground == ground.HERE:
        here = ground.here(directory)
        yield here, None
        return
    size = (4 * 2 ** 30 + 2 * (max(wish.callers) + 8) * (wish.size // 8)
            + 4 * max(wish.data))
    with (ground.xfs(directory, 'xfs', size, True) as sharing,
          ground.xfs(directory, 'plain', size, False) as copying):
        yield sharing, copying


@contextlib.contextmanager
def _stand(wish, directory):
    """Set up the cluster, the image and the backends."""
    backends.configure(os.path.join(directory, 'locks'))
    with (_grounds(wish, directory) as (sharing, copying),
          contextlib.ExitStack() as stack):
        cluster = sim_cluster.create(
            os.path.join(directory, 'gpfs'), {'nodes': _nodes(wish)},
            data_dir=os.path.join(sharing.path, 'data'))
        below = os.path.join(cluster.mount_point('fs0'), 'nova')
        places = {backends.RAW: sharing, backends.COPIED: copying,
                  backends.QCOW2: sharing, backends.GPFS: sharing,
                  backends.POLICY: sharing}
        if copying is None:
            del places[backends.COPIED]
        if os.geteuid() == 0:
            places[backends.PRIVSEP] = sharing
            stack.enter_context(backends.privileged_daemon(
                directory, os.path.join(below, 'gpfs-privsep'),
                cluster.bin_dir('node1')))
        made = [backends.make(
            name, os.path.join(place.path if place is copying else below,
                               name.replace(' ', '-')),
            cluster.bin_dir('node1')) for name, place in places.items()]
        yield scenarios.Stand(
            cluster, made, places,
            image.write(os.path.join(directory, 'image.raw'), wish.size,
                        wish.size // 8),
            wish.size * 5 // 2, wish.repeat, _progress)


def _progress(text):
    if sys.stderr.isatty():
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def measure(wish, directory):
    """Run all scenarios and return the results as one document.

    :raises scenarios.Broken: something did not come out as it has to
    """
    with _stand(wish, directory) as stand:
        cached = scenarios.cached_image(stand)
        document = {
            'setting': _setting(wish, stand),
            'warm': results.summary(scenarios.warm(stand, *cached)),
            'disk': results.disk(scenarios.counts(stand, *cached)),
            'overhead': results.overhead(scenarios.overhead(stand, *cached)),
            'cold': {f'cold, callers: {callers}': results.rounds(
                scenarios.cold(stand, callers, wish.cold_repeat))
                for callers in wish.callers},
            'snapshots': results.snapshots(
                snapshots.measure(stand, wish.data, wish.free))}
        # Each process would need a privileged daemon of its own.
        stand.backends = [one for one in stand.backends
                          if one.name != backends.PRIVSEP]
        with hosts.started(stand, directory, _nodes(wish)) as processes:
            document['cold'][f'cold, hosts: {wish.hosts}'] = (
                results.rounds(hosts.cold(stand, processes,
                                          wish.cold_repeat)))
        if problems := stand.cluster.check():
            raise scenarios.Broken('; '.join(map(str, problems)))
    return document


def _setting(wish, stand):
    place = stand.grounds[backends.GPFS]
    qemu = subprocess.run(('qemu-img', '--version'), check=True,
                          capture_output=True, text=True).stdout
    return {
        'image': f'{wish.size // MIB} MiB, {wish.size // 8 // MIB} MiB of '
                 f'them data; disks of {stand.disk_size // MIB} MiB',
        'snapshots': f'data of {_mib(wish.data)} MiB' + (
            f'; left out for want of space: {_mib(wish.left_out)} MiB'
            if wish.left_out else '') + _not_copied(wish),
        'rounds': f'{wish.repeat}, from cold {wish.cold_repeat}',
        'file system': f'{place.kind}, '
                       + ('loop device' if place.own else 'temporary '
                          'directory, not a file system of its own')
                       + ('' if place.shares_blocks else
                          '; it cannot share blocks, so the simulated clones '
                          'are full copies'),
        'software': f'nova {importlib.metadata.version("nova")}, '
                    f'{qemu.splitlines()[0]}, '
                    f'Python {platform.python_version()}',
        'machine': f'{os.cpu_count()} processors, Linux '
                   f'{platform.release()}'}


def _not_copied(wish):
    alone = [each for each in wish.data
             if not snapshots.fits(backends.RAW, each, wish.free)]
    return (f'; for want of space with gpfs alone: {_mib(alone)} MiB'
            if alone else '')


def _mib(sizes):
    return ', '.join(str(each // MIB) for each in sizes)


def main():
    wish = options()
    # Leave no file system mounted when asked to end.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(1))
    handle, log = tempfile.mkstemp(prefix='nova-gpfs-bench-', suffix='.log')
    os.close(handle)
    logging.basicConfig(filename=log, level=logging.INFO)
    try:
        with tempfile.TemporaryDirectory(prefix='nova-gpfs-bench-') as place:
            document = measure(wish, place)
    except BaseException as error:
        print(f'The log is {log}', file=sys.stderr)
        if isinstance(error, scenarios.Broken):
            sys.exit(f'Broken: {error}')
        raise
    os.unlink(log)
    print(json.dumps(document, indent=1) if wish.format == 'json'
          else results.text(document))


if __name__ == '__main__':
    main()
