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

"""mmlsattr -L (the plain table of mmlsattr has no recording)."""

from __future__ import annotations

import os
import stat

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import files
from nova_gpfs.sim import filesystems
from nova_gpfs.sim import layers
from nova_gpfs.sim import output
from nova_gpfs.sim import writers

NEEDS_DAEMON = True

_USAGE = '[-L] [-l] {Filename [Filename...]}'


def run(call: calls.Call) -> None:
    """Print the attributes of every file."""
    found, paths = calls.options(call, '-L -l -d', '', _USAGE)
    if not paths:
        raise calls.Refusal('usage', usage=_USAGE)
    show = _long if '-L' in found else _short
    if '-L' not in found:
        call.say('  replication factors',
                 'metadata(max) data(max) file    [flags]',
                 '------------- --------- ---------------')
    call.each(paths, _Shower(show, '-l' in found))


class _Shower:
    """Prints a file; failures come as Refusal."""

    def __init__(self, show: Show, keep_link: bool) -> None:
        self._show = show
        self._keep_link = keep_link

    def __call__(self, call: calls.Call, path: str) -> None:
        real = filesystems.real_path(call.state, path)
        if self._keep_link:
            directory = filesystems.real_path(
                call.state, os.path.dirname(path) or '.')
            real = os.path.join(directory, os.path.basename(path))
        try:
            found = files.find(call, path, 'chattr', real)
        except calls.Refusal as refusal:
            if not refusal.key.startswith('chattr'):
                raise
            raise calls.Refusal('lsattr.failed', refusal.code) from refusal
        self._show(call, path, found)


def _long(call: calls.Call, path: str, found: files.Found) -> None:
    file, status = found.file, found.status
    is_directory = stat.S_ISDIR(status.st_mode)
    if call.out:
        call.say('')
    _field(call, 'file name', path)
    _field(call, 'metadata replication',
           f'{file.metadata_replicas} max {file.max_metadata}')
    if not is_directory:
        _field(call, 'data replication',
               f'{file.data_replicas} max {file.max_data}')
    _field(call, 'immutable', output.yes(file.immutable))
    _field(call, 'appendOnly', 'no')
    _field(call, 'flags', _flags(call, file))
    _field(call, 'storage pool name', 'system' if is_directory else file.pool)
    _field(call, 'fileset name', filesystems.fileset_of(
        call.state, found.system, found.inside))
    _field(call, 'snapshot name', '')
    _field(call, 'creation time', output.date(file.created))
    _field(call, 'Misc attributes',
           'DIRECTORY' if is_directory else _misc(file))
    _field(call, 'Encrypted', 'no')


def _short(call: calls.Call, path: str, found: files.Found) -> None:
    file = found.file
    call.say(f'{file.metadata_replicas:>7} ({file.max_metadata:>3}) '
             f'{file.data_replicas:>4} ({file.max_data:>3}) {path}')


def _field(call: calls.Call, label: str, value: str) -> None:
    call.say(f'{label + ":":<22}{value}')


def _flags(call: calls.Call, file: files.File) -> str:
    """Return the flags; blocks that wait to be moved are ill placed."""
    waiting = layers.of(call.state, file)
    flags = []
    if any(_is_ill_placed(call, file, layer) for layer in waiting):
        flags.append('illplaced')
    if any(layer.replicas < file.data_replicas for layer in waiting):
        flags.append('illreplicated')
    return ','.join(flags)


def _is_ill_placed(call: calls.Call, file: files.File, layer: layers.Layer
                   ) -> bool:
    return layer.pool != file.pool or (
        layer.affinity != file.write_affinity
        and call.switch('affinity_flag') == 'illplaced'
        and writers.allows_affinity(call.state, file.fs, layer.pool))


def _misc(file: files.File) -> str:
    return 'ARCHIVE READONLY' if file.immutable else 'ARCHIVE'


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    Show = Callable[[calls.Call, str, files.Found], None]
