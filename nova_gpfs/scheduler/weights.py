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

"""Weigh hosts by how near the blocks of an instance are.

Named in ``[filter_scheduler] weight_classes``. All that it knows are the
request and what hosts have reported: it runs no command and reads no file.
"""

from nova import conf
from nova.scheduler import utils
from nova.scheduler import weights

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import locality

CONF = conf.CONF
gpfs_conf.register(CONF)

# A host without the pool cannot run the instance as its flavor asks; one that
# is far from the blocks can, and only reads more slowly.
_POOL = 2.0
_BLOCKS = 1.0

_POOL_SPECS = ('gpfs:root_pool', 'gpfs:pool')
_POLICY_SPECS = ('gpfs:root_policy', 'gpfs:policy')


class LocalityWeigher(weights.BaseHostWeigher):
    """Prefers hosts that have the pool and are near the blocks.

    No blocks are known of an instance that is new, so that the second counts
    where an instance moves. Hosts that have reported nothing weigh least.
    """

    def weight_multiplier(self, host_state):
        """Return the option, or what an aggregate of the host says."""
        return utils.get_weight_multiplier(
            host_state, 'gpfs_locality_weight_multiplier',
            CONF.gpfs.locality_weight_multiplier)

    def _weigh_object(self, host_state, weight_properties):
        return (_POOL * _has_pool(host_state.stats, weight_properties)
                + _BLOCKS * _is_near(host_state.stats, weight_properties))


def _has_pool(stats, request_spec):
    """Whether a host has the pool that the flavor asks for, if it does."""
    flavor = request_spec.flavor
    specs = flavor.extra_specs if 'extra_specs' in flavor else {}
    wanted = _first(specs, _POOL_SPECS) or locality.pool_of_policy(
        stats.get(locality.POLICY_POOLS) or '', _first(specs, _POLICY_SPECS))
    return wanted is not None and locality.has_pool(
        stats.get(locality.POOLS) or '', wanted)


def _first(specs, keys):
    return next((specs[key] for key in keys if key in specs), None)


def _is_near(stats, request_spec):
    """Whether a host lists the instance among those near it."""
    return 'instance_uuid' in request_spec and locality.lists(
        stats.get(locality.INSTANCES) or '', request_spec.instance_uuid)
