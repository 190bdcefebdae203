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

"""All trials, and what is not tried."""

from __future__ import annotations

from nova_gpfs.trials import attributes
from nova_gpfs.trials import base
from nova_gpfs.trials import clones
from nova_gpfs.trials import commands
from nova_gpfs.trials import locks
from nova_gpfs.trials import parents

#: In the order in which they are made.
TRIALS: tuple[base.Trial, ...] = (
    *commands.TRIALS, *clones.TRIALS, *parents.TRIALS, *attributes.TRIALS,
    *locks.TRIALS)

_UNSEEN = 'no output that is documented shows where the blocks of a file lie'
_SICK = 'a node would have to be taken out of service'
_FULL = 'a fileset would have to be full'

#: Switches of the simulator that no trial moves after, and why.
NOT_TRIED = {
    'file_access_daemon_down': _SICK,
    'file_access_expelled': _SICK,
    'open_without_quorum': _SICK,
    'rename_across_filesets': 'the product renames and links within one',
    'several_files': 'the product gives a command one file',
    'superuser': 'it is of the simulator alone',
    'clone_affinity': 'no output that is documented shows write affinity',
    'depth_two': _UNSEEN,
    'affinity_flag': _UNSEEN,
    'moved_blocks': _UNSEEN,
    'relocating_node': _UNSEEN,
    'relocate_moves_pools': _UNSEEN,
    'move_now': 'the product always says when blocks are to move',
    'fill_check': _FULL,
    'copy_over_quota': _FULL,
}
