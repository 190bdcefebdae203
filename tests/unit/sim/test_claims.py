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

import pathlib
import re

import testtools

from nova_gpfs.sim import claims
from nova_gpfs.sim import messages

PAGE = pathlib.Path(__file__).parents[3].joinpath(
    'doc', 'source', 'contributor', 'simulator.rst')

#: Documents, headers, repositories and drivers that something was read in.
SOURCES = (
    r'IBM documentation, \w.{8,}', r'gpfs\.h \(IBM.*\) \w+.*',
    r'gpfs\.h \(IBM\), gpfs_\w+.*', r'gpfs_fcntl\.h \(IBM.*\).*',
    r'openstack/cinder, \S+\.py', "Cinder's gpfs driver.*",
    "Cinder's and Manila's gpfs drivers",
    r'(rows of filesets: )?treydock/gpfs_exporter, .*',
    r'idiv-biodiversity/mmoxi, \S+',
    r'IBM/ibm-spectrum-scale-install-infra, \w+\.py.*',
    r'(header: )?dirscape, (fixture of )?\w+/.+',
    'StratusLab GPFSBackend.*', 'NeSI support documentation',
    r'gpfsug-tools policy/\w+\.md', r'fs-py unit test( \(22\))?',
    'StoRM( for mmlsquota)?', 'terminal output in the rapidu repository',
    'the simulator itself')

_FAILED = (': Command failed. Examine previous error messages to determine '
           'cause.')

#: What was recorded, with the words that differ from call to call.
RECORDED = {
    'clone.sealed': ({}, 'mmclone: Read-only file system'),
    'lsattr.failed': (
        {'code': 22}, 'mmlsattr: tslsattr failed. Error code 22.'),
    'daemon.down': (
        {'command': 'mmlsquota'},
        'Failed to connect to file system daemon: No such process\n'
        'mmlsquota: GPFS is down on this node.\nmmlsquota' + _FAILED),
    'fs.unknown': (
        {'command': 'mmlsfs', 'fs': 'i_dont_exist'},
        'mmlsfs: File system i_dont_exist is not known to the GPFS cluster.\n'
        'mmlsfs' + _FAILED),
    'fileset.unknown': (
        {'command': 'mmlsfileset', 'fileset': 'fset'},
        'Fileset named fset does not exist.\nmmlsfileset' + _FAILED),
    'fileset.not_root': (
        {'command': 'mmlsfileset', 'user': 'jdoe42'},
        'No filesets found owned by this user jdoe42\n'
        'mmlsfileset: tslsfileset failed. Error code 2.\n'
        'mmlsfileset' + _FAILED),
    'quota.fileset': (
        {'command': 'mmlsquota', 'fileset': 'dat991'},
        'dat991: no such fileset in quota enabled file systems\n'
        'mmlsquota' + _FAILED),
    'quota.off': (
        {'command': 'mmlsquota'},
        'No quota enabled file system found.\n'
        'mmlsquota: tslsquota  -Y  failed. Error code 22.\n'
        'mmlsquota' + _FAILED),
}


def names_a_source(text):
    """Whether a text names something out of SOURCES."""
    return any(re.fullmatch(known, text) for known in SOURCES)


class ClaimsTest(testtools.TestCase):

    def test_the_page_has_the_tables_as_they_are_now(self):
        self.assertTrue(
            PAGE.read_text().endswith('\n\n' + claims.rst() + '\n'),
            'the tables are printed by "nova-gpfs-sim claims --rst"')

    def test_nothing_is_claimed_without_a_source_or_saying_so(self):
        for kind, claim, source in claims.table():
            if claims.is_sourced(source):
                for part in source.split('; '):
                    self.assertTrue(names_a_source(part),
                                    (kind, claim, part))
            else:
                self.assertRegex(source, '^UNRECORDED(; .+)?$', (kind, claim))

    def test_a_source_is_a_name_that_can_be_looked_up(self):
        for vague in ('terminal output', 'somebody', 'IBM documentation, ',
                      'IBM documentation', 'gpfs.h', 'header', 'UNRECORDED'):
            self.assertFalse(names_a_source(vague), vague)

    def test_the_recorded_texts_are_said_word_by_word(self):
        recorded = {key for key, message in messages.MESSAGES.items()
                    if claims.is_sourced(message.source)}
        self.assertEqual(set(RECORDED), recorded)
        for key, (fields, text) in RECORDED.items():
            self.assertEqual(
                text, messages.MESSAGES[key].text.format(**fields), key)

    def test_the_wording_of_the_catalogue_counts_as_unrecorded(self):
        for key, wording in (
                ('daemon.no_quorum',
                 '6027-725 The mmfsd daemon is not ready to handle commands '
                 'yet. Waiting for quorum.'),
                ('fs.not_mounted',
                 '6027-602 ERROR: file system not mounted. Mount file system '
                 '{fs} and retry command.')):
            message = messages.MESSAGES[key]
            self.assertIn(wording, message.text)
            self.assertFalse(claims.is_sourced(message.source))
            self.assertIn('message ' + wording.split()[0], message.source)

    def test_what_only_cinder_relies_on_counts_as_unrecorded(self):
        source = claims.RULES['A clone parent without clones can be unlinked']
        self.assertFalse(claims.is_sourced(source))
        self.assertIn('Cinder', source)

    def test_counts_add_up(self):
        total = sum(known + unknown
                    for _kind, known, unknown in claims.summary())
        self.assertEqual(len(claims.table()), total)
