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
"""Count the crash points of all operations: ``python -m crash.count``."""

from crash import effects
from crash import lists


def main():
    rows = {operation: len(list(effects.points(found)))
            for operation, found in lists.known().items()}
    width = max(map(len, rows))
    for operation, number in rows.items():
        print(f'{operation:{width}}  {number:4}')
    print(f'crash points: {sum(rows.values())}')


if __name__ == '__main__':
    main()
