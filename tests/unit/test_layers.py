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

"""The architecture as a test: who may import whom, sizes, names, licences.

See doc/source/contributor for why the layers are as they are.
"""

import ast
from collections.abc import Iterator
from collections.abc import Mapping
import pathlib
import sys

from oslotest import base

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = 'nova_gpfs'

VALUES = frozenset({'errors', 'model'})
GPFS = VALUES | {'driver', 'layout', 'location', 'plan'}
BELOW_NOVA = GPFS | {
    'capacity', 'collection', 'conf', 'conf_health', 'conf_images',
    'conf_policies', 'conf_privileged', 'conf_waits', 'digest', 'errnos',
    'guard',
    'health', 'hosts', 'identity', 'image_access', 'image_location',
    'image_store', 'incoming', 'locality', 'lookup', 'master_record',
    'masters', 'mm', 'mmdriver', 'offer', 'parents', 'pending_splits',
    'placements', 'policy', 'printable', 'privsep', 'probe', 'qcow2',
    'record_file', 'run', 'sealed',
    'storage', 'store_snapshots', 'trash', 'whereabouts'}

#: What each part of the package may import of the package. The simulator is
#: in no row but its own: it and the product meet at argv.
MAY_IMPORT = {
    '': frozenset(),
    'conf': frozenset({'conf_health', 'conf_images', 'conf_policies',
                       'conf_privileged', 'conf_waits'}),
    'conf_health': frozenset(),
    'conf_images': frozenset(),
    'conf_privileged': frozenset(),
    'conf_waits': frozenset(),
    'conf_policies': VALUES | {'mm', 'policy'},
    'errnos': VALUES,
    'errors': frozenset({'printable'}),
    'printable': frozenset(),
    'layout': frozenset({'model'}),
    'libgpfs': VALUES | {'errnos'},
    'image_locks': VALUES,
    'lookup': VALUES,
    'model': frozenset(),
    'mm': VALUES | {'printable'},
    'run': VALUES | {'mm', 'printable'},
    'nova_options': frozenset(),
    'walk': VALUES,
    'pinned': VALUES | {'mm'},
    'pinning': VALUES | {'mm'},
    'privsep': VALUES | {'mm', 'run', 'conf', 'layout', 'pinned', 'pinning',
                         'privileged_closing', 'privileged_places',
                         'privileged_room'},
    'privileged_closing': VALUES | {'location', 'lookup', 'mm', 'pinned'},
    'privileged_room': VALUES | {'layout', 'pinned', 'renaming', 'walk'},
    'renaming': frozenset(),
    'privileged_places': VALUES | {'conf', 'conf_image_store', 'image_store',
                                   'layout', 'mm', 'nova_options',
                                   'privileged_room', 'walk'},
    'audit': VALUES | {'policy'},
    'driver': VALUES,
    'plan': VALUES,
    'policy': VALUES | {'mm'},
    'offer': VALUES | {'driver'},
    'qcow2': frozenset(),
    'record_file': frozenset(),
    'capacity': VALUES | {'offer'},
    'placements': VALUES | {'policy', 'record_file'},
    'locality': frozenset(),
    'location': VALUES | {'driver'},
    'image_location': VALUES | {'location'},
    'image_store': VALUES,
    'image_access': GPFS | {'guard', 'image_location', 'image_store'},
    'mmdriver': VALUES | {'conf', 'driver', 'libgpfs', 'lookup', 'mm',
                          'privsep', 'run'},
    'guard': GPFS | {'identity'},
    'identity': VALUES | {'location', 'record_file'},
    'conf_image_store': VALUES,
    'health': GPFS | {'guard', 'run'},
    'probe': GPFS,
    'incoming': GPFS | {'guard'},
    'findings': GPFS | {'incoming', 'record_file'},
    'turns': GPFS | {'guard'},
    'digest': frozenset(),
    'master_record': GPFS | {'incoming', 'record_file'},
    'masters': GPFS | {'digest', 'guard', 'incoming', 'master_record',
                       'placed_names', 'policy', 'turns'},
    'placed_names': GPFS | {'guard', 'incoming'},
    'collection': GPFS | {'guard', 'incoming', 'master_record', 'masters'},
    'whereabouts': GPFS | {'findings', 'guard', 'placements'},
    'hosts': GPFS | {'findings', 'guard', 'record_file'},
    'store_snapshots': GPFS | {
        'image_access', 'image_location', 'image_store', 'lookup'},
    'parents': GPFS | {'guard', 'policy'},
    'pending_splits': GPFS | {'record_file'},
    'trash': GPFS,
    'sealed': GPFS | {'audit', 'master_record', 'masters'},
    'storage': GPFS | {
        'audit', 'collection', 'guard', 'hosts', 'image_access',
        'image_store', 'incoming', 'master_record', 'masters', 'parents',
        'pending_splits', 'policy', 'sealed', 'store_snapshots', 'trash',
        'turns', 'whereabouts'},
    'flattening': GPFS | {'lookup', 'storage'},
    'trials': GPFS | {'libgpfs', 'mm', 'printable', 'probe', 'run'},
    'config_source': frozenset({'compute', 'conf'}),
    # nova-api and nova-scheduler stand on hosts without GPFS: they get rules
    # and values, and nothing that runs a command or reads a file.
    'api': VALUES | {'mm', 'policy'},
    'scheduler': frozenset({'conf', 'locality'}),
    'compute': BELOW_NOVA | {'findings', 'flattening'},
    'glance': BELOW_NOVA | {'conf_image_store'},
    'cmd': BELOW_NOVA | {'audit', 'compute', 'conf_image_store',
                         'flattening', 'glance', 'image_locks', 'libgpfs',
                         'nova_options', 'trials'},
    'sim': frozenset(),
}

