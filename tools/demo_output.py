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

"""What the demonstration prints: text for people or one document."""

import argparse
import os
import sys

GIB = 2 ** 30
MIB = 2 ** 20
OPTIONS = argparse.Namespace(format='text')


def own_stdout():
    """Keep standard output for us; Nova's services log to where it was."""
    stream = os.fdopen(os.dup(sys.stdout.fileno()), 'w')
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    os.close(silence)
    return stream


# Nova logs a line as soon as it is imported, which this has to come before.
STDOUT = own_stdout()


def say(line=''):
    """Print a line for a person; programs get one document at the end."""
    if OPTIONS.format == 'text':
        print(line, file=STDOUT, flush=True)


def size(number):
    for unit, divisor in (('GiB', GIB), ('MiB', MIB), ('KiB', 1024)):
        if number >= divisor:
            return f'{number / divisor:.1f} {unit}'
    return f'{number} B'


def step(title):
    say()
    say(title)
    say('-' * len(title))


def rows(found):
    """Print dictionaries with the same keys as an aligned table."""
    names = list(found[0])
    cells = [names, *([str(row[name]) for name in names] for row in found)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for row in cells:
        say('  ' + '   '.join(cell.ljust(width) for cell, width
                              in zip(row, widths)).rstrip())
