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

"""mmrestripefile: bring the blocks of files to where they are to be.

Options after IBM's documentation (mmrestripefile command, 5.0.4). Of what it
prints, the output of ``-z`` alone has been recorded.
"""

from __future__ import annotations

from nova_gpfs.sim import allocation
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import files
from nova_gpfs.sim import layers
from nova_gpfs.sim import placement

NEEDS_DAEMON = True

_USAGE = ('{-m | -r | -p | -b [--strict] | -l | -c [--read-only] | -z} '
          '{-F FilenameFile | Filename [Filename...]}')
_WORK = ('-m', '-r', '-p', '-b', '-l', '-c', '-z')


def run(call: calls.Call) -> None:
    """Work on every file as the options say."""
    found, paths = calls.options(
        call, ' '.join((*_WORK, '--strict', '--read-only')), '-F', _USAGE)
    work = [option for option in _WORK if option in found]
    if len(work) != 1 or bool(paths) == ('-F' in found):
        raise calls.Refusal('usage', usage=_USAGE)
    paths = paths or _listed(found['-F'])
    call.each(paths, lambda call, path: _restripe(call, path, work[0]))
    if work[0] == '-z' or call.switch('restripe_output') == 'scan':
        call.say(*(f'Scanning {path}' for path in paths))
        if not call.err:
            call.say('Scan completed successfully.')


def _listed(name: str) -> list[str]:
    """Return the paths in a file, one a line."""
    try:
        with open(name) as lines:
            return [line.rstrip('\n') for line in lines if line.strip()]
    except OSError:
        raise calls.Refusal('chattr.missing', path=name) from None


def _restripe(call: calls.Call, path: str, option: str) -> None:
    found = files.find(call, path, 'chattr')
    placement.require_owner(call, found)
    if not found.is_regular:
        return
    owned = _owned(call, found) if option in ('-b', '-l') else b''
    with call.state.change():
        if found.file.id is not None:
            found.file = files.by_id(call.state, found.file.id)
        found.adopt(call.state)
        if option in ('-r', '-b'):
            layers.replicate(call.state, found.file)
        if option in ('-p', '-b') or option == '-l' and (
                call.switch('relocate_moves_pools') == 'yes'):
            layers.move(call.state, found.file,
                        call.switch('moved_blocks') == 'anew')
        if option in ('-b', '-l'):
            layers.relocate(call.state, found.file, owned,
                            *_layout(call, found.file, option))


def _owned(call: calls.Call, found: files.Found) -> bytes:
    from nova_gpfs.sim import blocks
    return blocks.owned(call.state, found)


def _layout(call: calls.Call, file: files.File, option: str
            ) -> tuple[str, str]:
    """Return the node and the write affinity that blocks are laid out by."""
    if option == '-b':
        return '', allocation.SPREAD
    if call.switch('relocating_node') == 'caller':
        return call.node, file.write_affinity
    return file.writer, file.write_affinity
