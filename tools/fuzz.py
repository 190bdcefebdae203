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

"""Let atheris, which sees what code an input reaches, drive property tests.

The tests are those of hypothesis that read what others have written; in a
usual run each of them gets a few hundred random inputs. An input that fails
ends the test's turn and is kept by hypothesis, so that the next usual run
begins with it.

Exits with 1 if a test failed, with 2 if none has the name that is asked for.
"""

import argparse
import contextlib
import functools
import importlib
import inspect
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What reads images' headers, names and properties, locations, records, what
# commands print, and operators' policies.
MODULES = ('tests.unit.api.test_extra_specs', 'tests.unit.mm.test_commands',
           'tests.unit.mm.test_fields', 'tests.unit.mm.test_ytable',
           'tests.unit.test_hostile_records',
           'tests.unit.test_image_location', 'tests.unit.test_layout',
           'tests.unit.test_policy', 'tests.unit.test_qcow2')
# What libFuzzer says in the end.
_DONE = re.compile(r'^#(\d+)\s+DONE\s+cov: (\d+)', re.MULTILINE)
_FAILED = re.compile(r'^ *=== Uncaught Python exception: ===$', re.MULTILINE)
# Bytes of an input: hypothesis makes texts and tables of them.
_LONGEST = 4096
# Seconds that imports and the last input may take.
_PATIENCE = 300


def names():
    """Return the names of all property tests of MODULES."""
    found = []
    for name in MODULES:
        module = importlib.import_module(name)
        for _name, case in inspect.getmembers(module, inspect.isclass):
            if issubclass(case, unittest.TestCase) and (
                    case.__module__ == name):
                found += [f'{name}.{case.__name__}.{method}'
                          for method, function in inspect.getmembers(case)
                          if getattr(function, 'is_hypothesis_test', False)]
    return found


def target(name):
    """Return what gives a property test one input, as bytes."""
    module, case, method = name.rsplit('.', 2)
    test = getattr(importlib.import_module(module), case)(method)
    test.setUp()
    function = getattr(type(test), method)
    bound = functools.partial(function.hypothesis.inner_test, test)
    return _given(function)(bound).hypothesis.fuzz_one_input


def _given(function):
    """Return a decorator with the strategies of a property test."""
    import hypothesis

    def decorate(bound):
        @hypothesis.given(**function.hypothesis._given_kwargs)
        @functools.wraps(bound)
        def run(**values):
            bound(**values)
        return run
    return decorate


def fuzz(name, seconds):
    """Give a test inputs for so many seconds; does not return."""
    import atheris
    with atheris.instrument_imports(include=['nova_gpfs']):
        importlib.import_module(name.rsplit('.', 2)[0])
    logging.disable(logging.CRITICAL)
    atheris.Setup([sys.argv[0], f'-max_total_time={seconds}',
                   f'-max_len={_LONGEST}', '-print_final_stats=0',
                   f'-artifact_prefix={tempfile.gettempdir()}/'],
                  target(name))
    atheris.Fuzz()


def run(name, seconds):
    """Fuzz a test in a process of its own; return what came of it."""
    with tempfile.TemporaryDirectory() as room:
        done = subprocess.run(
            [sys.executable, os.path.abspath(__file__), '--one', name,
             f'--seconds={seconds}'], cwd=TOP, text=True, errors='replace',
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=seconds + _PATIENCE, env=dict(os.environ, TMPDIR=room))
    end = _DONE.search(done.stdout)
    well = not done.returncode and end is not None
    return {'test': name, 'ok': well,
            'inputs': int(end[1]) if end else None,
            'reached': int(end[2]) if end else None,
            'said': '' if well else _cause(done.stdout)}


def _cause(said):
    """Return the part of an output that tells what failed."""
    start = _FAILED.search(said)
    return (said[start.start():] if start else said)[-4000:]


def line(row):
    """Return a row as one line for people."""
    numbers = ''.join(f'{"?" if row[key] is None else row[key]:>9}'
                      for key in ('inputs', 'reached'))
    return f'{numbers}  {"ok" if row["ok"] else "FAILED":6}  {row["test"]}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', help='parts of names of tests; '
                                                 'all by default')
    parser.add_argument('--seconds', type=int, default=60,
                        help='for each test (default %(default)s)')
    parser.add_argument('--format', choices=('text', 'json'), default='text')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        fuzz(asked.one, asked.seconds)
    chosen = [name for name in names()
              if not asked.names or any(part in name for part in asked.names)]
    if not chosen:
        print(f'No property test is called {" or ".join(asked.names)}.',
              file=sys.stderr)
        return 2
    rows = []
    if asked.format == 'text':
        print(f'{"inputs":>9}{"reached":>9}')
    for name in chosen:
        rows.append(row := run(name, asked.seconds))
        if asked.format == 'text':
            print(line(row), flush=True)
            print(row['said'], end='', flush=True)
    if asked.format == 'json':
        json.dump(rows, sys.stdout, indent=2)
    return 0 if all(row['ok'] for row in rows) else 1


if __name__ == '__main__':
    sys.path.insert(0, TOP)
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
