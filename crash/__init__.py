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
"""What happens to a host that is killed: every effect, one after the other.

The work of a host is done in a process that is killed (SIGKILL) just before
one of its effects on the world outside, or just after, and then work goes on,
on the same host and on another one. Not found by a run of the tests below
``tests``: ``tox -e crash`` runs it.
"""

# Decides first on threads or eventlet.
import tests  # noqa: F401
