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


"""Locks between hosts that work, or do not."""

from oslo_concurrency import lockutils


def prepare(no_locks):
    """Let locks need a path of their own, and on wish reach nobody else."""
    lockutils.set_defaults(lock_path='/nonexistent')
    if no_locks:
        # oslo.concurrency's own switch.
        lockutils._register_opts(lockutils.CONF)
        lockutils.CONF.set_override('disable_process_locking', True,
                                    'oslo_concurrency')
