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

"""Filesets in which an ACL may outlive chmod()."""

import dataclasses
import os
import shutil
import tempfile

import fixtures
from oslo_config import cfg

from nova_gpfs import errors
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlsfileset
from nova_gpfs.mm import mmlsfs
from nova_gpfs import model
from nova_gpfs import privileged_closing
from nova_gpfs import privsep
from nova_gpfs import run
from nova_gpfs.sim import cluster
from nova_gpfs.sim import spec
from tests.unit import test_privsep

_TOLD = 'chmodAndSetacl'


class ClosingTest(test_privsep.PrivsepTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        top = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, top)
        cls.cluster = cluster.create(
            os.path.join(top, 'sim'),
            spec.Spec(file_systems=[spec.standard_file_system()]))

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.nova = os.path.join(self.cluster.mount_point('fs0'), 'nova')
        self.local = run.Local(self.cluster.bin_dir('node1'), 60.0, 60.0)
        self.closing = privileged_closing.Closing()
        self.asked = []

    def says(self, mode, instead=None, of=mmlsfileset.List):
        """Return a transport to a cluster with filesets of that mode."""
        def transport(command):
            self.asked.append(command.program)
            if instead and isinstance(command, of):
                return instead
            found = self.local(command)
            return dataclasses.replace(
                found, stdout=found.stdout.replace(_TOLD, mode))
        return transport

    def require(self, transport):
        """Ask about the directory, whatever stands at its path by now."""
        directory = os.open(self.nova, os.O_PATH)
        try:
            self.closing.require(directory, transport)
        finally:
            os.close(directory)

    def test_what_a_mode_closes_is_asked_once(self):
        for mode in (_TOLD, 'chmodAndSetAcl', 'chmodOnly'):
            self.closing = privileged_closing.Closing()
            for _time in range(2):
                self.require(self.says(mode))
        self.assertEqual(3 * ['mmlsattr', 'mmlsfs', 'mmlsfileset'],
                         self.asked)
        self.assertEqual('', self.log.output)

    def test_another_directory_in_its_place_is_asked_about_anew(self):
        self.require(self.says(_TOLD))
        os.rename(self.nova, self.nova + '.moved')
        self.addCleanup(os.rename, self.nova + '.moved', self.nova)
        os.mkdir(self.nova)
        self.addCleanup(os.rmdir, self.nova)
        self.assertRaises(errors.NotPermitted, self.require,
                          self.says('setAclOnly'))

    def test_it_is_the_open_directory_that_is_asked_about(self):
        """Its owner puts a link to another fileset in its place."""
        moved = self.nova + '.moved'
        directory = os.open(self.nova, os.O_PATH)
        self.addCleanup(os.close, directory)
        os.rename(self.nova, moved)
        self.addCleanup(os.rename, moved, self.nova)
        os.symlink('/', self.nova)
        self.addCleanup(os.unlink, self.nova)
        self.closing.require(directory, self.says(_TOLD))
        self.assertEqual(3, len(self.asked))

    def test_what_it_does_not_close_is_refused(self):
        for mode in ('chmodAndUpdateAcl', 'setAclOnly', 'another'):
            self.closing = privileged_closing.Closing()
            for _time in range(2):
                error = self.assertRaises(
                    errors.NotPermitted, self.require, self.says(mode))
                self.assertIn(f'change {mode}', str(error))

    def test_a_release_without_the_option_is_warned_of_once(self):
        for _time in range(2):
            self.require(self.says(''))
        self.assertEqual(1, self.log.output.count('is not known'))

    def test_what_gpfs_does_not_tell_is_refused_until_it_does(self):
        def said(text):
            return model.Result(1, '', text)

        for query in (mmlsattr.List, mmlsfs.List, mmlsfileset.List):
            for kind, answer in (
                    (errors.CommandFailed, said('mm: Boo')),
                    (errors.NotReady, said('mm: GPFS is down on this node.')),
                    (errors.OutputNotUnderstood, model.Result(0, 'Boo', ''))):
                self.assertRaises(kind, self.require,
                                  self.says(_TOLD, answer, query))
        self.require(self.says(_TOLD))

    def test_nor_is_a_fileset_closed_that_is_not_listed(self):
        other = self.local(mmlsfileset.List('fs0')).stdout
        listed = model.Result(0, other.replace(':nova:', ':other:'), '')
        self.assertRaises(errors.NotPermitted, self.require,
                          self.says(_TOLD, listed))
        nowhere = model.Result(0, self.local(mmlsfs.List('all')).stdout
                               .replace('gpfs', 'elsewhere'), '')
        self.assertRaises(errors.NotMounted, self.require,
                          self.says(_TOLD, nowhere, mmlsfs.List))

    def test_no_clone_is_made_there_unless_paths_may_be_given(self):
        self.require_root()
        self.know_names()
        self.configure(self.nova)
        cfg.CONF.set_override('command_timeout', 60.0, 'gpfs')
        image = os.path.join(self.nova, 'image')
        self.addCleanup(os.unlink, image)
        open(image, 'x').close()
        for program in ('mmlsattr', 'mmlsfs', 'mmlsfileset'):
            self.program(program, f"""
                {self.cluster.bin_dir('node1')}/{program} "$@" |
                    sed s/{_TOLD}/setAclOnly/
            """)
        copy = mmclone.Copy(image, os.path.join(self.nova, 'disk'))
        cfg.CONF.set_override('pin_paths', 'always', 'gpfs')
        self.assertIn('setAclOnly', str(self.assertRefused(copy)))
        self.assertFalse(os.path.lexists(copy.target))
        for choice in ('auto', 'never'):
            cfg.CONF.set_override('pin_paths', choice, 'gpfs')
            self.assertEqual(0, privsep.run(copy).rc)
            os.unlink(copy.target)
