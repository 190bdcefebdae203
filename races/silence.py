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
"""A host stops, for two days as the others see it, and then goes on.

The others take it for dead: they remove what it left half made, and masters
that nobody needed; its locks are gone, as GPFS lets locks of a node go that
it expels. It goes on with whatever it had in its hands.
"""

from testtools import content

from races import case

#: What a host may be at, and what it has done before.
ACTS = {'boot': (), 'cache_pass': ('prefetch',), 'prefetch': (),
        'delete': ('boot', 'double'), 'double': ('boot',),
        'open_snapshot': ('boot',), 'apply': ('boot',), 'sweep': ()}
#: What another host may do meanwhile.
MEANWHILE = (('boot', 'two_days_later', 'boot'), ('two_days_later',),
             ('two_days_later', 'boot', 'delete', 'two_days_later'))
# Of what was given up while the host was silent, nothing can be made.
_MAY_FAIL = ('boot', 'prefetch')


class SilenceTestCase(case.RacesTestCase):

    images = 1

    def points(self):
        """Return all (act, number of an effect) that a host may stop at."""
        found = []
        for act in ACTS:
            self.begin_anew()
            (heard,) = self.stage.play([self._silent(act, None)])
            self.disks_of([heard])
            found += [(act, number) for number, effect
                      in enumerate(heard['effects'])
                      if '.unlinking' not in effect]
        return found

    def _silent(self, act, stop_at):
        return self.wish(0, acts=[act], before=ACTS[act], stop_at=stop_at,
                         own_locks=self.own_locks(0), policies=[None])

    def fall_silent(self, act, stop_at, meanwhile=MEANWHILE[0],
                    may_fail=None):
        """Let a host stop at an effect of an act and go on two days later.

        Fails if it does not come to that effect.

        :param meanwhile: what another host does
        :param may_fail: whether the act may; by default, as its kind may
        """
        self._fall_silent(act, stop_at, [
            self.wish(1, acts=meanwhile, policies=[None])], may_fail=may_fail)

    def fall_silent_among_many(self, act, stop_at):
        """Do so where all other hosts live on before and after that time."""
        def live(when):
            return [self.wish(n, acts=['boot', 'cache_pass', 'boot'],
                              policies=[None], seed=f'{self.seed} {when}')
                    for n in range(2, self.number)]
        self._fall_silent(act, stop_at, live('before'), [
            self.wish(1, acts=['two_days_later'])], live('after'))

    def _fall_silent(self, act, stop_at, *meanwhile, may_fail=None):
        silent, others = self.stage.silence(self._silent(act, stop_at),
                                            *meanwhile)
        self.addDetail(f'effects of {act}', content.text_content(
            '\n'.join(silent['effects'])))
        self.assertIsNotNone(others, f'{act} did not come to {stop_at}')
        if not (act in _MAY_FAIL if may_fail is None else may_fail):
            self.disks_of([silent])
        disks = {**self.all_disks([silent]), **self.disks_of(others)}
        self.assert_no_damage(disks, silent['failed'])
        # It is alive, and does what any other host does.
        disks.update(self.play([self.wish(0, acts=['boot'], seed='again')]))
        self.assert_nothing_is_left([*disks, *silent['failed']])
