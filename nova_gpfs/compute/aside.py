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

"""Which migration has set a directory of disks aside.

Nova renames the directory of an instance to ``<uuid>_resize`` for a move. If
nova-compute dies early in a move, the next one takes a directory of that name
for the disks to go back to, also one that an earlier move has left, whose
disks are old.
"""

import os

NAME = 'move'


def mark(directory, instance):
    """Note the migration for which a directory is about to be set aside.

    :raises OSError: it is not noted; the directory must stay where it is
    """
    move = instance.migration_context
    path = os.path.join(directory, NAME)
    if move is None:
        _remove(path)
        return
    unfinished = path + '.new'
    with open(unfinished, 'w', encoding='ascii') as f:
        f.write(f'{move.migration_id}\n')
        f.flush()
        os.fsync(f.fileno())
    os.replace(unfinished, path)


def belongs_to_other(directory, instance):
    """Whether a directory was set aside, and for another migration.

    Not where nothing is noted: earlier releases did not. The instance says
    which is its own; where two have finished, Nova may name either of them.
    """
    try:
        with open(os.path.join(directory, NAME), encoding='ascii') as f:
            noted = int(f.read())
    except (FileNotFoundError, ValueError):
        return False
    move = instance.migration_context
    return move is not None and noted != move.migration_id


def forget(directory):
    """Note that a directory is the instance's again."""
    _remove(os.path.join(directory, NAME))


def _remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
