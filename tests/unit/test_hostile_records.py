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

"""Records on the shared file system that somebody else has written.

Whatever they are, they are a value of the types that are expected, or the one
error that their readers know; and they lead to no other directory.
"""

import dataclasses
import json
import os
import socket

import fixtures
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from oslotest import base

from nova_gpfs.compute import disk_info
from nova_gpfs import errors
from nova_gpfs import hosts
from nova_gpfs import identity
from nova_gpfs import incoming
from nova_gpfs import layout
from nova_gpfs import location
from nova_gpfs import master_record
from nova_gpfs import model
from nova_gpfs import placements
from nova_gpfs import plan
from nova_gpfs import record_file

PLACE = location.Location('1', 'fs0', '2', 'nova')
MASTER = {'info': {'format': 'raw', 'virtual_size': 1}, 'base': 'key',
          'placement': {'pool': 'fast', 'data_replicas': 2}, 'digest': 'd'}
INSTANCE = {'flavor': {'pool': 'fast'}, 'image': {},
            'disks': {'disk': {'pool': 'fast', 'data_replicas': 2}},
            'blocks_in': {'disk': '1,1,1'}}
HOST = {'name': 'a', 'address': 'a', 'instances_path': '/i',
        'location': dataclasses.asdict(PLACE)}
MARKER = {'location': dataclasses.asdict(PLACE)}

WORDS = st.sampled_from([
    'info', 'base', 'placement', 'digest', 'format', 'raw', 'virtual_size',
    'pool', 'data_replicas', 'disks', 'flavor', 'image', 'blocks_in', 'disk',
    'name', 'address', 'location', '../../x', '/etc/passwd', '..', 'a/b', '',
    'a\0b', '\x1b[2J', '\ud800', '-rf', '$(id)', 'a\nb'])
LEAVES = (st.none() | st.booleans() | st.integers(-9, 9) | st.floats()
          | WORDS | st.text(max_size=9) | st.just(10 ** 400))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=9)


@st.composite
def spoiled(draw, whole):
    """Return a whole record, with something else at one place in it."""
    fields = json.loads(json.dumps(whole))
    at = fields
    while True:
        key = draw(st.sampled_from(sorted(at)) | WORDS)
        inner = at.get(key)
        if not isinstance(inner, dict) or not inner or draw(st.booleans()):
            break
        at = inner
    if draw(st.booleans()):
        at.pop(key, None)
    else:
        at[key] = draw(VALUES)
    return json.dumps(fields).encode('utf-8', 'surrogatepass')


def texts(whole):
    return (spoiled(whole) | VALUES.map(json.dumps).map(str.encode)
            | st.binary(max_size=40))


class RecordTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.top = self.useFixture(fixtures.TempDir()).path

    def at(self, name):
        return os.path.join(self.top, name)

    def put(self, name, text):
        with open(self.at(name), 'wb') as f:
            f.write(text)
        return self.at(name)

    def readers(self):
        """Return the file, the reader and the one error of each record."""
        return (
            (master_record.INFO, lambda: master_record.read(self.top, 'key'),
             errors.CloneParentInvalid),
            (placements.NAME, lambda: placements.load(self.top),
             errors.RecordUnreadable),
            ('identity.json', lambda: identity.read(self.at(
                'identity.json')), errors.WrongFileSystem))


