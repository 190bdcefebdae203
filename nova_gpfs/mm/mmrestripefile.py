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


"""mmrestripefile: move the blocks of a file.

Synopsis: IBM documentation, mmrestripefile command (5.0.4, 6.0.1). Published
output is that of ``-z``, which begins alike with any option or is not there:

    Scanning FileA.txt
    Scan completed successfully.
"""

from __future__ import annotations

import dataclasses
import re

from nova_gpfs.mm import base
from nova_gpfs.mm import faults
from nova_gpfs.mm import fields
from nova_gpfs import model


@dataclasses.dataclass(frozen=True)
class Relocate(base.Effect):
    """Lay out the blocks that a file holds as its write affinity says now."""

    path: fields.Path

    program = 'mmrestripefile'
    failures = (*faults.STATES, *faults.ERRNO)

    @property
    def copies_data(self) -> bool:
        return True

    def arguments(self) -> tuple[str, ...]:
        return '-l', self.path

    def changed(self) -> tuple[str, ...]:
        """Return nothing: a file holds the same wherever its blocks are."""
        return ()

    def outcome(self, result: model.Result) -> None:
        """Take it at its word when it completed, or had nothing to say.

        Anything else that it says is a failure, whatever the exit code is.
        """
        super().outcome(result)
        said = result.stdout.strip()
        if said and not re.search(r'^Scan completed successfully\.?$', said,
                                  re.MULTILINE):
            raise self.failure(result)
