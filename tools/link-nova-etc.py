#!/usr/bin/env python3
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


"""Let Nova's functional test fixtures find Nova's api-paste.ini.

The fixtures look for ``etc/nova`` beside the package ``nova``, as in Nova's
source tree (``nova.tests.functional`` and ``nova.conf.paths.basedir_def``),
while the wheel installs it below the prefix of the environment. Run with the
interpreter of that environment. A link that stands already is left alone.
"""

import os
import sys
import sysconfig


def main() -> int:
    link = os.path.join(sysconfig.get_path('purelib'), 'etc')
    installed = os.path.join(sys.prefix, 'etc')
    if not os.path.exists(os.path.join(installed, 'nova/api-paste.ini')):
        print(f'Nova is not installed below {sys.prefix}.', file=sys.stderr)
        return 1
    if not os.path.lexists(link):
        os.symlink(os.path.relpath(installed, os.path.dirname(link)), link)
    return 0


if __name__ == '__main__':
    sys.exit(main())
