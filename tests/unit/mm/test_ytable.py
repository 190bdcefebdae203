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


from hypothesis import given
from hypothesis import strategies
from oslotest import base

from nova_gpfs import errors
from nova_gpfs.mm import ytable
from tests.unit.mm import recordings

HEADER = 'mmx::HEADER:version:reserved:reserved:a:b:c:\n'


def _columns(stdout, column, **where):
    return [row.get(column) for row in ytable.rows(stdout, 'mmx', **where)]


class TestRows(base.BaseTestCase):

    def test_columns_are_found_by_name_and_not_by_position(self):
        swapped = HEADER.replace('a:b', 'b:a') + 'mmx::0:1:::1:2:3:\n'
        self.assertEqual(['2'], _columns(swapped, 'a'))

    def test_a_row_may_be_shorter_or_longer_than_its_header(self):
        rows = ytable.rows(HEADER + 'mmx::0:1:::1\nmmx::0:1:::1:2:3:4:5:6',
                           'mmx')
        self.assertEqual(['1', '1'], [row.text('a') for row in rows])
        self.assertEqual('3', rows[1].text('c'))
        self.assertEqual('none', rows[0].get('c', 'none'))
        self.assertRaises(errors.OutputNotUnderstood, rows[0].text, 'c')

    def test_fields_are_decoded_after_they_are_split(self):
        row = HEADER + 'mmx::0:1:::%2Fa%3Ab:100%25 %zz%2fc:3:'
        self.assertEqual(['/a:b'], _columns(row, 'a'))
        self.assertEqual(['100%25 %zz/c'], _columns(row, 'b'))

    def test_banners_are_skipped(self):
        found = ytable.rows(recordings.read('unstated/mmrepquota-banners'),
                            'mmrepquota')
        self.assertEqual(['FILESET', 'USR'],
                         [row.text('quotaType') for row in found])

    def test_subtypes_are_told_apart_when_they_are_mixed(self):
        text = ('mmx:n:HEADER:version:reserved:reserved:a:\n'
                'mmx:p:HEADER:version:reserved:reserved:z:a:\n'
                'mmx:n:0:1:::1:\nmmx:p:0:1:::2:3:\nmmx:n:0:1:::4:\n')
        self.assertEqual(['1', '4'], _columns(text, 'a', subtype='n'))
        self.assertEqual(['3'], _columns(text, 'a', subtype='p'))
        self.assertEqual(['1', '3', '4'], _columns(text, 'a', subtype=None))

    def test_a_row_before_its_header_is_no_row(self):
        self.assertEqual(['5'], _columns(
            'mmx::0:1:::9:\n' + HEADER + 'mmx::0:1:::5:\n', 'a'))

    def test_a_header_alone_is_an_empty_table(self):
        self.assertEqual([], ytable.rows(HEADER, 'mmx'))

    def test_no_header_is_not_understood(self):
        for text in ('', 'GPFS is down', HEADER.replace('mmx', 'mmy')):
            self.assertRaises(errors.OutputNotUnderstood, ytable.rows, text,
                              'mmx')

    def test_a_number_is_a_row_of_digits(self):
        for text in ('', '-', '1.5', '+1', '1_0', '٣', '9' * 5000):
            self.assertRaises(errors.OutputNotUnderstood, ytable.to_number,
                              text, 'a')
        self.assertEqual(42, ytable.to_number('42', 'a'))

    @given(strategies.text(alphabet='!#$&\'()*+,/:;=?@[]-a%', max_size=40))
    def test_what_ibm_encodes_is_decoded(self, text):
        encoded = ''.join(
            f'%{ord(c):02X}' if c in '!#$&\'()*+,/:;=?@[]-' else c
            for c in text.replace('%', ''))
        self.assertEqual(text.replace('%', ''), ytable.decode(encoded))
