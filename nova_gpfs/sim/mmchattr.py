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

"""mmchattr: replicas, pool, immutability and write affinity of files."""

from __future__ import annotations

import os

from nova_gpfs.sim import call as calls
from nova_gpfs.sim import files
from nova_gpfs.sim import placement

NEEDS_DAEMON = True

_USAGE = ('[-m MetadataReplicas] [-M MaxMetadataReplicas] [-r DataReplicas] '
          '[-R MaxDataReplicas] [-P DataPoolName] [-I {yes | defer}] '
          '[-i {yes | no}] Filename [Filename...]')
_OPTIONS = ('-m -M -r -R -P -I -i -D -a --write-affinity-depth '
            '--block-group-factor --write-affinity-failure-group')
_COUNTS = {'-m': 'metadata_replicas', '-M': 'max_metadata',
           '-r': 'data_replicas', '-R': 'max_data'}
_AFFINITY = ('--write-affinity-depth', '--block-group-factor',
             '--write-affinity-failure-group')


def run(call: calls.Call) -> None:
    """Change every file as the options say."""
    wish, paths = calls.options(call, '-l', _OPTIONS, _USAGE)
    if not paths or not _is_sane(wish):
        raise calls.Refusal('usage', usage=_USAGE)
    call.each(paths, lambda call, path: _change(call, path, wish))


def _is_sane(wish: dict[str, str]) -> bool:
    """Whether every value is one that its option takes."""
    wish.pop('-l', None)
    numbers = [wish[name] for name in (*_COUNTS, *_AFFINITY[:2])
               if name in wish]
    groups = wish.get(_AFFINITY[2], '-')
    answers = [wish[name] for name in ('-i', '-D', '-a') if name in wish]
    return (bool(wish) and all(number.isdigit() for number in numbers)
            and len(groups.split()) == 1
            and all(answer in ('yes', 'no') for answer in answers)
            and wish.get('-I', 'yes') in ('yes', 'defer'))


def _change(call: calls.Call, path: str, wish: dict[str, str]) -> None:
    found = files.find(call, path, 'chattr')
    if found.file.immutable and wish.get('-i') != 'no':
        raise calls.Refusal('chattr.immutable', path=path)
    new = placement.Wish(path, found)
    _set_maxima(new, wish)
    for option in ('-m', '-r'):
        if option in wish:
            new.replicas(_COUNTS[option], int(wish[option]))
    if '-P' in wish:
        new.pool(call, wish['-P'])
    if '-r' in wish or '-P' in wish:
        new.check_failure_groups(call)
    if any(name in wish for name in _AFFINITY):
        new.write_affinity(call, [wish.get(name) for name in _AFFINITY])
    if '-i' in wish:
        new.changed['immutable'] = int(wish['-i'] == 'yes')
    when = wish.get('-I') or call.switch('move_now')
    placement.apply(call, found, new.changed, when)


def _set_maxima(new: placement.Wish, wish: dict[str, str]) -> None:
    for option in ('-M', '-R'):
        if option in wish:
            _require_blank(new)
            new.maximum(_COUNTS[option], int(wish[option]))


def _require_blank(new: placement.Wish) -> None:
    """Refuse other maxima for a file that holds anything."""
    if new.found.status.st_size:
        raise calls.Refusal('chattr.not_empty', path=new.path)
    names = set(os.listxattr(new.found.path)) - {files.TAG}
    if any(name.startswith('user.') for name in names):
        raise calls.Refusal('chattr.has_attributes', path=new.path)
