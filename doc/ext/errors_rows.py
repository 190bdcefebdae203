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


"""What the manual says of every error of nova_gpfs; taken from the code."""

from nova_gpfs import errors


def rows():
    """Return (message, what is the case, next step) of each error."""
    return [(kind.summary, _first_paragraph(kind), kind.next_step)
            for kind in _kinds(errors.GpfsError)]


def _kinds(base):
    """Yield the kinds of an error, and the kinds of these."""
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _first_paragraph(kind):
    return ' '.join(kind.__doc__.split('\n\n')[0].split())
