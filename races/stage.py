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
"""The process that all hosts are forks of: ``python -m races.stage``.

Importing Nova takes longer than most of what hosts do. It is told what to do
line by line and answers so; see ``Stage`` for the other end.
"""

import faulthandler
import json
import os
import signal
import subprocess
import sys
import traceback

#: Seconds for a host, on a machine that does much else as well.
LONGEST = 900


class Stage:
    """Starts hosts in a process of its own, which must have no threads."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m', 'races.stage'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            # The hub of eventlet does not outlive a fork.
            env={**os.environ, 'OS_NOVA_DISABLE_EVENTLET_PATCHING': 'true'})

    def end(self):
        self._process.communicate()

    def play(self, wishes):
        """Let hosts live at the same time; return what each has to say.

        :raises AssertionError: one has ended in another way
        """
        return self._ask('play', wishes)

    def silence(self, wish, *others):
        """Let a host stop where it is told to, and go on after the others.

        Returns (what it has to say, what the others have), None for the
        others where it came to its end before.

        :param others: wishes of hosts that live at once, some after some
        """
        return self._ask('silence', wish, *others)

    def _ask(self, *words):
        self._process.stdin.write(json.dumps(words) + '\n')
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if isinstance(answer, str):
            raise AssertionError(answer)
        return answer


def _start(wishes):
    """Start hosts at once; return {process: wish}."""
    reader, writer = os.pipe()
    started = {}
    for wish in wishes:
        child = os.fork()
        if not child:
            os.close(writer)
            _be(wish, reader)
        started[child] = wish
    os.close(reader)
    os.close(writer)
    return started


def _be(wish, reader):
    """Be a host, in a process that ends then."""
    from races import host
    path = _report(wish)
    with open(f'{path}.wrong', 'w') as wrong:
        faulthandler.dump_traceback_later(LONGEST, exit=True, file=wrong)
        try:
            # All begin at once, when the other end is closed.
            os.read(reader, 1)
            found = host.Host(wish).live()
            with open(path, 'w') as file:
                json.dump(found, file)
        except BaseException:
            traceback.print_exc(file=wrong)
            wrong.flush()
            os._exit(1)
    os._exit(0)


def _report(wish):
    return os.path.join(wish['ledgers'], f'{wish["name"]}.report')


def _said(wish, status):
    """Return what a host has to say that has ended."""
    with open(f'{_report(wish)}.wrong') as wrong:
        text = wrong.read()
    if status or text:
        raise AssertionError(f'{wish["name"]} ended with {status}: {text}')
    with open(_report(wish)) as file:
        return json.load(file)


def play(wishes):
    ends = [(wish, os.waitpid(process, 0)[1])
            for process, wish in _start(wishes).items()]
    return [_said(wish, status) for wish, status in ends]


def silence(wish, *others):
    (process,) = _start([wish])
    _pid, status = os.waitpid(process, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return _said(wish, status), None
    try:
        heard = [one for some in others for one in play(some)]
    finally:
        os.kill(process, signal.SIGCONT)
        _pid, status = os.waitpid(process, 0)
    return _said(wish, status), heard


def main():
    from races import host
    host.prepare()
    for line in sys.stdin:
        word, *arguments = json.loads(line)
        try:
            answer = {'play': play, 'silence': silence}[word](*arguments)
        except AssertionError as error:
            answer = str(error)
        print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
