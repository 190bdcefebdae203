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


"""Medians, ratios and how they are shown.

A ratio is the median of the ratios within each round, so that what slows a
whole round down does not count.
"""

import statistics

from benchmarks import backends

#: Which backends are set against which, where both were measured.
PAIRS = [(backends.GPFS, other) for other in (
    backends.RAW, backends.COPIED, backends.QCOW2)] + [
    (backends.PRIVSEP, backends.QCOW2)]


def summary(samples):
    """Return samples by backend with their medians, quartiles and ratios."""
    return {
        'samples': samples,
        'medians': {name: statistics.median(values)
                    for name, values in samples.items()},
        'quartiles': {name: _quartiles(values)
                      for name, values in samples.items()},
        'ratios': {f'{one} / {other}': statistics.median(
            a / b for a, b in zip(samples[one], samples[other]))
            for one, other in PAIRS if one in samples and other in samples}}


def _quartiles(values):
    if len(values) < 2:
        return [values[0], values[0]]
    first, _median, third = statistics.quantiles(values, method='inclusive')
    return [first, third]


def rounds(samples):
    """Return a summary of rounds from cold; bytes by the median round."""
    found = summary({name: [one.seconds for one in values]
                     for name, values in samples.items()})
    for field in ('downloads', 'written', 'taken'):
        values = {name: [getattr(one, field) for one in values]
                  for name, values in samples.items()}
        found[field] = {name: _middle(each) for name, each in values.items()}
    _forget_daemon(found['written'])
    return found


def _forget_daemon(written):
    """Take out what is not known: the daemon's children are not ours."""
    if backends.PRIVSEP in written:
        written[backends.PRIVSEP] = None


def _middle(values):
    return None if None in values else statistics.median_high(values)


def disk(samples):
    """Return what was counted for one disk by each backend."""
    return {name: {'programs': dict(counts.programs),
                   'inner_locks': counts.inner_locks,
                   'external_locks': counts.external_locks,
                   'written': None if name == backends.PRIVSEP
                   else counts.written, 'taken': taken,
                   'system_calls': calls}
            for name, (counts, taken, calls) in samples.items()}


def overhead(samples):
    """Return the overheads of each backend by what they are over."""
    found = {}
    for (name, what), values in samples.items():
        found.setdefault(name, {})[what] = {
            'samples': values, 'median': statistics.median(values),
            'quartiles': _quartiles(values)}
    return found


def snapshots(rows):
    """Add to each row of the others how many times as long they took."""
    ours = {(row['data'], row['step']): row['seconds'] for row in rows
            if row['backend'] == backends.GPFS}
    return [{**row, 'times gpfs': row['seconds'] / ours[
        row['data'], row['step']]} for row in rows]


def _snapshot_rows(rows):
    return [[row['step'], _mib(row['data']), row['backend'],
             f'{row["seconds"]:.2f}', f'{row["times gpfs"]:.1f}',
             *(_mib(row[name]) for name in (
                 'read', 'written', 'uploaded', 'downloaded')),
             _programs(row['commands'])] for row in rows]


def text(document):
    """Return the whole result as tables for a person."""
    names = list(document['warm']['medians'])
    timed = {'warm, s': document['warm'],
             **{f'{title}, s': one
                for title, one in document['cold'].items()}}
    parts = [
        [f'{name}: {value}' for name, value in document['setting'].items()],
        ['Time until every caller has its disk, median', *table(
            ['', *names, *document['warm']['ratios']],
            [[title, *(f'{one["medians"][name]:.3f}'
                       if name in one['medians'] else '-' for name in names),
              *(f'{one["ratios"][pair]:.2f}' if pair in one['ratios']
                else '-' for pair in document['warm']['ratios'])]
             for title, one in timed.items()])],
        ['From cold: downloads, MiB written, MiB taken', *table(
            ['', *names],
            [[title, *(_cold(one, name) for name in names)]
             for title, one in document['cold'].items()])],
        ['One disk, image cached', *table(
            ['', 'programs', 'locks', 'external', 'MiB written', 'MiB taken',
             'system calls', ''],
            [[name, str(sum(one['programs'].values())),
              str(one['inner_locks']), str(one['external_locks']),
              _mib(one['written']), _mib(one['taken']),
              str(one['system_calls'] or '-'), _programs(one['programs'])]
             for name, one in document['disk'].items()])],
        ['A snapshot and a disk from it, by MiB of data; MiB moved', *table(
            ['', 'data', 'backend', 's', 'times gpfs', 'read', 'written',
             'uploaded', 'downloaded', ''],
            _snapshot_rows(document['snapshots']))],
        ['Own overhead, ms (aim: below 5): median (quartiles)', *table(
            ['', *_kinds(document['overhead'])],
            [[name, *(_milliseconds(kinds.get(kind))
                      for kind in _kinds(document['overhead']))]
             for name, kinds in document['overhead'].items()])]]
    return '\n\n'.join('\n'.join(lines) for lines in parts)


def _cold(one, name):
    if name not in one['downloads']:
        return '-'
    return (f'{one["downloads"][name]}, '
            f'{_mib(one["written"][name])}, {_mib(one["taken"][name])}')


def _mib(value):
    return '-' if value is None else f'{value / 2 ** 20:.1f}'


def _programs(programs):
    return ', '.join(name if count == 1 else f'{count} {name}'
                     for name, count in sorted(programs.items()))


def _kinds(found):
    return list(dict.fromkeys(kind for kinds in found.values()
                              for kind in kinds))


def _milliseconds(one):
    if one is None:
        return '-'
    first, third = one['quartiles']
    return (f'{1000 * one["median"]:.2f} ({1000 * first:.2f} to '
            f'{1000 * third:.2f})')


def table(header, rows):
    """Align columns: the first and a last one without a title to the left."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    return ['  '.join(
        cell.ljust(width) if index == 0 or not header[index]
        else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in (header, *rows)]
