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

"""Where the privileged daemon may touch files, by its own configuration."""

from __future__ import annotations

import functools

from oslo_config import cfg

from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_image_store
from nova_gpfs import errors
from nova_gpfs import image_store
from nova_gpfs import nova_options

CONF = cfg.CONF


def root() -> str:
    """Return the directory below which files may be touched."""
    path = str(options().instances_path).rstrip('/')
    if not path.startswith('/'):
        raise errors.NotPermitted(
            'instances_path is not set for the privileged daemon, nor is '
            'there a store with gpfs_store_privileged')
    return path


def options() -> cfg.ConfigOpts:
    """Return the options of Nova, or of Glance in the place of Nova's."""
    return CONF if 'instances_path' in CONF else _nova_options()


@functools.cache
def _nova_options() -> cfg.ConfigOpts:
    found = nova_options.read(CONF)
    if not found.instances_path:
        found.set_default('instances_path', _store_directory())
    return found


def _store_directory() -> str:
    """Return what Glance's daemon works below, '' if it is not Glance's."""
    found = {each.directory for each in conf_image_store.stores(CONF)
             if each.privileged}
    if len(found) > 1:
        raise errors.NotPermitted(
            'gpfs_store_privileged is set for several stores')
    return ''.join(found)


def snapshots() -> tuple[str, ...]:
    """Return where Nova clones disks for Glance; nothing without a store."""
    gpfs_conf.register(CONF)
    store = image_store.from_option(CONF.gpfs.image_store)
    return (store.room(image_store.SNAPSHOTS),) if store else ()


def images() -> tuple[str, ...]:
    """Return the directories whose images Nova may look at."""
    store = image_store.from_option(CONF.gpfs.image_store)
    return (*((store.room(image_store.IMAGES),) if store else ()),
            *map(image_store.directory, CONF.gpfs.image_file_directories))
