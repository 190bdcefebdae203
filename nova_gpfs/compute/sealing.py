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

"""What Nova uploads as a snapshot: a sealed disk, and no copy of it.

Nova makes a file in its snapshots_directory, uploads it and removes it. Here
that file is a symbolic link to what the disk was at one moment, unless
another format is asked for or the disk is only a part of what the guest sees.
"""

import contextlib
import contextvars
import os

from nova.virt import images
from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import placements
from nova_gpfs import plan
from nova_gpfs import qcow2

LOG = logging.getLogger(__name__)

_goes_on: contextvars.ContextVar[bool] = contextvars.ContextVar(
    'the guest may write again before the upload has ended', default=True)


@contextlib.contextmanager
def guest_goes_on(answer):
    """Say whether the guest may write before the upload has ended."""
    token = _goes_on.set(answer)
    try:
        yield
    finally:
        _goes_on.reset(token)


def closed(storage, instance, path):
    """Return a file that is what a closed disk is now, and stays so.

    For a guest that is off it is the disk: Nova does not start the guest
    while the snapshot goes on. None where Nova has to copy the disk.
    """
    if not _goes_on.get():
        return path
    try:
        parents = storage.parents
        return parents.reader(parents.make(instance.uuid, path,
                                           _given(path)))
    except (errors.FileBusy, errors.CannotClone) as reason:
        say_copied(storage, path, reason)
        return None


def opened(storage, instance, path, still):
    """Return a file that is what an open disk is now; see ``closed``.

    :param still: a context in which nothing is written to the disk
    """
    try:
        parents = storage.parents
        return parents.reader(
            parents.make_of_open(instance.uuid, path, still, _given(path)))
    except (errors.FileBusy, errors.CannotClone) as reason:
        say_copied(storage, path, reason)
        return None


def _given(path):
    """Return the placement that a disk was given."""
    directory, name = os.path.split(path)
    return placements.read(directory).placement(name)


def say_copied(storage, path, reason):
    """Log and count that Nova copies a disk for a snapshot."""
    storage.copied_snapshots += 1
    LOG.warning('Disk %(disk)s is copied for a snapshot and not cloned '
                '(snapshot by copy number %(count)d of this process): '
                '%(reason)s', {'disk': path, 'reason': reason,
                               'count': storage.copied_snapshots})


def provide(source, source_format, target, wanted_format):
    """Let Nova find what to upload at ``target``, in the wanted format.

    A disk that an earlier images_type has made reads what the guest did not
    write from a file in ``_base``, which an image does not hold.
    """
    if source_format == wanted_format and not (
            source_format == plan.QCOW2 and qcow2.backing_file(source)):
        os.symlink(source, target)
    else:
        images.convert_image(source, target, source_format, wanted_format)
