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


"""Run many hosts in simulated time and show what grows with what.

The plug-in's own code runs, on real files; mm commands, locks and time are a
model, whose latencies are parameters: nobody has published those of mm
commands. What counts are numbers of things done, and how they grow.
"""

import argparse
import copy
import json
import logging
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')

from benchmarks.scale import cloud as clouds  # noqa: E402
from benchmarks.scale import report  # noqa: E402
from benchmarks.scale import scenarios  # noqa: E402

#: What is made smaller to see how things grow with it.
DIMENSIONS = ('hosts', 'instances', 'images', 'boots')


def _latency(text):
    program, seconds = text.split('=')
    return program, float(seconds)


def options(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default, what in (
            ('hosts', 1000, 'compute hosts'),
            ('instances', 100000, 'instances that are there'),
            ('images', 500, 'images of the second boot storm'),
            ('boots', 5000, 'instances that a storm boots in a minute'),
            ('factor', 10, 'run again with so many times fewer hosts, then '
             'instances, images, boots; 1 does not'),
            ('seed', 1, 'of what is random')):
        parser.add_argument(f'--{name}', type=int, default=default,
                            help=f'{what} (default {default})')
    for name, default, what in (
            ('mm', 0.3, 'an mm command takes'),
            ('call', 0.0002, 'a call to the file system takes'),
            ('hand-over', 0.002, 'a host waits to change what others hold'),
            ('download', 60.0, 'an image takes from Glance')):
        parser.add_argument(f'--{name}', type=float, default=default,
                            help=f'seconds that {what} (default {default})')
    parser.add_argument('--mm-latency', type=_latency, action='append',
                        default=[], metavar='PROGRAM=SECONDS',
                        help='of one mm command, like mmchattr=1.5')
    parser.add_argument('--format', choices=('text', 'json'), default='text')
    found = parser.parse_args(arguments)
    found.mm_latency = dict(found.mm_latency)
    if found.hosts < 2 or min(found.images, found.boots, found.factor) < 1:
        parser.error('at least two hosts, and one of everything else')
    return found


def _place():
    """Return where files are fast, None for the temporary directory."""
    return '/dev/shm' if os.access('/dev/shm', os.W_OK) else None


def _progress(text):
    print(text, file=sys.stderr, flush=True)


def measure(wish, title):
    """Return what the scenarios come to in one cloud."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='nova-gpfs-scale-',
                                     dir=_place()) as directory:
        cloud = clouds.Cloud(directory, wish)
        cloud.populate(wish.instances)
        found = scenarios.run(cloud, wish, lambda name: _progress(
            f'{title}: {name} ({time.monotonic() - begun:.0f} s)'))
        return {'sizes': {name: getattr(wish, name) for name in DIMENSIONS},
                'scenarios': found,
                'directories': scenarios.directories(cloud)}


def document(wish):
    """Return all results: of the whole cloud and of smaller ones."""
    found = {'latencies': {
        'mm command': wish.mm, **wish.mm_latency, 'call': wish.call,
        'hand-over': wish.hand_over, 'download': wish.download},
        'whole': measure(wish, 'whole'), 'fewer': {}}
    for name in DIMENSIONS if wish.factor > 1 else ():
        smaller = copy.copy(wish)
        setattr(smaller, name, max(2, getattr(wish, name) // wish.factor))
        found['fewer'][name] = measure(smaller, f'fewer {name}')
    found['growth'] = report.growth(found)
    return found


def main():
    wish = options()
    logging.disable(logging.CRITICAL)
    try:
        found = document(wish)
    except scenarios.Broken as error:
        sys.exit(f'Broken: {error}')
    print(json.dumps(found, indent=1) if wish.format == 'json'
          else report.text(found))


if __name__ == '__main__':
    main()
