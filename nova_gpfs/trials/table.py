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

from nova_gpfs.trials import affinity
from nova_gpfs.trials import attributes
from nova_gpfs.trials import base
from nova_gpfs.trials import clones
from nova_gpfs.trials import commands
from nova_gpfs.trials import locks
from nova_gpfs.trials import outages
from nova_gpfs.trials import parents

#: In the order in which they are made.
TRIALS: tuple[base.Trial, ...] = (
    *commands.TRIALS, *clones.TRIALS, *parents.TRIALS, *attributes.TRIALS,
    *affinity.TRIALS, *locks.TRIALS)

#: With those for which it takes a second host, or one out of service.
EVERY: tuple[base.Trial, ...] = (
    *TRIALS, *locks.QUESTIONS, *outages.TRIALS.values())

_LAYOUT = ('the product asks for a layout and looks at no block, since no '
           'command has a documented output that shows where one lies')
_FULL = ('a clone is made or refused with one error, whatever GPFS looks at '
         'first; a fileset would have to be full to see it')

#: Switches of the simulator that no trial moves after, and why the product
#: does the same in each of their positions.
NOT_TRIED = {
    'rename_across_filesets': 'the product renames and links within one',
    'several_files': 'the product gives a command one file',
    'superuser': 'it is of the simulator alone',
    'clone_affinity': 'the product sets the write affinity that is asked for '
    'on every clone, whatever it starts with',
    'affinity_flag': 'a flag that was there before is no failure, and without '
    'one there is nothing to see',
    'depth_two': _LAYOUT,
    'moved_blocks': _LAYOUT,
    'relocating_node': _LAYOUT,
    'relocate_moves_pools': _LAYOUT,
    'move_now': 'the product always says when blocks are to move',
    'fill_check': _FULL,
    'copy_over_quota': _FULL,
}
