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

"""What ``nova-gpfs cache prefetch`` does: masters before they are needed.

Nova's own code fetches the image, as nova-compute would: signature, deep
format inspection and conversion are the same. The rights are those of
whoever runs it: a cloud of clouds.yaml or the variables ``OS_*``, which
openstacksdk reads. Both are imported here only, since nothing else of
``nova-gpfs`` needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import importlib
import os
import sys
import threading
from types import ModuleType
from typing import Any

from nova_gpfs.cmd import caching
from nova_gpfs.cmd import host as hosts
from nova_gpfs.cmd import policies
from nova_gpfs import errors

# Seconds between two lines that tell how much there is.
_PACE = 5.0

_MIB = 1 << 20

# The base classes of what these libraries raise.
_REFUSALS = (('nova.exception', 'NovaException'),
             ('openstack.exceptions', 'SDKException'),
             ('keystoneauth1.exceptions', 'ClientException'),
             ('glanceclient.exc', 'BaseException'))

Say = Callable[[str], None]


def prefetch(host: hosts.Host, name: str, names: Sequence[str],
             cloud: str | None, say: Say) -> policies.Answer:
    """Make the masters of an image ready, once for all hosts.

    There is one for the default placement of root disks, one for each policy
    of ``[gpfs] prefetch_policies`` and of ``names``. "Already done" means
    that all of them are there; nothing is fetched then.

    :param name: the UUID of an image, or its name if no other has it
    :param cloud: a cloud of clouds.yaml; None for what the environment says
    :raises errors.WrongUser: nova-compute runs as another user
    :raises errors.ImageNotFetched: Keystone, Glance or Nova did not like it
    :raises errors.NoSuchPolicy: nova.conf has no policy of such a name
    :raises errors.GpfsError: not all of them are ready
    """
    host.require_owner()
    nova_side = _Nova()
    with refusals():
        auth, image = _look_up(cloud, name)
        nova_host = importlib.import_module('nova_gpfs.compute.host')
        storage = nova_host.storage_from_conf()
        fetched = nova_side.prefetch(
            storage, nova_host.placing_from_conf(storage),
            _Telling(nova_side.fetch_image, image.size, say),
            nova_side.cache_name(image.id), names=names,
            context=nova_side.context(auth), image_id=image.id)
    return {'masters': [
        {**row, 'result': 'fetched' if fetched else 'existing'}
        for row in caching.list_all(host)[0]['masters']
        if row['image'] == image.id]}, policies.WELL


class _Telling:
    """Fetches as Nova does, and tells how far it has come."""

    def __init__(self, fetch: Callable[..., None], size: int | None,
                 say: Say) -> None:
        self._fetch = fetch
        self._size = size
        self._say = say

    def __call__(self, target: str, image_id: str, **kwargs: Any) -> None:
        self._say(f'{image_id}: fetching {_mib(self._size)}')
        over = threading.Event()
        teller = threading.Thread(target=self._tell, daemon=True,
                                  args=(over, target, image_id))
        teller.start()
        try:
            self._fetch(target=target, image_id=image_id, **kwargs)
        finally:
            over.set()
            teller.join()
        self._say(f'{image_id}: fetched, is being sealed')

    def _tell(self, over: threading.Event, target: str,
              image_id: str) -> None:
        """Look at all files of the room: Nova gives each step another."""
        room = os.path.dirname(target)
        while not over.wait(_PACE):
            with contextlib.suppress(OSError):
                there = sum(os.lstat(os.path.join(room, name)).st_blocks * 512
                            for name in os.listdir(room))
                self._say(f'{image_id}: {_mib(there)} of GPFS taken')


def _mib(size: int | None) -> str:
    return 'an unknown size' if size is None else f'{size / _MIB:.0f} MiB'


def _look_up(cloud: str | None, name: str) -> tuple[Any, Any]:
    """Return (auth plug-in, image) of openstacksdk.

    :raises errors.ImageNotFetched: without openstacksdk
    :raises Exception: what openstacksdk raises
    """
    sdk = module('openstack')
    connection = sdk.connect(cloud=cloud)
    return connection.session.auth, connection.image.find_image(
        name, ignore_missing=False)


def module(name: str) -> ModuleType:
    """Return a module that only some commands need.

    :raises errors.ImageNotFetched: it is not installed
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise errors.ImageNotFetched(
            f'{error.name} is not installed for {sys.executable}') from error


class _Nova:
    """The few things of Nova that fetching takes."""

    def __init__(self) -> None:
        module('nova.conf')
        importlib.import_module('nova.objects').register_all()
        self._context = importlib.import_module('nova.context')
        self._cache = importlib.import_module('nova.virt.libvirt.imagecache')
        self.fetch_image = importlib.import_module(
            'nova.virt.libvirt.utils').fetch_image
        self.prefetch = importlib.import_module(
            'nova_gpfs.compute.prefetching').prefetch

    def context(self, auth: Any) -> Any:
        """Return the context of a request that this user makes."""
        return self._context.RequestContext(user_auth_plugin=auth)

    def cache_name(self, image_id: str) -> str:
        return self._cache.get_cache_fname(image_id)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what Nova, Glance and Keystone say into one line.

    What is about the file system passes, and so do mistakes of our own.
    """
    said = tuple(getattr(module(each), name) for each, name in _REFUSALS)
    try:
        yield
    except said as error:
        raise errors.ImageNotFetched(
            f'{type(error).__name__}: {error}') from error
