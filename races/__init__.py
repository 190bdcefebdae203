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
"""Many hosts at once: what each may do to the others, and must not.

Every host is a process, a node of its own of one simulated cluster, with the
plug-in's code and the simulator's programs. What a host does is decided by a
seed; when it does it, by the machine. Not found by a run of the tests below
``tests``, which have a short version: ``tox -e races`` runs it.
"""

# Decides first on threads or eventlet.
import tests  # noqa: F401
