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

"""Nova's globals: what is looked at before they change, and what changes."""

import collections
import inspect
from unittest import mock

import fixtures
from nova import conf
from nova.conf import libvirt as libvirt_conf
from nova.virt import driver as virt_driver
from nova.virt import images
from nova.virt import libvirt
from nova.virt.libvirt import driver
from nova.virt.libvirt import imagebackend
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslotest import base

from nova_gpfs.compute import activation
from nova_gpfs.compute import backend
from nova_gpfs.compute import expected
from nova_gpfs.compute import image
from nova_gpfs.compute import libvirt_driver
from nova_gpfs import errors

OURS = {
    'LibvirtDriver': libvirt_driver.GpfsLibvirtDriver,
    'Backend': backend.GpfsBackend,
    'Flat': image.Gpfs,
}


def images_type():
    """Return Nova's option."""
    return next(option for option in libvirt_conf.libvirt_imagebackend_opts
                if option.dest == 'images_type')


def overrides():
    """Yield (row of the table, function of Nova, function of ours).

    For Gpfs, whose base is Flat, the row names the class of Nova's that
    defines the function.
    """
    for ours, base_class in parts():
        for name in vars(ours):
            inherited = getattr(base_class, name, None)
            if callable(inherited) and callable(getattr(ours, name)) and (
                    inherited is not getattr(object, name, None)):
                owner = next(each for each in base_class.__mro__
                             if name in vars(each))
                yield f'{owner.__name__}.{name}', inherited, getattr(
                    ours, name)


def parts():
    """Yield (class of ours, the class of Nova's that it changes)."""
    for whole in OURS.values():
        line = whole.__mro__
        mine = [each for each in line
                if each.__module__.startswith('nova_gpfs.')]
        novas = next(each for each in line if each not in mine)
        yield from ((each, novas) for each in mine)


class CleanNovaTestCase(base.BaseTestCase):
    """Start from a Nova that is not activated, and leave it as it was."""

    def setUp(self):
        super().setUp()
        self._restore()
        loader = virt_driver.load_compute_driver
        self.original = getattr(loader, 'original', loader)
        self._patch('nova.virt.driver.load_compute_driver', self.original)
        choices = images_type().type.choices
        self._patch_attribute(images_type().type, 'choices',
                              collections.OrderedDict(
                                  (choice, choices[choice])
                                  for choice in choices if choice != 'gpfs'))
        self.log = self.useFixture(fixtures.FakeLogger())
        self.config = self.useFixture(config_fixture.Config(conf.CONF))

    def _patch(self, name, value):
        self.useFixture(fixtures.MonkeyPatch(name, value))

    def _patch_attribute(self, owner, name, value):
        self.useFixture(fixtures.MockPatchObject(owner, name, value))

    def _restore(self):
        self._patch('nova.virt.libvirt.LibvirtDriver', driver.LibvirtDriver)
        self._patch('nova.virt.libvirt.imagebackend.Backend',
                    backend.GpfsBackend.__base__)
        convert = images.convert_image
        self.convert = getattr(convert, 'original', convert)
        self._patch('nova.virt.images.convert_image', self.convert)

    def _release(self, release):
        self._patch('nova.version.version_string', lambda: release)

    def _assert_untouched(self):
        self.assertIs(driver.LibvirtDriver, libvirt.LibvirtDriver)
        self.assertIs(backend.GpfsBackend.__base__, imagebackend.Backend)
        self.assertIs(self.convert, images.convert_image)


class ActivateTest(CleanNovaTestCase):

    def test_gpfs_becomes_a_choice_beside_those_of_nova(self):
        before = list(images_type().type.choices)
        activation.activate()
        self.assertEqual([*before, 'gpfs'], list(images_type().type.choices))
        self.config.config(images_type='gpfs', group='libvirt')
        self.assertEqual('gpfs', conf.CONF.libvirt.images_type)

    def test_other_values_stay_refused(self):
        activation.activate()
        self.assertRaises(ValueError, self.config.config,
                          images_type='gfs', group='libvirt')

    def test_the_options_of_the_plug_in_become_known(self):
        activation.activate()
        self.assertEqual('/usr/lpp/mmfs/bin', conf.CONF.gpfs.mm_path)

    def test_doing_it_again_changes_nothing(self):
        activation.activate()
        loader = virt_driver.load_compute_driver
        activation.activate()
        self.assertIs(loader, virt_driver.load_compute_driver)
        self.assertIs(self.original, loader.original)

    def test_it_leaves_the_classes_of_nova_alone(self):
        activation.activate()
        self._assert_untouched()

    def _assert_refused(self, *words):
        error = self.assertRaises(errors.UnknownNova, activation.activate)
        for word in words:
            self.assertIn(word, str(error))
        self.assertNotIsInstance(virt_driver.load_compute_driver,
                                 activation.LoadComputeDriver)

    def test_a_nova_without_the_option_is_refused(self):
        self._patch('nova.conf.libvirt.libvirt_imagebackend_opts',
                    [cfg.StrOpt('images_volume_group')])
        self._assert_refused('images_type')

    def test_a_nova_with_free_values_of_the_option_is_refused(self):
        self._patch_attribute(images_type().type, 'choices', None)
        self._assert_refused('images_type', 'choices')

    def test_a_nova_with_another_way_to_load_drivers_is_refused(self):
        self._patch('nova.virt.driver.load_compute_driver',
                    lambda virtapi, host, compute_driver=None: None)
        self._assert_refused('load_compute_driver',
                             '(virtapi, host, compute_driver)')
        self.assertNotIn('gpfs', images_type().type.choices)


