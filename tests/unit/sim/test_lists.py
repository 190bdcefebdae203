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

"""The commands that look around: rows by header name, as recorded."""

from tests.unit.sim import simulated


class NodesTest(simulated.SimulatedTestCase):

    def test_mmgetstate_shows_this_node_or_all(self):
        self.cluster.set_node_state('node3', 'down')
        self.cluster.set_node_state('node2', 'quorum-lost')
        states = {row['nodeName']: (row['state'], row['nodeNumber'])
                  for row in self.rows('mmgetstate', '-a')}
        self.assertEqual({'node1': ('active', '1'),
                          'node2': ('arbitrating', '2'),
                          'node3': ('down', '3')}, states)
        (mine,) = self.rows('mmgetstate')
        self.assertEqual(('node1', '2', '1', '3', 'quorum node', 'node1'),
                         (mine['nodeName'], mine['quorum'], mine['nodesUp'],
                          mine['totalNodes'], mine['remarks'],
                          mine['daemonShortName']))

    def test_mmlscluster_has_a_summary_and_the_nodes(self):
        rows = self.rows('mmlscluster')
        self.assertEqual(['clusterSummary'] + ['clusterNode'] * 3,
                         [row['subtype'] for row in rows])
        self.assertEqual('sim.example.com', rows[0]['clusterName'])
        self.assertEqual('node2', rows[2]['daemonNodeName'])

    def test_mmlsconfig_finds_parameters_as_cinder_asks_for_them(self):
        (row,) = self.rows('mmlsconfig', 'minreleaseLeveldaemon')
        self.assertEqual(('minReleaseLevel', '2200'),
                         (row['configParameter'], row['value']))
        (row,) = self.rows('mmlsconfig', 'clusterId')
        self.assertEqual(self.rows('mmlscluster')[0]['clusterId'],
                         row['value'])

    def test_mmlsnode_names_the_nodes(self):
        self.assertIn('node1 node2 node3', self.did('mmlsnode'))


class FileSystemsTest(simulated.SimulatedTestCase):
    SPEC = simulated.spec(highest_version='39.00 (6.0.1.0)')

    def test_mmlsfs_has_one_row_for_each_attribute(self):
        rows = {row['fieldName']: row['data']
                for row in self.rows('mmlsfs', 'fs0')}
        self.assertEqual(str(simulated.BLOCK), rows['blockSize'])
        self.assertEqual('3', rows['maxDataReplicas'])
        self.assertEqual('system;fast', rows['storagePools'])
        self.assertEqual(
            self.cluster.mount_point().replace('/', '%2F'),
            rows['defaultMountPoint'])

    def test_mmlsfs_prints_the_attribute_that_is_asked_for(self):
        rows = self.rows('mmlsfs', 'all', '-T')
        self.assertEqual(['defaultMountPoint'],
                         [row['fieldName'] for row in rows])
        self.assertEqual('22.00 (5.0.4.0)',
                         self.rows('mmlsfs', 'fs0', '-V')[0]['data'])

    def test_mmlsfs_tells_what_the_software_could_do(self):
        self.assertEqual(
            {'filesystemVersion': '22.00 (5.0.4.0)',
             'filesystemHighestSupported': '39.00 (6.0.1.0)'},
            {row['fieldName']: row['data']
             for row in self.rows('mmlsfs', 'fs0')
             if row['fieldName'] in ('filesystemVersion',
                                     'filesystemHighestSupported')})

    def test_an_unknown_file_system_is_refused_by_all(self):
        for name, *arguments in (('mmlsfs',), ('mmlspool',), ('mmlsdisk',),
                                 ('mmlsnsd', '-f'),
                                 ('mmlsfileset',), ('mmdf',), ('mmlsmount',),
                                 ('mmlsquota', '-j', 'nova')):
            self.refused(1, f'{name}: File system nix is not known to the '
                         f'GPFS cluster.\n{name}: Command failed. Examine '
                         'previous error messages to determine cause.\n',
                         name, *arguments, 'nix')

    def test_mmlspool_has_the_recorded_columns(self):
        lines = self.did('mmlspool', 'fs0').splitlines()
        self.assertEqual(
            "Storage pools in file system at "
            f"'{self.cluster.mount_point()}':", lines[0])
        self.assertEqual(
            'system                   0     64 KB  yes  yes      314572800'
            '      314572800 (100%)      314572800      314572800 (100%)',
            lines[2])
        self.assertEqual(['fast', '65537'], lines[3].split()[:2])

    def test_mmlspool_refuses_an_unknown_pool(self):
        self.assertIn('fast', self.did('mmlspool', 'fs0', 'fast'))
        self.refused(2, 'nix', 'mmlspool', 'fs0', 'nix')

    def test_mmlsdisk_shows_pools_and_failure_groups(self):
        rows = self.rows('mmlsdisk', 'fs0')
        self.assertEqual(
            [('system', '1', 'Yes'), ('system', '2', 'Yes'),
             ('system', '3', 'Yes'), ('fast', '1', 'No'),
             ('fast', '2', 'No'), ('fast', '3', 'No')],
            [(row['storagePool'], row['failureGroup'], row['metadata'])
             for row in rows])
        self.assertEqual(1, len(self.rows('mmlsdisk', 'fs0', '-d', 'fast2')))

    def test_no_disks_is_an_empty_list_and_no_failure(self):
        done = self.mm('mmlsdisk', 'fs0', '-d', 'nix', '-Y')
        self.assertEqual((0, '', 'No disks were found\n'),
                         (done.returncode, done.stdout, done.stderr))

    def test_mmlsnsd_and_mmlsmount_name_disks_and_nodes(self):
        self.assertEqual(6, len(self.rows('mmlsnsd')))
        self.cluster.set_node_state('node2', 'down')
        self.cluster.faults.add_condition('not-mounted', node='node3')
        rows = self.rows('mmlsmount', 'fs0', '-L')
        self.assertEqual([('node1', '1')], [
            (row['nodeName'], row['totalNodes']) for row in rows])

    def test_human_forms_are_there_too(self):
        for arguments in (('mmgetstate',), ('mmlscluster',), ('mmlsnsd',),
                          ('mmlsfs', 'fs0'), ('mmlsfileset', 'fs0'),
                          ('mmlsdisk', 'fs0'), ('mmdf', 'fs0'),
                          ('mmlsquota', '-j', 'nova', 'fs0'),
                          ('mmlsmount', 'all', '-L'), ('mmlsconfig',)):
            shown = self.did(*arguments)
            self.assertNotIn('HEADER', shown)
            self.assertGreater(len(shown.split()), 3)


