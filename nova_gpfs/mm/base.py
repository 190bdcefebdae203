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


"""An mm command as a value: what is run, how it is read, what may go wrong.

A form of an mm command is a frozen dataclass of plain fields. Its class is
one screen: the argv, the parser and the error texts. Nothing here runs
anything; a ``Transport`` does, and whatever is behind it can spell only the
commands of this package.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from nova_gpfs import errors
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs import model

T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class Command(abc.ABC, Generic[T]):
    """One form of one mm command; subclasses add the fields.

    :raises errors.InvalidName: a field is not of its kind
    """

    program: ClassVar[str]
    failures: ClassVar[faults.Table] = faults.STATES

    def __post_init__(self) -> None:
        fields.check(self)

    @abc.abstractmethod
    def arguments(self) -> tuple[str, ...]:
        """Return what follows the program's name."""

    @abc.abstractmethod
    def outcome(self, result: model.Result) -> T:
        """Return what the command has found or done.

        :raises errors.GpfsError: it says that it failed, or not enough
        """

    @property
    def copies_data(self) -> bool:
        """Whether the command takes as long as copying a file's blocks."""
        return False

    def argv(self) -> tuple[str, ...]:
        """Return the program's name and its arguments."""
        return (self.program, *self.arguments())

    def paths(self) -> tuple[str, ...]:
        """Return the files that the command works on."""
        return fields.paths(self)

    def failure(self, result: model.Result) -> errors.GpfsError:
        """Return the error for a result that is not what was asked for."""
        return faults.recognise(self.failures, self.argv(), result,
                                self.paths())


class Query(Command[T]):
    """A command that prints something.

    It succeeds when it has printed what was expected and ended with 0. Its
    exit code alone says nothing: some builds exit with 0 after an error.
    Other text on stderr is tolerated, since notes like "Unable to obtain the
    GPFS configuration file lock. Retrying" (IBM message 6027-1262) are not
    failures.
    """

    @abc.abstractmethod
    def parse(self, stdout: str) -> T:
        """Return the value that ``stdout`` holds.

        :raises errors.OutputNotUnderstood: it does not hold one
        """

    def outcome(self, result: model.Result) -> T:
        failure = self.failure(result)
        known = not isinstance(failure, errors.CommandFailed)
        if result.rc != 0 or (known and result.stderr.strip()):
            raise failure
        try:
            return self.parse(result.stdout)
        except errors.OutputNotUnderstood as error:
            if known or result.stderr.strip():
                raise failure from error
            raise


class Effect(Command[None]):
    """A command that changes something and has nothing to print.

    ``outcome`` only tells what the command says of itself. Whether it is so
    is for the caller to see.
    """

    def changed(self) -> tuple[str, ...]:
        """Return the files that may be other ones afterwards."""
        return self.paths()

    def made(self) -> tuple[str, ...]:
        """Return the files that do not exist before."""
        return ()

    def outcome(self, result: model.Result) -> None:
        if result.rc != 0 or result.stderr.strip():
            raise self.failure(result)


class Transport(Protocol):
    """Runs a command somewhere; a clone that it makes is the current user's.

    :raises errors.TimedOut: it was ended at its time limit
    :raises errors.ProgramMissing: there is no such program
    :raises errors.NotPermitted: it was not run
    """

    def __call__(self, command: Command[Any]) -> model.Result:
        """Run ``command`` to its end."""
