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


"""The recorded outputs in tests/data."""

import pathlib

from nova_gpfs import model

DATA = pathlib.Path(__file__).parents[2] / 'data'


def read(name: str) -> str:
    """Return a recording by its name, like 5.0.4/mmlsfs-one."""
    return (DATA / f'{name}.txt').read_text()


def printed(name: str) -> model.Result:
    """Return a recording as a command's result: stdout, exit code 0."""
    return model.Result(0, read(name), '')


def failed(name: str, rc: int) -> model.Result:
    """Return a recording as a command's result: stderr and an exit code."""
    return model.Result(rc, '', read(f'{name}.stderr'))
