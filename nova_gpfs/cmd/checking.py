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

"""What ``nova-gpfs check`` does: try a cluster out, without harm."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import time
from typing import Any

from oslo_config import cfg

from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs.cmd import printing
from nova_gpfs import errors
from nova_gpfs import libgpfs
from nova_gpfs import location
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs.trials import base
from nova_gpfs.trials import locks
from nova_gpfs.trials import outages
from nova_gpfs.trials import recorder
from nova_gpfs.trials import scratch
from nova_gpfs.trials import table

CONF = cfg.CONF

# A command may take as long as copy_timeout; then its program gives no sign.
_LEFT_AGE = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('directory', metavar='DIRECTORY', type=os.path.abspath,
                        help='instances_path, or a directory below it; all '
                        'happens in a new one in it, which is removed again')
    parser.add_argument('--other-fileset', metavar='DIRECTORY',
                        type=os.path.abspath, help='a directory of the same '
                        'file system in another fileset, for a new one in it')
    parser.add_argument('--second-host', metavar='NAME', default='',
                        help='also wait for this node of the cluster, where '
                        'the same is to be run with --meet')
    parser.add_argument('--wait', metavar='SECONDS', type=float,
                        default=Options.wait, help='how long to wait for '
                        'that node, or for the end of the outage')
    parser.add_argument('--meet', action='store_true', help='be the second '
                        'host of a check that waits')
    parser.add_argument('--outage', choices=tuple(outages.TRIALS), default='',
                        help='also see what files are like while GPFS is '
                        'away from this host, which is for you to bring '
                        'about and to end, within --wait')
    parser.add_argument('--record', metavar='FILE', default='',
                        help='also write a new file with all that was asked '
                        'and said, for the developers')


def work(host: hosts.Host, arguments: argparse.Namespace) -> policies.Answer:
    """Do what the arguments say."""
    if arguments.meet:
        return meet(arguments.directory)
    return check(host, Options(
        arguments.directory, arguments.other_fileset or '',
        arguments.second_host, arguments.wait, arguments.outage,
        arguments.record),
        arguments.format)


@dataclasses.dataclass(frozen=True)
class Options:
    """What an operator has asked for; ``wait`` is in seconds."""

    directory: str
    other_fileset: str = ''
    second_host: str = ''
    wait: float = 600.0
    outage: str = ''
    record: str = ''


@dataclasses.dataclass(frozen=True)
class _Cluster:
    """What is asked, how, and what it has said so far."""

    driver: mmdriver.MmDriver
    configured: recorder.Recorder
    direct: recorder.Recorder
    calls: list[recorder.Call]


def check(host: hosts.Host, options: Options, form: str) -> policies.Answer:
    """Make all trials below a directory and report what they came to.

    The exit code is NOT_WELL where something is wrong or could not be found
    out, and FAILED where the cluster stopped working meanwhile.

    :raises errors.GpfsError: it cannot be tried at all; nothing was written
    :raises FileExistsError: there is a record of that name
    """
    if options.record and os.path.lexists(options.record):
        raise FileExistsError(f'{options.record} exists')
    cluster = _cluster()
    known = cluster.driver.cluster()
    here = location.locate(cluster.driver, options.directory)
    require_reach(host, options.directory)
    report = _Report(known, here, cluster)
    with scratch.ended_by_signals():
        report.fill(options)
    if options.record:
        report.keep(options.record)
    return report.document(form), report.code()


def meet(directory: str) -> policies.Answer:
    """Answer the check of another host; FAILED when there is none."""
    name = _cluster().driver.cluster().node_name
    answer = locks.meet(directory, name)
    if answer is None:
        printing.say(f'No check waits below {directory}; begin with '
                     f'"nova-gpfs check {directory} --second-host {name}" on '
                     'the other host.')
        return {'locks': []}, policies.FAILED
    return {'locks': [
        {'kind': kind, 'of': answer['waiting'], 'found': answer[kind]}
        for kind in locks.KINDS]}, policies.WELL


def _cluster() -> _Cluster:
    """Return the cluster as nova-compute sees it, root as root does."""
    calls: list[recorder.Call] = []
    configured = recorder.Recorder(hosts.as_root_or_configured(),
                                   'as configured', calls)
    return _Cluster(
        mmdriver.MmDriver(configured, libgpfs.Library(CONF.gpfs.library)),
        configured,
        recorder.Recorder(hosts.local(), 'by this user', calls), calls)


def require_reach(host: hosts.Host, directory: str) -> None:
    """Refuse a directory in which the privileged daemon does nothing.

    :raises errors.NotPermitted: it is not below instances_path
    """
    top = host.storage.layout.instances_path
    rootless = set(CONF.gpfs.rootless_commands)
    if (os.geteuid() != 0 and not {'mmclone', 'mmchattr'} <= rootless
            and os.path.commonpath((top, directory)) != top):
        raise errors.NotPermitted(
            f'{directory} is not below instances_path ({top}), and the '
            'privileged daemon touches no other files; root may check it')


class _Report:
    """What is found out, as it is found out."""

    def __init__(self, cluster: model.Cluster, here: location.Location,
                 tried: _Cluster) -> None:
        self._max_depth = CONF.gpfs.max_clone_depth
        self._affinity_pools = tuple(CONF.gpfs.write_affinity_pools)
        self._cluster = cluster
        self._here = here
        self._tried = tried
        self._started = time.time()
        self._findings: list[base.Finding] = []
        self._stopped = ''
        self._left: list[str] = []
        self._unkept = ''

    def fill(self, options: Options) -> None:
        """Make the trials; what stops them is kept."""
        name, age = self._cluster.node_name, _LEFT_AGE + CONF.gpfs.copy_timeout
        tops = [options.directory]
        if options.other_fileset:
            tops.append(options.other_fileset)
        with _scratches(tops, name, age) as own:
            try:
                self._make_all(own)
                self._meet(own[0], options)
                self._findings += outages.watch(
                    own[0], options.outage, options.wait, printing.say)
            except base.HOPELESS as error:
                self._stopped = str(error)
        self._left = [each.path for each in own if not each.is_gone()]
        if any(each.is_out_of_reach for each in own):
            self._stopped = 'the file system was still away at the end'

    def _make_all(self, own: list[scratch.Scratch]) -> None:
        bench = self._bench(own)
        for number, trial in enumerate(table.TRIALS, 1):
            printing.say(f'[{number}/{len(table.TRIALS)}] {trial.name}')
            for each in own:
                each.touch()
            self._findings.append(base.make(trial, bench))

    def _bench(self, own: list[scratch.Scratch]) -> base.Bench:
        tried = self._tried
        return base.Bench(
            tried.driver, tried.configured, tried.direct,
            libgpfs.Library(CONF.gpfs.library), own[0].path,
            tried.driver.file_system(self._here.file_system),
            self._here.fileset, self._max_depth, self._affinity_pools,
            own[1].path if own[1:] else '')

    def _meet(self, own: scratch.Scratch, options: Options) -> None:
        answer = None
        if options.second_host:
            answer = locks.invite(
                own, self._cluster.node_name, options.wait, printing.say,
                f'nova-gpfs check {options.directory} --meet')
        self._findings += locks.between(
            self._cluster.node_name, options.second_host, answer)

    def code(self) -> int:
        """Return the exit code of what was found."""
        if self._stopped or self._unkept:
            return policies.FAILED
        bad = any(one.state in (base.WRONG, base.UNKNOWN)
                  for one in self._findings)
        return policies.NOT_WELL if bad or self._left else policies.WELL

    def document(self, form: str) -> dict[str, Any]:
        """Return it for people, in few words, or for programs."""
        if form == 'json':
            return self._fields()
        return {**{state: rows for state in base.STATES
                   if (rows := list(self._rows(state)))},
                'troubles': self._troubles(), 'times': self._times(),
                'summary': self._summary()}

    def _rows(self, state: str) -> Iterator[policies.Row]:
        well = state in (base.WORKS, base.SKIPPED)
        for one in self._findings:
            if one.state == state:
                yield {'trial': one.name, 'answer': one.answer,
                       'product': one.product if well else '',
                       'reason': one.detail if state == base.SKIPPED else '',
                       'why': [] if well else [
                           text for text in (one.question, one.detail,
                                             one.product) if text],
                       'note': '' if well else one.next_step}

    def _times(self) -> list[policies.Row]:
        return list(recorder.times(self._tried.calls))

    def _troubles(self) -> list[policies.Row]:
        found = [{'trouble': what, 'why': why} for what, why in (
            ('the trials were stopped', self._stopped),
            ('there is no record', self._unkept)) if why]
        return found + [
            {'trouble': f'{path} could not be removed', 'why': 'GPFS is away '
             'or does not let all of it go; remove it by hand, or with the '
             'next check'}
            for path in self._left]

    def _summary(self) -> dict[str, int]:
        return {state: sum(one.state == state for one in self._findings)
                for state in base.STATES}

    def _fields(self) -> dict[str, Any]:
        return {'findings': [one.fields() for one in self._findings],
                'troubles': self._troubles(), 'times': self._times(),
                'summary': self._summary()}

    def keep(self, path: str) -> None:
        """Write the record; a report without one is worth having, too."""
        try:
            _write(path, self.record())
        except OSError as error:
            self._unkept = str(error)

    def record(self) -> dict[str, Any]:
        """Return all of it, with what every command said."""
        return {
            'version': 1, 'started_at': int(self._started),
            'nova_gpfs': importlib.metadata.version('nova-gpfs'),
            'python': platform.python_version(),
            'linux': platform.release(), 'root': os.geteuid() == 0,
            'cluster': dataclasses.asdict(self._cluster),
            'location': dataclasses.asdict(self._here),
            'configured': _configured(), **self._fields(),
            'not_tried': table.NOT_TRIED,
            'calls': [dataclasses.asdict(call)
                      for call in self._tried.calls]}


@contextlib.contextmanager
def _scratches(directories: Sequence[str], host: str, left_age: float
               ) -> Iterator[list[scratch.Scratch]]:
    """Make a scratch directory in each directory."""
    with contextlib.ExitStack() as made:
        own = [made.enter_context(scratch.below(each, host, left_age))
               for each in directories]
        try:
            yield own
        finally:
            # They are on one file system.
            if any(each.is_out_of_reach for each in own):
                for each in own:
                    each.is_out_of_reach = True


def _configured() -> dict[str, Any]:
    """Return the options of [gpfs] that trials depend on."""
    return {name: getattr(CONF.gpfs, name) for name in (
        'mm_path', 'library', 'rootless_commands', 'command_timeout',
        'copy_timeout', 'max_clone_depth', 'write_affinity_pools')}


def _write(path: str, fields: dict[str, Any]) -> None:
    """Write a record that only its owner may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, 'w', encoding='utf-8') as file:
        file.write(json.dumps(fields, indent=1) + '\n')