class InstallTest(CleanNovaTestCase):

    def test_nova_converts_through_our_function_which_is_put_there_once(self):
        for _time in range(2):
            activation.install()
            self.assertIs(self.convert, images.convert_image.original)

    def test_our_classes_take_the_places(self):
        activation.install()
        self.assertIs(backend.GpfsBackend, imagebackend.Backend)
        self.assertIs(libvirt_driver.GpfsLibvirtDriver,
                      libvirt.LibvirtDriver)

    def test_the_class_in_novas_own_module_stays(self):
        activation.install()
        self.assertIn(driver.LibvirtDriver,
                      libvirt_driver.GpfsLibvirtDriver.__mro__)
        self.assertFalse(driver.LibvirtDriver.__module__.startswith(
            'nova_gpfs'))

    def test_doing_it_again_changes_nothing(self):
        activation.install()
        activation.install()
        self.assertIs(backend.GpfsBackend, imagebackend.Backend)

    def _assert_refused(self, *words):
        error = self.assertRaises(errors.UnknownNova, activation.install)
        for word in words:
            self.assertIn(word, str(error))
        self._assert_untouched()

    def test_a_release_before_the_oldest_is_refused(self):
        for release in ('30.3.0', '29.4.0', '3.0', 'unknown'):
            self._release(release)
            self._assert_refused(f'Nova {release}', '31')

    def test_an_old_release_is_named_before_what_differs_in_it(self):
        self._release('30.3.0')
        self._patch('nova.virt.images.get_image_format', None)
        self._assert_refused('the oldest supported is 31')

    def test_releases_from_the_oldest_to_the_newest_are_installed_silently(
            self):
        for release in ('31.0.0', '33.0.2-1ubuntu1', '34.1.0.dev7'):
            self._release(release)
            self._restore()
            activation.install()
            self.assertIs(backend.GpfsBackend, imagebackend.Backend)
        self.assertNotIn('newer', self.log.output)

    def test_a_newer_release_of_the_same_shape_is_accepted_with_a_warning(
            self):
        self._release('35.0.0')
        activation.install()
        self.assertIn('Nova 35.0.0 is newer than 34', self.log.output)
        self.assertIs(backend.GpfsBackend, imagebackend.Backend)

    def test_a_method_that_moved_is_named(self):
        self._patch('nova.virt.libvirt.driver.LibvirtDriver'
                    '._disk_raw_to_qcow2',
                    staticmethod(lambda context, path: None))
        self._assert_refused('LibvirtDriver._disk_raw_to_qcow2',
                             '(context, path)')

    def test_a_method_that_is_gone_is_named(self):
        self._patch_attribute(
            driver, 'LibvirtDriver',
            type('LibvirtDriver', (), {'init_host': driver.LibvirtDriver
                                       .init_host}))
        error = self.assertRaises(errors.UnknownNova, activation.install)
        self.assertIn('LibvirtDriver.spawn is missing', str(error))
        self.assertNotIn('init_host', str(error))

    def test_a_driver_with_a_backend_of_its_own_is_refused(self):
        self._patch('nova.virt.libvirt.driver.imagebackend', mock.sentinel.no)
        self._assert_refused('imagebackend')

    def test_a_package_with_another_driver_is_refused(self):
        other = type('Other', (driver.LibvirtDriver,), {})
        self._patch('nova.virt.libvirt.LibvirtDriver', other)
        self.assertRaises(errors.UnknownNova, activation.install)
        self.assertIs(other, libvirt.LibvirtDriver)

    def test_a_backend_without_its_table_is_refused(self):
        self._patch('nova.virt.libvirt.imagebackend.Backend.__init__',
                    lambda self, use_cow: None)
        self._assert_refused('BACKEND')


