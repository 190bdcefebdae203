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

"""One host that wants a master: ``make_master.py OPTIONS-AS-JSON``.

Options: mm_path, instances_path, key, downloads (a file that gets one line
for each download), content (text), and optionally pause (seconds that a
download takes), no_locks, disk (path to clone to), placement (a dictionary).
"""

import json
import os
import shutil
import sys
import time

from nova_gpfs import layout
from nova_gpfs import model
from nova_gpfs import plan
from nova_gpfs import storage
from tests import local_driver
from tests.programs import locking


def main():
    wish = json.loads(sys.argv[1])
    locking.prepare(wish.get('no_locks'))

    def fill(path):
        with open(wish['downloads'], 'a') as log:
            log.write(f'{os.getpid()}\n')
        with open(path, 'w') as image:
            image.write(wish['content'])
            image.flush()
            time.sleep(wish.get('pause', 0))
            image.write(wish['content'])
        return plan.MasterInfo(plan.RAW, os.stat(path).st_size)

    here = storage.Storage(
        local_driver.make(wish['mm_path']),
        layout.Layout(wish['instances_path']), copy=shutil.copyfile,
        require_clone=True, leftover_age=86400)
    here.guard.establish()
    placement = model.Placement(**wish.get('placement', {}))
    master, made = here.masters.ensure(wish['key'], fill, placement)
    if 'disk' in wish:
        with here.new_disk(master, wish['disk'], placement):
            pass
    print(json.dumps({'path': master.path, 'made': made}))


if __name__ == '__main__':
    main()
