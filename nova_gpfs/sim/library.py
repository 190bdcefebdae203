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

"""A libgpfs.so for a simulated cluster, compiled when somebody asks for it.

A program loads a library, so this one cannot be written in Python. It holds
no rules: it runs a program of the cluster, as ``libgpfs.c`` says.
"""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec: runs the compiler
import tempfile

from nova_gpfs.sim import builder

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'libgpfs.c')
NAME = 'libgpfs.so'
_FUNCTION = 'gpfs_declone'


class NoCompiler(Exception):
    """There is no C compiler, or it does not make a library."""


def compiler() -> str | None:
    """Return the C compiler of this machine, None if it has none."""
    return shutil.which(os.environ.get('CC') or 'cc')


def build(directory: str, node: str = '') -> str:
    """Return the path of the library as a node sees it; make it if needed.

    ``directory`` is the real path of a cluster. Several processes may do
    this at once.

    :raises NoCompiler: it is not there and cannot be made
    """
    home = builder.library_dir(directory, node)
    target = os.path.join(home, NAME)
    if not os.path.exists(target):
        os.makedirs(home, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as room:
            program = os.path.join(home, _FUNCTION)
            made = os.path.join(room, _FUNCTION)
            builder.write_program(made, directory, node, _FUNCTION)
            os.rename(made, program)
            made = os.path.join(room, NAME)
            _compile(made, program)
            os.rename(made, target)
    return target


def _compile(target: str, program: str) -> None:
    cc = compiler()
    if cc is None:
        raise NoCompiler('there is no C compiler; install cc, for instance '
                         'the packages gcc and libc6-dev')
    done = subprocess.run(  # nosec: no shell
        [cc, '-shared', '-fPIC', '-O1', '-Wall', '-D_GNU_SOURCE',
         f'-DPROGRAM={_literal(program)}', '-o', target, SOURCE],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors='replace')
    if done.returncode:
        raise NoCompiler(f'{cc} makes no library: {done.stderr.strip()}')


def _literal(path: str) -> str:
    """Return a path as a string of C, whatever it holds."""
    return '"' + ''.join(f'\\{byte:03o}' for byte in os.fsencode(path)) + '"'
