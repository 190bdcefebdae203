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

"""Set up, look at and sweep the image stores of Glance on GPFS.

It reads the configuration of Glance's API. Exit code 0: all is well. 1:
something is not as it should be. 2: it could not be done; a line on standard
error says why.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import logging
import os
import sys

from oslo_config import cfg

from nova_gpfs.cmd import policies
from nova_gpfs.cmd import printing
from nova_gpfs import conf as gpfs_conf
from nova_gpfs import conf_image_store
from nova_gpfs import errors
from nova_gpfs.glance import access
from nova_gpfs.glance import files
from nova_gpfs.glance import guard as store_guard
from nova_gpfs.glance import sweeping
from nova_gpfs import image_location
from nova_gpfs import image_store

NAME = 'nova-gpfs-glance'
CONF = cfg.CONF

Arguments = argparse.Namespace


class Store:
    """One store, as Glance's files describe it."""

    def __init__(self, settings: conf_image_store.Settings,
                 privileged: bool) -> None:
        self.settings = settings
        self.driver = access.driver(CONF, privileged)
        self.files = image_store.ImageStore(settings.directory)
        self.guard = store_guard.StoreGuard(self.driver, self.files)


Work = Callable[[Store, Arguments], policies.Row]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING,
                        format=f'{NAME}: %(message)s')
    try:
        stores = _stores(arguments)
        rows = [{'store': store.settings.name,
                 **arguments.work(store, arguments)} for store in stores]
    except errors.GpfsError as error:
        return _failed(access.says(error))
    except (cfg.Error, OSError) as error:
        return _failed(str(error))
    printing.show({'stores': rows}, arguments.format)
    return policies.WELL


def _failed(why: str) -> int:
    printing.say(f'{NAME}: {" ".join(why.split())}')
    return policies.FAILED


def _stores(arguments: Arguments) -> list[Store]:
    """Read Glance's configuration.

    Root runs the commands itself, whoever runs them for Glance.

    :raises errors.Misconfigured: there is no such store
    """
    CONF([f'--config-file={path}' for path in arguments.config_file or []]
         + [f'--config-dir={path}' for path in arguments.config_dir or []],
         project='glance', prog='glance-api')
    gpfs_conf.register(CONF)
    if os.geteuid() == 0:
        CONF.set_override('rootless_commands', gpfs_conf.COMMANDS,
                          group='gpfs')
    found = [Store(each, each.privileged and os.geteuid() != 0)
             for each in conf_image_store.stores(CONF)
             if arguments.store in (None, each.name)]
    if not found:
        raise errors.Misconfigured(
            f'no store {arguments.store or "on GPFS"} in '
            + (', '.join(CONF.config_file) or 'any file; name '
               'glance-api.conf with --config-file'))
    return found


def _init(store: Store, _arguments: Arguments) -> policies.Row:
    """Make the directories of a store, for the owner of the store."""
    owner = os.stat(store.settings.directory).st_uid
    where = store.guard.establish(owner)
    return {'directory': store.settings.directory,
            'locations': image_location.prefix(where)}


def _status(store: Store, _arguments: Arguments) -> policies.Row:
    with store.guard.rooms() as rooms:
        held = list(sweeping.images(rooms))
        left = list(sweeping.leftovers(rooms))
    return {'directory': store.settings.directory,
            'locations': image_location.prefix(store.guard.where),
            'images': len(held), 'bytes': sum(each.size for each in held),
            'leftovers': [_row(each) for each in left]}


def _sweep(store: Store, arguments: Arguments) -> policies.Row:
    _require_owner(store)
    age = store.settings.leftover_age
    with store.guard.rooms() as rooms:
        unknown: tuple[sweeping.Leftover, ...] = ()
        if arguments.known_images is not None:
            unknown = sweeping.unknown(
                rooms, _known(arguments.known_images), age)
        if arguments.dry_run:
            return {'would_be_removed': [_row(each) for each in unknown],
                    'waiting': [_row(each) for each
                                in sweeping.leftovers(rooms)]}
        gone = [each for each in unknown if _is_removed(store, rooms, each)]
        swept = sweeping.sweep(rooms, age)
    return {'removed': [_row(each) for each in (*gone, *swept.removed)],
            'waiting': [_row(each) for each in swept.waiting]}


def _is_removed(store: Store, rooms: image_store.Rooms,
                image: sweeping.Leftover) -> bool:
    try:
        files.remove(rooms, store.files, store.driver, image.name)
    except errors.NoSuchFile:
        return False
    except errors.GpfsError as error:
        printing.say(f'{NAME}: {access.says(error)}')
        return False
    return True


def _require_owner(store: Store) -> None:
    """Refuse to sweep as a user whom GPFS would let remove less, or more.

    :raises errors.WrongUser: this is neither root nor Glance's user
    """
    owner = os.stat(store.settings.directory).st_uid
    if os.geteuid() not in (0, owner):
        raise errors.WrongUser(f'{store.settings.directory} belongs to user '
                               f'{owner}, and this is {os.geteuid()}')


def _known(path: str) -> frozenset[str]:
    """Return the ids in a file; there must be some.

    :raises errors.Misconfigured: there is none, so that every image would go
    :raises OSError: it cannot be read
    """
    if path == '-':
        return _ids(sys.stdin, path)
    with open(path, encoding='utf-8') as lines:
        return _ids(lines, path)


def _ids(lines: Iterable[str], path: str) -> frozenset[str]:
    found = frozenset(line.strip() for line in lines if line.strip())
    if not found:
        raise errors.Misconfigured(f'{path} names no image')
    return found


def _row(left: sweeping.Leftover) -> policies.Row:
    return {**dataclasses.asdict(left), 'age': int(left.age)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(NAME, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    _add(commands, 'init', 'make what is below gpfs_store_directory, for its '
         'owner, and note where on GPFS it is; as root', _init)
    _add(commands, 'status', 'show what is stored and what is left over',
         _status)
    sweep = _add(commands, 'sweep', 'remove unfinished uploads, and deleted '
                 'images whose last clone is gone', _sweep)
    sweep.add_argument(
        '--known-images', metavar='FILE',
        help='also remove the files of images that are not named in this '
        'file, one id a line ("-" is standard input): the output of '
        '"openstack image list --all-projects -f value -c ID", complete and '
        'new. Files that are younger than gpfs_store_leftover_age stay')
    sweep.add_argument('--dry-run', action='store_true',
                       help='only tell which images are unknown and what is '
                       'left over')
    return parser


def _add(commands: argparse._SubParsersAction[argparse.ArgumentParser],
         name: str, text: str, work: Work) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument('--config-file', action='append', metavar='PATH',
                        help="instead of Glance's own files")
    parser.add_argument('--config-dir', action='append', metavar='DIR',
                        help="instead of Glance's own directories")
    parser.add_argument('--store', metavar='NAME',
                        help='only this one of enabled_backends')
    parser.add_argument('--format', choices=printing.FORMATS, default='text')
    parser.set_defaults(work=work)
    return parser


if __name__ == '__main__':
    sys.exit(main())
