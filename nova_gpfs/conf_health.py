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

"""Options of the ``[gpfs]`` group for days on which the storage is sick."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'guest_error_policy',
        default='stop',
        choices=[
            ('stop', 'QEMU stops the guest'),
            ('enospace', 'QEMU stops the guest for a write that finds no '
                         'space, and reports all other errors to it'),
            ('report', 'The guest is told, as by a broken disk')],
        help="""
What QEMU does when it cannot read or write the disk of a guest.

By itself QEMU stops a guest only for ENOSPC. A fileset whose quota is used up
(EDQUOT) and a GPFS that is gone (EIO, ESTALE, ENODEV) would reach the guest
as errors of its disk. Its file system then goes read-only, and somebody has to
log in and repair it.

A guest that QEMU has stopped stands still and loses nothing: what it wanted to
read or write is done when it goes on. Nova shows it as ``ACTIVE`` with power
state ``Paused``, and ``openstack server unpause`` is refused. It goes on by
itself (``[gpfs] resume_guests``) or by ``virsh resume``.

The policy stands in the guest's XML, for the disks that are files below
``instances_path``, the config drive among them. Guests that run have it from
their next start or hard reboot on; a soft reboot or live migration keeps what
they have.

Related options:

* ``[gpfs] resume_guests``
"""),
    cfg.BoolOpt(
        'resume_guests',
        default=True,
        help="""
Let guests go on that QEMU has stopped for an error of their disks.

Once a minute, when the file system is well and has room, nova-compute resumes
those guests of its host of which libvirt says that they are paused for an I/O
error. A guest that its user has paused, that Nova is doing something with, or
that is paused for another reason is left alone. One that stops again is tried
at longer and longer intervals, an hour at most.

Possible values:

* ``True``
* ``False``: the operator resumes them with ``virsh resume``.

Related options:

* ``[gpfs] guest_error_policy``
* ``[DEFAULT] update_resources_interval``, by which it is about one minute
"""),
    cfg.BoolOpt(
        'disable_sick_host',
        default=True,
        help="""
Disable the compute service of this host while its storage is sick.

Once a minute nova-compute looks whether the file system of the instances is
there, answers, is the right one and can be written to, and whether the daemon
of this node serves it. If not, the compute service is disabled with a reason
that begins with ``AUTO: GPFS:``, so that nothing is scheduled to the host.
When all is well again it is enabled. A service that somebody else has disabled
is left alone, and so are the instances. A service that an operator enables
while the storage is sick is disabled again.

Possible values:

* ``True``
* ``False``: the trouble is logged, and the service is left alone. What this
  option disabled before is enabled again.

Related options:

* ``[gpfs] command_timeout``, the time in which the file system has to answer
* ``[DEFAULT] update_resources_interval``, by which it is about one minute
"""),
]
