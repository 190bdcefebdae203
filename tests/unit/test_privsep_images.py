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

"""What the privileged daemon does with images that Nova and Glance share."""

import os
import socket
import stat

import fixtures
from oslo_config import cfg

from nova_gpfs import errors
from nova_gpfs import image_store
from nova_gpfs import mm
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmrestripefile
from nova_gpfs import privileged_room
from nova_gpfs import privsep
from tests.unit import test_privsep

IMAGE = '11111111-2222-4333-8444-555555555555'


class ImagesTestCase(test_privsep.PrivsepTestCase):

    def setUp(self):
        super().setUp()
        self.top = self.useFixture(fixtures.TempDir()).path
        self.store = image_store.ImageStore(os.path.join(self.top, 'glance'))
        for kind in image_store.DIRECTORIES:
            os.makedirs(self.store.room(kind))
        self.files = os.path.join(self.top, 'files')
        os.mkdir(self.files)
        cfg.CONF.set_override('image_store', self.store.directory, 'gpfs')
        cfg.CONF.set_override('image_file_directories', [self.files], 'gpfs')
        self.image = self.made(self.store.image(IMAGE))
        self.snapshot = self.made(self.store.snapshot(IMAGE))
        self.plain = self.made(os.path.join(self.files, IMAGE))
        self.parent = self.path('parent')

    def made(self, path):
        with open(path, 'w') as f:
            f.write('image')
        return path

    def assertRuns(self, command):
        self.assertEqual(0, privsep.run(command).rc)


class TestImages(ImagesTestCase):

    def test_a_parent_may_be_made_of_an_image_below_instances_path(self):
        for source in (self.image, self.snapshot, self.plain):
            self.assertRuns(mmclone.Snap(source, self.parent))

    def test_an_image_may_be_looked_at(self):
        for path in (self.image, self.snapshot, self.plain):
            self.assertRuns(mmclone.Show(path))
            self.assertRuns(mmlsattr.List(path))

    def test_an_image_of_glance_never_changes(self):
        disk = self.file('disk')
        for path in (self.image, self.plain):
            for command in (mmclone.Seal(path), mmclone.Split(path),
                            mmclone.Redirect(path),
                            mmclone.Copy(disk, path),
                            mmclone.Snap(disk, path),
                            mmchattr.Change(path, 'fast'),
                            mmrestripefile.Relocate(path)):
                self.assertRefused(command)

    def test_no_parent_is_made_in_the_store(self):
        other = IMAGE.replace('1', '6')
        for kind in image_store.DIRECTORIES:
            path = os.path.join(self.store.room(kind), other)
            self.assertRefused(mmclone.Snap(self.image, path))
            self.assertRefused(mmclone.Seal(path))

    def test_what_nova_clones_for_glance_is_made_split_and_placed(self):
        self.file('parent')
        os.unlink(self.snapshot)
        self.make_clones()
        for command in (mmclone.Copy(self.parent, self.snapshot),
                        mmclone.Split(self.snapshot),
                        mmchattr.Change(self.snapshot, 'fast')):
            self.assertRuns(command)
        self.assertTrue(os.path.isfile(self.snapshot))
        self.assertEqual([], os.listdir(os.path.join(
            self.store.room(privileged_room.DIRECTORY),
            socket.gethostname())))
        for command in (mmclone.Seal(self.snapshot),
                        mmclone.Redirect(self.snapshot),
                        mmclone.Copy(self.snapshot, self.path('disk')),
                        mmrestripefile.Relocate(self.snapshot)):
            self.assertRefused(command)

    def test_what_has_a_second_name_is_no_source(self):
        os.link(self.image, os.path.join(self.top, 'second'))
        self.assertRefused(mmclone.Snap(self.image, self.parent))

    def test_only_a_uuid_names_an_image(self):
        for name in ('shadow', IMAGE[:-1] + 'A', IMAGE + '.part'):
            path = self.made(os.path.join(self.store.room('images'), name))
            self.assertRefused(mmclone.Snap(path, self.parent))

    def test_other_directories_of_the_store_are_not_nova_s(self):
        for kind in ('incoming', 'trash'):
            path = self.made(os.path.join(self.store.room(kind), IMAGE))
            self.assertRefused(mmclone.Snap(path, self.parent))
        deeper = os.path.join(self.store.room('images'), 'deeper')
        os.mkdir(deeper)
        self.assertRefused(mmclone.Snap(
            self.made(os.path.join(deeper, IMAGE)), self.parent))

    def test_links_are_not_followed(self):
        os.rename(self.image, os.path.join(self.top, 'there'))
        os.symlink(os.path.join(self.top, 'there'), self.image)
        self.assertRefused(mmclone.Snap(self.image, self.parent))

    def test_a_directory_that_its_owner_has_replaced_is_refused(self):
        self.require_root()
        os.rename(self.store.room('images'), os.path.join(self.top, 'moved'))
        os.symlink(os.path.join(self.top, 'moved'), self.store.room('images'))
        os.lchown(self.store.room('images'), test_privsep.USER, -1)
        self.assertRefused(mmclone.Snap(self.image, self.parent))

    def test_without_a_store_none_of_it_is_permitted(self):
        cfg.CONF.set_override('image_store', None, 'gpfs')
        cfg.CONF.set_override('image_file_directories', [], 'gpfs')
        for source in (self.image, self.snapshot, self.plain):
            self.assertRefused(mmclone.Snap(source, self.parent))
            self.assertRefused(mmclone.Show(source))
        os.unlink(self.snapshot)
        self.assertRefused(mmclone.Copy(self.file('parent'), self.snapshot))


class TestOwner(ImagesTestCase):

    def test_a_clone_that_root_makes_for_glance_is_the_users(self):
        self.require_root()
        user = test_privsep.USER
        os.unlink(self.snapshot)
        self.make_clones()
        os.chown(self.root, user, user)
        copy = mmclone.Copy(self.made(self.path('parent')), self.snapshot)
        self.assertEqual('result', privsep.run_command(
            mm.spell(mmclone.Copy), (copy.parent, copy.target), user,
            user)[0])
        found = os.stat(self.snapshot)
        self.assertEqual((user, 0o644), (found.st_uid,
                                         stat.S_IMODE(found.st_mode)))

    def test_the_refusal_says_where_it_would_be_permitted(self):
        error = self.assertRaises(
            errors.NotPermitted, privsep.run,
            mmclone.Snap('/etc/shadow', self.parent))
        self.assertIn(f'is not below {self.root}', str(error))
