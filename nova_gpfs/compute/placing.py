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


"""Find the placement that the disk of an instance is to have on this host."""

from nova_gpfs import errors
from nova_gpfs import model
from nova_gpfs import policy

_IMAGE_PROPERTY = 'image_'

_SWAP = 'disk.swap'
_CONFIG = 'disk.config'
_EPHEMERAL = ('disk.local', 'disk.eph')


def role(disk_name):
    """Return the role of a disk, by the name that Nova gives its file."""
    if disk_name.startswith(_SWAP):
        return 'swap'
    if disk_name.startswith(_CONFIG):
        return 'config'
    if disk_name.startswith(_EPHEMERAL):
        return 'ephemeral'
    return 'root'


def wishes(instance, flavor=None):
    """Return what an instance's flavor, or another one, and image ask for.

    Nova drops image properties that it does not know from ImageMeta, and
    keeps them all in the system metadata of the instance.
    """
    specs = (flavor or instance.flavor).get('extra_specs') or {}
    properties = {name[len(_IMAGE_PROPERTY):]: value for name, value
                  in instance.system_metadata.items()
                  if name.startswith(_IMAGE_PROPERTY)}
    return policy.wishes(specs, properties)


def _roles(instance, flavor, config_drive):
    """Yield the roles of the disks that an instance has with a flavor."""
    if instance.image_ref:
        yield 'root'
    if flavor.ephemeral_gb:
        yield 'ephemeral'
    if flavor.swap:
        yield 'swap'
    if config_drive:
        yield 'config'


class Placing:
    """Rules of nova.conf and facts of the cluster, for one compute host."""

    def __init__(self, rules, facts, failure_group=None,
                 snapshot_policy=None):
        """``failure_group`` is this host's, None to find it out.

        :param rules: a policy.Rules
        :param facts: an offer.Facts
        :param snapshot_policy: that of images in Glance's store, by name
        """
        self._snapshot_policy = snapshot_policy
        self.rules = rules
        self.facts = facts
        self._failure_group = failure_group

    def placement(self, instance, disk_name):
        """Return the placement of a disk, empty where GPFS decides.

        :raises errors.PolicyRefused: nobody can grant it
        :raises errors.NoFailureGroup: this host cannot
        """
        if instance is None:
            return model.Placement()
        return self.granted(wishes(instance), role(disk_name))

    def of_master(self, placement):
        """Return the placement of the master of a disk, on this host.

        :raises errors.NoFailureGroup: it is to be local, and nobody knows
            what that is
        """
        wanted = self.rules.of_master(placement)
        if wanted.write_affinity_failure_group == policy.LOCAL:
            return policy.localized(wanted, self.failure_group())
        return wanted

    def of_snapshots(self):
        """Return the placement of what is cloned into Glance's store."""
        if self._snapshot_policy is None:
            return model.Placement()
        return policy.of_master(self.default('root', self._snapshot_policy))

    def check(self, instance, config_drive, flavor=None):
        """Refuse an instance of which a disk can be placed on no host.

        :param config_drive: whether it has one, which Nova decides
        :raises errors.PolicyRefused: the first that cannot be granted
        """
        asked = wishes(instance, flavor)
        for each in _roles(instance, flavor or instance.flavor, config_drive):
            self._require(policy.resolve(self.rules, each, asked).placement)

    def check_rules(self):
        """Refuse a policy of nova.conf that cannot be granted."""
        for name in self.rules.policies:
            for each in policy.ROLES:
                asked = policy.Wishes(flavor={policy.POLICY: name})
                self._require(policy.resolve(
                    policy.Rules(self.rules.policies), each, asked).placement)
        for each in policy.ROLES:
            policy.resolve(self.rules, each, policy.Wishes())
        self.of_snapshots()

    def granted(self, asked, disk_role):
        """Return the placement that wishes come to; raises as above."""
        placement = policy.resolve(self.rules, disk_role, asked).placement
        if placement.is_empty:
            return placement
        self._require(placement)
        if placement.write_affinity_failure_group == policy.LOCAL:
            return policy.localized(placement, self.failure_group())
        return placement

    def default(self, disk_role, name=None):
        """Return the placement of disks that ask for a policy, or nothing.

        Raises as ``placement`` does.

        :param name: a policy of nova.conf; None for the default of the role
        """
        if name is None:
            return self.granted(policy.Wishes(), disk_role)
        placement = policy.resolve(
            policy.Rules(self.rules.policies), disk_role,
            policy.Wishes(flavor={policy.POLICY: name})).placement
        self._require(placement)
        return placement

    def failure_group(self, offer=None):
        """Return this host's failure group, None if it is not known.

        :param offer: an offer.Offer to believe; GPFS is not asked then
        """
        return (self._failure_group
                or (offer or self.facts.current()).own_failure_group())

    def _require(self, placement):
        """Refuse what the cluster cannot grant, by fresh facts."""
        if placement.is_empty:
            return
        try:
            self._check(placement, self.facts.current())
        except errors.PolicyRefused:
            self._check(placement, self.facts.refreshed())

    @staticmethod
    def _check(placement, offer):
        policy.check(placement, offer.file_system, offer.pools, offer.disks)
