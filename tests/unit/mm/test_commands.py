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


"""Each command's argv, and its parser on the recorded outputs."""

import dataclasses

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
from oslotest import base

from nova_gpfs import errors
from nova_gpfs import mm
from nova_gpfs.mm import mmchattr
from nova_gpfs.mm import mmclone
from nova_gpfs.mm import mmgetstate
from nova_gpfs.mm import mmlsattr
from nova_gpfs.mm import mmlscluster
from nova_gpfs.mm import mmlsconfig
from nova_gpfs.mm import mmlsdisk
from nova_gpfs.mm import mmlsfileset
from nova_gpfs.mm import mmlsfs
from nova_gpfs.mm import mmlsnsd
from nova_gpfs.mm import mmlspool
from nova_gpfs.mm import mmlsquota
from nova_gpfs.mm import mmrestripefile
from nova_gpfs import model
from tests.unit.mm import recordings

TIB = 1024 ** 4


def outcome(command, name):
    return command.outcome(recordings.printed(name))


class TestArgv(base.BaseTestCase):

    def test_every_command_is_spelled_as_in_ibms_synopsis(self):
        for command, argv in (
                (mmclone.Seal('/g/a'), 'mmclone snap /g/a'),
                (mmclone.Snap('/g/a', '/g/b'), 'mmclone snap /g/a /g/b'),
                (mmclone.Copy('/g/a', '/g/b'), 'mmclone copy /g/a /g/b'),
                (mmclone.Split('/g/a'), 'mmclone split /g/a'),
                (mmclone.Redirect('/g/a'), 'mmclone redirect /g/a'),
                (mmclone.Show('/g/a'), 'mmclone show /g/a'),
                (mmlsattr.List('/g/a'), 'mmlsattr -L /g/a'),
                (mmlsfs.List('all'), 'mmlsfs all -Y'),
                (mmlspool.List('fs0'), 'mmlspool fs0'),
                (mmlsdisk.List('fs0'), 'mmlsdisk fs0 -Y'),
                (mmlsnsd.List('fs0'), 'mmlsnsd -f fs0 -Y'),
                (mmlsfileset.List('fs0'), 'mmlsfileset fs0 -Y'),
                (mmlsquota.List('fs0', 'nova'), 'mmlsquota -j nova -Y fs0'),
                (mmrestripefile.Relocate('/g/a'), 'mmrestripefile -l /g/a'),
                (mmlscluster.List(), 'mmlscluster -Y'),
                (mmgetstate.Get(), 'mmgetstate -Y'),
                (mmlsconfig.List(), 'mmlsconfig -Y')):
            self.assertEqual(argv, ' '.join(command.argv()))

    def test_mmchattr_is_run_once_for_a_whole_placement(self):
        placement = model.Placement('fast', 2, 3, 1, 128, '1,1,1;2,1,1')
        change = mmchattr.Change('/g/a', *dataclasses.astuple(placement))
        self.assertEqual(
            ('mmchattr', '-P', 'fast', '-r', '2', '-m', '3',
             '--write-affinity-depth', '1', '--block-group-factor', '128',
             '--write-affinity-failure-group', '1,1,1;2,1,1',
             '-I', 'yes', '/g/a'),
            change.argv())

    def test_mmchattr_leaves_alone_what_is_not_asked_for(self):
        self.assertEqual(('mmchattr', '-r', '2', '-I', 'yes', '/g/a'),
                         mmchattr.Change('/g/a', data_replicas=2).argv())

    def test_commands_that_copy_blocks_are_known(self):
        for command in (mmclone.Split('/a'), mmclone.Redirect('/a'),
                        mmrestripefile.Relocate('/a'),
                        mmchattr.Change('/a', 'fast'),
                        mmchattr.Change('/a', data_replicas=2)):
            self.assertTrue(command.copies_data)
        for command in (mmclone.Copy('/a', '/b'), mmclone.Seal('/a'),
                        mmchattr.Change('/a', write_affinity_depth=1)):
            self.assertFalse(command.copies_data)

    def test_every_command_can_be_found_by_its_name(self):
        for name, command in mm.COMMANDS.items():
            self.assertEqual(name, mm.spell(command))
        self.assertIs(mmclone.Copy, mm.COMMANDS['mmclone.Copy'])


