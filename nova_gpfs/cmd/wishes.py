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

"""Read from a command line what a flavor and an image ask for."""

from __future__ import annotations

from collections.abc import Iterable
import json
import re
import sys
from typing import Any

from nova_gpfs import errors
from nova_gpfs import policy

# As the openstack client prints properties in one string: a='b', c='d'.
_PROPERTY = r"([^\s=,]+)='(.*?)'"
_LIST = re.compile(f'(?:{_PROPERTY}(?:, |$))*', re.DOTALL)
_ONE = re.compile(rf"{_PROPERTY}(?=, [^\s=,]+='|$)", re.DOTALL)


def parse(flavor: Iterable[str],
          image: Iterable[str]) -> tuple[policy.Wishes, str]:
    """Return the wishes of arguments, and the image's ID or ''.

    An argument is KEY=VALUE, and KEY may lack its ``gpfs:`` or ``gpfs_``, or
    @FILE, what the openstack client prints with ``show -f json`` (@- for
    standard input). What is not for GPFS in a file is passed over, as
    nova-compute does; the ID is from there too.

    :raises errors.InvalidPolicy: an argument is neither
    :raises OSError: a file cannot be read
    """
    specs, _flavor_id = _told(flavor, policy.FLAVOR)
    told, image_id = _told(image, policy.IMAGE)
    return policy.wishes(specs, told), image_id


def _told(arguments: Iterable[str],
          prefix: str) -> tuple[dict[str, str], str]:
    told: dict[str, str] = {}
    found_id = ''
    for argument in arguments:
        if argument.startswith('@'):
            shown = _load(argument[1:])
            told.update(properties(shown))
            found_id = str(shown.get('id') or '')
        else:
            name, value = _split(argument)
            told[prefix + name.removeprefix(prefix)] = value
    return told, found_id


def _split(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition('=')
    if not equals or not name:
        raise errors.InvalidPolicy(f'{argument} is not KEY=VALUE or @FILE')
    return name, value


def _load(path: str) -> dict[str, Any]:
    try:
        if path == '-':
            found = json.load(sys.stdin)
        else:
            with open(path, encoding='utf-8') as f:
                found = json.load(f)
    except ValueError as error:
        raise errors.InvalidPolicy(f'{path} is not JSON ({error})') from error
    if not isinstance(found, dict):
        raise errors.InvalidPolicy(f'{path} describes no flavor or image')
    return found


def properties(shown: dict[str, Any]) -> dict[str, str]:
    """Return the properties of a flavor or image that a client has shown.

    :raises errors.InvalidPolicy: there are none, or they are of another form
    """
    found = shown.get('properties')
    if isinstance(found, str) and _LIST.fullmatch(found):
        return {one[1]: one[2] for one in _ONE.finditer(found)}
    if isinstance(found, dict):
        return {name: str(value) for name, value in found.items()}
    raise errors.InvalidPolicy('"properties" is not what "openstack flavor '
                               'show -f json" prints')
