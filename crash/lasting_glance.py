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
"""A Glance that outlives nova-compute, and may be gone at a request.

Nova's fixture keeps the records of images in the memory of the process that
dies. These are in a file of the simulated cluster, so that they are put back
with it.
"""

import os
import pickle

from nova import exception

from crash import effects


class Gone:
    """Says when Glance goes away: at which question or answer.

    ``path`` is of a file with those so far. Once gone it does not answer.
    """

    def __init__(self, path=os.devnull, end_at=None):
        self._path = path
        self._end_at = end_at
        self._number = 0

    def ask(self, what, request, arguments, names):
        """Have a request answered.

        :raises exception.GlanceConnectionFailed: nobody does
        """
        self._step(f'ask {what}')
        answer = request(*arguments, **names)
        self._step(f'{effects.ANSWER} {what}')
        return answer

    def _step(self, what):
        if self._number == self._end_at:
            raise exception.GlanceConnectionFailed(server='glance',
                                                   reason='killed')
        self._number += 1
        with open(self._path, 'a') as file:
            file.write(what + '\n')


def lasting(kind, test):
    """Return a Glance of a class for a test, which it tells of requests."""
    class Glance(kind):

        def show(self, *arguments, **names):
            return test.gone.ask('show', super().show, arguments, names)

        def download(self, *arguments, **names):
            test.happen('glance download')
            return test.gone.ask('download', super().download, arguments,
                                 names)

        def update(self, *arguments, **names):
            test.happen('glance update')
            return test.gone.ask('update', self._update, arguments, names)

        def _update(self, *arguments, **names):
            updated = super().update(*arguments, **names)
            self.save()
            return updated

        def add(self, *arguments, **names):
            image_id = super().add(*arguments, **names)
            self.save()
            return image_id

        def create(self, *arguments, **names):
            created = super().create(*arguments, **names)
            self.save()
            return created

        def delete(self, *arguments, **names):
            super().delete(*arguments, **names)
            self.save()

        @property
        def _kept(self):
            return os.path.join(test.gpfs.directory, 'glance.pickle')

        def save(self):
            with open(self._kept, 'wb') as file:
                pickle.dump((self.images, getattr(self, '_imagedata', {})),
                            file)

        def load(self):
            """Know the images that the file has."""
            with open(self._kept, 'rb') as file:
                self.images, self._imagedata = pickle.load(file)

    return Glance(test)
