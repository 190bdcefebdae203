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

"""Walk to a file without being led elsewhere by a symbolic link."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
import stat

from nova_gpfs import errors

# As many symbolic links as Linux follows in one path (path_resolution(7)).
_MOST_LINKS = 40
_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def to(root: str, path: str) -> Iterator[tuple[int, str]]:
    """Open the directory that a file is in; give it and the file's name.

    No symbolic link below the root is followed, and on the way to it only
    those of root.

    :param path: relative to the root, without "."; '' is the root itself
    :raises errors.NoSuchFile: a directory is missing
    :raises errors.NotPermitted: a symbolic link is in the way
    :raises errors.NotMounted: the file system does not answer
    """
    *way, name = path.split('/')
    directory = _open_root(root)
    try:
        for part in way:
            directory = _step(part, directory)
        yield directory, name or '.'
    finally:
        os.close(directory)


def _open_root(root: str) -> int:
    """Open the root; the symbolic links on the way to it must be root's.

    Its path is the operator's, and may well lead through links. But whoever
    owns a directory on the way can replace what is in there by a link of
    their own, to files of root's.
    """
    links, way = 0, _parts(root)
    directory = _open('/', None)
    try:
        while way:
            part = way.pop(0)
            target = _root_link(part, directory, root)
            if target is not None:
                links += 1
                way = _parts(target) + way
                part = '/' if target.startswith('/') else '.'
            if links > _MOST_LINKS:
                raise errors.NotPermitted(f'{root}: too many symbolic links')
            directory = _step(part, directory)
    except BaseException:
        os.close(directory)
        raise
    return directory


def _parts(path: str) -> list[str]:
    return [part for part in path.split('/') if part]


def _root_link(name: str, directory: int, root: str) -> str | None:
    """Return what a symbolic link says, None for anything else."""
    link = _open(name, directory, _NAME)
    try:
        found = os.fstat(link)
        if not stat.S_ISLNK(found.st_mode):
            return None
        if found.st_uid != 0:
            raise errors.NotPermitted(
                f'{name}, a symbolic link on the way to {root}, belongs to '
                'another user than root')
        return os.readlink('', dir_fd=link)
    finally:
        os.close(link)


def _step(name: str, directory: int) -> int:
    """Open a directory in another, which is closed if that succeeds."""
    opened = _open(name, directory)
    os.close(directory)
    return opened


def _open(name: str, directory: int | None, flags: int = _WALK) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except FileNotFoundError:
        raise errors.NoSuchFile(name) from None
    except NotADirectoryError:
        raise errors.NotPermitted(
            f'{name} is a symbolic link or no directory') from None
    except OSError as error:
        raise errors.NotMounted(f'{name}: {error.strerror}') from error
