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

"""Boot ten instances on a simulated GPFS and show what happened.

Nova's own API, conductor, scheduler, computes and libvirt driver run in this
process, on two hosts; Nova's test fixtures stand in for libvirt and Glance.
GPFS is the simulator: three nodes, two pools, three failure groups. The last
part has the real Glance, a process that keeps its images on the same GPFS.

Exit code 0 means that everything was as it should be.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import demo_output  # noqa: E402

from oslo_config import fixture as config_fixture  # noqa: E402

import demo_zero_copy  # noqa: E402
from tests.functional import cloud  # noqa: E402

GIB = demo_output.GIB
MIB = demo_output.MIB
say = demo_output.say
size = demo_output.size
step = demo_output.step

INSTANCES = 10
# What [gpfs_policy:NAME] in nova.conf says here.
POLICIES = {'gold': {'pool': 'fast', 'data_replicas': '2'},
            'safe': {'data_replicas': '3', 'metadata_replicas': '2'}}
# Nova makes these itself: kernels, locks, and who shares the path.
NOVAS_OWN = ('_base', 'locks', 'compute_nodes')


class Demo(cloud.CloudTestCase):
    """The demonstration, written as a test so that what it says is true."""

    report: dict = {}

    def runTest(self):
        self._show_cluster()
        image, guest_bytes = self._make_image()
        self._start()
        servers = self._boot(image)
        self._check_disks(servers, guest_bytes)
        self._show_sharing(servers)
        servers += self._place(image, guest_bytes)
        self._delete(servers)

    def _show_cluster(self):
        step('A simulated GPFS cluster')
        shown = subprocess.run(
            [sys.executable, '-m', 'nova_gpfs.sim', 'show',
             self.gpfs.directory],
            check=True, capture_output=True, text=True).stdout
        for line in shown.splitlines():
            say('  ' + line)

    def _make_image(self):
        step('An image')
        data, guest_bytes = cloud.qcow2_image(
            self.directory, size=256 * MIB, seed=os.urandom(4096))
        image = self.glance.add('demo', data, 'qcow2')
        say(f'  qcow2 with a partition table: {size(len(data))} to download, '
            f'{size(len(guest_bytes))} as a guest sees it')
        self.report['image'] = {'qcow2_bytes': len(data),
                                'virtual_bytes': len(guest_bytes)}
        return image, guest_bytes

    def _start(self):
        step('nova-compute starts on two hosts')
        started = time.monotonic()
        for name, options in POLICIES.items():
            self.useFixture(config_fixture.Config(
                cloud.CONF)).load_raw_values(group=f'gpfs_policy:{name}',
                                             **options)
        self.start_hosts()
        for line in self.stdlog.logger.output.splitlines():
            where = line.find('nova-gpfs')
            if where >= 0 and 'nova_gpfs.compute.startup' in line:
                say('  ' + line[where:])
        say(f'  ready after {time.monotonic() - started:.1f} s')

    def _boot(self, image):
        step(f'{INSTANCES} instances boot at once, with 2 GiB disks')
        flavor = self.flavor('demo', root_gb=2)
        started = time.monotonic()
        servers = [self._ask_for_instance(image, flavor, number)
                   for number in range(INSTANCES)]
        waits = self._wait_until_active(servers, started)
        self._show_instances(servers, waits)
        self._show_counts(image)
        return servers

    def _ask_for_instance(self, image, flavor, number):
        return self.api.post_server({'server': {
            'name': f'demo-{number}', 'imageRef': image, 'flavorRef': flavor,
            'networks': 'none', 'host': self.hosts[number % 2]}})

    def _wait_until_active(self, servers, started):
        """Return the seconds after which each instance was active."""
        waits = {}
        while len(waits) < len(servers):
            for server in servers:
                found = self.api.get_server(server['id'])
                self.assertNotEqual('ERROR', found['status'], found)
                if found['status'] == 'ACTIVE':
                    waits.setdefault(server['id'],
                                     time.monotonic() - started)
            self.assertLess(time.monotonic() - started, 300)
            time.sleep(0.1)
        return waits

    def _show_instances(self, servers, waits):
        # A disk is cloned under a longer name and gets its own at last.
        clones = {call['argv'][-1].rsplit('.', 2)[0]: 1000 * call['seconds']
                  for call in self.gpfs.calls()
                  if call['argv'][1:2] == ['copy']}
        rows = [{'id': server['id'], 'host': self.hosts[number % 2],
                 'active_seconds': round(waits[server['id']], 2),
                 'clone_milliseconds': round(
                     clones[self.instance_file(server, 'disk')], 1)}
                for number, server in enumerate(servers)]
        say('  instance   host    active after   mmclone copy')
        for row in rows:
            say(f'  {row["id"][:8]}   {row["host"]}'
                f'   {row["active_seconds"]:10.1f} s'
                f'   {row["clone_milliseconds"]:9.1f} ms')
        self.report['instances'] = rows

    def _show_counts(self, image):
        counts = {'downloads': self.glance.downloads.count(image),
                  'masters': len(os.listdir(self._masters())),
                  'clones': len([argv for argv
                                 in self.commands('mmclone', 'copy')
                                 if '/disk.' in argv[-1]])}
        say()
        say(f'  downloads from Glance   {counts["downloads"]:3}')
        say(f'  sealed masters          {counts["masters"]:3}')
        say(f'  clones                  {counts["clones"]:3}')
        self.report.update(counts)
        self.assertEqual(
            {'downloads': 1, 'masters': 1, 'clones': INSTANCES}, counts)

    def _masters(self):
        return os.path.join(self.instances_path, '_gpfs', 'masters')

    def _check_disks(self, servers, guest_bytes):
        for server in servers:
            disk = self.instance_file(server, 'disk')
            self.assertEqual(guest_bytes,
                             cloud.read(disk, len(guest_bytes)))
            self.assertEqual(2 * GIB, os.stat(disk).st_size)
        self.assert_storage_is_consistent()
        say('  every disk holds just the bytes of the image')

    def _show_sharing(self, servers):
        step('The clone tree, and the space it takes')
        self._show_tree()
        usage = self.gpfs.usage('fs0')
        say()
        say(f'  used                    {size(usage.data):>10}')
        say(f'  full copies would use   {size(usage.full_copies):>10}')
        self.report.update(used_bytes=usage.data,
                           full_copies_bytes=usage.full_copies)
        self.assertLess(usage.data, usage.full_copies / len(servers) * 2)

    def _show_tree(self):
        for root in self.gpfs.tree('fs0'):
            for line in root.lines():
                where = os.path.realpath(self.instances_path) + os.sep
                say('  ' + line.replace(where, ''))

    def _place(self, image, guest_bytes):
        """Boot two instances of each policy and show where they are."""
        step('Two instances of each policy')
        placed, rows = [], []
        for name in POLICIES:
            flavor = self.flavor(name)
            self.api.post_extra_spec(
                flavor, {'extra_specs': {'gpfs:policy': name}})
            for host in self.hosts:
                rows.append(self._placed_row(
                    self.boot(image, flavor, host=host), name, guest_bytes))
                placed.append(rows[-1].pop('server'))
        demo_output.rows(rows)
        say(f'  downloads from Glance   {len(self.glance.downloads):3}')
        say(f'  sealed masters          {len(os.listdir(self._masters())):3}')
        self.report['placed'] = rows
        self.assertEqual([image], self.glance.downloads)
        self.assert_storage_is_consistent()
        return placed

    def _placed_row(self, server, policy, guest_bytes):
        before = self._placing_commands
        disk = self.instance_file(server, 'disk')
        with open(disk, 'r+b') as guest:
            guest.seek(len(guest_bytes))
            guest.write(b'written by the guest')
        blocks = self.gpfs.blocks(disk)
        self._placing_commands = len(self.commands('mmchattr'))
        row = {'server': server, 'instance': server['id'][:8],
               'host': server['OS-EXT-SRV-ATTR:host'], 'policy': policy,
               'pool': ' '.join({one.pool for one in blocks}),
               'replicas': ' '.join({str(one.replicas) for one in blocks}),
               'failure groups': ' '.join(sorted(
                   {group for one in blocks for group in one.failure_groups})),
               'blocks': len(blocks),
               'mmchattr': self._placing_commands - before}
        self.assertEqual(POLICIES[policy].get('pool', 'system'), row['pool'])
        self.assertEqual(POLICIES[policy]['data_replicas'], row['replicas'])
        return row

    _placing_commands = 0

    def _delete(self, servers):
        step('The instances are deleted')
        for server in servers:
            self._delete_server(server)
        left = sorted(name for name in os.listdir(self.instances_path)
                      if name not in NOVAS_OWN)
        say('  left below instances_path: ' + ' '.join(left))
        say('  left of the clone tree:')
        self._show_tree()
        self.assertEqual(['_gpfs'], left)
        masters = self.gpfs.tree('fs0')
        self.assertEqual(1 + len(POLICIES), len(masters))
        self.assertEqual([], [each.children for each in masters
                              if each.children])
        self.assert_storage_is_consistent()
        self.report['left'] = left


def run(demo):
    """Run a part of the demonstration; return what was wrong with it."""
    result = demo.run()
    return [text for _test, text in (*result.errors, *result.failures,
                                     *result.skipped)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--format', choices=('text', 'json'), default='text')
    with contextlib.redirect_stdout(demo_output.STDOUT):
        parser.parse_args(namespace=demo_output.OPTIONS)
    started = time.monotonic()
    demos = Demo(), demo_zero_copy.ZeroCopyDemo()
    failures = [text for demo in demos for text in run(demo)]
    seconds = time.monotonic() - started
    if demo_output.OPTIONS.format == 'json':
        report = {**demos[0].report, 'zero_copy': demos[1].report,
                  'ok': not failures, 'seconds': round(seconds, 1)}
        print(json.dumps(report, indent=1), file=demo_output.STDOUT,
              flush=True)
    for text in failures:
        print(text[-4000:], file=sys.stderr)
    say()
    say(f'{"Something is wrong, see above" if failures else "All is well"}: '
        f'{seconds:.0f} s')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
