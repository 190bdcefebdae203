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
"""Many processes that make disks at once, and passes over a large cache.

Nothing is a model but GPFS, whose simulator runs each mm command. All wait for
a few processors, so times say little; numbers of things done are what counts.
"""

import argparse
import json
import logging
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')

from benchmarks import backends  # noqa: E402
from benchmarks import results  # noqa: E402
from benchmarks.scale import crowd  # noqa: E402
from benchmarks.scale import passes  # noqa: E402
from benchmarks import scenarios  # noqa: E402
from nova_gpfs.sim import cluster as sim_cluster  # noqa: E402


def options(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default, what in (
            ('processes', 64, 'hosts, each a process'),
            ('disks', 2000, 'disks that they make'),
            ('images', 20, 'images of the disks, and in the cache'),
            ('instances', 10000, 'instances that there are at a cache pass'),
            ('nova-instances', 0, "fewer of them for Nova's, which runs a "
             'program for each; 0 for as many')):
        parser.add_argument(f'--{name}', type=int, default=default,
                            help=f'{what} (default {default})')
    parser.add_argument('--format', choices=('text', 'json'), default='text')
    found = parser.parse_args(arguments)
    found.nova_instances = found.nova_instances or found.instances
    if min(found.processes, found.disks, found.images, found.instances) < 1:
        parser.error('at least one of each')
    return found


def measure(wish, directory):
    """Return all results.

    :raises scenarios.Broken: something did not come out as it has to
    """
    backends.configure(os.path.join(directory, 'locks'))
    nodes = [f'node{number + 1}' for number in range(wish.processes)]
    cluster = sim_cluster.create(os.path.join(directory, 'gpfs'),
                                 {'nodes': nodes})
    _progress(f'{wish.disks} disks by {wish.processes} processes')
    found = {'sizes': {name: getattr(wish, name) for name in (
        'processes', 'disks', 'images')},
        'disks': crowd.measure(cluster, directory, nodes, wish)}
    _progress(f'cache passes with {wish.instances} instances')
    found['passes'] = passes.measure(cluster, directory, wish)
    if problems := cluster.check():
        raise scenarios.Broken('; '.join(map(str, problems)))
    return found


def text(found):
    """Return the results for a person."""
    disks = found['disks']
    waits = disks['waits']
    return '\n'.join((
        ', '.join(f'{number} {name}'
                  for name, number in found['sizes'].items()), '',
        *(f'{name}: {disks[name]}' for name in (
            'downloads', 'lock tries', 'refused', 'waited')),
        'commands: ' + ', '.join(f'{number} {name}' for name, number
                                 in disks['commands'].items()),
        f'seconds for a disk: median {disks["median seconds"]:.1f}, longest '
        f'{disks["longest seconds"]:.1f}; waited for another host: median '
        f'{waits["median"]:.1f}, longest {waits["longest"]:.1f}', '',
        *results.table(
            ['cache pass', 'instances', 'seconds', 'MiB more', 'programs',
             'removed'],
            [[name, str(one['instances']), f'{one["seconds"]:.2f}',
              f'{one["more"] / 2 ** 20:.1f}',
              str(sum(one['programs'].values())), str(one['removed'])]
             for name, one in found['passes'].items()])))


def _progress(what):
    print(what, file=sys.stderr, flush=True)


def main():
    wish = options()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix='nova-gpfs-real-') as directory:
        try:
            found = measure(wish, directory)
        except scenarios.Broken as error:
            sys.exit(f'Broken: {error}')
    print(json.dumps(found, indent=1) if wish.format == 'json'
          else text(found))


if __name__ == '__main__':
    main()
