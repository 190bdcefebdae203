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

"""mmclone snap, copy, split, redirect and show."""

from __future__ import annotations

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import clones
from nova_gpfs.sim import drafts
from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    Work = Callable[[calls.Call, str], None]

NEEDS_DAEMON = True

# IBM documentation, Listing file clones (5.2.3), sample output.
_HEADER = ('Parent  Depth   Parent inode   File name',
           '------  -----  --------------  ---------')


def run(call: calls.Call) -> None:
    """Do what the first argument says."""
    if not call.is_root() and call.switch('nonroot_mmclone') == 'refuse':
        raise calls.Refusal('clone.not_root')
    work = _KEYWORDS.get(call.args[0] if call.args else '')
    if work is None:
        raise calls.Refusal('clone.usage')
    for system in filesystems.all_of(call.state):
        drafts.sweep(call.state, system)
    try:
        work(call, call.args[1:])
    except OSError as error:
        raise clones.refusal(error) from error


def _snap(call: calls.Call, names: list[str]) -> None:
    if len(names) == 1:
        clones.snap_in_place(call, *names)
    elif len(names) == 2:
        clones.snap(call, *names)
    else:
        raise calls.Refusal('clone.usage')


def _copy(call: calls.Call, names: list[str]) -> None:
    if len(names) != 2:
        raise calls.Refusal('clone.usage')
    clones.copy(call, *names)


def _split(call: calls.Call, names: list[str]) -> None:
    _all(call, names, lambda call, path: clones.detach(call, path, True))


def _redirect(call: calls.Call, names: list[str]) -> None:
    _all(call, names, lambda call, path: clones.detach(call, path, False))


def _show(call: calls.Call, names: list[str]) -> None:
    if names:
        call.say(*_HEADER)
    _all(call, names, _show_one)


def _show_one(call: calls.Call, path: str) -> None:
    found = files.find(call, path, 'clone')
    file = found.file
    if file.parent is None and not file.sealed:
        columns = ('', '', '')
    else:
        if file.sealed:
            links.refresh(call.state, found.system, found.path, file.id)
        inode = ''
        if file.parent is not None:
            inode = str(files.by_id(call.state, file.parent).ino)
        columns = ('yes' if file.sealed else 'no', str(file.depth), inode)
    call.say('{:>6}  {:>5}  {:>14}  {}'.format(*columns, path))


def _all(call: calls.Call, names: list[str], work: Work) -> None:
    if not names:
        raise calls.Refusal('clone.usage')
    call.each(names, work)


_KEYWORDS = {'snap': _snap, 'copy': _copy, 'split': _split,
             'redirect': _redirect, 'show': _show}
