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


"""What the documentation says of the code is so."""

import ast
import configparser
import pathlib
import re
import runpy
import tomllib

from oslotest import base
from packaging import requirements

from nova_gpfs import errors

TOP = pathlib.Path(__file__).parents[2]
ARCHITECTURE = TOP / 'doc/source/contributor/architecture.rst'
BUGS = TOP / 'doc/source/contributor/bugs.rst'
DROP_IN = TOP / 'etc/nova-gpfs/nova-compute.conf.d/50-gpfs.conf'


def named_tests(text):
    """Yield (file, class, method) for each test that a text names.

    A file stands on a line of its own, ``Class.method`` on lines below it.
    """
    path = None
    for line in map(str.strip, text.splitlines()):
        if re.fullmatch(r'tests/[\w/]+\.py', line):
            path = line
        elif found := re.fullmatch(r'(\w+)\.(test_\w+)', line):
            yield path, *found.groups()


def defined_tests(source):
    """Return (class, method) for each test method that a module defines."""
    return {(outer.name, inner.name)
            for outer in ast.walk(ast.parse(source))
            if isinstance(outer, ast.ClassDef)
            for inner in outer.body if isinstance(inner, ast.FunctionDef)}


def docstrings(source):
    """Return the docstring of each test, by (class, method)."""
    return {(outer.name, inner.name): ast.get_docstring(inner) or ''
            for outer in ast.walk(ast.parse(source))
            if isinstance(outer, ast.ClassDef)
            for inner in outer.body if isinstance(inner, ast.FunctionDef)}


def reports(text):
    """Return the numbers of bugs, issues and pull requests in a text."""
    lists = re.findall(r'(?:bug|issue|request)s?\s(\d+(?:,\s\d+)*)', text)
    return {number for each in lists for number in re.findall(r'\d+', each)}


def table_rows(text):
    """Yield (reports, names of tests, third cell) for each row of a page."""
    for row in re.split(r'(?m)^ {3}\* - ', text)[1:]:
        first, _happened, held_by = re.split(r'\n {5}- ', row)[:3]
        if first != 'Reported as':
            names = '\n'.join(re.findall(r'``([\w/.]+)``', held_by))
            yield reports(first), list(named_tests(names)), held_by


def ini(text):
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser}


class PromisesTest(base.BaseTestCase):

    def test_each_promise_is_held_by_tests_that_are_there(self):
        named = list(named_tests(ARCHITECTURE.read_text()))
        self.assertGreater(len(named), 20)
        missing = [test for test in named
                   if not (TOP / test[0]).is_file()
                   or test[1:] not in defined_tests(
                       (TOP / test[0]).read_text())]
        self.assertEqual([], missing)

    def test_a_test_that_is_not_there_is_missed(self):
        (test,) = named_tests(
            '    tests/unit/test_docs.py\n        PromisesTest.test_gone\n')
        self.assertEqual('tests/unit/test_docs.py', test[0])
        self.assertNotIn(test[1:],
                         defined_tests(pathlib.Path(__file__).read_text()))


class ErrorsTest(base.BaseTestCase):

    def test_the_manual_has_every_error_with_what_to_do(self):
        defined = {node.name for node in ast.walk(ast.parse(
            (TOP / 'nova_gpfs/errors.py').read_text()))
            if isinstance(node, ast.ClassDef)} - {'GpfsError'}
        kinds = [getattr(errors, name) for name in defined]
        self.assertEqual(
            sorted((kind.summary, kind.next_step) for kind in kinds),
            sorted((summary, step)
                   for summary, _case, step in self.rows()))

    def test_no_two_errors_begin_with_the_same_sentence(self):
        sentences = [summary for summary, _case, _step in self.rows()]
        self.assertEqual(len(sentences), len(set(sentences)))

    def test_every_row_says_what_is_the_case(self):
        for summary, case, step in self.rows():
            self.assertTrue(case.endswith('.'), summary)
            self.assertTrue(step.endswith('.'), summary)

    @staticmethod
    def rows():
        return runpy.run_path(str(TOP / 'doc/ext/errors_rows.py'))['rows']()


class BugsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.rows = list(table_rows(BUGS.read_text()))
        self.said = {
            (str(path.relative_to(TOP)), *name): reports(docstring)
            for path in (TOP / 'tests').rglob('test_*.py')
            for name, docstring in docstrings(path.read_text()).items()}

    def test_each_row_has_tests_that_are_there_or_a_reason(self):
        self.assertGreater(len(self.rows), 60)
        for _numbers, tests, held_by in self.rows:
            self.assertNotEqual(bool(tests), held_by.startswith('No test: '))
            self.assertEqual([], [test for test in tests
                                  if test not in self.said])

    def test_the_tests_of_a_row_name_its_bugs(self):
        for numbers, tests, _held_by in self.rows:
            if not numbers or not tests:
                continue
            named = [self.said[test] & numbers for test in tests]
            self.assertTrue(all(named), tests)
            self.assertEqual(numbers, set.union(*named))

    def test_bugs_that_tests_name_are_on_the_page(self):
        held = {(test, number) for numbers, tests, _held_by in self.rows
                for test in tests for number in numbers}
        self.assertEqual(set(), {
            (test, number) for test, numbers in self.said.items()
            for number in numbers} - held)


class ReadmeTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.text = (TOP / 'README.rst').read_text()

    def test_it_shows_the_sample_configuration(self):
        block = re.search(r'code-block:: ini\n\n((?: {4}.*\n|\n)+)', self.text)
        shown = re.sub(r'(?m)^ {4}', '', block.group(1))
        self.assertEqual(ini(DROP_IN.read_text()), ini(shown))

    def test_the_environments_of_tox_that_it_names_are_there(self):
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(TOP / 'tox.ini')
        text = self.text + (TOP / 'CONTRIBUTING.rst').read_text()
        names = {name for names in re.findall(r'tox -e ([\w,-]+)', text)
                 for name in names.split(',')}
        self.assertIn('demo', names)
        self.assertEqual(
            set(), {name for name in names if f'testenv:{name}' not in tox})


class RequirementsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        project = tomllib.loads((TOP / 'pyproject.toml').read_text())
        self.required = [requirements.Requirement(text) for text
                         in project['project']['dependencies']]

    def test_each_floor_is_the_release_that_is_tested(self):
        lines = (TOP / 'tools/constraints-2025.1.txt').read_text()
        tested = dict(re.findall(r'(?m)^([\w.-]+)==(\S+)$', lines))
        for requirement in self.required:
            self.assertEqual(f'>={tested[requirement.name]}',
                             str(requirement.specifier))

    def test_what_is_imported_is_required(self):
        imported = {name.partition('.')[0] for path
                    in (TOP / 'nova_gpfs').rglob('*.py')
                    for name in imports(path.read_text())}
        oslo = {name.replace('_', '.') for name in imported
                if name.startswith('oslo_')}
        self.assertEqual(oslo, {each.name for each in self.required})


def imports(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
