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

"""What ``nova-gpfs cache snapshots`` does: files that no image needs.

A nova-compute that is ended by force between the clone of a disk into Glance's
store and its registration leaves a file there that no image names. Two things
have to be so before it is taken for that: nothing has happened to it for
``[gpfs] leftover_age``, and Glance tells an administrator, who sees every
image, that there is none of its id.
"""

from __future__ import annotations

import os
from typing import Any

from oslo_config import cfg

from nova_gpfs.cmd import fetching
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs import errors

CONF = cfg.CONF

_ADMIN = 'admin'


def sweep(host: hosts.Host, cloud: str | None,
          remove: bool) -> policies.Answer:
    """Find, or remove, files of snapshots that Glance does not know.

    :param cloud: a cloud of clouds.yaml; None for what the environment says
    :raises errors.WrongUser: nova-compute runs as another user
    :raises errors.ImageNotFetched: Keystone or Glance did not like it
    :raises errors.NotPermitted: this user of the cloud is no administrator
    """
    host.require_owner()
    snapshots = host.storage.snapshots
    old = list(snapshots.image_ids(CONF.gpfs.leftover_age))
    unknown = _unknown(old, cloud) if old else []
    rows = [{'image': each,
             'bytes': os.lstat(snapshots.path(each)).st_blocks * 512,
             'result': 'removed' if remove else 'would be removed'}
            for each in unknown]
    if remove:
        host.storage.guard.check()
        for image_id in unknown:
            snapshots.remove(image_id)
    return {'snapshots': rows}, policies.WELL


def _unknown(image_ids: list[str], cloud: str | None) -> list[str]:
    with fetching.refusals():
        glance = _as_admin(cloud)
        return [each for each in image_ids
                if glance.find_image(each, ignore_missing=True) is None]


def _as_admin(cloud: str | None) -> Any:
    """Return openstacksdk's client of Glance for somebody who sees all.

    :raises errors.NotPermitted: to others, images of other projects look
        like images that do not exist
    """
    connection = fetching.module('openstack').connect(cloud=cloud)
    session = connection.session
    roles = session.auth.get_access(session).role_names
    if _ADMIN not in roles:
        raise errors.NotPermitted(
            f'this takes the role {_ADMIN}; Keystone gives '
            f'{", ".join(roles) or "none"}')
    return connection.image
