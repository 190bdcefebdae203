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

"""The part that lives inside nova-scheduler."""

from __future__ import annotations

import importlib


def __getattr__(name: str) -> object:
    """Return what ``module:object`` names, as entry points write it.

    Nova cuts a name in weight_classes at its last dot (oslo_utils,
    importutils.import_class), so that nova_gpfs.scheduler.weights:X asks this
    package for an attribute called weights:X.
    """
    module, colon, attribute = name.partition(':')
    if not colon or module != 'weights':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{module}'), attribute)
