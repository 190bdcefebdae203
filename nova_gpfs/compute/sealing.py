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

from collections.abc import Callable
import contextlib
import contextvars
import dataclasses
import os

from nova.virt import images
from oslo_log import log as logging

from nova_gpfs import errors
from nova_gpfs import placements
from nova_gpfs import plan
from nova_gpfs import qcow2

LOG = logging.getLogger(__name__)

# How many times [gpfs] max_clone_depth ancestors a disk may have of which an
# image is cloned. Those of the image are cut off in the background.
_TIMES_AS_DEEP = 2


@dataclasses.dataclass
class Moment:
    """What is known of a snapshot that is being made.

    ``goes_on`` says whether the guest may write before the upload has ended,
    ``still`` returns a context in which it does not, and ``parent`` is what
    the disk was, once that is sealed, of which a clone has ``depth``
    ancestors at the most.
    """

    goes_on: bool
    still: Callable[[], contextlib.AbstractContextManager[None]]
    parent: str = ''
    depth: int = 0


# The image whose file Glance has been told of, and may have registered.
_told: contextvars.ContextVar[str] = contextvars.ContextVar(
    'the image that Glance has been told of', default='')


def glance_may_have(image_id: str, may: bool = True) -> None:
    """Say whether Glance may have registered the file of an image."""
    _told.set(image_id if may else '')


def may_be_glances(image_id: str) -> bool:
    """Whether the file of an image is not Nova's to remove."""
    return _told.get() == image_id


_moment: contextvars.ContextVar[Moment] = contextvars.ContextVar(
    'the snapshot that is being made',
    default=Moment(True, contextlib.nullcontext))


@contextlib.contextmanager
def snapshot_of(guest_goes_on, still):
    """Say what holds for the snapshot that is made in this context."""
    token = _moment.set(Moment(guest_goes_on, still))
    try:
        yield
    finally:
        _moment.reset(token)


def disk_is_closed():
    """Say that there is no guest to stand still in this snapshot."""
    _moment.get().still = contextlib.nullcontext


def stored(storage, instance, path, image_id, placement):
    """Clone what a disk is now into Glance's store; return the location.

    :raises errors.GpfsError: it cannot be; the store is as it was
    """
    moment = _moment.get()
    storage.snapshots.require_room(image_id)
    moment.parent, moment.depth = storage.parents.make_of_open(
        instance.uuid, path, moment.still(), _given(path),
        times_as_deep=_TIMES_AS_DEEP)
    return storage.snapshots.add(moment.parent, image_id, placement)


def now():
    """Return what is known of the snapshot that is being made."""
    return _moment.get()


def closed(storage, instance, path):
    """Return a file that is what a closed disk is now, and stays so.

    For a guest that is off it is the disk: Nova does not start the guest
    while the snapshot goes on. None where Nova has to copy the disk.
    """
    moment = _moment.get()
    if not moment.goes_on:
        return path
    try:
        parents = storage.parents
        return parents.reader(moment.parent or parents.make(
            instance.uuid, path, _given(path)))
    except (errors.FileBusy, errors.CannotClone) as reason:
        say_copied(storage, path, reason)
        return None


def opened(storage, instance, path, still):
    """Return a file that is what an open disk is now; see ``closed``.

    :param still: a context in which nothing is written to the disk
    """
    try:
        parents = storage.parents
        return parents.reader(_moment.get().parent or parents.make_of_open(
            instance.uuid, path, still, _given(path))[0])
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
