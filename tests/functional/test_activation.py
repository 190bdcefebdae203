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

"""nova-compute, unmodified, becomes one that knows images_type = gpfs."""

import importlib.metadata
import importlib.util
import os
import sys
import unittest

from tests.functional import programs

NOVA = int(importlib.metadata.version('nova').partition('.')[0])


class NovaComputeTest(programs.ProgramsTestCase):

    def test_the_drop_in_is_all_that_it_takes(self):
        self.home.drop_in()
        self._assert_ours(self._printed(self.home.compute()))

    def test_files_may_be_named_on_the_command_line(self):
        elsewhere = self.home.drop_in(directory='elsewhere')
        self._assert_ours(self._printed(self.home.compute(
            '--config-file', self.home.nova_conf(),
            '--config-dir', elsewhere)))

    def test_without_the_drop_in_nova_is_left_alone(self):
        loaded = self._printed(self.home.compute())
        self._assert_stock(loaded)
        self.assertFalse(loaded['activated'])

    def test_another_images_type_leaves_the_classes_of_nova_in_place(self):
        for images_type, disk in (('raw', 'Flat'), ('qcow2', 'Qcow2')):
            self.home.drop_in(programs.ACTIVATE.replace(
                'images_type = gpfs', f'images_type = {images_type}'))
            loaded = self._printed(self.home.compute())
            self._assert_stock(loaded)
            self.assertEqual((True, disk),
                             (loaded['activated'], loaded['disk'][0]))

    @unittest.skipIf(NOVA < 33, 'nova-compute has no native threads there')
    def test_it_works_with_native_threads(self):
        self.home.drop_in()
        loaded = self._printed(self.home.compute(
            OS_NOVA_DISABLE_EVENTLET_PATCHING='true'))
        self._assert_ours(loaded)
        self.assertTrue(loaded['threads'])

    def test_it_works_with_eventlet(self):
        self.home.drop_in()
        done = self.home.compute(OS_NOVA_DISABLE_EVENTLET_PATCHING='false')
        loaded = self._printed(done)
        self._assert_ours(loaded)
        self.assertFalse(loaded['threads'])
        self.assertNotIn('imported prior to', done.stderr)

    @unittest.skipIf(NOVA < 34, 'the option is new in 34')
    def test_it_works_when_the_configuration_asks_for_eventlet(self):
        self.home.drop_in()
        path = self.home.nova_conf(default='concurrency_backend = eventlet')
        done = self.home.compute()
        loaded = self._printed(done)
        self._assert_ours(loaded)
        # Nova's early look finds only files named on the command line.
        self.assertTrue(loaded['threads'])
        done = self.home.compute(
            '--config-file', path, '--config-dir',
            os.path.join(os.path.dirname(path), 'nova-compute.conf.d'))
        loaded = self._printed(done)
        self._assert_ours(loaded)
        self.assertFalse(loaded['threads'])

    def test_an_unknown_release_of_nova_is_refused(self):
        self.home.drop_in()
        done = self.home.compute(before=(
            'import nova.version\n'
            'nova.version.version_string = lambda: "30.0.0"'))
        self._assert_ended(done, 'CRITICAL', 'cannot start', 'Nova 30.0.0',
                           'set images_type back')
        self.assertNotIn('Traceback', done.stdout + done.stderr)

    def test_a_nova_of_another_shape_is_refused(self):
        self.home.drop_in()
        done = self.home.compute(before=(
            'class Moved:\n'
            '    def find_spec(self, name, path, target=None):\n'
            '        if name == "nova.virt.libvirt.imagebackend":\n'
            '            raise ImportError(name + " has moved")\n'
            'sys.meta_path.insert(0, Moved())'))
        self._assert_ended(done, 'nova.virt.libvirt.imagebackend')

    def test_another_driver_is_refused(self):
        self.home.drop_in(programs.ACTIVATE.replace(
            '[gpfs]', 'compute_driver = fake.SmallFakeDriver\n[gpfs]'))
        self._assert_ended(self.home.compute(), 'cannot start',
                           'SmallFakeDriver', 'libvirt.LibvirtDriver')

    def test_it_does_not_start_when_activation_fails(self):
        self.home.drop_in()
        done = self.home.compute(before=(
            'import nova.conf.libvirt\n'
            'nova.conf.libvirt.libvirt_imagebackend_opts = []'))
        self._assert_ended(done, 'could not load configuration from',
                           'not known to nova-gpfs', programs.NOVAS_MESSAGE)


