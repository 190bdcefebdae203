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

"""Text of others, made fit for one line of a log or of a terminal.

What GPFS prints, what a record on the shared file system holds and what a
user has called an image may hold newlines, which forge lines of a log, and
escape sequences, which a terminal obeys.
"""

from __future__ import annotations


def escape(text: str) -> str:
    """Return a text with all that cannot be seen written out, as in Python.

    Halves of surrogate pairs too, which no log can be given.
    """
    if text.isprintable():
        return text
    return ''.join(each if each.isprintable() else ascii(each)[1:-1]
                   for each in text)


def line(text: str, most: int) -> str:
    """Return no more than so many characters of a text, in one line."""
    # No more is split than can be needed: it may be very long.
    return escape(' '.join(text[:2 * most].split())[:most])
