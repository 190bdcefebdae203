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


"""Several compute hosts: one process each, on one simulated GPFS.

Run as a program, this is one host. It is told what to do line by line, since
importing Nova takes far longer than anything that is measured.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')

from benchmarks import backends  # noqa: E402
from benchmarks import counting  # noqa: E402
from benchmarks import image  # noqa: E402
from benchmarks import scenarios  # noqa: E402


@contextlib.contextmanager
def started(stand, directory, nodes):
    """Start one process for each node."""
    wishes = [{
        'lock_path': os.path.join(directory, f'locks-{node}'),
        'mm_path': stand.cluster.bin_dir(node),
        'paths': {one.name: one.instances_path for one in stand.backends},
        'image': stand.image, 'disk_size': stand.disk_size}
        for node in nodes]
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(
            (sys.executable, os.path.abspath(__file__), json.dumps(wish)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for wish in wishes]
        for process in processes:
            _hear(process)
        yield processes


def cold(stand, processes, repeat):
    """Rounds of one caller on each host that want an image never seen."""
    samples = {backend.name: [] for backend in stand.backends}
    for backend in stand.rounds(f'cold, hosts: {len(processes)}', repeat):
        samples[backend.name].append(_cold(stand, backend, processes))
    return samples


def _cold(stand, backend, processes):
    image_id = str(uuid.uuid4())
    used = stand.grounds[backend.name].used()
    _tell_all(processes, json.dumps([backend.name, image_id]))
    begun = time.perf_counter()
    heard = _tell_all(processes, 'go')
    found = scenarios.Cold(
        time.perf_counter() - begun,
        sum(one['downloads'] for one in heard),
        sum(one['written'] for one in heard))
    if used is not None:
        found.taken = stand.grounds[backend.name].used() - used
    stand.check(heard[-1]['path'])
    _tell_all(processes, 'remove')
    backend.forget(image_id)
    stand.settle(backend)
    return found


def _tell_all(processes, line):
    for process in processes:
        process.stdin.write(line + '\n')
        process.stdin.flush()
    return [_hear(process) for process in processes]


def _hear(process):
    line = process.stdout.readline()
    if not line:
        raise scenarios.Broken(f'a host ended with {process.wait()}')
    return json.loads(line)


def _say(value):
    print(json.dumps(value), flush=True)


def main():
    wish = json.loads(sys.argv[1])
    backends.configure(wish['lock_path'])
    made = {name: backends.make(name, path, wish['mm_path'])
            for name, path in wish['paths'].items()}
    _say('ready')
    while line := sys.stdin.readline():
        name, image_id = json.loads(line)
        made[name].enter()
        instance = made[name].new_instance()
        download = image.Download(wish['image'])
        _say('prepared')
        sys.stdin.readline()
        with counting.counted() as counts:
            path, _seconds = made[name].make_disk(
                instance, image_id, download, wish['disk_size'])
        _say({'downloads': download.calls, 'written': counts.written,
              'path': path})
        sys.stdin.readline()
        made[name].remove(instance)
        _say('removed')


if __name__ == '__main__':
    main()
