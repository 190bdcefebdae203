/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may
 * not use this file except in compliance with the License. You may obtain
 * a copy of the License at
 *
 *      http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
 * WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
 * License for the specific language governing permissions and limitations
 * under the License.
 */

/*
 * The subroutines of libgpfs that the plug-in calls, for a simulated cluster.
 *
 * What they do is written in Python, in the program PROGRAM, which gets the
 * name of the open file. It prints the new offset, and its exit code is a
 * value of errno; one that is ended by a signal counts as EIO.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Whether the descriptor is open, may be written to, and has what name. */
static int
name_of(int fd, char *name, size_t size)
{
	char link[64];
	int flags = fcntl(fd, F_GETFL);
	ssize_t length;

	if (flags < 0)
		return EBADF;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return EACCES;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, name, size - 1);
	if (length < 0)
		return EBADF;
	name[length] = '\0';
	return 0;
}

/* Start the program with its output in a pipe; return the reading end. */
static int
start(char *const argv[], pid_t *child, int *failure)
{
	posix_spawn_file_actions_t actions;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		*failure = errno;
		return -1;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	*failure = posix_spawn(child, PROGRAM, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (*failure != 0) {
		close(ends[0]);
		return -1;
	}
	return ends[0];
}

static void
read_all(int fd, char *text, size_t size)
{
	size_t filled = 0;
	ssize_t count;

	while (filled < size - 1) {
		count = read(fd, text + filled, size - 1 - filled);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		filled += (size_t)count;
	}
	text[filled] = '\0';
}

/* Run the program to its end; return a value of errno. */
static int
run(char *const argv[], long long *answer)
{
	char text[64], *end;
	pid_t child;
	int output, failure, status;

	output = start(argv, &child, &failure);
	if (output < 0)
		return failure;
	read_all(output, text, sizeof(text));
	close(output);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EIO;
	if (!WIFEXITED(status))
		return EIO;
	if (WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	*answer = strtoll(text, &end, 10);
	return end != text && *end == '\n' ? 0 : EIO;
}

int
gpfs_declone(int fd, int ancLimit, long long nBlocks, long long *offsetP)
{
	char name[PATH_MAX], limit[32], blocks[32], offset[32];
	char *argv[] = {PROGRAM, name, limit, blocks, offset, NULL};
	int failure;

	if (offsetP == NULL) {
		errno = EFAULT;
		return -1;
	}
	failure = name_of(fd, name, sizeof(name));
	if (failure == 0) {
		snprintf(limit, sizeof(limit), "%d", ancLimit);
		snprintf(blocks, sizeof(blocks), "%lld", nBlocks);
		snprintf(offset, sizeof(offset), "%lld", *offsetP);
		failure = run(argv, offsetP);
	}
	errno = failure;
	return failure == 0 ? 0 : -1;
}
