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


"""The mm commands that the plug-in runs, one module each.

``COMMANDS`` is all that can be run at all: the privileged daemon rebuilds a
command from a name found here and nothing else.
"""

from __future__ import annotations

from typing import Any

from nova_gpfs.mm import base
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmgetstate
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlscluster
from nova_gpfs.mm import mmlsconfig
from nova_gpfs.mm import mmlsdisk
from nova_gpfs.mm import mmlsfileset
from nova_gpfs.mm import mmlsfs
from nova_gpfs.mm import mmlsnsd
from nova_gpfs.mm import mmlspool
from nova_gpfs.mm import mmlsquota
from nova_gpfs.mm import mmrestripefile

_CLASSES: tuple[type[base.Command[Any]], ...] = (
    mmchattr.Change,
    mmclone.Copy, mmclone.Redirect, mmclone.Seal, mmclone.Show, mmclone.Snap,
    mmclone.Split,
    mmgetstate.Get,
    mmlsattr.List, mmlscluster.List, mmlsconfig.List, mmlsdisk.List,
    mmlsfileset.List, mmlsfs.List, mmlsnsd.List, mmlspool.List,
    mmlsquota.List,
    mmrestripefile.Relocate,
)


def spell(command: type[base.Command[Any]]) -> str:
    """Return the name of a command class, like ``mmclone.Copy``."""
    return f'{command.program}.{command.__name__}'


COMMANDS = {spell(command): command for command in _CLASSES}
