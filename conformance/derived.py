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

"""Classes of tests like those of a module of Nova, but on GPFS."""

import unittest

from conformance import differences
from conformance import plug_in


def classes(novas, name):
    """Return {name: class} for a module ``name`` from a module of Nova."""
    return {each.__name__: on_gpfs(each, name)
            for each in vars(novas).values()
            if isinstance(each, type) and issubclass(each, unittest.TestCase)
            and each.__module__ == novas.__name__}


def on_gpfs(novas, module):
    """Return a class with the tests of a class of Nova's."""
    members = {'__module__': module, '__doc__': novas.__doc__}
    for name in filter(_names_a_test, dir(novas)):
        known = differences.of().get(f'{novas.__name__}.{name}')
        if known is not None:
            change = (differences.failing if known.fails
                      else differences.skipped)
            members[name] = change(getattr(novas, name), known.reason)
    return type(novas.__name__, (plug_in.OnGpfs, novas), members)


def _names_a_test(name):
    return name.startswith(unittest.TestLoader.testMethodPrefix)
