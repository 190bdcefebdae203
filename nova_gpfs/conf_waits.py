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

"""Options of the ``[gpfs]`` group for how long hosts wait for each other."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.IntOpt(
        'leftover_age',
        default=86400, min=600,
        help="""
Age at which an unfinished download is removed, in seconds.

A host that crashes while it fetches or converts an image leaves a directory
below ``instances_path``. It is removed by a host that starts or fetches an
image, once nothing in it has changed for this long. Of the hosts that fetch
images, one looks for such directories in each 24th part of this time. Set it
to more than the longest time for which a download or conversion may stand
still and to more than the clocks of the compute hosts may differ.

It also holds for the clone parents of instances that no longer exist.
"""),
    cfg.IntOpt(
        'lock_wait',
        default=600, min=1,
        help="""
For how long a host waits for another one that does nothing, in seconds.

Of the hosts that want an image which is not cached, one fetches it, and the
others wait for its lock or for the image. A host that dies loses its locks;
one that hangs keeps them, be it that nova-compute is stopped or that its
storage does not answer. So each time that this time has passed the others look
whether anything has changed in the directory in which the image is made. If
not, they pass the lock by, which a warning in the log tells, and one of them
fetches the image in its place. That takes them 1.2 times as long as this, and
twice as long where the host began to hang while they waited.

An image that is fetched twice because a host was only slow is cached once, and
nothing is damaged by it. Set it to more than the longest time for which a
download or conversion may stand still.

Related options:

* ``[gpfs] leftover_age``
"""),
]
