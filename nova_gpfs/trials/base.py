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

"""What a trial is: a question to a cluster, and what each answer means.

A trial looks at one thing in a directory of its own and returns an answer, a
word. The table says what the product does in that case and what an operator
does next. Where the simulator has a switch for the question, the answers are
the positions of the switch.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import errno
import os
from typing import Any

from nova_gpfs import driver as gpfs_driver
from nova_gpfs import errors
from nova_gpfs import libgpfs
from nova_gpfs.mm import base
from nova_gpfs import model
from nova_gpfs import printable
from nova_gpfs.trials import scratch

WORKS = 'works'
DEGRADED = 'degraded'
WRONG = 'wrong'
UNKNOWN = 'unknown'
SKIPPED = 'not tried'
STATES = (WRONG, DEGRADED, UNKNOWN, WORKS, SKIPPED)

#: After one of these nothing else can be found out.
HOPELESS = (errors.NotMounted, errors.NotReady, errors.ProgramMissing,
            errors.TimedOut)

#: What a file of a trial holds; no blocks of GPFS fit into an inode.
CONTENT = b'nova-gpfs trial\n' * 4096


class Skip(Exception):
    """A trial cannot be made here; the text says what is missing."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What an answer means; ``product`` is what the plug-in does then."""

    state: str
    product: str
    next_step: str = ''


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a trial has seen: an answer, and how the cluster put it."""

    answer: str
    detail: str = ''


@dataclasses.dataclass(frozen=True)
class Bench:
    """What trials work with.

    ``configured`` runs a command as nova-compute does, ``direct`` as this
    user. ``scratch`` is the directory that all of it happens in, and
    ``elsewhere`` one in another fileset, '' if none was given.
    """

    driver: gpfs_driver.GpfsDriver
    configured: base.Transport
    direct: base.Transport
    library: libgpfs.Library
    scratch: str
    file_system: model.FileSystem
    fileset: str
    max_clone_depth: int
    write_affinity_pools: tuple[str, ...] = ()
    elsewhere: str = ''

    @contextlib.contextmanager
    def room(self, name: str) -> Iterator[Room]:
        """Give a new directory; what can be removed is gone when left."""
        path = os.path.join(self.scratch, name)
        os.mkdir(path, 0o700)
        try:
            yield Room(self, path)
        finally:
            scratch.remove(path)


@dataclasses.dataclass(frozen=True)
class Room:
    """The directory of one trial."""

    bench: Bench
    path: str

    @property
    def driver(self) -> gpfs_driver.GpfsDriver:
        return self.bench.driver

    def at(self, name: str) -> str:
        """Return the path of a name in it."""
        return os.path.join(self.path, name)

    def file(self, name: str = 'file', mode: int = 0o644) -> str:
        """Make a small file."""
        path = self.at(name)
        with open(path, 'xb') as f:
            f.write(CONTENT)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(path, mode)
        return path

    def parent(self, name: str = 'image', mode: int = 0o644) -> str:
        """Make a small file and seal it as a clone parent."""
        path = self.file(name, mode)
        self.driver.seal(path)
        return path

    def clone(self, parent: str, name: str = 'disk') -> str:
        """Make a clone of a parent."""
        path = self.at(name)
        self.driver.clone(parent, path)
        return path


Look = Callable[[Room], Seen]


@dataclasses.dataclass(frozen=True)
class Trial:
    """A question, how it is answered, and what each answer means.

    ``switch`` is the simulator's for the same question: its positions are the
    answers, or values of errno that the detail of a refusal begins with.
    ``source`` is what is known of it, and from where.
    """

    name: str
    question: str
    look: Look
    verdicts: Mapping[str, Verdict]
    switch: str = ''
    source: str = ''


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a trial has come to."""

    name: str
    question: str
    answer: str
    state: str
    product: str = ''
    next_step: str = ''
    detail: str = ''
    switch: str = ''
    source: str = ''

    def fields(self) -> dict[str, Any]:
        """Return the fields that say anything, for JSON."""
        return {name: value for name, value
                in dataclasses.asdict(self).items() if value}


def found(trial: Trial, seen: Seen) -> Finding:
    """Return what an answer means."""
    verdict = trial.verdicts.get(seen.answer, UNFORESEEN)
    return Finding(trial.name, trial.question, seen.answer, verdict.state,
                   verdict.product, verdict.next_step, seen.detail,
                   trial.switch, trial.source)


UNFORESEEN = Verdict(
    UNKNOWN, 'nothing is known about this answer',
    'Send the record (--record FILE) to the developers of nova-gpfs.')


def make(trial: Trial, bench: Bench) -> Finding:
    """Make a trial; what goes wrong in it is a finding as well.

    :raises errors.GpfsError: one of HOPELESS
    """
    try:
        with bench.room(trial.name) as room:
            return found(trial, trial.look(room))
    except Skip as reason:
        return skipped(trial, str(reason))
    except HOPELESS:
        raise
    except (errors.GpfsError, OSError) as error:
        return unknown(trial, explain(error))


def unknown(trial: Trial, why: str) -> Finding:
    """Return the finding of a trial that could not be made to the end."""
    return _without(trial, UNKNOWN, why)


def skipped(trial: Trial, reason: str) -> Finding:
    """Return the finding of a trial that was not made."""
    return _without(trial, SKIPPED, reason)


def _without(trial: Trial, state: str, detail: str) -> Finding:
    """Return the finding of a trial that has come to no answer."""
    return Finding(
        trial.name, trial.question, '', state, detail=detail,
        next_step=UNFORESEEN.next_step if state == UNKNOWN else '',
        switch=trial.switch, source=trial.source)


def refusal(work: Callable[..., object], *arguments: object) -> str:
    """Return why something cannot be done, '' once it is done.

    :raises errors.GpfsError: one of HOPELESS
    """
    try:
        work(*arguments)
    except HOPELESS:
        raise
    except (errors.GpfsError, OSError) as error:
        return explain(error)
    return ''


def allowed(why: str) -> Seen:
    """Return the answer of a trial that asks whether something goes."""
    return Seen('refuse', why) if why else Seen('allow')


def explain(error: Exception) -> str:
    """Return an error in the words of who refused: GPFS or the kernel."""
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        return f'{name} ({error.strerror})'
    cause = error.__cause__
    if isinstance(cause, errors.CommandFailed):
        error = cause
    if isinstance(error, errors.CommandFailed):
        said = printable.line(error.stderr or error.stdout, 280)
        return f'exit code {error.rc}: {said or "(nothing said)"}'
    return str(error)


def run(room: Room, command: base.Effect) -> str:
    """Run a command as nova-compute would; return why it failed, or ''.

    :raises Skip: the privileged daemon does not do that, whoever asks
    """
    def attempt() -> None:
        command.outcome(result)

    try:
        result = room.bench.configured(command)
    except errors.NotPermitted as error:
        raise Skip(f'not as nova-compute: {error.args[0]}') from error
    return refusal(attempt)


def is_intact(path: str) -> bool:
    """Whether a file still holds what all files of trials hold."""
    with open(path, 'rb') as f:
        return f.read() == CONTENT
