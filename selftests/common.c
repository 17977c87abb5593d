// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/devioctl.h>

#include "common.h"

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

int rounds(int all)
{
	const int some = all * atoi(getenv("ROUNDS") ?: "100") / 100;

	return some ?: 1;
}

int read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno;
	n = read(fd, line, size - 1);
	close(fd);
	if (n < 0)
		return errno;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

int count_in_log(const char *text)
{
	static char log[1 << 20];
	int len = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, sizeof(log) - 1);
	const char *at = log;
	int n = 0;

	log[len < 0 ? 0 : len] = '\0';
	while ((at = strstr(at, text))) {
		at += strlen(text);
		n++;
	}
	return n;
}

short readiness(int fd)
{
	struct pollfd p = { .fd = fd, .events = READABLE };

	return poll(&p, 1, 0) < 0 ? POLLNVAL : p.revents;
}

bool all_a5(const void *from, const void *to)
{
	const uint8_t *at;

	for (at = from; at < (const uint8_t *)to; at++) {
		if (*at != 0xa5)
			return false;
	}
	return true;
}

bool is_refused(int fd, uint32_t code)
{
	uint8_t block[256];

	memset(block, 0xa5, sizeof(block));
	return ioctl(fd, (unsigned long)code, block) == -1 && errno == ENOTTY &&
	       all_a5(block, block + sizeof(block));
}

void *page_edge(size_t valid, int prot)
{
	const size_t size = getpagesize();
	char *page, *next;

	page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return MAP_FAILED;
	next = page + size;
	if (prot == PAGE_MISSING ? munmap(next, size) : mprotect(next, size, prot))
		return MAP_FAILED;
	return next - valid;
}

bool make_bad_address(const struct bad_address *bad, size_t size, uint64_t *address)
{
	void *edge;

	if (bad->fixed) {
		*address = bad->number;
		return true;
	}
	edge = page_edge(bad->half ? size / 2 : 0, bad->prot);
	*address = (uintptr_t)edge;
	return edge != MAP_FAILED;
}

bool can_be_read(const struct bad_address *bad)
{
	return !bad->fixed && bad->prot == PROT_READ;
}

bool is_in_syscall(pid_t tid)
{
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	return !read_line(path, line, sizeof(line)) && strcmp(line, "running");
}

void fill_request(struct devioctl_request *req, const void *in, uint32_t in_size,
		  void *out, uint32_t out_size)
{
	*req = (struct devioctl_request) {
		.in_buffer = (uintptr_t)in,
		.out_buffer = (uintptr_t)out,
		.in_size = in_size,
		.out_size = out_size,
		.information = UNTOUCHED,
		.status = UNTOUCHED,
	};
}

void fill_bad_request(struct devioctl_request *req, uint64_t bad, const void *in,
		      uint32_t in_size, void *out, uint32_t out_size)
{
	fill_request(req, in, in_size, out, out_size);
	if (!in)
		req->in_buffer = bad;
	if (!out)
		req->out_buffer = bad;
}

uint32_t status_of(int err)
{
	switch (err) {
	case 0:
		return STATUS_SUCCESS;
	case ENOBUFS:
		return STATUS_BUFFER_TOO_SMALL;
	case EINVAL:
		return STATUS_INVALID_PARAMETER;
	case EFAULT:
		return STATUS_ACCESS_VIOLATION;
	case EACCES:
		return STATUS_ACCESS_DENIED;
	case EAGAIN:
		return STATUS_CANT_WAIT;
	case EBUSY:
		return STATUS_DEVICE_BUSY;
	case EINTR:
	case ECANCELED:
		return STATUS_CANCELLED;
	case EOPNOTSUPP:
		return STATUS_NOT_SUPPORTED;
	case EIO:
		return STATUS_IO_DEVICE_ERROR;
	case ENOMEM:
		return STATUS_INSUFFICIENT_RESOURCES;
	case ENODEV:
		return STATUS_DEVICE_REMOVED;
	default:
		return 0xffffffff;	/* none of these errors */
	}
}

/* ---- a test that does not end ---- */

/* The lines of one of a thread's files, as comments in the TAP output. */
static void show_file(const char *thread, const char *name)
{
	char path[128], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", thread, name);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		fprintf(stderr, "#   %s: %s\n", name, line);
	}
	if (file)
		fclose(file);
}

/* @thread is its directory. Nothing is said of one that is not in the process group. */
static void show_thread(const char *thread, pid_t group)
{
	char path[128], stat[512], *name, *end, state;
	int pid, tid, its_group;

	snprintf(path, sizeof(path), "%s/stat", thread);
	if (read_line(path, stat, sizeof(stat)))
		return;
	name = strchr(stat, '(');
	end = strrchr(stat, ')');
	if (!name || !end || sscanf(end, ") %c %*d %d", &state, &its_group) != 2 ||
	    its_group != group || sscanf(thread, "/proc/%d/task/%d", &pid, &tid) != 2)
		return;
	*end = '\0';
	fprintf(stderr, "# thread %d of process %d, %s, state %c\n", tid, pid, name + 1, state);
	show_file(thread, "wchan");
	show_file(thread, "syscall");
	show_file(thread, "stack");
}

/* The kernel tells stacks to root alone; others do without. */
static void show_group(pid_t group)
{
	glob_t threads;
	size_t i;

	fprintf(stderr, "# the test takes too long; where it stands:\n");
	if (glob("/proc/[0-9]*/task/[0-9]*", 0, NULL, &threads))
		return;
	for (i = 0; i < threads.gl_pathc; i++)
		show_thread(threads.gl_pathv[i], group);
	globfree(&threads);
}

/*
 * This takes the place of the C library's kill(). The harness kills the process group of
 * a test when its time is over, and no test kills a group. The harness names the test in
 * the lines before and after. It is in a signal handler then, but one that interrupts
 * nothing but system calls, so that all functions may be called.
 */
int kill(pid_t pid, int sig)
{
	if (pid < -1 && sig == SIGKILL)
		show_group(-pid);
	return syscall(SYS_kill, pid, sig);
}
