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

"""A simulated GPFS cluster: programs that answer to the mm names.

The product meets the simulator at argv and nowhere else: nothing here imports
the rest of ``nova_gpfs`` and nothing of the rest imports this. Only the
standard library is used, and the modules that an mm program loads avoid its
expensive parts (argparse, json, typing, dataclasses), so that the start of
the interpreter is most of what a call costs.
"""