class TestClones(base.BaseTestCase):

    FAMILY = recordings.read('5.2.3/mmclone-show-family')
    SHOW = mmclone.Show('/gpfs0/test.txt')

    def test_a_parent_that_is_no_clone_has_no_parent_inode(self):
        self.assertEqual(model.CloneInfo(True, 0, None),
                         mmclone.parse_show(self.FAMILY, 'base.img'))

    def test_a_clone_has_its_parents_inode(self):
        self.assertEqual(model.CloneInfo(False, 1, 148488),
                         mmclone.parse_show(self.FAMILY, 'test02.img'))
        self.assertEqual(
            model.CloneInfo(False, 2, 148488),
            outcome(self.SHOW, 'unstated/mmclone-show-grandchild'))

    def test_a_file_that_is_no_clone_has_blank_columns(self):
        self.assertEqual(model.CloneInfo(), outcome(
            self.SHOW, 'unstated/mmclone-show-no-clone'))

    def test_an_inode_wider_than_its_column_is_read(self):
        text = recordings.read('unstated/mmclone-show-grandchild').replace(
            '        148488  ', '18446744073709551615  ')
        self.assertEqual(2 ** 64 - 1, self.SHOW.parse(text).parent_inode)

    def test_another_files_row_is_no_answer(self):
        self.assertRaises(errors.OutputNotUnderstood, mmclone.parse_show,
                          self.FAMILY, 'test03.img')
        self.assertRaises(errors.OutputNotUnderstood, mmclone.parse_show,
                          self.FAMILY, 'img')

    def test_a_name_that_looks_like_columns_is_not_taken_for_them(self):
        text = self.FAMILY.replace('test01.img', '/g/no 1 7  x')
        self.assertEqual(model.CloneInfo(False, 1, 148488),
                         mmclone.parse_show(text, '/g/no 1 7  x'))

    def test_a_row_of_another_form_is_not_understood(self):
        for row in ('no  1', 'yes', 'maybe 1 2', 'no 1 2 3', 'no x 2'):
            text = '\n'.join(self.FAMILY.split('\n')[:2]
                             + [f' {row}  /gpfs0/test.txt'])
            self.assertRaises(errors.OutputNotUnderstood, self.SHOW.parse,
                              text)


class TestAttributes(base.BaseTestCase):

    def attributes(self, case):
        return outcome(mmlsattr.List('/g/a'), f'unstated/mmlsattr-{case}')

    def test_a_file(self):
        self.assertEqual(
            model.FileAttributes(
                fileset='root', pool='system', metadata_replicas=2,
                max_metadata_replicas=2, data_replicas=2, max_data_replicas=2,
                misc=('ARCHIVE',)),
            self.attributes('file'))

    def test_a_directory_has_no_data_replicas(self):
        found = self.attributes('directory')
        self.assertIsNone(found.data_replicas)
        self.assertEqual(('project-hpc', ('DIRECTORY',)),
                         (found.fileset, found.misc))

    def test_an_immutable_file(self):
        self.assertTrue(self.attributes('immutable').immutable)
        self.assertFalse(self.attributes('file').immutable)

    def test_a_file_that_is_on_tape(self):
        self.assertEqual(('ARCHIVE', 'OFFLINE'),
                         self.attributes('offline').misc)

    def test_a_missing_label_is_not_understood(self):
        text = recordings.read('unstated/mmlsattr-file')
        for label in ('storage pool name', 'fileset name',
                      'metadata replication'):
            self.assertRaises(errors.OutputNotUnderstood,
                              mmlsattr.List('/g/a').parse,
                              text.replace(label, 'was renamed'))

    def test_a_file_name_cannot_pass_for_a_label(self):
        text = recordings.read('unstated/mmlsattr-file')
        self.assertEqual('root', mmlsattr.List('/g/a').parse(text.replace(
            '/gpfs/gpfs1/test1', 'fileset name: evil')).fileset)


