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


from oslotest import base

from nova_gpfs import errors
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmgetstate
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlsconfig
from nova_gpfs.mm import mmlsfileset
from nova_gpfs.mm import mmlsfs
from nova_gpfs import model
from tests.unit.mm import recordings

SEAL = mmclone.Seal('/g/a')


def said(text, rc=1):
    return model.Result(rc, '', text)


class TestFailures(base.BaseTestCase):

    def assertMeans(self, kind, command, result):
        self.assertIs(kind, type(command.failure(result)))
        self.assertRaises(kind, command.outcome, result)

    def test_recorded_texts_are_recognised(self):
        for kind, command, name in (
                (errors.NotReady, mmlsfs.List('fs0'), 'mmlsquota-down'),
                (errors.NoSuchFileSystem, mmlsfs.List('i_dont_exist'),
                 'mmlsfs-unknown'),
                (errors.NotPermitted, mmlsfileset.List('fs0'),
                 'mmlsfileset-user'),
                (errors.NotReady, mmgetstate.Get(), 'mmlscluster-none'),
                (errors.NotGpfs, mmlsattr.List('/tmp'), 'mmlsattr-failed'),
                (errors.ReadOnly, SEAL, 'mmclone-snap-sealed')):
            for rc in (0, 1, 22):
                self.assertMeans(kind, command, recordings.failed(
                    f'unstated/{name}', rc))

    def test_catalogued_texts_are_recognised_with_and_without_number(self):
        for kind, text in (
                (errors.NotReady, 'The mmfsd daemon is not ready to handle '
                                  'commands yet. Waiting for quorum.'),
                (errors.NotReady, 'Failed to connect to file system daemon: '
                                  'Connection refused'),
                (errors.NotReady, 'Failed to determine file system manager.'),
                (errors.NotMounted, 'ERROR: file system not mounted. Mount '
                                    'file system fs0 and retry command.'),
                (errors.NotReady, '[X] The mmfs daemon is shutting down '
                                  'abnormally.'),
                (errors.NotReady, 'Make sure that the following nodes are '
                                  'available: node1,node2'),
                (errors.ReadOnly, '[E] File system is read-only.'),
                (errors.NotPermitted, 'only root can run most GPFS commands. '
                                      'The mode bits of the commands must be '
                                      'set-user-id to root'),
                (errors.NotPermitted, '[E] command requires SuperuserName '
                                      'authority to execute.')):
            for number in ('', '6027-725 '):
                self.assertMeans(kind, SEAL, said(f'mmclone: {number}{text}'))

    def test_errno_texts_of_mmclone_are_recognised(self):
        for kind, text in (
                (errors.NoSuchFile, 'No such file or directory'),
                (errors.AlreadyExists, 'File exists'),
                (errors.ReadOnly, 'Read-only file system'),
                (errors.CannotClone, 'Invalid cross-device link'),
                (errors.NoSpace, 'No space left on device'),
                (errors.QuotaExceeded, 'Disk quota exceeded'),
                (errors.FileBusy, 'Device or resource busy'),
                (errors.NotMounted, 'Stale file handle'),
                (errors.NotMounted, 'Stale NFS file handle'),
                (errors.NotMounted, 'No such device'),
                (errors.NotMounted, 'Transport endpoint is not connected'),
                (errors.NotPermitted, 'Permission denied'),
                (errors.NotGpfs, 'Invalid argument'),
                (errors.ClonesNotSupported, 'Wrong medium type')):
            self.assertMeans(kind, SEAL, said(f'mmclone: {text}\n'))
            self.assertMeans(kind, SEAL, said(f'mmclone: {text}', rc=0))

    def test_an_unknown_text_is_kept_and_not_guessed_at(self):
        for text in ('mmclone: No such device or address', 'mmclone: Boo'):
            failure = SEAL.failure(model.Result(7, 'out', text))
            self.assertIs(errors.CommandFailed, type(failure))
            self.assertEqual((SEAL.argv(), 7, 'out', text), failure.args)

    def test_what_was_said_stays_with_a_recognised_error(self):
        failure = SEAL.failure(said('mmclone: File exists', 17))
        self.assertEqual((SEAL.argv(), 17, '', 'mmclone: File exists'),
                         failure.__cause__.args)
        self.assertIn('mmclone: File exists', str(failure))

    def test_a_file_cannot_be_named_after_an_error(self):
        seal = mmclone.Seal('/g/File exists')
        self.assertMeans(errors.CommandFailed, seal,
                         said('mmclone: /g/File exists: Boo'))

    def test_an_effect_that_says_anything_on_stderr_has_not_succeeded(self):
        self.assertIsNone(SEAL.outcome(model.Result(0, 'done', ' \n')))
        self.assertMeans(errors.CommandFailed, SEAL, said('note', rc=0))
        self.assertMeans(errors.CommandFailed, SEAL, said('', rc=-9))

    def test_a_query_succeeds_in_spite_of_a_note(self):
        result = model.Result(
            0, recordings.read('4.1/mmlsconfig-level'),
            'mmlsconfig: 6027-1262 Unable to obtain the GPFS configuration '
            'file lock. Retrying ...')
        self.assertEqual(1403, mmlsconfig.List().outcome(result))

    def test_a_query_that_ends_with_an_error_has_no_answer(self):
        self.assertMeans(errors.CommandFailed, mmlsconfig.List(), model.Result(
            1, recordings.read('4.1/mmlsconfig-level'), ''))

    def test_a_query_with_rows_and_a_known_failure_has_no_answer(self):
        result = model.Result(0, recordings.read('5.0.4/mmlsfs-one'),
                              'mmlsfs: GPFS is down on this node.')
        self.assertMeans(errors.NotReady, mmlsfs.List('FS1'), result)

    def test_silence_is_not_an_answer(self):
        self.assertRaises(errors.OutputNotUnderstood,
                          mmlsconfig.List().outcome, model.Result(0, '', ''))


