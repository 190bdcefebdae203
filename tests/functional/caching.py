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

"""Nova's periodic task for its image cache, and masters of any age."""

import os

from nova import context

DAY = 86400


class ImageCacheMixin:
    """For a cloud with hosts."""

    @property
    def home(self):
        return os.path.join(self.instances_path, '_gpfs')

    @property
    def context(self):
        return context.get_admin_context()

    def run_pass(self, host='node1'):
        """Run Nova's periodic task on a host, an interval after the last."""
        stamp = os.path.join(self.home, 'collected')
        if os.path.exists(stamp):
            self.age(stamp, 3600)
        self.computes[host].manager._run_image_cache_manager_pass(
            self.context)

    def age(self, path, seconds):
        """Move the time of a file into the past."""
        then = os.stat(path).st_mtime - seconds
        os.utime(path, (then, then))

    def age_masters(self, seconds=2 * DAY):
        """Let nobody have needed any master for a while."""
        for name in self.masters():
            self.age(os.path.join(self.home, 'masters', name, 'used'),
                     seconds)

    def masters(self):
        return sorted(os.listdir(os.path.join(self.home, 'masters')))
