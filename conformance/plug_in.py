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

"""Puts the plug-in where Nova's tests look for Nova's libvirt driver.

nova-compute gets the plug-in from ``activation.install()``. Nova's tests go
round the name that it replaces: they take ``LibvirtDriver`` from the module
that defines it, to make drivers and to mock their methods. So this name
becomes ours here too, before any module of tests is imported.
"""

import atexit
import builtins
import contextlib
import functools
import inspect
import os
import shutil
import tempfile

import fixtures
from nova import conf

from nova_gpfs.compute import activation
from nova_gpfs import errors
from nova_gpfs import guard
from nova_gpfs import location
from nova_gpfs.sim import cluster as sim_cluster

CONF = conf.CONF

COMMANDS = ['mmclone', 'mmchattr', 'mmgetstate', 'mmlsattr', 'mmlscluster',
            'mmlsconfig', 'mmlsdisk', 'mmlsfileset', 'mmlsfs', 'mmlsnsd',
            'mmlspool', 'mmlsquota', 'mmrestripefile']


class EstablishedGuard(guard.MountGuard):
    """The guard of a host that has started.

    nova-compute establishes it in ``init_host``. Nova's unit tests use
    drivers that never were started, each on a directory of its own, and mock
    what opens files soon after they have made one.
    """

    def __init__(self, driver, layout):
        super().__init__(driver, layout)
        with contextlib.suppress(errors.GpfsError, OSError):
            self.establish()


class LocateOnce:
    """``location.locate`` that asks the simulated cluster once."""

    def __init__(self, original):
        self.original = original
        self.here = None

    def __call__(self, driver, path):
        top = os.path.realpath(
            os.path.join(gpfs().mount_point('fs0'), 'nova'))
        if os.path.commonpath([top, os.path.realpath(path)]) != top:
            return self.original(driver, path)
        if self.here is None:
            self.here = self.original(driver, top)
        return self.here


def _put_in_place():
    activation.activate()
    # A default argument in the libvirt driver has it from here on.
    CONF.set_default('images_type', activation.IMAGES_TYPE, group='libvirt')
    activation.install()
    from nova.virt import libvirt
    from nova.virt.libvirt import driver
    stock, driver.LibvirtDriver = driver.LibvirtDriver, libvirt.LibvirtDriver
    driver.super = _super_of(stock, libvirt.LibvirtDriver)
    _copy_static_methods(stock, libvirt.LibvirtDriver)
    guard.MountGuard = EstablishedGuard
    location.locate = LocateOnce(location.locate)


def _super_of(stock, ours):
    """Return a ``super`` for the module whose LibvirtDriver is not its own.

    Nova says ``super(LibvirtDriver, self)`` in it up to release 32, and would
    come back to itself.
    """
    class Super(builtins.super):
        def __new__(cls, *arguments):
            if arguments[:1] == (ours,):
                return builtins.super(stock, *arguments[1:])
            return builtins.super.__new__(cls)

    return Super


def _copy_static_methods(stock, ours):
    """Give our class what it inherits, where ``fixtures`` looks for it.

    MonkeyPatch mocks a static method as a usual one, with ``self``, unless
    the class itself has it.
    """
    for name, member in vars(stock).items():
        if (isinstance(member, staticmethod)
                and inspect.getattr_static(ours, name) is member):
            setattr(ours, name, member)


@functools.cache
def gpfs():
    """Return the simulated cluster of this process."""
    directory = tempfile.mkdtemp(prefix='nova-gpfs-conformance-', dir='/tmp')
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return sim_cluster.create(os.path.join(directory, 'gpfs'))


class OnGpfs:
    """A mixin: temporary directories, instances_path among them, on GPFS."""

    def setUp(self):
        fileset = os.path.join(gpfs().mount_point('fs0'), 'nova')
        directory = self.useFixture(fixtures.TempDir(rootdir=fileset)).path
        self.useFixture(fixtures.MonkeyPatch('tempfile.tempdir', directory))
        self.flags(instances_path=directory,
                   compute_driver='libvirt.LibvirtDriver')
        self.flags(images_type=activation.IMAGES_TYPE, group='libvirt')
        self.flags(mm_path=gpfs().bin_dir('node1'),
                   rootless_commands=COMMANDS, group='gpfs')
        super().setUp()


_put_in_place()
