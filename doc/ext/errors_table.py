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


"""A directive that prints every error of nova_gpfs with its next step.

The table comes from ``nova_gpfs.errors``, so that the manual and the log of
nova-compute cannot differ.
"""

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

import errors_rows

HEADER = ('Message', 'What is the case', 'What to do')


class ErrorsTable(Directive):
    """``.. gpfs-errors::``"""

    def run(self):
        lines = ['.. list-table::', '   :header-rows: 1', '']
        for cells in (HEADER, *errors_rows.rows()):
            lines += [f'   {mark} - {_literal_safe(cell)}'
                      for mark, cell in zip('*  ', cells)]
        holder = nodes.Element()
        self.state.nested_parse(StringList(lines, source='errors'), 0, holder)
        return holder.children


def _literal_safe(text):
    """Keep docutils from reading markup into a plain sentence."""
    for character in '\\*|_`':
        text = text.replace(character, '\\' + character)
    return text


def setup(app):
    app.add_directive('gpfs-errors', ErrorsTable)
    return {'parallel_read_safe': True}
