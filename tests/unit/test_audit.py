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

import dataclasses

from oslotest import base

from nova_gpfs import audit
from nova_gpfs import model

FOUND = model.FileAttributes(
    fileset='nova', pool='system', metadata_replicas=1,
    max_metadata_replicas=2, data_replicas=1, max_data_replicas=2)
SYSTEM = audit.Ancestor('master system', model.Placement('system', 1, 1))
FAST = audit.Ancestor('master fast', model.Placement('fast', 2, 1))
OWN = audit.Ancestor('parent own', model.Placement('fast', 2, 1), is_own=True)
STRANGER = audit.Ancestor('inode 7', None)

#: wanted, given, flags, ancestors, state, words of what is said
TABLE = (
    ({}, {}, '', (), audit.OK, ()),
    ({}, {}, 'illreplicated', (FAST, STRANGER), audit.OK, ()),
    ({'pool': 'system', 'data_replicas': 1, 'metadata_replicas': 1}, {}, '',
     (), audit.OK, ()),
    ({'pool': 'fast'}, {}, '', (), audit.DRIFT, ('pool is system',)),
    ({'data_replicas': 2}, {}, '', (), audit.DRIFT, ('data_replicas is 1',)),
    ({'metadata_replicas': 2}, {}, '', (), audit.DRIFT,
     ('metadata_replicas is 1',)),
    # What the attributes promise is not there yet.
    ({'pool': 'system'}, {}, 'illplaced', (), audit.DRIFT, ('illplaced',)),
    ({'pool': 'system'}, {}, 'x,illreplicated', (), audit.DRIFT,
     ('illreplicated',)),
    ({'pool': 'system'}, {}, 'illcompressed', (), audit.OK, ()),
    ({'pool': 'system'}, {'write_affinity_depth': 1}, 'illplaced', (),
     audit.UNKNOWN, ('illplaced',)),
    ({'pool': 'fast', 'write_affinity_depth': 1},
     {'write_affinity_depth': 1}, 'illplaced', (), audit.DRIFT,
     ('pool is system', 'illplaced')),
    # Blocks that are read through a parent.
    ({'pool': 'system'}, {}, '', (SYSTEM,), audit.OK, ()),
    ({'pool': 'system'}, {}, '', (FAST,), audit.DRIFT,
     ('shares blocks with its master fast (pool is fast)',)),
    ({'pool': 'system'}, {}, '', (SYSTEM, FAST), audit.DRIFT,
     ('shares blocks with its master fast',)),
    ({'pool': 'system'}, {}, '', (STRANGER,), audit.UNKNOWN,
     ('shares blocks with inode 7',)),
    ({'pool': 'system'}, {}, '', (FAST, STRANGER), audit.DRIFT,
     ('master fast', 'inode 7')),
    ({'write_affinity_depth': 1}, {'write_affinity_depth': 1}, '',
     (STRANGER,), audit.OK, ()),
    # A parent that was the disk before has its blocks, by the record.
    ({'pool': 'system'}, {'pool': 'system'}, '', (OWN,), audit.OK, ()),
    ({'pool': 'system'}, {'pool': 'system'}, '', (OWN, FAST), audit.DRIFT,
     ('master fast',)),
    ({'pool': 'system'}, {}, '', (OWN,), audit.DRIFT, ('parent own',)),
    # Write affinity is known by the record alone.
    ({'write_affinity_depth': 1}, {}, '', (), audit.DRIFT,
     ('write_affinity_depth was given as None',)),
    ({'write_affinity_failure_group': '3'},
     {'write_affinity_failure_group': '2'}, '', (), audit.DRIFT,
     ('write_affinity_failure_group was given as 2',)),
    ({'write_affinity_failure_group': 'local'},
     {'write_affinity_failure_group': '2'}, '', (), audit.OK, ()),
    ({'write_affinity_failure_group': 'local'}, {}, '', (), audit.OK, ()),
    ({}, {'write_affinity_depth': 1}, '', (), audit.OK, ()),
)


class DiskTest(base.BaseTestCase):

    def test_what_is_wanted_is_compared_with_what_is_there(self):
        for row in TABLE:
            wanted, given, flags, ancestors, state, words = row
            verdict = audit.disk(
                model.Placement(**wanted), model.Placement(**given),
                dataclasses.replace(FOUND, flags=tuple(flags.split())),
                ancestors)
            self.assertEqual(state, verdict.state, row)
            self.assertEqual(len(words), len(verdict.why), row)
            for expected, said in zip(words, verdict.why):
                self.assertIn(expected, said)

    def test_what_is_shared_is_told_apart_from_what_is_wrong(self):
        verdict = audit.disk(model.Placement('fast'), model.Placement(),
                             FOUND, (SYSTEM,))
        self.assertEqual((1, 1, 0), (len(verdict.wrong), len(verdict.shared),
                                     len(verdict.unknown)))


class MasterTest(base.BaseTestCase):

    def test_a_master_is_compared_with_what_it_was_when_it_was_sealed(self):
        for recorded, state in ((model.Placement('system', 1, 1), audit.OK),
                                (model.Placement(), audit.OK),
                                (model.Placement('fast', 1, 1), audit.DRIFT)):
            self.assertEqual(state, audit.master(recorded, FOUND).state)