class TestRefusal(base.BaseTestCase):
    """Why mmchattr refuses is found without its texts."""

    FOUND = model.FileAttributes('root', 'system', 1, 2, 1, 2)
    POOLS = [model.Pool(name, 0, 1, True, True, 1, 1)
             for name in ('system', 'meta')]
    DISKS = [model.Disk(f'd{n}', str(n), 'system', True, True, 'ready', 'up')
             for n in (1, 2)]

    def refusal(self, **asked):
        return mmchattr.Change('/g/a', **asked).refusal(
            self.FOUND, self.POOLS, self.DISKS)

    def test_an_unknown_pool_is_named(self):
        found = self.refusal(pool='gold')
        self.assertEqual((errors.NoSuchPool, ('gold',)),
                         (type(found), found.args))

    def test_replicas_above_the_files_maximum_are_refused(self):
        for asked in ({'data_replicas': 3}, {'metadata_replicas': 3}):
            self.assertIsInstance(self.refusal(**asked),
                                  errors.PlacementRefused)

    def test_replicas_above_the_failure_groups_are_refused(self):
        many = mmchattr.Change('/g/a', data_replicas=2)
        self.assertIsInstance(
            many.refusal(self.FOUND, self.POOLS, self.DISKS[:1]),
            errors.PlacementRefused)
        self.assertIsNone(self.refusal(data_replicas=2))

    def test_a_pool_without_disks_for_data_is_refused(self):
        self.assertIsInstance(self.refusal(pool='meta'),
                              errors.PlacementRefused)

    def test_nothing_is_made_up(self):
        self.assertIsNone(self.refusal(pool='system'))
        self.assertIsNone(self.refusal(write_affinity_depth=1))


class TestDone(base.BaseTestCase):
    """What mmlsattr has to show after mmchattr has failed."""

    def found(self, **other):
        return model.FileAttributes('root', 'fast', 2, 2, 2, 2, **other)

    def test_pool_and_replicas_as_asked_for(self):
        self.assertTrue(mmchattr.Change('/g/a', 'fast', 2, 2).is_done(
            self.found()))
        for other in (('system', 2, 2), ('fast', 1, 2), ('fast', 2, 1)):
            self.assertFalse(mmchattr.Change('/g/a', *other).is_done(
                self.found()))

    def test_blocks_that_are_not_yet_as_asked_for(self):
        for flag in ('illreplicated', 'illplaced'):
            self.assertFalse(mmchattr.Change('/g/a', 'fast').is_done(
                self.found(flags=(flag,))))
        self.assertTrue(mmchattr.Change('/g/a', 'fast').is_done(
            self.found(flags=('unbalanced',))))

    def test_write_affinity_that_cannot_be_seen(self):
        for other in ({'write_affinity_depth': 1}, {'block_group_factor': 8},
                      {'write_affinity_failure_group': '1,1,1'}):
            change = mmchattr.Change('/g/a', 'fast', **other)
            self.assertFalse(change.is_done(self.found()))
            self.assertTrue(change.is_seen(self.found()))
