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
"""Run the races with a seed that is said: ``python -m races.run [TESTS]``."""

import os
import random
import subprocess
import sys

from races import chosen


def main():
    chosen.export(random.SystemRandom().randrange(10 ** 6))
    print(' '.join(f'{name}={os.environ[name]}' for name in chosen.DEFAULTS),
          flush=True)
    sys.exit(subprocess.run(
        ['stestr', 'run', '--serial', *sys.argv[1:]]).returncode)


if __name__ == '__main__':
    main()
