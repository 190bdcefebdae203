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


"""Put the results of the model in tables, and say what grows."""

from benchmarks.scale import scenarios

#: What is compared for each operation.
EACH = ('commands', *scenarios.CALLS)
# Less is no growth: a few of all hosts are the first to do something.
_NOTHING = 1.5


def each(found, what):
    """Return how many of something one operation of a scenario takes."""
    number = found[what]
    if what == 'commands':
        number = sum(number.values())
    return number / found['operations']


def growth(document):
    """Return by how much each operation costs more in the whole cloud.

    As {scenario: {what: {dimension: factor}}}, for what grows with any.
    """
    table = {}
    for name, whole in document['whole']['scenarios'].items():
        for what in EACH:
            factors = {
                dimension: _factor(each(smaller['scenarios'][name], what),
                                   each(whole, what))
                for dimension, smaller in document['fewer'].items()}
            if any(factor > _NOTHING for factor in factors.values()):
                table.setdefault(name, {})[what] = factors
    return table


def _factor(before, after):
    return round(after / before, 2) if before else 1.0 + after


def text(document):
    """Return all of it for a person."""
    whole = document['whole']
    parts = [
        [', '.join(f'{number} {name}'
                   for name, number in whole['sizes'].items()),
         'latencies, s: ' + ', '.join(
             f'{name} {seconds:g}'
             for name, seconds in document['latencies'].items())],
        ['For one operation', *_table(
            ['', 'operations', 'mm', *scenarios.CALLS],
            [[name, str(found['operations']),
              *(f'{each(found, what):.1f}' for what in EACH)]
             for name, found in whole['scenarios'].items()])],
        ['In all, and how long one operation takes', *_table(
            ['', 'mm', 'downloads', 'median, s', 'longest, s'],
            [[name, str(sum(found['commands'].values())),
              str(found['downloads']), f'{found["median seconds"]:.1f}',
              f'{found["longest seconds"]:.1f}']
             for name, found in whole['scenarios'].items()])],
        ['Changed by several hosts (one path, the most)',
         *_shared(whole, 'changed by hosts', 'changes')],
        ['Listed by several hosts (one path, the most)',
         *_shared(whole, 'listed by hosts', 'lists')],
        ['Names in shared directories', *_table(['', 'names'], [
            [name, str(number)]
            for name, number in whole['directories'].items()])]]
    if document['fewer']:
        parts.append(['One operation, as a multiple of that with fewer',
                      *_growth(document)])
    return '\n\n'.join('\n'.join(part) for part in parts)


def _shared(whole, what, verb):
    return _table(
        ['', '', 'hosts', verb, 'names'],
        [[name, path, str(one['hosts']), str(one['times']),
          str(one['names'] or '-')]
         for name, found in whole['scenarios'].items()
         for path, one in sorted(found[what].items())])


def _growth(document):
    dimensions = list(document['fewer'])
    return _table(
        ['', '', *dimensions],
        [[name, what, *(f'{factors[one]:.1f}' for one in dimensions)]
         for name, rows in document['growth'].items()
         for what, factors in rows.items()])


def _table(head, rows):
    """Return lines of columns: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    return ['  '.join(
        cell.rjust(width) if _is_number(column) else cell.ljust(width)
        for cell, width, column in zip(row, widths, zip(*rows))).rstrip()
        for row in (head, *rows)] if rows else ['none']


def _is_number(column):
    return all(cell.replace('.', '').replace('-', '').isdigit()
               or cell == '-' for cell in column)
