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

"""Keep what commands said and how long they took."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import statistics
import time
from typing import Any

from nova_gpfs import errors
from nova_gpfs.mm import base
from nova_gpfs import model

# Of one output; the listings of a large cluster are longer.
_MOST = 20000


@dataclasses.dataclass(frozen=True)
class Call:
    """A command that was run; ``seconds`` is how long that took."""

    command: str
    argv: tuple[str, ...]
    how: str
    seconds: float
    rc: int | None
    stdout: str
    stderr: str
    failure: str = ''

    @property
    def well(self) -> bool:
        return self.rc == 0 and not self.stderr.strip()


class Recorder:
    """A transport that remembers; ``how`` says as whom commands run."""

    def __init__(self, transport: base.Transport, how: str,
                 calls: list[Call]) -> None:
        self._transport = transport
        self._how = how
        self._calls = calls

    def __call__(self, command: base.Command[Any]) -> model.Result:
        """Run ``command``; raises what the transport does."""
        begun = time.monotonic()
        try:
            result = self._transport(command)
        except errors.GpfsError as error:
            self._note(command, begun, None, type(error).__name__)
            raise
        self._note(command, begun, result)
        return result

    def _note(self, command: base.Command[Any], begun: float,
              result: model.Result | None, failure: str = '') -> None:
        argv = command.argv()
        words = argv[:2] if argv[0] == 'mmclone' else argv[:1]
        self._calls.append(Call(
            ' '.join(words), argv, self._how, time.monotonic() - begun,
            result.rc if result else None,
            result.stdout[:_MOST] if result else '',
            result.stderr[:_MOST] if result else '', failure))


def times(calls: list[Call]) -> Iterator[dict[str, Any]]:
    """Yield how long each command took where it went well, in ms."""
    by_command: dict[tuple[str, str], list[float]] = {}
    for call in calls:
        if call.well:
            by_command.setdefault((call.command, call.how), []).append(
                call.seconds * 1000)
    for (command, how), taken in sorted(by_command.items()):
        yield {'command': command, 'run': how, 'times': len(taken),
               'median_ms': round(statistics.median(taken), 1),
               'max_ms': round(max(taken), 1)}
