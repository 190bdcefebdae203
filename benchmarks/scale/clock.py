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


"""Simulated time: many hosts do things at once, and no one waits for real.

Every thing that a host does is a greenlet that runs the product's own code.
Where that code runs a command, waits for a lock or sleeps, the greenlet says
how long that takes, and whoever is next in simulated time goes on. Only one
runs at a time, always in the same order.
"""

import heapq
import itertools

import greenlet

#: The host of what is done outside any task.
NOBODY = ''

# Seconds that a host may be ahead of the others.
_MOST_DEBT = 0.01


class Stuck(Exception):
    """All tasks wait for each other."""


class Clock:
    """The time of the model, in seconds, and the tasks that wait for it."""

    def __init__(self, start):
        self.now = float(start)
        self._waiting = []
        self._order = itertools.count()
        self._hub = None

    @property
    def host(self):
        """The host whose code runs now."""
        return getattr(greenlet.getcurrent(), 'host', NOBODY)

    def run(self, tasks):
        """Run tasks to their end: (seconds from now, host, function).

        :raises Stuck: some have not come to their end
        """
        self._hub = greenlet.getcurrent()
        started = []
        for delay, host, function in tasks:
            task = greenlet.greenlet(function)
            task.host, task.debt = host, 0.0
            started.append(task)
            self._wake(task, delay)
        while self._waiting:
            self.now, _order, task = heapq.heappop(self._waiting)
            task.switch()
        if not all(task.dead for task in started):
            raise Stuck(f'{len(started)} tasks')

    def _wake(self, task, delay=0.0):
        heapq.heappush(self._waiting,
                       (self.now + delay, next(self._order), task))

    def spend(self, seconds):
        """Let time go by for the host whose code runs now."""
        if self.host == NOBODY:
            self.now += seconds
            return
        task = greenlet.getcurrent()
        debt, task.debt = task.debt, 0.0
        self._wake(task, debt + seconds)
        self._hub.switch()

    def charge(self, seconds):
        """Do as ``spend``, for what is too short to go on with others."""
        if self.host == NOBODY:
            self.now += seconds
            return
        task = greenlet.getcurrent()
        task.debt += seconds
        if task.debt >= _MOST_DEBT:
            self.spend(0.0)

    def queue(self, queue):
        """Wait until somebody lets the first of this queue go on."""
        queue.append(greenlet.getcurrent())
        self._hub.switch()

    def release(self, queue):
        """Let the first of a queue go on, if there is one."""
        if queue:
            self._wake(queue.popleft())
