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

"""Look at, explain and apply what nova-gpfs does on this compute host.

It reads the configuration of nova-compute and runs mm commands as that does.
Exit code 0: all is well. 1: something is not as it should be. 2: it could
not be done; a line on standard error says why.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import logging
import sys

from oslo_config import cfg

from nova_gpfs.cmd import applying
from nova_gpfs.cmd import caching
from nova_gpfs.cmd import checking
from nova_gpfs.cmd import drift
from nova_gpfs.cmd import everyday
from nova_gpfs.cmd import fetching
from nova_gpfs.cmd import flatten
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import leftovers
from nova_gpfs.cmd import policies
from nova_gpfs.cmd import printing
from nova_gpfs.cmd import wishes
from nova_gpfs import errors
from nova_gpfs import flattening
from nova_gpfs import policy

NAME = 'nova-gpfs'

Arguments = argparse.Namespace
Work = Callable[[hosts.Host, Arguments], policies.Answer]
Commands = argparse._SubParsersAction  # its only name, in all releases


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING,
                        format=f'{NAME}: %(message)s')
    try:
        host = hosts.from_files(arguments.config_file, arguments.config_dir,
                                arguments.otherwise(arguments))
        document, code = arguments.work(host, arguments)
    except (errors.GpfsError, cfg.Error, OSError) as error:
        printing.say(f'{NAME}: {" ".join(str(error).split())}')
        return policies.FAILED
    except KeyboardInterrupt:
        printing.say(f'{NAME}: interrupted')
        return policies.FAILED
    printing.show(document, arguments.format)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(NAME, description=__doc__)
    _add_everywhere(parser, [], [], 'text')
    groups = parser.add_subparsers(required=True, metavar='GROUP')
    text = 'placement policies: where the blocks of disks live'
    group = groups.add_parser('policy', help=text, description=text)
    _add_policy(group.add_subparsers(required=True, metavar='COMMAND'))
    text = 'master images: what disks are cloned from'
    group = groups.add_parser('cache', help=text, description=text)
    _add_cache(group.add_subparsers(required=True, metavar='COMMAND'))
    _add_flatten(groups)
    _add_status(groups)
    check = add(groups, 'check', 'try out what this cluster does where GPFS '
                'is not documented, without harm', checking.work)
    checking.add_arguments(check)
    # The first thing that is run on a cluster; nova.conf may come later.
    check.set_defaults(otherwise=lambda arguments: arguments.directory)
    return parser


def _add_everywhere(parser: argparse.ArgumentParser, *defaults: object
                    ) -> None:
    """Add what may stand before and after the words of a command."""
    config_file, config_dir, form = defaults
    parser.add_argument('--config-file', action='append', metavar='PATH',
                        default=config_file,
                        help="instead of nova-compute's own files")
    parser.add_argument('--config-dir', action='append', metavar='DIR',
                        default=config_dir,
                        help="instead of nova-compute's own directories")
    parser.add_argument('--format', choices=printing.FORMATS, default=form)


def add(commands: Commands[argparse.ArgumentParser], name: str, text: str,
        work: Work) -> argparse.ArgumentParser:
    """Add a command of a group; ``work`` does it and returns its answer."""
    parser = commands.add_parser(name, help=text, description=text)
    _add_everywhere(parser, *[argparse.SUPPRESS] * 3)
    parser.set_defaults(work=work, otherwise=lambda _arguments: '')
    return parser


def _add_policy(commands: Commands[argparse.ArgumentParser]) -> None:
    add(commands, 'list', 'list the policies of nova.conf',
        lambda host, _arguments: policies.list_all(host.rules))
    show = add(commands, 'show',
               'show a policy, and whether the cluster grants it',
               lambda host, arguments: policies.show(host, arguments.name))
    show.add_argument('name', metavar='NAME')
    _add_explain(commands)
    audit = add(commands, 'audit',
                'compare disks and masters with what they should be',
                lambda host, arguments: drift.audit_all(
                    host, arguments.instance))
    _add_instance(audit, default=[], help='only the disks of this one')
    _add_apply(commands)


def _add_cache(commands: Commands[argparse.ArgumentParser]) -> None:
    add(commands, 'list', 'list the masters, their clones and their age',
        lambda host, _arguments: caching.list_all(host))
    add(commands, 'verify', 'compare the masters with what they were when '
        'they were sealed; reads all of their data',
        lambda host, _arguments: caching.verify(host))
    _add_prefetch(commands)
    _add_snapshots(commands)
    clean = add(commands, 'clean', 'remove masters that nobody needs',
                lambda host, arguments: caching.clean(
                    host, hosts.master_ages(), arguments.dry_run))
    clean.add_argument('--dry-run', action='store_true',
                       help='only tell which masters GPFS would be asked to '
                       'remove')


def _add_snapshots(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add(commands, 'snapshots', "list files of snapshots in Glance's "
                 'store that Glance does not know', _snapshots)
    parser.add_argument('--remove', action='store_true',
                        help='remove them')
    parser.add_argument('--os-cloud', metavar='CLOUD',
                        help='a cloud of clouds.yaml, whose user has the role '
                        'admin; by default what the variables OS_* say')


def _snapshots(host: hosts.Host, arguments: Arguments) -> policies.Answer:
    return leftovers.sweep(host, arguments.os_cloud, arguments.remove)


def _add_prefetch(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add(commands, 'prefetch', 'fetch an image and make the masters '
                 'that its instances will need', _prefetch)
    parser.add_argument('image', metavar='IMAGE', help='its UUID or name')
    parser.add_argument('--policy', action='append', default=[],
                        metavar='NAME', help='also for root disks of this '
                        'policy; by default for the default one and those of '
                        '[gpfs] prefetch_policies')
    parser.add_argument('--os-cloud', metavar='CLOUD',
                        help='a cloud of clouds.yaml, whose user may see the '
                        'image; by default what the variables OS_* say')


def _prefetch(host: hosts.Host, arguments: Arguments) -> policies.Answer:
    return fetching.prefetch(host, arguments.image, arguments.policy,
                             arguments.os_cloud, printing.say)


def _add_instance(parser: argparse._ActionsContainer, **how: object) -> None:
    parser.add_argument('--instance', action='append', metavar='UUID',
                        **how)  # type: ignore[arg-type]


def _add_explain(commands: Commands[argparse.ArgumentParser]) -> None:
    explain = add(commands, 'explain', 'explain what placement a flavor and '
                  'an image come to, and which commands would run', _explain)
    for name, prefix in (('flavor', policy.FLAVOR), ('image', policy.IMAGE)):
        explain.add_argument(
            f'--{name}', action='append', default=[],
            metavar='KEY=VALUE|@FILE',
            help=f'what the {name} says, with or without "{prefix}", or a '
            f'file with what "openstack {name} show -f json" prints (@- is '
            'standard input)')
    explain.add_argument('--role', action='append', choices=policy.ROLES,
                         help='only disks of this role')


def _explain(host: hosts.Host, arguments: Arguments) -> policies.Answer:
    asked, image_id = wishes.parse(arguments.flavor, arguments.image)
    return policies.explain(host, asked, image_id,
                            arguments.role or policy.ROLES)


def _add_which(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    _add_instance(which, help='the disks of this one')
    which.add_argument('--all', action='store_true',
                       help='the disks of all instances')
    parser.add_argument('--dry-run', action='store_true',
                        help='only tell what would be done')


def _add_apply(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add(commands, 'apply', 'give disks the placement that they '
                 'should have', _apply)
    _add_which(parser)
    parser.add_argument(
        '--detach', action='store_true',
        help='also copy blocks that a disk shares with a master which lies '
        'elsewhere; that GPFS does it while a guest has the disk open is not '
        'documented')
    parser.add_argument('--pause', type=_seconds, default=0.0,
                        metavar='SECONDS', help='wait between two disks')


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 1e6:
        raise ValueError(text)
    return seconds


def _apply(host: hosts.Host, arguments: Arguments) -> policies.Answer:
    options = applying.Options(arguments.dry_run, arguments.detach,
                               arguments.pause)
    return applying.apply(host, arguments.instance or [], options,
                          printing.say)


def _add_flatten(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add(commands, 'flatten', 'take disks off their master and their '
                 'clone parents, by copying the blocks that they share',
                 _flatten)
    _add_which(parser)
    parser.add_argument('--rate', type=_mebibytes, metavar='MIB',
                        help='copy no more than so many MiB a second')
    parser.add_argument(
        '--running', action='store_true',
        help='also disks that QEMU has open. That GPFS does it to an open '
        'file is not documented. Without this option such disks are found by '
        "QEMU's locks and left alone; but that GPFS shows a host the locks "
        'of another one is not documented for locks of this kind (open file '
        'descriptions), so stop the instance in any case')


def _add_status(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add(commands, 'status', 'show how GPFS, the file system and what '
                 'nova-gpfs keeps on it are; exit code 0: well, 1: a warning, '
                 '2: broken', lambda host, arguments: everyday.status(
                     host, arguments.timeout, arguments.format))
    parser.add_argument('--timeout', type=float, default=60.0,
                        metavar='SECONDS', help='wait no longer for it')


def _mebibytes(text: str) -> float:
    """Return a number of MiB in bytes."""
    mebibytes = float(text)
    if not 0 < mebibytes < 1e6:
        raise ValueError(text)
    return mebibytes * flattening.MIB


def _flatten(host: hosts.Host, arguments: Arguments) -> policies.Answer:
    options = flatten.Options(arguments.dry_run, arguments.running,
                              arguments.rate)
    return flatten.flatten(host, arguments.instance or [], options,
                           printing.say)


if __name__ == '__main__':
    sys.exit(main())
