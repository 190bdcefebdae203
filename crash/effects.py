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
"""The effects of a process on the world outside, and its death at one.

Effects are told by Python's audit hooks (Python documentation, "Audit events
table"), so that no code has to announce its own and none is forgotten. A hook
runs just before the effect. What follows an effect is the next one, and pure
computation between them; so the state just after an effect is the one just
before the next, save for a file that is opened to be written, which may be
left empty.
"""

import os
import re
import signal
import socket
import sys

from nova_gpfs import renaming

# What is not worth a crash: it tells and does not change.
_QUERIES = ('mmls', 'mmget', 'mmdf', 'mmdiag', 'mmclone show')
_PROGRAMS = ('mm', 'qemu-img', 'cp', 'mkfs', 'mkswap', 'e2fsck', 'resize2fs')
# Nobody reads the files that locks are taken on, nor those with which Nova
# tries direct I/O.
_OF_NO_ACCOUNT = ('_gpfs/locks', '.directio.test.')
_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# What changes from run to run in a name.
_VARIABLE = (
    (r'[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}', 'UUID'),
    (r'[0-9a-f]{40}', 'IMAGE'), (r'[0-9a-f]{32}', 'HEX'),
    (rf'(?<=[./]){re.escape(socket.gethostname())}(?=[./]|$)', 'HOST'),
    (r'tmp[a-z0-9_]{8}', 'TMP'), (r'\.\d+\b', '.N'))

# A name of an open file, as nova_gpfs.pinned gives it to commands.
_OF_OPEN_FILE = re.compile(r'/proc/(self|\d+)/fd/\d+')

BEFORE, AFTER = 'before', 'after'
#: Comes after the last effect.
END = 'the end'
#: What a process tells those that have asked it, when it has had effects.
ANSWER = 'answer'


class Watch:
    """Notes the effects of this process, and kills it at one of them.

    ``seen`` has a line for each: what is done and to which file. ``roots``
    are the directories that others see, and what the names of files below
    them begin with. Files elsewhere are nobody else's.
    """

    def __init__(self, roots, end_at=None, when=BEFORE):
        self.roots = roots
        self.seen = []
        self._end_at = end_at
        self._when = when
        self._busy = False

    def begin(self):
        """Watch from now on, until this process ends."""
        self._fsync = os.fsync
        os.fsync = os.fdatasync = self._flush
        self._open_file = os.open
        os.open = self._open_at
        self._to_free_name = renaming.to_free_name
        renaming.to_free_name = self._rename
        sys.addaudithook(self._audit)

    def happen(self, effect, tear=None):
        """Note an effect that is about to happen, and die if it is the one.

        :param tear: makes of it what a death in the middle leaves
        """
        if len(self.seen) == self._end_at:
            if self._when == AFTER and tear is not None:
                tear()
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(effect)

    def _audit(self, event, arguments):
        kind = _KINDS.get(event)
        if kind is None or self._busy:
            return
        self._busy = True
        try:
            kind(self, *arguments)
        finally:
            self._busy = False

    def _flush(self, file):
        self._of('fsync', file if isinstance(file, int) else file.fileno())
        self._fsync(file)

    def _open_at(self, path, flags, mode=0o777, *, dir_fd=None):
        """Open a file, as os.open() does.

        Of the directory that a relative path is in no audit event tells.
        """
        if dir_fd is not None:
            self._open(_absolute(path, dir_fd), None, flags)
        return self._open_file(path, flags, mode, dir_fd=dir_fd)

    def _rename(self, source, target, *, source_directory,
                target_directory):
        """Rename a file, as ``renaming`` does; Python does not audit ctypes.

        tests.unit.test_layers knows who else uses that.
        """
        _on('rename', (2, 3))(self, source, target, source_directory,
                              target_directory)
        self._busy = True
        try:
            self._to_free_name(source, target,
                               source_directory=source_directory,
                               target_directory=target_directory)
        finally:
            self._busy = False

    def _of(self, verb, *paths):
        """Note an effect on files, if others see them."""
        known = [name for name in map(self._name, paths) if name]
        if known:
            self.happen(' '.join([verb, *known]))

    def _name(self, path):
        if isinstance(path, int):
            path = f'/proc/self/fd/{path}'
        path = os.fsdecode(path)
        if _OF_OPEN_FILE.fullmatch(path):
            path = os.readlink(path)
        directory, base = os.path.split(os.path.abspath(path))
        path = os.path.join(os.path.realpath(directory), base)
        for root, beginning in self.roots.items():
            name = path.removeprefix(root + '/')
            if name != path and not name.startswith(_OF_NO_ACCOUNT):
                return beginning + plain(name)
        return None

    def _open(self, path, mode, flags):
        if not (isinstance(path, str | bytes) and isinstance(flags, int)
                and flags & _WRITE):
            return
        name = self._name(path)
        if name:
            self.happen(f'write {name}', lambda: os.close(
                self._open_file(path, flags | os.O_CLOEXEC, 0o644)))

    def _run(self, executable, argv, cwd, env):
        words = [os.path.basename(os.fsdecode(argv[0])),
                 *map(os.fsdecode, argv[1:])]
        said = ' '.join(words[:2] if words[0] == 'mmclone' else words[:1])
        if words[0].startswith(_PROGRAMS) and not said.startswith(_QUERIES):
            if words[0] == 'qemu-img' and words[1] == 'info':
                return
            files = [self._name(word) for word in words[1:]
                     if word.startswith('/')]
            self.happen(' '.join([said, *filter(None, files)]))


def steps(found):
    """Return the effects of an operation and what comes after the last.

    A process that answers has done with that all that it does.
    """
    return found if found[-1].startswith(ANSWER) else [*found, END]


def points(found):
    """Yield (position, when) of each death in a list of effects."""
    for position, effect in enumerate(steps(found)):
        yield position, BEFORE
        if effect.startswith('write '):
            yield position, AFTER


def plain(name):
    """Return a name without what differs from run to run."""
    for pattern, instead in _VARIABLE:
        name = re.sub(pattern, instead, name)
    return name


def _on(verb, directories):
    """Note an effect on one or two paths.

    :param directories: where in the arguments the descriptors are of the
        directories that relative paths are in, -1 where there is none
    """
    def note(watch, *arguments):
        watch._of(verb, *(_absolute(path, arguments[position])
                          for path, position in zip(arguments, directories)))
    return note


def _absolute(path, directory):
    if directory == -1 or isinstance(path, int):
        return path
    return os.path.join(os.readlink(f'/proc/self/fd/{directory}'),
                        os.fsdecode(path))


_KINDS = {
    'open': Watch._open, 'subprocess.Popen': Watch._run,
    'os.rename': _on('rename', (2, 3)), 'os.link': _on('link', (2, 3)),
    'os.symlink': _on('symlink', (2, 2)), 'os.remove': _on('unlink', (1,)),
    'os.mkdir': _on('mkdir', (2,)), 'os.rmdir': _on('rmdir', (1,)),
    'os.chmod': _on('chmod', (2,)), 'os.chown': _on('chown', (3,)),
    'os.utime': _on('utime', (3,)),
    # Path and length; path, name, value and flags.
    'os.truncate': lambda watch, path, length: watch._of('truncate', path),
    'os.setxattr': lambda watch, path, *rest: watch._of('setxattr', path),
    'os.removexattr': lambda watch, path, *rest: watch._of(
        'removexattr', path),
}
