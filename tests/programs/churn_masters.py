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

"""A host that makes or removes disks or masters: ``churn_masters.py JSON``.

Options: mm_path, instances_path, downloads, and either disks (a name; disks
of master ``key`` are made, as many as rounds, and all but the last one are
removed) or until (masters are removed that are not in use, until there is a
file of that name). Optionally no_locks.
"""

import json
import os
import shutil
import sys
import time

from nova_gpfs import collection
from nova_gpfs import layout
from nova_gpfs import plan
from nova_gpfs import storage
from tests import local_driver
from tests.programs import locking
from tests import refusing


def fill(path, wish):
    with open(wish['downloads'], 'a') as log:
        log.write(f'{os.getpid()}\n')
    with open(path, 'w') as image:
        image.write('content' * 1000)
    return plan.MasterInfo(plan.RAW, os.stat(path).st_size)


def make_disks(here, wish):
    """Return how many disks were right."""
    right = 0
    for number in range(wish['rounds']):
        disk = os.path.join(wish['instances_path'],
                            f'{wish["disks"]}-{number}')
        with here.new_disk_of(lambda: here.masters.ensure(
                'key', lambda path: fill(path, wish))[0], disk):
            pass
        with open(disk) as f:
            right += f.read() == 'content' * 1000
        if number + 1 < wish['rounds']:
            os.unlink(disk)
    return right


def remove_masters(here, wish):
    """Return how many masters were removed."""
    removed = 0
    with refusing.with_clones():
        while not os.path.exists(wish['until']):
            removed += len(here.collection.collect(collection.Ages(0, 0)))
            time.sleep(0.05)
    return removed


def main():
    wish = json.loads(sys.argv[1])
    locking.prepare(wish.get('no_locks'))
    here = storage.Storage(
        local_driver.make(wish['mm_path']),
        layout.Layout(wish['instances_path']), copy=shutil.copyfile,
        require_clone=True, leftover_age=86400)
    here.guard.establish()
    work = make_disks if 'disks' in wish else remove_masters
    print(work(here, wish))


if __name__ == '__main__':
    main()