#: Who may import a library that the others have to stay away from.
ONLY = {
    'oslo_concurrency.processutils': set(),
    'ctypes': {'libgpfs', 'renaming'},
    'subprocess': {'run', 'sim'},
    'oslo_privsep': {'privsep'},
    'nova': {'api', 'compute', 'glance', 'scheduler', 'cmd'},
    'glance_store': {'compute', 'glance', 'scheduler', 'cmd'},
}

#: Modules of the simulator that need an installation after all. Nobody
#: imports them; they run as processes of their own.
NEEDS = {'nova_gpfs.sim.fuse_server': {'mfusepy'}}

#: Who may look at the process-wide configuration.
READS_CONF = {'compute', 'glance', 'scheduler', 'cmd', 'config_source',
              'privileged_places', 'privsep'}

BAD_NAMES = {'utils', 'util', 'common', 'helpers', 'helper', 'manager', 'misc'}

LONGEST_FUNCTION = 40
LONGEST_MODULE = 350


def sources(*tops: str) -> Iterator[pathlib.Path]:
    """Yield every Python file below directories of the repository."""
    for top in tops:
        yield from sorted((ROOT / top).rglob('*.py'))


def module_name(path: pathlib.Path) -> str:
    """Return the dotted name of the module in a file."""
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def layer(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    return (module.split('.') + [''])[1]


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names of all imports, inside functions as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = '.' * node.level
            yield from (f'{dots}{node.module or ""}.{name.name}'
                        for name in node.names)


def is_below(module: str, top: str) -> bool:
    """Whether a module is ``top`` or in it."""
    return f'{module}.'.startswith(f'{top}.')


def forbidden(module: str, tree: ast.AST) -> Iterator[str]:
    """Yield a sentence for each import that the layers do not allow."""
    mine = layer(module)
    for name in imported(tree):
        if name.startswith('.'):
            yield f'{module} imports {name}, which is relative'
        elif is_below(name, PACKAGE):
            theirs = layer(name)
            if theirs not in MAY_IMPORT[mine] | {mine}:
                yield f'{module} imports {name}'
        elif mine == 'sim' and name.split('.')[0] not in (
                sys.stdlib_module_names | NEEDS.get(module, set())):
            yield f'{module} imports {name}, which needs an installation'
        for library, users in ONLY.items():
            if is_below(name, library) and mine not in users:
                yield f'{module} imports {name}'


def reads_conf(tree: ast.AST) -> bool:
    """Whether the code mentions oslo.config's process-wide object."""
    return any(isinstance(node, ast.Attribute) and node.attr == 'CONF'
               for node in ast.walk(tree))


def too_long(tree: ast.AST, limit: int) -> Iterator[str]:
    """Yield the name and length of each function with a long body."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body
            if ast.get_docstring(node) is not None:
                body = body[1:]
            if body and (length := body[-1].end_lineno
                         - body[0].lineno + 1) > limit:
                yield f'{node.name} has {length} lines'


def parsed(*tops: str) -> Mapping[str, ast.AST]:
    """Return the syntax trees of all modules below directories."""
    return {module_name(path): ast.parse(path.read_bytes())
            for path in sources(*tops)}


class LayersTest(base.BaseTestCase):

    def test_imports_go_one_way(self):
        found = [sentence for module, tree in parsed(PACKAGE).items()
                 for sentence in forbidden(module, tree)]
        self.assertEqual([], found)

    def test_every_part_of_the_package_has_a_row(self):
        parts = {layer(module) for module in parsed(PACKAGE)}
        self.assertEqual(set(), parts - set(MAY_IMPORT))
        self.assertIn('errors', parts)

    def test_rows_allow_no_circle(self):
        def reachable(part, seen):
            for other in MAY_IMPORT[part] - seen:
                seen |= {other} | reachable(other, seen | {other})
            return seen
        self.assertEqual([], [part for part in MAY_IMPORT
                              if part in reachable(part, frozenset())])

    def test_only_few_parts_look_at_the_configuration_of_the_process(self):
        found = {layer(module) for module, tree in parsed(PACKAGE).items()
                 if reads_conf(tree)}
        self.assertEqual(set(), found - READS_CONF)

    def test_a_wrong_import_is_found(self):
        for module, statement in (
                ('nova_gpfs.plan', 'import nova_gpfs.driver'),
                ('nova_gpfs.plan', 'from nova_gpfs import mm'),
                ('nova_gpfs.plan', 'from nova_gpfs.mm import mmclone'),
                ('nova_gpfs.plan', 'def f():\n  from nova_gpfs import run'),
                ('nova_gpfs.plan', 'from . import errors'),
                ('nova_gpfs.compute.image', 'from nova_gpfs import sim'),
                ('nova_gpfs.sim.cluster', 'from nova_gpfs import errors'),
                ('nova_gpfs.sim.cluster', 'import oslo_config'),
                ('nova_gpfs.mmdriver', 'from nova import conf'),
                ('nova_gpfs.mmdriver', 'import subprocess'),
                ('nova_gpfs.mmdriver',
                 'from oslo_concurrency import processutils'),
                ('nova_gpfs.run', 'import oslo_privsep.priv_context')):
            found = list(forbidden(module, ast.parse(statement)))
            self.assertEqual(1, len(found), (module, statement, found))

    def test_a_right_import_is_not_found(self):
        for module, statement in (
                ('nova_gpfs.plan', 'from nova_gpfs import errors'),
                ('nova_gpfs.compute.image', 'from nova_gpfs import plan'),
                ('nova_gpfs.compute.image', 'from nova.virt import images'),
                ('nova_gpfs.sim.cluster', 'import json'),
                ('nova_gpfs.sim.cluster', 'from nova_gpfs.sim import store'),
                ('nova_gpfs.masters',
                 'from oslo_concurrency import lockutils')):
            self.assertEqual([], list(forbidden(module,
                                                ast.parse(statement))))


class ShapeTest(base.BaseTestCase):

    def test_no_module_is_named_after_nothing(self):
        names = {path.stem for path in sources(PACKAGE, 'tests', 'tools',
                                               'benchmarks')}
        self.assertEqual(set(), names & BAD_NAMES)

    def test_every_file_that_is_not_empty_says_its_licence(self):
        said = 'Licensed under the Apache License, Version 2.0'
        texts = {path: path.read_text() for path in sources(
            PACKAGE, 'tests', 'tools', 'benchmarks', 'doc', 'releasenotes')}
        self.assertEqual([], [str(path) for path, text in texts.items()
                              if text.strip() and said not in text])

    def test_functions_are_short(self):
        found = [f'{module}: {sentence}'
                 for module, tree in parsed(PACKAGE).items()
                 for sentence in too_long(tree, LONGEST_FUNCTION)]
        self.assertEqual([], found)

    def test_modules_are_short(self):
        found = [str(path) for path in sources(PACKAGE)
                 if len(path.read_text().splitlines()) > LONGEST_MODULE]
        self.assertEqual([], found)

    def test_a_long_function_is_found_and_its_docstring_is_not_counted(self):
        lines = '\n'.join(['  pass'] * 3)
        tree = ast.parse(f'def f():\n  """Say\n\n\n  so."""\n{lines}')
        self.assertEqual(['f has 3 lines'], list(too_long(tree, 2)))
        self.assertEqual([], list(too_long(tree, 3)))
