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

import os

# Nova runs e2label and mkfs, and tests run dumpe2fs and blkid, from
# directories that Debian leaves out of the PATH of ordinary users. tox sets it
# too; this is for whatever else runs tests.
os.environ['PATH'] = os.pathsep.join(
    [os.environ.get('PATH', os.defpath),
     '/usr/local/sbin', '/usr/sbin', '/sbin'])

# Nova decides here on threads or eventlet, and refuses the former once
# anything has imported eventlet, as oslo.privsep does. So this comes first in
# every process that runs tests, whichever of them it runs.
import nova.tests.functional  # noqa: E402, F401
