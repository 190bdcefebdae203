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
"""Nova's own tests of its libvirt driver, with the plug-in in place.

Nothing of Nova is copied or changed: the tests are those of the installed
Nova, and each class of them is derived from, to put it on GPFS. The modules
here are not found by a run of the tests below ``tests``, because a process
that has imported one of them keeps the plug-in in place for good.
"""

# Decides first on threads or eventlet.
import tests  # noqa: F401
