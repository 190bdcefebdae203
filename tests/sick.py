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

"""mm commands of a simulated cluster, in this process, of which some fail.

A fault comes with one call of a command, or begins with it and stays until
the cluster heals. Everything behind the transport is the real thing. A call of
libgpfs counts as one of a command.
"""

import ctypes
import errno
import functools
import os
import subprocess

from nova_gpfs import errors
from nova_gpfs import libgpfs
from nova_gpfs import mmdriver
from nova_gpfs import model
from nova_gpfs.sim import call as calls
from nova_gpfs.sim import program
from nova_gpfs.sim import store

NODE = 'node1'


class Transport:
    """Runs each command; the fault comes with call number ``at`` from now."""

    def __init__(self, cluster, instances_path):
        self.cluster = cluster
        self.instances_path = instances_path
        self.instead = None
        self.heal()

    def heal(self):
        """Let all be well from now on, and begin to count again."""
        self.count, self.at, self.fault = 0, 0, None
        self.is_changed = self.is_unmounted = False

    def spoil(self, fault, at):
        self.count, self.at, self.fault = 0, at, fault

    def __call__(self, command):
        self.count += 1
        if self.count != self.at:
            return self.serve(command)
        return self.fault(self, command)

    def serve(self, command):
        name, *arguments = command.argv()
        with store.Store(self.cluster.directory) as state:
            call = calls.Call(name, NODE, arguments, state)
            program.serve(call)
        return model.Result(call.code, _text(call.out), _text(call.err))


def _text(lines):
    return ''.join(f'{line}\n' for line in lines)


class Library(libgpfs.Library):
    """A libgpfs that runs its program as a command, as libgpfs.c does."""

    def __init__(self, transport):
        super().__init__('')
        self._transport = transport

    @functools.cached_property
    def _function(self):
        def call(file, limit, most, place):
            number = self._declone(
                os.readlink(f'/proc/self/fd/{file}'), limit, most, place._obj)
            ctypes.set_errno(number)
            return -1 if number else 0
        return call

    def _declone(self, path, limit, most, place):
        """Set the new place and return errno; what says none is EIO."""
        command = _Declone(path, str(limit), str(most), str(place.value))
        try:
            done = self._transport(command)
            if not done.rc:
                place.value = int(done.stdout)
        except (errors.GpfsError, ValueError):
            return errno.EIO
        return errno.EIO if done.rc < 0 else done.rc


class _Declone:
    program = 'gpfs_declone'

    def __init__(self, *arguments):
        self._arguments = arguments

    def argv(self):
        return (self.program, *self._arguments)


def driver(transport, library=None):
    """Return the real driver over it."""
    return mmdriver.MmDriver(transport, library)


def says(code, text, after=False):
    """A command that fails, before or after it has done its work."""
    def fault(transport, command):
        if after:
            transport.serve(command)
        return model.Result(code, '', f'{command.program}: {text}\n')
    return fault


def raises(error, after=False):
    """A command of whose end nothing is known."""
    def fault(transport, command):
        if after:
            transport.serve(command)
        raise error(command)
    return fault


def prints(change):
    """A command that works, and prints something else than it should."""
    def fault(transport, command):
        found = transport.serve(command)
        return model.Result(found.rc, change(found.stdout), found.stderr)
    return fault


def becomes(change):
    """Something that befalls the cluster, just before a command."""
    def fault(transport, command):
        befall(transport, change)
        return transport.serve(command)
    return fault


def befall(transport, change):
    """Let something happen that ``cure`` is to undo."""
    transport.is_changed = True
    change(transport)


def _late(command):
    return errors.TimedOut(command.argv(), 1.0)


def _state(name):
    return becomes(lambda transport: transport.cluster.set_node_state(
        NODE, name))


def _condition(kind):
    return becomes(lambda transport: transport.cluster.faults.add_condition(
        kind, fs='fs0'))


def unmount(transport):
    """Leave what an installer may have made before GPFS was mounted."""
    transport.cluster.unmount('fs0')
    transport.is_unmounted = True
    os.makedirs(os.path.join(transport.instances_path, '_gpfs', 'masters'))


def _replace(transport):
    """Mount something else in the place of the file system."""
    transport.cluster.unmount('fs0')
    transport.instead = _Instead(transport.cluster.mount_point('fs0'),
                                 transport.instances_path)


