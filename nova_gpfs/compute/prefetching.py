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


"""Make the masters of an image ready before anybody needs them."""

from oslo_config import cfg

from nova_gpfs.compute import fetching
from nova_gpfs import layout

CONF = cfg.CONF


def prefetch(storage, placing, fetch_func, filename, names=(), **kwargs):
    """Make the masters of an image; True if this host took it from Glance.

    There is one for the placement of root disks that nova.conf has as the
    default, and one for each policy of ``[gpfs] prefetch_policies`` and of
    ``names``. The image is fetched once in the cluster, the others are made
    inside GPFS.

    :raises errors.NoSuchPolicy: before anything is fetched
    :raises errors.GpfsError: not all of them are ready
    """
    image = fetching.Image(storage, fetch_func, **kwargs)
    taken = []

    def fill(path):
        taken.append(path)
        return image(path)

    def clone(path):
        made = image.clone(path)
        if made is not None:
            taken.append(path)
        return made

    for placement in _placements(placing, names):
        master, _made = storage.masters.ensure(
            layout.master_key(filename), fill, placement, clone)
        image.complete(master)
    return bool(taken)


def _placements(placing, names):
    """Return the placements of the masters, each once."""
    return list(dict.fromkeys(
        placing.of_master(placing.default('root', name))
        for name in (None, *CONF.gpfs.prefetch_policies, *names)))
