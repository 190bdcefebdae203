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


"""What is looked at: storms, a failed host, and what hosts do regularly."""

import collections
import functools
import os
import statistics

from benchmarks.scale import cloud as clouds
from nova_gpfs import whereabouts

EVACUATIONS = 100
STORM = 60.0
INTERVAL = 2400.0

CALLS = ('looks', 'reads', 'lists', 'names', 'changes', 'recalls',
         'lock tries')


class Broken(Exception):
    """Something did not come out as it has to."""


def run(cloud, wish, progress):
    """Return the results by scenario."""
    found = {}
    for name, scenario in _SCENARIOS.items():
        progress(name)
        with cloud.watch.watching():
            found[name] = scenario(cloud, wish)
    return found


def _measured(cloud, tasks):
    """Run tasks, each of which is an operation, and return what they took."""
    seen = cloud.watch.begin()
    cloud.commands.counts.clear()
    cloud.downloads.clear()
    took = []
    timed = [(moment, host, functools.partial(_timed, cloud, took, task))
             for moment, host, task in tasks]
    cloud.clock.run(timed)
    return {'operations': len(timed),
            'median seconds': statistics.median(took),
            'longest seconds': max(took),
            'commands': dict(cloud.commands.counts),
            'downloads': sum(cloud.downloads.values()),
            **{name: seen.calls[name] for name in CALLS},
            'changed by hosts': _shared(cloud, seen, 'changed'),
            'listed by hosts': _shared(cloud, seen, 'listed')}


def _timed(cloud, took, task):
    begun = cloud.clock.now
    task()
    took.append(cloud.clock.now - begun)


def _shared(cloud, seen, what):
    """Return the paths that several hosts have changed or listed.

    By what they are called, with the most hosts and times of one path.
    """
    found = {}
    for path, tally in seen.paths.items():
        by = getattr(tally, what)
        if len(by) > 1:
            name = cloud.name(path)
            former = found.get(name, {'hosts': 0, 'times': 0, 'names': 0})
            found[name] = {'hosts': max(former['hosts'], len(by)),
                           'times': max(former['times'], sum(by.values())),
                           'names': max(former['names'], tally.names)}
    return found


def _storm(cloud, wish, images):
    names = [cloud.new_uuid() for _each in range(images)]
    tasks = []
    for number, moment in enumerate(cloud.moments(wish.boots, STORM)):
        host = cloud.hosts[number % len(cloud.hosts)]
        arguments = cloud.new_uuid(), names[number % images]
        tasks.append((moment, host.name,
                      lambda host=host, arguments=arguments:
                      host.boot(*arguments)))
    found = _measured(cloud, tasks)
    if found['downloads'] != min(images, wish.boots):
        raise Broken(f'{found["downloads"]} downloads of {images} images')
    return found


def _one_image(cloud, wish):
    return _storm(cloud, wish, 1)


def _many_images(cloud, wish):
    return _storm(cloud, wish, wish.images)


def _evacuations(cloud, _wish):
    failed, *others = cloud.hosts
    image_id = cloud.new_uuid()
    instances = [cloud.new_uuid() for _each in range(EVACUATIONS)]
    cloud.clock.run((0, failed.name, lambda name=name: failed.boot(
        name, image_id, clouds.NEAR)) for name in instances)
    cloud.clock.run((0, host.name, host.learn)
                    for host in others[:EVACUATIONS])
    return _measured(cloud, [
        (moment, host.name, lambda host=host, name=name: host.evacuate(
            name, image_id, clouds.NEAR))
        for moment, host, name in zip(
            cloud.moments(EVACUATIONS, STORM),
            others * (EVACUATIONS // len(others) + 1), instances)])


def _each(cloud, action, seconds=STORM):
    return _measured(cloud, [
        (moment, host.name, lambda host=host: action(host))
        for moment, host in zip(cloud.moments(len(cloud.hosts), seconds),
                                cloud.hosts)])


def _announce(cloud, _wish):
    return _each(cloud, lambda host: host.announce())


def _report(cloud, _wish):
    return _each(cloud, lambda host: host.report())


def _near(cloud, _wish):
    return _each(cloud, lambda host: host.find_near(),
                 0.9 * whereabouts.AGE)


def _near_again(cloud, _wish):
    cloud.clock.spend(86400)
    return _near(cloud, _wish)


def _cache_pass(cloud, _wish):
    return _each(cloud, lambda host: host.pass_cache(0.9 * INTERVAL),
                 INTERVAL / 2)


def _starts(cloud, _wish):
    return _each(cloud, lambda host: host.start())


def _moves(cloud, _wish):
    addresses = [host.address for host in cloud.hosts]
    return _measured(cloud, [
        (moment, host.name,
         lambda host=host, address=address: host.may_move_to(address))
        for moment, host, address in zip(
            cloud.moments(len(addresses), STORM), cloud.hosts,
            reversed(addresses))])


_SCENARIOS = {
    'boot, one image': _one_image,
    'boot, many images': _many_images,
    'evacuation': _evacuations,
    'host entry': _announce,
    'host report': _report,
    'move': _moves,
    'near, first': _near,
    'near, again': _near_again,
    'cache pass': _cache_pass,
    'start': _starts}


def directories(cloud):
    """Return how many names are in each directory that all hosts share."""
    found = collections.Counter()
    for path in (cloud.path, *cloud.layout.directories):
        found[cloud.name(path)] = len(os.listdir(path))
    return dict(found)
