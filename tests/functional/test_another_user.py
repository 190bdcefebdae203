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

"""Another user of a compute host, who would plant something of theirs."""

import json
import os
import pwd
import stat

from tests.functional import test_moves

# Of whom nothing here is.
STRANGER = pwd.getpwnam('nobody')


class AnotherUserTest(test_moves.MovesTestCase):
    """An instance has run and is on the move, so that all files are there.

    What another user can write to is found out by trying, as that user.
    """

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to be another user')
        self.addCleanup(os.umask, os.umask(0o022))
        super().setUp()
        self.act({'migrate': None}, 'VERIFY_RESIZE')
        self.theirs = self._let_in()

    def _let_in(self):
        """Give the stranger a directory, and the way to the instances."""
        top = os.path.realpath(self.instances_path)
        while top != '/':
            top = os.path.dirname(top)
            os.chmod(top, os.stat(top).st_mode | 0o011)
        theirs = os.path.join(os.path.dirname(os.path.realpath(
            self.instances_path)), 'theirs')
        os.mkdir(theirs)
        os.chown(theirs, STRANGER.pw_uid, STRANGER.pw_gid)
        return theirs

    def as_stranger(self, work):
        """Return what something returns, done by another user."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.setgroups([])
                os.setgid(STRANGER.pw_gid)
                os.setuid(STRANGER.pw_uid)
                os.write(writer, json.dumps(work()).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, 'rb') as told:
            found = told.read()
        os.waitpid(child, 0)
        return json.loads(found)

    def everything(self):
        """Return the directories and files below instances_path."""
        found = [], []
        for top, directories, files in os.walk(
                os.path.realpath(self.instances_path)):
            found[0].append(top)
            found[1].extend(os.path.join(top, name) for name in files)
        return found

    def test_they_can_plant_nothing_and_write_to_nothing(self):
        directories, files = self.everything()
        self.assertLess(12, len(directories))
        self.assertLess(12, len(files))

        def attack():
            mine = os.path.join(self.theirs, 'mine')
            os.close(os.open(mine, os.O_CREAT | os.O_WRONLY))
            done = []
            for name, work in (
                    ('mkdir', os.mkdir), ('pipe', os.mkfifo),
                    ('symlink', lambda at: os.symlink('/etc/passwd', at)),
                    ('link', lambda at: os.link(mine, at)),
                    ('rename', lambda at: os.rename(mine, at))):
                done += tried(name, work, [os.path.join(top, 'planted')
                                           for top in directories])
            done += tried('write', lambda at: os.close(
                os.open(at, os.O_WRONLY)), files)
            done += tried('unlink', os.unlink, files)
            done += tried('chmod', lambda at: os.chmod(at, 0o777),
                          files + directories)
            done += tried('rename away', lambda at: os.rename(
                at, os.path.join(self.theirs, 'stolen')),
                files + directories[1:])
            return done

        self.assertEqual([], self.as_stranger(attack))

    def test_they_can_name_none_of_what_the_plug_in_keeps(self):
        home = os.path.join(os.path.realpath(self.instances_path), '_gpfs')
        files = [path for path in self.everything()[1]
                 if path.startswith(home)]
        self.assertEqual([], self.as_stranger(
            lambda: tried('list', os.listdir, [home])
            + tried('open', lambda at: os.close(os.open(at, os.O_RDONLY)),
                    files)
            # A second name for a file, made where they may make files.
            + tried('link', lambda at: os.link(
                at, os.path.join(self.theirs, 'second')), files)))

    def test_nothing_runs_as_another_user(self):
        directories, files = self.everything()
        for path in files + directories:
            self.assertEqual(0, os.lstat(path).st_mode
                             & (stat.S_ISUID | stat.S_ISVTX), path)
            self.assertEqual((os.geteuid(), os.getegid()),
                             (os.lstat(path).st_uid, os.lstat(path).st_gid))


def tried(name, work, paths):
    """Return what could be done with which of these paths."""
    done = []
    for path in paths:
        try:
            work(path)
        except PermissionError:
            continue
        done.append([name, path])
    return done
