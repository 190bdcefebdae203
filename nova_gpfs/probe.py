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

"""Try out, at every start, what the plug-in cannot do without.

Versions and permissions only suggest that clones work; whether mmclone does
what it should for this user, in this fileset, on this release, is seen by
making one clone of a few bytes and looking at it.
"""

from __future__ import annotations

import os
import shutil
import uuid

from oslo_log import log as logging

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import layout as gpfs_layout
from nova_gpfs import model

LOG = logging.getLogger(__name__)

# IBM documentation and the Cinder GPFS driver: file clones came with
# cluster release level 1200 and file system format 12.00.
MIN_RELEASE_LEVEL = 1200
MIN_FORMAT = (12, 0)

_CONTENT = b'nova-gpfs clone probe\n' * 512


def require_clone_support(cluster: model.Cluster,
                          file_system: model.FileSystem) -> None:
    """Raise ``errors.ClonesNotSupported`` if the releases rule them out."""
    if cluster.min_release_level < MIN_RELEASE_LEVEL:
        raise errors.ClonesNotSupported(
            f'minReleaseLevel of cluster {cluster.name} is '
            f'{cluster.min_release_level}')
    if file_system.version < MIN_FORMAT:
        found = '{}.{:02}'.format(*file_system.version)
        raise errors.ClonesNotSupported(
            f'the format of file system {file_system.name} is {found}')


def require_one_fileset(driver: gpfs_driver.GpfsDriver,
                        layout: gpfs_layout.Layout) -> None:
    """Raise ``errors.DifferentFilesets`` if a clone would cross filesets."""
    expected = driver.attributes(layout.instances_path).fileset
    for directory in (layout.masters, layout.incoming):
        found = driver.attributes(directory).fileset
        if found != expected:
            raise errors.DifferentFilesets(
                f'{directory} is in fileset {found}, '
                f'{layout.instances_path} in {expected}')


def try_clone(driver: gpfs_driver.GpfsDriver,
              layout: gpfs_layout.Layout) -> None:
    """Make a clone below ``incoming`` and remove all of it.

    :raises errors.ClonesNotSupported: the clone is not what it must be
    :raises errors.GpfsError: GPFS refuses; the error says why
    """
    room = os.path.join(layout.incoming, f'probe.{uuid.uuid4().hex}')
    os.mkdir(room, 0o700)
    try:
        try_clone_in(driver, room)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def try_clone_in(driver: gpfs_driver.GpfsDriver, room: str) -> None:
    """Seal a small file, clone it, write to the clone, remove both.

    :param room: a directory that is empty; raises as ``try_clone`` does
    """
    parent, clone = os.path.join(room, 'parent'), os.path.join(room, 'clone')
    try:
        with open(parent, 'xb') as f:
            f.write(_CONTENT)
        driver.seal(parent)
        driver.clone(parent, clone)
        _require_independent_copy(parent, clone)
    finally:
        _remove(room, clone, parent)


def _require_independent_copy(parent: str, clone: str) -> None:
    with open(clone, 'r+b') as f:
        if f.read() != _CONTENT:
            raise errors.ClonesNotSupported(f'{clone} differs from {parent}')
        f.seek(0)
        f.write(b'changed')
    with open(parent, 'rb') as f:
        if f.read() != _CONTENT:
            raise errors.ClonesNotSupported(
                f'writing to {clone} changed {parent}')


def _remove(room: str, clone: str, parent: str) -> None:
    """Remove the child before its parent; a refusal is worth a warning."""
    for path in (clone, parent):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            LOG.warning('GPFS does not let %s go (%s); unfinished masters '
                        'will stay below %s', path, error.strerror,
                        os.path.dirname(room))
