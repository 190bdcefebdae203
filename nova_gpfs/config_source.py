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

"""The way into Nova: a source of configuration that supplies no values.

Nova has no plug-in point for image backends. oslo.config has one for sources
of option values, and loads those that ``[DEFAULT] config_source`` names while
it parses nova.conf: after all options are registered, before any of them is
read. That is the one moment at which ``gpfs`` can become a choice of
``[libvirt] images_type`` in an unmodified nova-compute::

    [DEFAULT]
    config_source = gpfs
    [gpfs]
    driver = gpfs

If activation raises, oslo.config logs the reason and goes on; ``gpfs`` is
then no choice, and the service ends as soon as it reads ``images_type``. It
never runs with another backend instead.

oslo.config loads every installed source as soon as one is configured, in any
program: Nova 34 does so before it decides on eventlet
(``nova.monkey_patch``), and the privileged daemons do so as root. Therefore
this module imports nothing but ``sys`` and oslo.config.
"""

from __future__ import annotations

import sys
from typing import Any

from oslo_config import cfg
from oslo_config import sources


class NoValues(sources.ConfigurationSource):
    """A source that has no value for any option."""

    def get(self, group_name: str | None, option_name: str,
            opt: cfg.Opt) -> tuple[Any, cfg.LocationInfo | None]:
        """Return what oslo.config documents as 'not present here'."""
        return (sources._NoValue, None)


class Driver(sources.ConfigurationSourceDriver):
    """Makes ``gpfs`` known to Nova while nova.conf is parsed.

    The options of the image backend stand in the same group, but they are
    not options of this source: see ``nova_gpfs.conf``.
    """

    def list_options_for_discovery(self) -> list[cfg.Opt]:
        """Return no options: there is nothing to set up here."""
        return []

    def open_source_from_opt_group(self, conf: cfg.ConfigOpts,
                                   group_name: str) -> NoValues:
        """Activate the plug-in if ``conf`` is Nova's own configuration.

        It is not in Nova 34's early look at ``concurrency_backend``, which
        parses the same files into an object of its own, nor in a privileged
        daemon, where Nova's options are not registered.

        :raises: errors.UnknownNova, which oslo.config logs.
        """
        if conf is cfg.CONF and 'nova.conf.libvirt' in sys.modules:
            from nova_gpfs.compute import activation
            activation.activate()
        return NoValues()