class LoadComputeDriverTest(CleanNovaTestCase):

    def setUp(self):
        super().setUp()
        activation.activate()

    def _load(self, loaded):
        asked = []

        def original(virtapi, compute_driver=None):
            asked.append((virtapi, compute_driver,
                          libvirt.LibvirtDriver, imagebackend.Backend))
            return loaded

        load = activation.LoadComputeDriver(original)
        try:
            self.assertIs(loaded, load(mock.sentinel.virtapi, 'libvirt.X'))
        finally:
            self.asked = asked

    def test_with_another_images_type_nova_is_left_alone(self):
        self.config.config(images_type='raw', group='libvirt')
        self._load(mock.sentinel.driver)
        self.assertEqual([(mock.sentinel.virtapi, 'libvirt.X')],
                         [each[:2] for each in self.asked])
        self._assert_untouched()

    def test_with_gpfs_our_classes_are_there_before_the_driver_is_made(self):
        self.config.config(images_type='gpfs', group='libvirt')
        ours = object.__new__(libvirt_driver.GpfsLibvirtDriver)
        ours.image_backend = object.__new__(backend.GpfsBackend)
        self._load(ours)
        self.assertEqual([(mock.sentinel.virtapi, 'libvirt.X',
                           libvirt_driver.GpfsLibvirtDriver,
                           backend.GpfsBackend)], self.asked)

    def _assert_ends(self, loaded, *words):
        self.config.config(images_type='gpfs', group='libvirt')
        ended = self.assertRaises(SystemExit, self._load, loaded)
        self.assertEqual(1, ended.code)
        for word in ('cannot start', *words):
            self.assertIn(word, self.log.output)

    def test_another_driver_ends_the_process(self):
        self._assert_ends(object(), 'compute_driver', 'libvirt.LibvirtDriver')

    def test_our_driver_with_another_backend_ends_the_process(self):
        ours = object.__new__(libvirt_driver.GpfsLibvirtDriver)
        ours.image_backend = object.__new__(backend.GpfsBackend.__base__)
        self._assert_ends(ours, 'image_backend')

    def test_an_unknown_nova_ends_the_process_before_a_driver_is_made(self):
        self._release('30.0.0')
        self._assert_ends(object(), 'Nova 30.0.0', 'set images_type back')
        self.assertEqual([], self.asked)


class ExpectedTest(base.BaseTestCase):

    def test_the_installed_nova_is_as_expected(self):
        for table in (expected.TO_ACTIVATE, expected.TO_INSTALL):
            self.assertEqual([], list(expected.differences(table)))

    def test_every_function_that_we_override_is_in_the_table(self):
        rows = {name for functions in expected.TO_INSTALL.values()
                for name in functions}
        found = {row for row, _nova, _ours in overrides()}
        self.assertIn('LibvirtDriver.init_host', found)
        self.assertEqual(set(), found - rows)

    def test_our_functions_take_what_nova_passes(self):
        for row, novas, ours in overrides():
            names = [each.name for each in
                     inspect.signature(novas).parameters.values()
                     if each.kind is each.POSITIONAL_OR_KEYWORD]
            signature = inspect.signature(ours)
            if 'self' in signature.parameters and 'self' not in names:
                # A static method of Nova's, which Nova calls by an instance.
                names.insert(0, 'self')
            bound = names[:1] if names[:1] == ['self'] else []
            try:
                signature.bind(*names)
                signature.bind(*bound, **dict.fromkeys(names[len(bound):]))
            except TypeError as error:
                self.fail(f'{row}{signature}: {error}')

    def test_other_parameters_may_follow_only_where_the_table_says_so(self):
        self.assertTrue(expected.fits(['a', 'b', 'c'], 'a b ...'))
        self.assertTrue(expected.fits(['a', 'b'], 'a b ...'))
        self.assertTrue(expected.fits([], ''))
        self.assertFalse(expected.fits(['a', 'b', 'c'], 'a b'))
        self.assertFalse(expected.fits(['a'], 'a b ...'))
        self.assertFalse(expected.fits(['b', 'a'], 'a b ...'))
        self.assertFalse(expected.fits(['a'], ''))

    def test_stars_are_part_of_a_parameter(self):
        def function(a, *args, b=1, **kwargs):
            pass
        self.assertEqual(['a', '*args', 'b', '**kwargs'],
                         expected.parameters(function))

    def test_something_that_is_no_function_is_a_difference(self):
        found = list(expected.differences(
            {'nova.virt.driver': {'LOG': 'virtapi'}}))
        self.assertEqual(1, len(found))
        self.assertIn('not a function', found[0])

    def test_a_module_that_is_gone_is_a_difference(self):
        found = list(expected.differences({'nova.virt.gone': {'f': ''}}))
        self.assertEqual(1, len(found))
        self.assertIn('nova.virt.gone.f is missing', found[0])
