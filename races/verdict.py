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
"""What events of many hosts say about promises, read afterwards.

Nothing here goes by how long something took: events are counted, and whether
two of them overlap is a matter of order.
"""

import collections
import dataclasses


@dataclasses.dataclass(frozen=True)
class Span:
    """From one event of a host to a later one."""

    host: str
    act: int
    what: str
    begin: int
    end: int

    def overlaps(self, other):
        return self.begin < other.end and other.begin < self.end


def spans(events, first, last):
    """Return what lies between events of two kinds, by who and what."""
    begun, found = {}, []
    for event in events:
        who = event.host, event.act, event.what
        if event.kind == first:
            begun[who] = event.time
        elif event.kind == last and who in begun:
            found.append(Span(*who, begun.pop(who), event.time))
    return found


def of_image(event, key):
    """Whether an event is about a master of an image, wherever it lies."""
    return event.what.startswith(key)


class Verdict:
    """What can be said of the events of a run.

    :param placements: how many placements of an image disks may ask for
    """

    def __init__(self, events, placements):
        self.events = events
        self._placements = placements
        self.downloads = spans(events, 'downloads', 'downloaded')

    def count(self, kind, key=''):
        return sum(event.kind == kind and of_image(event, key)
                   for event in self.events)

    def keys(self):
        return sorted({span.what for span in self.downloads})

    def needless_downloads(self):
        """Yield images that were fetched though there was a master.

        There can be none of an image only at first, and when one was removed.
        """
        for key in self.keys():
            had = self.count('downloads', key)
            gone = self.count('removed', key)
            if had > 1 + gone:
                yield f'{key}: {had} downloads, {gone} masters removed'

    def downloads_at_once(self):
        """Yield downloads of one image that two hosts have made at once."""
        for number, one in enumerate(self.downloads):
            for other in self.downloads[number + 1:]:
                if one.what == other.what and one.overlaps(other):
                    yield f'{one.what}: {one.host} and {other.host}'

    def waits(self):
        """Return [(wait, {other host: how often it was let in meanwhile})].

        A wait is one for a master, from when a host wants it to when it has
        it. What others do with the lock then is what it may wait for.
        """
        holds = spans(self.events, 'holds', 'leaves')
        passes = {(event.host, event.act) for event in self.events
                  if event.kind == 'begins' and event.what == 'cache_pass'}
        found = []
        for wait in spans(self.events, 'wants', 'has'):
            found.append((wait, collections.Counter(
                span.host for span in holds
                if span.what == wait.what and span.host != wait.host
                and (span.host, span.act) not in passes
                and span.overlaps(wait))))
        return found

    def beyond(self, longest):
        """Yield waits for a master in which nothing happened for so long.

        Nothing is an event of any host that is about the image.

        :param longest: seconds; far more than a machine is slow
        """
        for wait in spans(self.events, 'wants', 'has'):
            times = [event.time for event in self.events
                     if wait.begin <= event.time <= wait.end
                     and of_image(event, wait.what)]
            pause = max(b - a for a, b in zip(times, times[1:])) / 10 ** 9
            if pause > longest:
                yield f'{wait.host} waited for {wait.what}: {pause} s'

    def starved(self):
        """Yield waits in which one host was let in again and again.

        A host needs the lock where there is no master yet: once for each
        placement, and once more where another has taken a master away or
        brought it back.
        """
        for wait, others in self.waits():
            moved = sum(event.kind in ('taken', 'returned')
                        and of_image(event, wait.what)
                        and wait.begin < event.time < wait.end
                        for event in self.events)
            for host, times in others.items():
                if times > self._placements + 1 + moved:
                    yield (f'{wait.host} waited for {wait.what} while {host} '
                           f'was let in {times} times')

    def longest_queue(self):
        """Return for how many holds of others anybody has waited at most."""
        return max((sum(others.values()) for _wait, others in self.waits()),
                   default=0)