class TestFileSystems(base.BaseTestCase):

    def test_a_file_system(self):
        found, = outcome(mmlsfs.List('FS1'), '5.0.4/mmlsfs-one')
        self.assertEqual(
            model.FileSystem(
                name='FS1', mount_point='/ibm/FS1', version=(22, 0),
                block_size=4194304, default_data_replicas=1,
                max_data_replicas=2, default_metadata_replicas=2,
                max_metadata_replicas=2, uid='090B5475:5E4F9685',
                quotas_enforced='none', filesetdf=False,
                strict_replication='whenpossible', release=(5, 0, 4, 0)),
            found)

    def test_the_release_is_that_of_the_software(self):
        text = recordings.read('5.0.4/mmlsfs-one')
        for highest, release in (('39.00 (6.0.1.0)', (6, 0, 1, 0)),
                                 ('', (5, 0, 4, 0)), ('39.00', ())):
            found, = mmlsfs.List('FS1').parse(text.replace(
                'filesystemHighestSupported:22.00 (5.0.4.0)',
                f'filesystemHighestSupported:{highest}'))
            self.assertEqual(((22, 0), release),
                             (found.version, found.release))

    def test_rows_of_several_file_systems_may_be_mixed(self):
        one = recordings.read('5.0.4/mmlsfs-one')
        other = one.replace('FS1', 'FS2').split('\n')[1:]
        mixed = [line for pair in zip(one.split('\n')[1:], other, strict=True)
                 for line in pair]
        found = mmlsfs.List('all').parse(
            '\n'.join([one.split('\n')[0], *mixed]))
        self.assertEqual(['/ibm/FS1', '/ibm/FS2'],
                         [each.mount_point for each in found])

    def test_the_block_size_is_that_of_the_pools_for_data(self):
        text = recordings.read('5.0.4/mmlsfs-one')
        row = 'mmlsfs::0:1:::FS1:blockSize:{}:{}:\n'
        split = (text.replace('blockSize:4194304::', 'x:1::')
                 + row.format(262144, 'system pool')
                 + row.format(8388608, 'other pools'))
        self.assertEqual(8388608, mmlsfs.List('FS1').parse(split)[0]
                         .block_size)

    def test_a_missing_attribute_is_not_understood(self):
        text = recordings.read('5.0.4/mmlsfs-one')
        for name in ('blockSize', 'defaultMountPoint', 'filesystemVersion:'):
            self.assertRaises(errors.OutputNotUnderstood,
                              mmlsfs.List('FS1').parse,
                              text.replace(f':{name}', ':renamed'))


class TestPools(base.BaseTestCase):

    def test_pools(self):
        system, capacity = outcome(mmlspool.List('fs1'),
                                   '6.0.0/mmlspool-two')
        self.assertEqual(
            model.Pool('system', 0, 4 * 1024 ** 2, True, True,
                       5242880 * 1024, 1101824 * 1024), system)
        self.assertEqual((65537, True, False), (
            capacity.id, capacity.holds_data, capacity.holds_metadata))

    def test_a_pool_may_hold_no_data(self):
        system, *rest = outcome(mmlspool.List('gpfs1'),
                                'unstated/mmlspool-four')
        self.assertEqual((False, True, 0), (
            system.holds_data, system.holds_metadata, system.total_data))
        self.assertEqual(3, len(rest))

    def test_a_row_of_another_form_is_not_understood(self):
        text = recordings.read('6.0.0/mmlspool-two')
        for broken in (text.replace('1101824', 'foo'), text + 'garbage\n',
                       'system 0 4 MB yes yes 1 1'):
            self.assertRaises(errors.OutputNotUnderstood,
                              mmlspool.List('fs1').parse, broken)


class TestRelocating(base.BaseTestCase):

    RELOCATE = mmrestripefile.Relocate('/g/FileA.txt')
    SCAN = recordings.read('unstated/mmrestripefile-compress')

    def outcome(self, rc=0, stdout='', stderr=''):
        self.RELOCATE.outcome(model.Result(rc, stdout, stderr))

    def test_a_scan_that_completed_and_silence_are_no_failure(self):
        for stdout in (self.SCAN, '', '\n',
                       'Scanning /g/FileA.txt\n   12 % complete\n'
                       'Scan completed successfully.\n'):
            self.outcome(stdout=stdout)

    def test_anything_else_is_one_whatever_the_exit_code_is(self):
        begun = self.SCAN.split('\n')[0]
        for rc, stdout, stderr in (
                (0, begun, ''), (0, 'mmrestripefile: Boo', ''),
                (0, self.SCAN, 'mmrestripefile: Boo'), (1, self.SCAN, ''),
                (0, begun + '\nScan completed with errors.', '')):
            self.assertRaises(errors.CommandFailed, self.outcome, rc, stdout,
                              stderr)

    def test_a_known_error_has_its_own_kind(self):
        for text, kind in (('No space left on device', errors.NoSpace),
                           ('GPFS is down on this node', errors.NotReady)):
            self.assertRaises(kind, self.outcome, 0, '', text)
            self.assertRaises(kind, self.outcome, 0, text, '')

    def test_no_file_can_be_named_after_a_success(self):
        self.assertRaises(
            errors.CommandFailed, mmrestripefile.Relocate(
                '/g/Scan completed successfully.').outcome,
            model.Result(0, 'Scanning /g/Scan completed successfully.', ''))


