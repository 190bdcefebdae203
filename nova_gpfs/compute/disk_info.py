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

"""Record the format of a disk in Nova's ``disk.info``.

Nova reads the format of a disk from there and only guesses when there is no
entry (Launchpad bug 1221190). It writes an entry when it first sees a disk
and never changes it; an entry of an earlier disk of the same name (a rescue
disk of another image, say) would be believed. So the entry is written, over
an older one, before the disk gets its name.
"""

import os

from nova import utils
from oslo_serialization import jsonutils

from nova_gpfs import plan


def record(info_path, disk_path, disk_format, lock_path):
    """Say in ``info_path`` that ``disk_path`` has this format."""

    # The lock is the one that nova.virt.libvirt.imagebackend takes.
    @utils.synchronized(info_path, external=False, lock_path=lock_path)
    def rewrite():
        formats = _read(info_path)
        if formats.get(disk_path) != disk_format:
            formats[disk_path] = disk_format
            _write(info_path, formats)

    rewrite()


def formats(directory):
    """Return the recorded formats of the disks in a directory, by name.

    "Recorded" are those that are there; what has no entry is raw.
    """
    recorded = _read(os.path.join(directory, 'disk.info'))
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return {}
    return {name: recorded.get(os.path.join(directory, name), plan.RAW)
            for name in names
            if name.startswith('disk') and not name.startswith('disk.info')}


def _read(info_path):
    try:
        with open(info_path) as info:
            return jsonutils.loads(info.read() or '{}')
    except FileNotFoundError:
        return {}


def _write(info_path, formats):
    temporary = info_path + '.tmp'
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                     | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, 'w') as info:
        info.write('%s\n' % jsonutils.dumps(formats))
        # A record that a crash has emptied makes every disk raw, which is
        # wrong only where one is not.
        if set(formats.values()) != {plan.RAW}:
            info.flush()
            os.fsync(info.fileno())
    os.rename(temporary, info_path)
