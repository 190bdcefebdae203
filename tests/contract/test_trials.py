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

"""The trials of nova-gpfs check, through the privileged daemon."""

from nova_gpfs import libgpfs
from nova_gpfs import privsep
from nova_gpfs.trials import base
from nova_gpfs.trials import table
from tests.contract import test_privsep
from tests import face


class TrialsTest(test_privsep.ClusterTestCase):

    def bench(self, transport):
        return base.Bench(
            self.gpfs, transport, transport, libgpfs.Library(self.library),
            self.directory, self.gpfs.file_system('fs0'), 'nova', 3,
            elsewhere=self.elsewhere('other'))

    def test_the_daemon_does_what_the_trials_ask_of_it(self):
        bench = self.bench(privsep.run)
        found = {trial.name: base.make(trial, bench)
                 for trial in table.TRIALS
                 if not trial.name.startswith('user-runs-')}
        # It touches nothing outside of instances_path.
        across = found.pop('clone-across-filesets')
        self.assertIn('is not below', across.detail)
        # Its rule for files with several names holds for parents, too.
        split = found.pop('split-parent-with-children')
        self.assertEqual(base.SKIPPED, split.state)
        self.assertIn('names', split.detail)
        # It sees for itself that a file is there.
        code = found.pop('exit-code-on-failure')
        self.assertEqual(base.SKIPPED, code.state)
        self.assertIn('as root', code.detail)
        if self.no_parts:
            found.pop('declone')
        # Plain files allow what GPFS does not.
        self.assertEqual(
            {} if face.is_asked_for() else
            {'unlink-parent-with-children': base.WRONG},
            {name: one.state for name, one in found.items()
             if one.state in (base.WRONG, base.UNKNOWN)})
        self.assertEqual([], self.cluster.check())
