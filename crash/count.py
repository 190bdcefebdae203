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
"""Count the crash points that were tried: ``python -m crash.count``.

Takes the arguments that the tests were chosen by. Without any, each crash
point of each operation has to have been tried; else this exits with 1.
"""

import os
import sys

from crash import effects
from crash import lists


def main(arguments):
    tried = lists.tried()
    known = {operation: len(list(effects.points(found)))
             for operation, found in lists.known().items()}
    width = max(map(len, known))
    for operation, number in known.items():
        print(f'{operation:{width}}  {tried[operation]:4} of {number:4}')
    print(f'crash points: {sum(tried.values())}')
    whole = not arguments and lists.STEP not in os.environ
    missing = [operation for operation, number in known.items()
               if tried[operation] < number]
    if whole and missing:
        print(f'not all were tried of: {", ".join(missing)}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
