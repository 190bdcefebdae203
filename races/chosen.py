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
"""What whoever runs the races may choose, by the environment."""

import os

SEED = 'NOVA_GPFS_RACES_SEED'
#: After so many seconds no host begins with anything new.
SECONDS = 'NOVA_GPFS_RACES_SECONDS'
HOSTS = 'NOVA_GPFS_RACES_HOSTS'
DEFAULTS = {SEED: 1, SECONDS: 30, HOSTS: 64}


def export(seed):
    """Complete the environment, for the tests and for who reads it."""
    for name, value in {**DEFAULTS, SEED: seed}.items():
        os.environ.setdefault(name, str(value))


def number(name):
    return int(os.environ.get(name, DEFAULTS[name]))