class TestFilesets(base.BaseTestCase):

    def test_linked_and_unlinked_filesets(self):
        root, linked, gone = outcome(mmlsfileset.List('project'),
                                     'unstated/mmlsfileset-unlinked')
        self.assertEqual(model.Fileset('root', 0, '/fs/project', True, 0,
                                       True, 'chmodAndSetacl'), root)
        self.assertEqual('/fs/project/ibtest', linked.path)
        self.assertEqual(('', False), (gone.path, gone.linked))

    def test_a_dependent_fileset_shares_an_inode_space(self):
        public, dependent = outcome(mmlsfileset.List('gpfs1'),
                                    'unstated/mmlsfileset-long')
        self.assertTrue(public.owns_inode_space)
        self.assertEqual((25, False), (dependent.inode_space,
                                       dependent.owns_inode_space))


class TestDisks(base.BaseTestCase):

    def test_disks(self):
        first, *rest = outcome(mmlsdisk.List('fs0'), 'unstated/mmlsdisk-ess')
        self.assertEqual(
            model.Disk('RG001VS003', '1', 'system', True, True, 'ready', 'up',
                       130518089728 * 1024), first)
        self.assertEqual(['2'], [disk.failure_group for disk in rest])

    def test_use_and_availability_of_disks(self):
        disks = outcome(mmlsdisk.List('fs0'), 'unstated/mmlsdisk-pools')
        self.assertEqual(['system', 'nvme', 'nlsas', 'nlsas'],
                         [disk.pool for disk in disks])
        self.assertEqual([False, True, True, True],
                         [disk.holds_data for disk in disks])
        self.assertEqual(['up', 'down', 'recovering', 'unrecovered'],
                         [disk.availability for disk in disks])

    def test_a_size_that_is_not_printed_is_not_known(self):
        header, row, *_ = recordings.read('unstated/mmlsdisk-ess').split('\n')
        disk, = mmlsdisk.List('fs0').parse(
            f'{header}\n{row.split(":desc:")[0]}')
        self.assertIsNone(disk.size)


class TestServers(base.BaseTestCase):

    def test_servers_by_disk_the_preferred_one_first(self):
        found = outcome(mmlsnsd.List('FS1'), '5.0.4/mmlsnsd-all')
        self.assertEqual(('server-4.domain.com', 'server-3.domain.com'),
                         found['nsd2'])
        self.assertEqual({'nsd1', 'nsd2', 'nsd3', 'nsd4'}, set(found))

    def test_other_columns_and_a_disk_of_no_file_system(self):
        self.assertEqual(('ec03',), outcome(
            mmlsnsd.List('fs1'), '5.2.1/mmlsnsd-long')['nsd10'])
        self.assertEqual(
            {'disk1': ('filer1',), 'disk2': ('filer2',),
             'disk3': ('filer3',)},
            outcome(mmlsnsd.List('gpfs1'), 'unstated/mmlsnsd-free'))

    def test_a_disk_that_every_node_reaches_has_no_servers(self):
        text = recordings.read('unstated/mmlsnsd-free')
        self.assertEqual((), mmlsnsd.List('gpfs1').parse(
            text.replace('filer2', ''))['disk2'])

    def test_rows_without_the_column_are_not_understood(self):
        text = recordings.read('5.0.4/mmlsnsd-all')
        for broken in (text.replace('serverList', 'renamed'), '',
                       text.replace('mmlsnsd:nsd:', 'mmlsnsd::')):
            self.assertRaises(errors.OutputNotUnderstood,
                              mmlsnsd.List('FS1').parse, broken)


class TestQuota(base.BaseTestCase):

    LIST = mmlsquota.List('test', 'qtest1')
    TABLE = recordings.read('unstated/mmrepquota-filesets').replace(
        'mmrepquota', 'mmlsquota')

    def test_the_filesets_own_row_is_taken_in_bytes(self):
        self.assertEqual(model.Quota(0, TIB, TIB, 0),
                         self.LIST.parse(self.TABLE))

    def test_a_users_row_is_not_taken_for_a_filesets(self):
        self.assertIsNone(mmlsquota.List('gpfs01', 'me').parse(
            recordings.read('unstated/mmlsquota-user')))

    def test_no_quotas_at_all_whatever_the_exit_code(self):
        for rc in (0, 22):
            self.assertIsNone(self.LIST.outcome(recordings.failed(
                'unstated/mmlsquota-off', rc)))

    def test_an_unknown_fileset(self):
        self.assertRaises(
            errors.NoSuchFileset, self.LIST.outcome,
            recordings.failed('unstated/mmlsquota-fileset', 1))

    def test_a_daemon_that_is_down_is_not_taken_for_no_quota(self):
        for rc in (0, 1):
            self.assertRaises(
                errors.NotReady, self.LIST.outcome,
                recordings.failed('unstated/mmlsquota-down', rc))