def _replace_by_gpfs(transport):
    """Mount another GPFS, to which all commands say yes."""
    transport.cluster.unmount('fs0')
    transport.instead = _Instead(transport.cluster.mount_point('fs0'),
                                 transport.instances_path,
                                 transport.cluster.mount_point('fs1'))


class _Instead:
    """A directory in which somebody has prepared an instances_path."""

    def __init__(self, place, instances_path, top=None):
        self._place = place
        self._top = os.path.realpath(top or place + '.other')
        inside = os.path.relpath(instances_path, place)
        for name in ('masters', 'incoming'):
            os.makedirs(os.path.join(self._top, inside, '_gpfs', name),
                        exist_ok=True)
        self._held = self._holds()
        if os.path.ismount(place):
            subprocess.run(['mount', '--bind', self._top, place], check=True)
        else:
            os.rmdir(place)
            os.symlink(self._top, place)

    def _holds(self):
        return sorted((directory, *names, *files) for directory, names, files
                      in os.walk(self._top))

    def end(self):
        """Put an empty directory there, as it was.

        :raises OSError: something was written
        """
        if os.path.islink(self._place):
            os.unlink(self._place)
            os.mkdir(self._place)
        else:
            subprocess.run(['umount', self._place], check=True)
        if self._holds() != self._held:
            raise OSError(f'written: {self._holds()}')


def _columns(text):
    """Return output as a newer release may print it."""
    return ''.join(
        line.rstrip('\n') + ('aNewColumn:another:' if ':HEADER:' in line
                             else 'new:a%3Ab:') + '\n'
        if line.count(':') > 5 and line.split(':')[2:3] in (
            ['HEADER'], ['0']) else line
        for line in text.splitlines(keepends=True))


def _truncated(text):
    return '\n'.join(line if ':HEADER:' in line else line[:len(line) // 2]
                     for line in text.split('\n'))


#: Nobody notices.
HARMLESS = {'more columns': prints(_columns)}

#: One command fails, in one way or another.
ONCE = {
    'an unknown failure': says(5, 'Input/output error'),
    'an unknown failure, and yet done': says(5, 'Boo', after=True),
    'an error text with exit code 0': says(0, 'Input/output error'),
    'success, and nothing done': lambda transport, command: model.Result(
        0, '', ''),
    'killed': says(-9, ''),
    'killed when it was done': says(-9, '', after=True),
    'too late': raises(_late),
    'too late, and yet done': raises(_late, after=True),
    'no such program': raises(lambda command: errors.ProgramMissing(
        command.program)),
    'not permitted': says(1, 'Operation not permitted'),
    'garbage': prints(lambda text: '\udcff\udcfe %zz :::: \x00 <html>'),
    'truncated': prints(_truncated),
    'silence': prints(lambda text: ''),
    'no space': says(28, 'No space left on device'),
    'quota': says(122, 'Disk quota exceeded'),
    'read-only': says(30, 'Read-only file system'),
    'stale': says(116, 'Stale file handle'),
    'not mounted': says(1, 'File system fs0 is not mounted.'),
    'down': says(1, 'GPFS is down on this node.'),
}

#: The cluster falls ill and stays so.
LASTING = {
    'daemon down': _state('down'),
    'quorum lost': _state('quorum-lost'),
    'expelled': _state('expelled'),
    'unmounted': becomes(unmount),
    'another file system in its place': becomes(_replace),
    'another GPFS in its place': becomes(_replace_by_gpfs),
    'handles stale': _condition('stale'),
    'full': _condition('no-space'),
    'over quota': _condition('quota'),
}

ALL = {**HARMLESS, **ONCE, **LASTING}


def cure(transport):
    """Undo whatever has befallen the cluster.

    :raises OSError: something was written below the empty mount point
    """
    changed, unmounted = transport.is_changed, transport.is_unmounted
    transport.heal()
    if not changed:
        return
    transport.cluster.set_node_state(NODE, 'up')
    transport.cluster.faults.clear()
    if transport.instead:
        transport.instead.end()
        transport.instead = None
    elif unmounted:
        below = os.path.relpath(transport.instances_path,
                                transport.cluster.mount_point('fs0'))
        for part in (f'{below}/_gpfs/masters', f'{below}/_gpfs', below,
                     os.path.dirname(below)):
            os.rmdir(os.path.join(transport.cluster.mount_point('fs0'), part))
    transport.cluster.mount('fs0')
