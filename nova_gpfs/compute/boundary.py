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

"""Where errors of the storage become errors that Nova shows to users.

Nova puts the text of an error into the fault of an instance, which its owner
reads. Paths and commands of the cloud are not for them (Launchpad bug
1926978): they go to the log, with the next step of the operator.
"""

import contextlib

from nova import exception
from oslo_log import log as logging

from nova_gpfs import errnos
from nova_gpfs import errors
from nova_gpfs import printable

LOG = logging.getLogger(__name__)

# Characters of what others have written, in a log or before a user.
_LONGEST = 2000


class StorageFailed(exception.NovaException):
    msg_fmt = 'The storage of the instances failed: %(summary)s'


@contextlib.contextmanager
def to_nova():
    """Log an error of the storage and raise what a user may read.

    The cause stays attached as ``__cause__``. What is wrong with a policy is
    so on every host: Nova tries no other after InvalidInput.
    """
    try:
        yield
    except errors.PolicyRefused as error:
        LOG.error('%s', error)
        what = printable.line(': '.join(map(str, error.args)), _LONGEST)
        raise exception.InvalidInput(
            reason=f'{error.summary}: {what}') from error
    except errors.GpfsError as error:
        LOG.error('%s', error)
        raise StorageFailed(summary=error.summary) from error
    except OSError as error:
        meaning = errnos.meaning(error)
        # The path of it is as long as who asked for it wants.
        LOG.error('%s', meaning or printable.line(str(error), _LONGEST))
        raise StorageFailed(summary=meaning.summary if meaning
                            else error.strerror) from error
