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

"""What a compute host reports: traits to Placement, stats to the scheduler.

Both are asked for by a periodic task of Nova, which a sick GPFS must neither
fail nor hold up: what is not known is not reported anew.
"""

import os_traits
from oslo_log import log as logging

from nova_gpfs import capacity
from nova_gpfs import errors
from nova_gpfs import locality
from nova_gpfs import model
from nova_gpfs import policy

LOG = logging.getLogger(__name__)

_FPO = os_traits.normalize_name('GPFS_FPO')
_POOL = os_traits.normalize_name('GPFS_POOL_')
_REPLICAS = os_traits.normalize_name('GPFS_REPLICAS_')
# Placement refuses longer names.
_LONGEST_TRAIT = 255


def traits(offer, full_percent=0):
    """Return the traits of a host that an offer is made to.

    A pool of which less than ``full_percent`` is free has none, so that
    flavors that require it go to no host.
    """
    return {
        *(os_traits.normalize_name(f'GPFS_POOL_{pool.name}')[:_LONGEST_TRAIT]
          for pool in offer.pools if pool.holds_data
          and not capacity.is_full(pool, full_percent)),
        *(f'{_REPLICAS}{number}'
          for number in range(1, offer.most_data_replicas + 1)),
        *(_FPO for pool in offer.pools if _has_write_affinity(offer, pool))}


def _has_write_affinity(offer, pool):
    """Whether a pool is known to allow FPO, in a release that has it."""
    if not pool.write_affinity:
        return False
    try:
        policy.check(
            model.Placement(pool=pool.name, write_affinity_depth=1),
            offer.file_system, offer.pools, offer.disks)
    except errors.GpfsError:
        return False
    return True


def is_ours(trait):
    """Whether a trait is one that nobody but the plug-in gives."""
    return trait == _FPO or trait.startswith((_POOL, _REPLICAS))


def update_traits(offer, provider_tree, name, full_percent=0):
    """Give a provider the traits of today; leave those of others alone.

    :param name: name or UUID of the provider in Nova's ProviderTree
    """
    now = traits(offer, full_percent)
    before = set(filter(is_ours, provider_tree.data(name).traits))
    provider_tree.remove_traits(name, *before - now)
    provider_tree.add_traits(name, *now - before)


def stats(offer, failure_group, whereabouts, rules):
    """Return what the scheduler is to know, as {key: text}."""
    found = {locality.POOLS: locality.pack_pools(offer.data_pools)}
    named = _pools_by_policy(rules)
    if named:
        found[locality.POLICY_POOLS] = locality.pack_policy_pools(named)
    if failure_group is not None:
        found[locality.FAILURE_GROUP] = failure_group
        found[locality.INSTANCES] = _instances(whereabouts, failure_group)
    return found


def _pools_by_policy(rules):
    """Return the pools that policies name for root disks, by policy."""
    only = policy.Rules(rules.policies)
    pools = {name: policy.resolve(only, 'root', policy.Wishes(
        flavor={policy.POLICY: name})).placement.pool
        for name in rules.policies}
    return {name: pool for name, pool in pools.items() if pool}


def _instances(whereabouts, group):
    uuids = whereabouts.in_group(group)
    if len(uuids) > locality.MOST_INSTANCES:
        LOG.warning('Of %d instances with blocks in failure group %s only %d '
                    'are reported to the scheduler', len(uuids), group,
                    locality.MOST_INSTANCES)
    return locality.pack(uuids)