class TestCluster(base.BaseTestCase):

    def test_a_cluster_and_its_nodes(self):
        found = outcome(mmlscluster.List(), '5.0.4/mmlscluster-ces')
        self.assertEqual(('2936932203756487754', 'cluster.domain.com'),
                         (found.id, found.name))
        self.assertEqual([1, 2, 3, 4], [node.number for node in found.nodes])
        self.assertEqual(
            model.Node(2, 'server-3.domain.com', 'server-3.domain.com',
                       '10.0.0.4'), found.nodes[1])

    def test_the_state_of_this_node(self):
        for name, node in (('4.1/mmgetstate-active', 'devstack'),
                           ('unstated/mmgetstate-short-name', 'filer1')):
            self.assertEqual(mmgetstate.NodeState(node, 'active'),
                             outcome(mmgetstate.Get(), name))

    def test_the_states_of_all_nodes_are_not_this_nodes(self):
        text = recordings.read('5.2.1/mmgetstate-all')
        self.assertEqual(4, len(mmgetstate.parse_states(text)))
        self.assertRaises(errors.OutputNotUnderstood, mmgetstate.Get().parse,
                          text)

    def test_the_release_level_as_a_number_and_as_a_release(self):
        self.assertEqual(1403, outcome(mmlsconfig.List(),
                                       '4.1/mmlsconfig-level'))
        self.assertEqual(2200, outcome(mmlsconfig.List(),
                                       '5.2.1/mmlsconfig-all'))

    def test_a_release_that_is_too_old_to_place_is_not_understood(self):
        text = recordings.read('5.2.1/mmlsconfig-all')
        for value in ('3.4.0.0', 'LATEST', ''):
            self.assertRaises(
                errors.OutputNotUnderstood, mmlsconfig.List().parse,
                text.replace('5.2.1.0', value))


def _examples():
    return {
        mmclone.Show('/gpfs0/test.txt'): 'unstated/mmclone-show-grandchild',
        mmgetstate.Get(): '4.1/mmgetstate-active',
        mmlsattr.List('/g/a'): 'unstated/mmlsattr-file',
        mmlscluster.List(): '5.0.4/mmlscluster-ces',
        mmlsconfig.List(): '4.1/mmlsconfig-level',
        mmlsdisk.List('fs0'): 'unstated/mmlsdisk-pools',
        mmlsfileset.List('fs0'): 'unstated/mmlsfileset-unlinked',
        mmlsfs.List('FS1'): '5.0.4/mmlsfs-one',
        mmlsnsd.List('FS1'): '5.0.4/mmlsnsd-all',
        mmlspool.List('fs0'): 'unstated/mmlspool-four',
        mmlsquota.List('test', 'qtest1'): 'unstated/mmrepquota-filesets',
    }


class TestAnyText(base.BaseTestCase):
    """Whatever is printed, a parser answers or does not understand."""

    def _parse(self, query, text):
        try:
            query.parse(text)
        except errors.OutputNotUnderstood:
            pass

    @given(strategies.sampled_from(list(_examples())), strategies.text())
    def test_any_text(self, query, text):
        self._parse(query, text)

    @settings(max_examples=400)
    @given(strategies.data())
    def test_a_recording_with_a_piece_put_in_place_of_another(self, data):
        query = data.draw(strategies.sampled_from(list(_examples())))
        text = recordings.read(_examples()[query]).replace(
            'mmrepquota', query.program)
        start, end = sorted(data.draw(strategies.tuples(
            *[strategies.integers(0, len(text))] * 2)))
        piece = data.draw(strategies.sampled_from(
            ['', ':', '\n', ' ', '%2F', '9' * 30, 'yes', '\x00', '::::']))
        self._parse(query, text[:start] + piece + text[end:])

    @given(strategies.sampled_from(list(_examples())), strategies.text(),
           strategies.text(), strategies.integers(-64, 255))
    def test_any_result_is_a_value_or_a_typed_error(self, query, stdout,
                                                    stderr, rc):
        try:
            query.outcome(model.Result(rc, stdout, stderr))
        except errors.GpfsError:
            pass