class ServersTest(simulated.SimulatedTestCase):
    SPEC = {'file_systems': [
        {'name': 'fs0', 'nsds': [{'name': 'a', 'servers': 'node2,node1'},
                                 {'name': 'b'}],
         'filesets': [{'name': 'nova', 'path': 'nova'}]},
        {'name': 'fs1', 'nsds': [{'name': 'c', 'servers': 'node3'}]}]}

    def test_mmlsnsd_has_the_recorded_columns(self):
        rows = self.rows('mmlsnsd', '-f', '/dev/fs0')
        self.assertEqual(
            ['fileSystem', 'diskName', 'volumeId', 'serverList', 'thinDisk'],
            [name for name in rows[0] if name != 'subtype'])
        self.assertEqual(
            [('fs0', 'a', 'node2,node1'), ('fs0', 'b', '')],
            [(row['fileSystem'], row['diskName'], row['serverList'])
             for row in rows])
        self.assertEqual(['a', 'b', 'c'], [
            row['diskName'] for row in self.rows('mmlsnsd', '-a')])


class FilesetsTest(simulated.SimulatedTestCase):
    SPEC = simulated.spec(filesets=[
        {'name': 'nova', 'path': 'nova', 'independent': True,
         'soft': 10 << 20, 'hard': 20 << 20},
        {'name': 'dependent', 'path': 'nova/d', 'comment': 'till: 2030'},
        {'name': 'unlinked'}])

    def test_mmlsfileset_tells_dependent_and_unlinked_ones(self):
        rows = {row['filesetName']: row
                for row in self.rows('mmlsfileset', 'fs0')}
        self.assertEqual(['root', 'nova', 'dependent', 'unlinked'],
                         list(rows))
        place = self.cluster.mount_point() + '/nova/d'
        self.assertEqual(('Linked', place.replace('/', '%2F'), '0'), (
            rows['dependent']['status'], rows['dependent']['path'],
            rows['dependent']['isInodeSpaceOwner']))
        self.assertEqual('1', rows['nova']['isInodeSpaceOwner'])
        self.assertEqual(('Unlinked', '%2D%2D'), (
            rows['unlinked']['status'], rows['unlinked']['path']))
        self.assertEqual('till%3A 2030', rows['dependent']['comment'])
        self.assertEqual(1, len(self.rows('mmlsfileset', 'fs0', 'nova')))

    def test_an_unknown_fileset_is_refused(self):
        self.refused(2, 'Fileset named nix does not exist.\n', 'mmlsfileset',
                     'fs0', 'nix')
        self.refused(2, 'nix: no such fileset in quota enabled file systems',
                     'mmlsquota', '-j', 'nix', 'fs0')

    def test_mmlsquota_counts_what_the_fileset_owns_in_kib(self):
        self.write('a', b'x' * simulated.BLOCK)
        self.did('mmchattr', '-r', '2', 'a')
        (row,) = self.rows('mmlsquota', '-j', 'nova', 'fs0')
        self.assertEqual(
            ('FILESET', 'nova', '128', '10240', '20480', '1'),
            tuple(row[name] for name in (
                'quotaType', 'name', 'blockUsage', 'blockQuota',
                'blockLimit', 'filesUsage')))

    def test_mmlsquota_takes_a_device_without_a_fileset(self):
        self.refused(1, 'fs0:nova is not known', 'mmlsquota', 'fs0:nova')
        done = self.mm('mmlsquota', '--nix')
        self.assertTrue(done.stderr.endswith(' [Device]\n'), done.stderr)

    def test_mmlsquota_of_a_user_has_a_header_and_no_rows(self):
        self.assertEqual([], self.rows('mmlsquota'))

    def test_nested_filesets_are_told_apart(self):
        self.write('d/a')
        self.assertIn('dependent', self.did('mmlsattr', '-L', 'd/a'))

    def test_mmdf_sums_up(self):
        self.write('a', b'x' * simulated.BLOCK)
        rows = self.rows('mmdf', 'fs0')
        kinds = [row['subtype'] for row in rows]
        self.assertEqual((6, 2, 1), (kinds.count('nsd'),
                                     kinds.count('poolTotal'),
                                     kinds.count('fsTotal')))
        total = rows[kinds.index('fsTotal')]
        self.assertEqual(simulated.BLOCK >> 10,
                         int(total['fsSize']) - int(total['freeBlocks']))


class QuotaOffTest(simulated.SimulatedTestCase):
    SPEC = simulated.spec(quotas='')

    def test_mmlsquota_says_so_in_the_recorded_words(self):
        self.refused(
            22, 'No quota enabled file system found.\n'
            'mmlsquota: tslsquota  -Y  failed. Error code 22.\n',
            'mmlsquota', '-j', 'nova', 'fs0')
