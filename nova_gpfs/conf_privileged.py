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

"""Options of ``[gpfs]`` for the privileged daemon."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'pin_paths',
        default='always',
        choices=('always', 'auto', 'never'),
        help="""
Give mm commands that run as root the very files that were checked.

The privileged daemon opens each file and directory, checks what it has opened,
and names it to the command as ``/proc/PID/fd/N``. Nobody can then put another
file, or a symbolic link, in the place of what was checked before the command
looks at it. Without this, whoever owns a directory below ``instances_path``,
which is the user of nova-compute, can win such a race.

It is not documented whether the mm commands of every release take such names,
and go to the open file. The daemon asks ``mmclone show`` and ``mmlsattr``
about a file of its own, once. ``nova-gpfs check`` as root tries out the
commands that change something too (``names-below-proc``). Where one does not
take them, it fails and nothing is changed.

Possible values:

* ``always``: commands get names of what was checked. Where the two queries
  know a file by its path and not by its name, nothing runs as root, and while
  that is not known nothing is changed. Root makes no file either in a fileset
  in which it cannot close a directory, or GPFS does not say that it can
  (``--allow-permission-change``, ``permission-changes``).
* ``auto``: where GPFS takes no such names, commands get the paths as they are,
  and the log has a warning.
* ``never``: they get the paths as they are. Set this where ``nova-gpfs check``
  says that commands which change something do not take names, and you accept
  that the user of nova-compute could then have root change other files of the
  file system.

Related options:

* ``[gpfs] rootless_commands``: these commands do not run as root. With
  ``mmclone`` among them, a cluster whose commands take no such names needs no
  other value here, unless placement is asked for.
"""),
]