class TestAnyText(RecordTestCase):

    @given(text=texts(MASTER))
    @example(b'{"info": null}')
    @example(b'{"info": []}')
    @example(b'{"info": {"format": "vmdk", "virtual_size": 1}}')
    @settings(max_examples=150, deadline=None)
    def test_of_a_master_is_a_master_or_invalid(self, text):
        self.put(master_record.INFO, text)
        try:
            found = master_record.read(self.top, 'key')
        except errors.CloneParentInvalid as error:
            str(error).encode()
            return
        self.assertEqual(self.at('image'), found.path)
        self.assertIn(found.info.format, (plan.RAW, plan.QCOW2))
        plan.new_disk(found.info, 5)
        found.covers(model.Placement('fast', 1))
        found.base.encode()

    @given(text=texts(INSTANCE))
    @example(b'{"flavor": {}, "image": {}, "disks": {"../x": {}}}')
    @example(b'{"flavor": {}, "image": {}, "disks": {"d": {"pool": [1]}}}')
    @settings(max_examples=150, deadline=None)
    def test_of_an_instance_is_a_record_or_unreadable(self, text):
        self.put(placements.NAME, text)
        try:
            found = placements.load(self.top)
        except errors.RecordUnreadable as error:
            str(error).encode()
            return
        for name in (*found.disks, *found.blocks_in):
            self.assertEqual(
                self.top, os.path.dirname(os.path.normpath(self.at(name))))
        for told in (found.wishes.flavor, found.wishes.image):
            ''.join((*told, *told.values())).encode()
        placements.write(self.top, found)
        self.assertEqual(found, placements.load(self.top))

    @given(text=texts(MARKER))
    @settings(max_examples=100, deadline=None)
    def test_of_a_file_system_is_a_place_or_wrong(self, text):
        path = self.put('identity.json', text)
        try:
            found = identity.read(path)
        except errors.WrongFileSystem as error:
            str(error).encode()
            return
        for part in dataclasses.astuple(found):
            part.encode()

    @given(text=texts(HOST))
    @settings(max_examples=100, deadline=None)
    def test_of_a_host_is_a_host_or_nothing(self, text):
        paths = layout.Layout(self.top)
        os.makedirs(paths.hosts, exist_ok=True)
        with open(paths.host('a'), 'wb') as f:
            f.write(text)
        register = hosts.Hosts(paths, None, 600.0)
        for known in register.known(0.0):
            known.host.name.encode()
            known.host.address.encode()
        register.has_had('a')


class TestPlanted(RecordTestCase):
    """What stands where a record should, and is none."""

    def plant(self, kind, path):
        elsewhere = self.useFixture(fixtures.TempDir()).path + '/secret'
        with open(elsewhere, 'w') as f:
            f.write(json.dumps({**MASTER, **INSTANCE, **MARKER}))
        if kind == 'link':
            os.symlink(elsewhere, path)
        elif kind == 'pipe':
            os.mkfifo(path)
        elif kind == 'socket':
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(path)
        elif kind == 'directory':
            os.mkdir(path)
        else:
            with open(path, 'wb') as f:
                f.write({'endless': b' ' * (record_file.LARGEST + 1),
                         'deep': b'[' * 500000,
                         'no UTF-8': b'{"\xff": 1}',
                         'a long number': b'1' * 100000}[kind])

    def test_each_is_refused_by_every_reader(self):
        for kind in ('link', 'pipe', 'socket', 'endless', 'deep', 'no UTF-8',
                     'a long number', 'directory'):
            for name, read, error in self.readers():
                self.plant(kind, self.at(name))
                self.assertRaises(error, read)
                os.rename(self.at(name), self.at(f'{name} was a {kind}'))

    def test_and_names_no_host(self):
        paths = layout.Layout(self.top)
        os.makedirs(paths.hosts)
        for kind in ('link', 'pipe', 'socket', 'directory', 'endless', 'deep',
                     'no UTF-8', 'a long number'):
            self.plant(kind, paths.host(kind))
        register = hosts.Hosts(paths, None, 600.0)
        self.assertEqual([], register.known(0.0))
        self.assertFalse(register.has_had('a'))

    def test_a_link_where_the_use_of_a_master_is_noted_leads_nowhere(self):
        elsewhere = self.at('elsewhere')
        os.symlink(elsewhere, self.at(master_record.USED))
        master_record.touch(self.top)
        self.assertFalse(os.path.lexists(elsewhere))
        with open(elsewhere, 'w'):
            os.utime(elsewhere, (1, 1))
        incoming.touch(self.at(master_record.USED))
        self.assertEqual(1, os.stat(elsewhere).st_mtime)

    def test_a_link_where_the_format_of_a_disk_is_written_leads_nowhere(self):
        secret = self.put('secret', b'secret')
        os.symlink(secret, self.at('disk.info.tmp'))
        self.assertRaises(OSError, disk_info.record, self.at('disk.info'),
                          self.at('disk'), plan.RAW, self.top)
        with open(secret, 'rb') as f:
            self.assertEqual(b'secret', f.read())
