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

"""Options of Nova's that count here, read where Nova is not imported.

That is so in the privileged daemon and in ``nova-gpfs``, which also work in
an installation without Nova. The options are kept out of the configuration of
the process: should Nova be imported after all, it would find them there,
defined otherwise, and fail.
"""

from __future__ import annotations

import shlex

from oslo_config import cfg

_OPTIONS = [
    cfg.StrOpt('state_path', default=''),
    cfg.StrOpt('instances_path', default='$state_path/instances'),
    cfg.StrOpt('rootwrap_config', default='/etc/nova/rootwrap.conf'),
]
_WORKAROUNDS = [cfg.BoolOpt('disable_rootwrap', default=False)]

_IMAGE_CACHE = [
    cfg.IntOpt('remove_unused_original_minimum_age_seconds', default=86400,
               deprecated_group='DEFAULT'),
    cfg.IntOpt('remove_unused_resized_minimum_age_seconds', default=3600,
               deprecated_group='libvirt'),
]


def read(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Return Nova's options from the files that ``conf`` was read from.

    ``instances_path`` is empty where the files set neither it nor
    ``state_path``; Nova then takes a directory of its own source.

    :raises cfg.Error: a file is gone or cannot be read
    """
    options = cfg.ConfigOpts()
    options.register_opts(_OPTIONS)
    options.register_opts(_WORKAROUNDS, group='workarounds')
    options.register_opts(_IMAGE_CACHE, group='image_cache')
    options(args=[], default_config_files=conf.config_file,
            default_config_dirs=conf.config_dir)
    if not options.state_path:
        options.set_default('instances_path', '')
    return options


def root_helper(options: cfg.ConfigOpts) -> list[str]:
    """Return the words before a command that Nova would run as root."""
    if options.workarounds.disable_rootwrap:
        return ['sudo']
    return ['sudo', 'nova-rootwrap', *shlex.split(options.rootwrap_config)]
