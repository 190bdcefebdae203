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
"""The lists of known effects, one for each operation, below ``known``."""

import collections
import os

DIRECTORY = os.path.join(os.path.dirname(__file__), 'known')
# Writes the lists instead of comparing with them.
RECORD = 'NOVA_GPFS_CRASH_RECORD'
# Of the crash points, every n-th; all of them by default.
STEP = 'NOVA_GPFS_CRASH_STEP'
# Names the file in which tests note what they have tried.
TRIED = 'NOVA_GPFS_CRASH_TRIED'


def known():
    """Return {operation: its effects}, which every run has to have."""
    return {name.removesuffix('.txt'): _read(name).splitlines()
            for name in sorted(os.listdir(DIRECTORY))}


def note(operation):
    """Note that one more crash point of an operation was tried and held."""
    if os.environ.get(TRIED):
        with open(os.environ[TRIED], 'a') as file:
            file.write(f'{operation}\n')


def tried():
    """Return {operation: how many of its crash points were tried}."""
    try:
        with open(os.environ.get(TRIED, os.devnull)) as file:
            return collections.Counter(file.read().splitlines())
    except FileNotFoundError:
        return collections.Counter()


def require(test, operation, found):
    """Fail where an operation has effects that are not in its list."""
    path = os.path.join(DIRECTORY, f'{operation}.txt')
    text = '\n'.join(found) + '\n'
    if os.environ.get(RECORD):
        with open(path, 'w') as file:
            file.write(text)
    test.assertEqual(
        _read(path), text, f'the effects of "{operation}" are not those of '
        f'{path}; look at them, and run it with {RECORD}=1')


def _read(name):
    path = os.path.join(DIRECTORY, name)
    if not os.path.exists(path):
        return ''
    with open(path) as file:
        return file.read()
