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

"""Puts the plug-in into Nova; the only module that changes Nova's globals.

Two moments, because importing Nova's libvirt driver reads ``images_type``
already (a default argument in its class body):

* ``activate()``, while nova.conf is parsed: ``gpfs`` becomes a choice of
  ``[libvirt] images_type``, and the function that loads the compute driver
  is wrapped.
* ``install()``, when nova-compute loads its driver and images_type is gpfs:
  our Backend and LibvirtDriver take the places of Nova's, and the function
  that converts images is wrapped.

Both look first whether Nova is as they know it, and change nothing if not.
Nova with any other images_type keeps all of its own classes.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import sys
from typing import Any

import nova.conf
from nova.conf import libvirt as libvirt_conf
from nova import version
from nova.virt import driver as virt_driver
from oslo_config import cfg
from oslo_config import types
from oslo_log import log as logging

from nova_gpfs.compute import expected
from nova_gpfs import conf as gpfs_conf
from nova_gpfs import errors

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

IMAGES_TYPE = 'gpfs'


class LoadComputeDriver:
    """Nova's load_compute_driver, preceded by install()."""

    def __init__(self, original: Callable[..., Any]) -> None:
        self.original = original

    def __call__(self, virtapi: Any, compute_driver: str | None = None) -> Any:
        """Load the driver; end the process when it cannot be ours.

        Nova ends the process in the same way, with exit code 1 and a line in
        the log, when it cannot load a driver.
        """
        if CONF.libvirt.images_type != IMAGES_TYPE:
            return self.original(virtapi, compute_driver)
        try:
            install()
            driver = self.original(virtapi, compute_driver)
            _check_loaded(driver)
        except errors.GpfsError as error:
            LOG.critical('nova-compute cannot start: %s', error)
            sys.exit(1)
        return driver


def activate() -> None:
    """Make ``images_type = gpfs`` known; doing it again is harmless.

    :raises: errors.UnknownNova, and then nothing has been changed.
    """
    choices = _images_type_choices()
    _refuse(expected.differences(expected.TO_ACTIVATE))
    gpfs_conf.register(CONF)
    if not isinstance(virt_driver.load_compute_driver, LoadComputeDriver):
        virt_driver.load_compute_driver = LoadComputeDriver(
            virt_driver.load_compute_driver)
    choices.setdefault(IMAGES_TYPE, 'Clones of master images on IBM GPFS')


def install() -> None:
    """Put our classes in the places of Nova's; again is harmless.

    It has to happen before Nova makes its LibvirtDriver, whose constructor
    makes the Backend. The driver's class is replaced in the package, where
    ``compute_driver = libvirt.LibvirtDriver`` finds it, and not in the
    module: there Nova's own methods use the name for ``super()`` up to 32.

    :raises: errors.UnknownNova, and then nothing has been changed.
    """
    if _installed():
        return
    newer = require_known()
    from nova.virt import images
    from nova.virt import libvirt
    from nova.virt.libvirt import imagebackend
    from nova_gpfs.compute import backend
    from nova_gpfs.compute import image_size
    from nova_gpfs.compute import libvirt_driver
    if not isinstance(images.convert_image, image_size.Convert):
        images.convert_image = image_size.Convert(images.convert_image)
    imagebackend.Backend = backend.GpfsBackend
    libvirt.LibvirtDriver = libvirt_driver.GpfsLibvirtDriver
    LOG.info('images_type = gpfs: the GPFS image backend is in place in Nova '
             '%s', version.version_string())
    if newer:
        LOG.warning('%s', newer)


def require_known() -> str:
    """Compare Nova with what the plug-in depends on; nothing is changed.

    Returns what to warn of where it is newer than what is tested, else ''.

    :raises: errors.UnknownNova
    """
    major = _supported_major(version.version_string())
    _refuse(expected.differences(expected.TO_INSTALL))
    _refuse(_unknown_bindings())
    if major <= expected.NEWEST:
        return ''
    return (f'Nova {version.version_string()} is newer than '
            f'{expected.NEWEST}, the newest that nova-gpfs is tested with; it '
            'looks as expected where nova-gpfs depends on it')


def _installed() -> bool:
    """Whether both classes in Nova are ours."""
    ours = sys.modules.get('nova_gpfs.compute.libvirt_driver')
    if ours is None:
        return False
    from nova.virt import libvirt
    from nova.virt.libvirt import imagebackend
    from nova_gpfs.compute import backend
    return (libvirt.LibvirtDriver is ours.GpfsLibvirtDriver
            and imagebackend.Backend is backend.GpfsBackend)


def _images_type_choices() -> dict[str, str | None]:
    """Return the choices of images_type, which oslo.config keeps in a dict.

    The list that the option is in is the one that Nova registers, so that
    this is the registered option itself.
    """
    for option in getattr(libvirt_conf, 'libvirt_imagebackend_opts', ()):
        if (isinstance(option, cfg.Opt) and option.dest == 'images_type'
                and isinstance(option.type, types.String)
                and isinstance(option.type.choices, dict)):
            return option.type.choices
    raise errors.UnknownNova(
        f'Nova {version.version_string()}: [libvirt] images_type is not an '
        'option with a list of choices')


def _supported_major(release: str) -> int:
    """Return the first number of a release; refuse one that is too old."""
    major = release.partition('.')[0]
    if not major.isdecimal() or int(major) < expected.OLDEST:
        raise errors.UnknownNova(
            f'Nova {release}; the oldest supported is {expected.OLDEST}')
    return int(major)


def _unknown_bindings() -> Iterator[str]:
    """Yield what keeps the names that install() replaces from being used."""
    from nova.virt import libvirt
    from nova.virt.libvirt import driver
    from nova.virt.libvirt import imagebackend
    if libvirt.LibvirtDriver is not driver.LibvirtDriver:
        yield 'nova.virt.libvirt.LibvirtDriver is not the one of its driver'
    if getattr(driver, 'imagebackend', None) is not imagebackend:
        yield 'nova.virt.libvirt.driver does not use nova...imagebackend'
    known = getattr(imagebackend.Backend(False), 'BACKEND', None)
    if not isinstance(known, dict) or known.get('raw') is not getattr(
            imagebackend, 'Flat', None):
        yield 'imagebackend.Backend has no BACKEND with raw as Flat'


def _refuse(differences: Iterator[str]) -> None:
    """Raise UnknownNova if there is any difference."""
    if found := '; '.join(differences):
        raise errors.UnknownNova(f'Nova {version.version_string()}: {found}')


def _check_loaded(driver: Any) -> None:
    """Refuse a driver that is not ours: it would not know gpfs."""
    from nova_gpfs.compute import backend
    from nova_gpfs.compute import libvirt_driver
    if not isinstance(driver, libvirt_driver.GpfsLibvirtDriver):
        raise errors.Misconfigured(
            f'compute_driver = {CONF.compute_driver} has loaded '
            f'{type(driver).__name__}, but only libvirt.LibvirtDriver knows '
            'images_type = gpfs')
    if not isinstance(driver.image_backend, backend.GpfsBackend):
        raise errors.UnknownNova(
            f'Nova {version.version_string()}: LibvirtDriver.image_backend '
            'is not made from imagebackend.Backend')
