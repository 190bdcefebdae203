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

"""Compare how a disk or master is placed with how it should be; no I/O.

What can be seen of a file is its pool, its replicas and the flags of
``mmlsattr``. Write affinity cannot: no published output of a GPFS command has
it. There the record of what the disk was given stands for what it has.

Blocks that a clone reads through its parent lie where the parent's do (IBM
documentation, "File clones and disk space management"). So a disk is right
only if its ancestors are, and one whose parent is not known may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses

from nova_gpfs import model
from nova_gpfs import policy

OK = 'ok'
DRIFT = 'drift'
UNKNOWN = 'unknown'

# Flags of a file whose blocks are not what its attributes say. There is also
# illcompressed, which is no matter of placement.
_FLAGS = ('illplaced', 'illreplicated')
_ILL_PLACED = 'GPFS says illplaced'
_SEEN = ('pool', 'data_replicas', 'metadata_replicas')
_UNSEEN = ('write_affinity_depth', 'block_group_factor',
           'write_affinity_failure_group')


@dataclasses.dataclass(frozen=True)
class Ancestor:
    """A clone parent of a disk; ``placement`` is None if it is not known.

    ``is_own`` tells that it once was a disk of an instance. It has the blocks
    of that, whatever it was given itself: with which attributes GPFS makes
    such a parent is not documented.
    """

    name: str
    placement: model.Placement | None
    is_own: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What there is to say of a file, in sentences without a full stop.

    ``wrong`` can be put right in the file itself. ``shared`` is of blocks
    that it shares with its master and would have to copy.
    """

    wrong: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        if self.wrong or self.shared:
            return DRIFT
        return UNKNOWN if self.unknown else OK

    @property
    def why(self) -> tuple[str, ...]:
        return self.wrong + self.shared + self.unknown


def disk(wanted: model.Placement, given: model.Placement,
         found: model.FileAttributes,
         ancestors: Iterable[Ancestor] = ()) -> Verdict:
    """Compare a disk.

    :param wanted: as nova.conf and the instance say today
    :param given: as the record beside the disk says
    :param found: as GPFS says
    :param ancestors: those from whom it may have blocks, nearest first
    """
    wrong = [*_of_file(wanted, found), *_not_given(wanted, given)]
    shared, unknown = [], []
    if _has_affinity(wanted) or _has_affinity(given):
        # Blocks that are there stay where they are when it changes. Which
        # flag tells of them is not documented.
        unknown = [each for each in wrong if each == _ILL_PLACED]
        wrong = [each for each in wrong if each != _ILL_PLACED]
    for one in () if policy.of_master(wanted).is_empty else ancestors:
        differences = ', '.join(_of_ancestor(one, wanted, given))
        if one.placement is None:
            unknown.append(f'shares blocks with {one.name}, which is nothing '
                           'that is known here')
        elif differences:
            shared.append(f'shares blocks with its {one.name} '
                          f'({differences})')
    return Verdict(tuple(wrong), tuple(shared), tuple(unknown))


def master(recorded: model.Placement, found: model.FileAttributes) -> Verdict:
    """Compare a master with what its blocks were when it was sealed."""
    return Verdict(tuple(_of_file(recorded, found)))


def placement(found: model.FileAttributes) -> model.Placement:
    """Return what can be seen of a file's placement."""
    return model.Placement(found.pool, found.data_replicas,
                           found.metadata_replicas)


def _of_file(wanted: model.Placement,
             found: model.FileAttributes) -> Iterator[str]:
    """Yield what is wrong with a file, if anything is wanted of it."""
    if not policy.of_master(wanted).is_empty:
        yield from _differences(wanted, placement(found))
        yield from _flags(found)


def _differences(wanted: model.Placement,
                 found: model.Placement) -> Iterator[str]:
    for name in _SEEN:
        asked, has = getattr(wanted, name), getattr(found, name)
        if asked not in (None, has):
            yield f'{name} is {has}'


def _flags(found: model.FileAttributes) -> Iterator[str]:
    """Yield flags; they are printed with blanks or commas between them."""
    for flag in ' '.join(found.flags).replace(',', ' ').split():
        if flag in _FLAGS:
            yield f'GPFS says {flag}'


def _of_ancestor(one: Ancestor, wanted: model.Placement,
                 given: model.Placement) -> Iterator[str]:
    """Yield what is wrong with an ancestor, nothing if it is not known."""
    if one.placement is None or (
            one.is_own and not any(_differences(wanted, given))):
        return
    yield from _differences(wanted, one.placement)


def _has_affinity(placement: model.Placement) -> bool:
    return placement != policy.of_master(placement)


def _not_given(wanted: model.Placement,
               given: model.Placement) -> Iterator[str]:
    """Yield write affinity that the disk was not given by our record.

    "local" is left out: it is the failure group of the host that runs the
    instance, and which that is is not known here.
    """
    for name in _UNSEEN:
        asked, has = getattr(wanted, name), getattr(given, name)
        if asked not in (None, has, policy.LOCAL):
            yield f'{name} was given as {has}'
