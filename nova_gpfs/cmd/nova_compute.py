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

"""``nova-compute-gpfs``: nova-compute with the plug-in, without config_source.

For sites where ``config_source`` cannot be set, such as one that runs a
patched oslo.config. It takes the place of nova-compute in the service unit,
reads the same configuration and takes the same arguments. With ``log_dir``
its log is named after itself, because oslo.log asks for the script's name.
"""

from __future__ import annotations

import importlib
import os
import sys

from nova_gpfs import errors

NAME = 'nova-compute-gpfs'


def main() -> None:
    """Run nova-compute.

    :raises: SystemExit with one line for the operator when Nova is missing
        or is not known to the plug-in.
    """
    # oslo.config finds nova-compute.conf and nova-compute.conf.d by the name
    # of the program.
    sys.argv[0] = os.path.join(os.path.dirname(sys.argv[0]), 'nova-compute')
    try:
        # First of all, because this is where Nova decides on eventlet.
        nova_compute = importlib.import_module('nova.cmd.compute')
    except ModuleNotFoundError as error:
        if error.name != 'nova':
            raise
        sys.exit(f'{NAME}: Nova is not installed for {sys.executable}. '
                 'Install nova-gpfs where nova-compute is installed.')
    activation = importlib.import_module('nova_gpfs.compute.activation')
    try:
        activation.activate()
    except errors.UnknownNova as error:
        sys.exit(f'{NAME}: {error}')
    nova_compute.main()
