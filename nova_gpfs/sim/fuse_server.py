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

"""The process that serves a FUSE mount of a simulated file system.

It is the only module that needs what does not come with Python: mfusepy,
which needs libfuse. One thread serves all calls, in the order in which the
kernel passes them on: who closes a file and then runs mmclone finds it
closed. No call waits for a process that may itself be waiting for the mount:
mm programs work on the files behind it. Should one last too long for all
that, this process ends, and whoever waits for it gets an error.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess  # nosec: runs umount
import sys
import threading
import time
from typing import Any

import mfusepy

from nova_gpfs.sim import filesystems
from nova_gpfs.sim import fuse_files
from nova_gpfs.sim import store


# Seconds that a call may last, and that ending may take.
_LONGEST = 120.0
_LAST_CALLS = 10.0
# When the call began that is being served, None while there is none.
_busy_since: float | None = None


class _Fuse(mfusepy.FUSE):  # type: ignore[misc]
    """Pass on what mfusepy leaves out.

    That is lseek, the flags of rename, and whose a lock is.
    """

    def _wrapper(self, *arguments: Any, **options: Any) -> Any:
        """Serve a call, and tell since when."""
        global _busy_since
        _busy_since = time.monotonic()
        try:
            return super()._wrapper(*arguments, **options)
        finally:
            _busy_since = None

    def lseek(self, path: bytes | None, offset: int, whence: int,
              handle: Any) -> int:
        """Find data or a hole."""
        return int(self.operations.lseek(handle.contents.fh, offset, whence))

    def lock(self, _path: bytes | None, handle: Any, command: int,
             lock: Any) -> int:
        """Ask for a lock, take it or give it back."""
        names = ('l_type', 'l_whence', 'l_start', 'l_len')
        file, wanted = handle.contents, lock.contents
        found = self.operations.lock(
            file.fh, file.lock_owner, command,
            tuple(getattr(wanted, name) for name in names))
        for name, value in zip(names, found):
            setattr(wanted, name, value)
        return 0

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> None:
        """Rename as renameat2(2)."""
        self.operations.rename(os.fsdecode(old), os.fsdecode(new), flags)


def serve(directory: str, fs: str, node: str, place: str) -> None:
    """Mount a file system at ``place`` and serve it until it is unmounted.

    ``node`` sees it so; '' is no node, and what befalls one is not seen. A
    caller cannot be asked for its node: the kernel holds a process that calls
    exec() from being looked at, and may wait for the mount meanwhile.
    """
    os.umask(0)
    with store.Store(directory) as state:
        files = fuse_files.Files(state, filesystems.named(state, fs), node,
                                 mfusepy.fuse_get_context)
        _Fuse(files, place, foreground=True, nothreads=True, fsname=fs,
              subtype='gpfs', allow_other=True, default_permissions=True,
              dev=True, suid=True, entry_timeout=0, attr_timeout=0,
              negative_timeout=0, use_ino=True, direct_io=True)


def _end_with_the_parent(place: str) -> None:
    """Unmount once nobody holds the other end of our standard input."""
    while os.read(0, 1):
        pass
    subprocess.run(['umount', '--lazy', place])  # nosec: no shell
    # The main thread ends now, unless it hangs, or somebody has files open.
    time.sleep(_LAST_CALLS)
    os._exit(1)


def _end_a_call_that_hangs() -> None:
    """End this process, and say in its log where it was, if a call hangs."""
    while True:
        time.sleep(_LONGEST / 10)
        since = _busy_since
        if since is not None and time.monotonic() > since + _LONGEST:
            faulthandler.dump_traceback()
            os._exit(1)


def main(directory: str, fs: str, node: str, place: str) -> None:
    """Serve for as long as the process lives that has started this one."""
    for work, arguments in ((_end_with_the_parent, (place,)),
                            (_end_a_call_that_hangs, ())):
        threading.Thread(target=work, args=arguments, daemon=True).start()
    serve(directory, fs, node, place)


if __name__ == '__main__':
    main(*sys.argv[1:])