class ConfigurationTest(programs.ProgramsTestCase):

    def test_other_programs_do_not_read_the_drop_in(self):
        self.home.drop_in()
        code = ('print(json.dumps([CONF.libvirt.images_type,'
                ' "nova_gpfs.compute.activation" in sys.modules]))')
        self.assertEqual(['gpfs', True], self._printed(
            self.home.parse('nova-compute', code)))
        for program in ('nova-conductor', 'nova-scheduler', 'nova-api'):
            self.assertEqual(['default', False], self._printed(
                self.home.parse(program, code)))

    def test_all_options_can_be_logged(self):
        # Nova 34 does so before it loads anything, and dies if it cannot.
        self.home.drop_in()
        done = self.home.parse('nova-compute', (
            'from oslo_log import log\n'
            'log.setup(CONF, "nova")\n'
            'CONF.log_opt_values(log.getLogger("nova"), log.DEBUG)'),
            '--debug')
        self.assertEqual(0, done.returncode, done.stderr)
        log = done.stdout + done.stderr
        self.assertRegex(log, r'libvirt\.images_type += gpfs')
        self.assertRegex(log, r'gpfs\.mm_path += /usr/lpp/mmfs/bin')

    def test_a_reload_keeps_what_was_activated(self):
        drop_in = self.home.drop_in()
        changed = programs.ACTIVATE.replace('[gpfs]', 'debug = true\n[gpfs]')
        code = (
            'import os\n'
            'before = CONF.debug\n'
            f'path = os.path.join({drop_in!r}, "50-gpfs.conf")\n'
            f'open(path, "w").write({changed!r})\n'
            'CONF.mutate_config_files()\n'
            'mutated = (CONF.debug, CONF.libvirt.images_type)\n'
            'CONF.reload_config_files()\n'
            'reloaded = (CONF.debug, CONF.libvirt.images_type)\n'
            'CONF(sys.argv[1:], project="nova", prog="nova-compute")\n'
            'again = (CONF.debug, CONF.libvirt.images_type)\n'
            'print(json.dumps([before, mutated, reloaded, again]))')
        self.assertEqual([False] + [[True, 'gpfs']] * 3, self._printed(
            self.home.parse('nova-compute', code)))


class WrapperTest(programs.ProgramsTestCase):

    def test_it_takes_no_source_of_configuration(self):
        self.home.drop_in('[libvirt]\nimages_type = gpfs\n')
        self._assert_ours(self._printed(self.home.wrapper()))

    def test_without_it_the_same_configuration_is_refused(self):
        self.home.drop_in('[libvirt]\nimages_type = gpfs\n')
        self._assert_ended(self.home.compute(), programs.NOVAS_MESSAGE)

    def test_it_goes_together_with_the_source_of_configuration(self):
        self.home.drop_in()
        self._assert_ours(self._printed(self.home.wrapper()))

    def test_another_images_type_leaves_the_classes_of_nova_in_place(self):
        self._assert_stock(self._printed(self.home.wrapper()))

    def test_an_unknown_nova_is_refused_in_one_line(self):
        done = self.home.wrapper(before=(
            'import nova.conf.libvirt\n'
            'nova.conf.libvirt.libvirt_imagebackend_opts = []'))
        self._assert_ended(done, 'nova-compute-gpfs: This release of Nova')
        self.assertNotIn('Traceback', done.stdout + done.stderr)

    def test_a_missing_nova_is_said_in_one_line(self):
        alone = os.path.join(self.home.path, 'alone')
        os.mkdir(alone)
        os.symlink(importlib.util.find_spec('nova_gpfs')
                   .submodule_search_locations[0],
                   os.path.join(alone, 'nova_gpfs'))
        done = self.home.execute(
            [sys.executable, '-S', '-c',
             'from nova_gpfs.cmd import nova_compute; nova_compute.main()'],
            {'PYTHONPATH': alone})
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertEqual(1, len(done.stderr.splitlines()), done.stderr)
        self.assertIn('Nova is not installed', done.stderr)
