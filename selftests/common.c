// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
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
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDNORM };

	return poll(&p, 1, 0) < 0 ? POLLNVAL : p.revents;
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

bool is_in_syscall(pid_t tid)
{
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	return !read_line(path, line, sizeof(line)) && strcmp(line, "running");
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
		return STATUS_PENDING;
	case EINTR:
		return STATUS_CANCELLED;
	case EOPNOTSUPP:
		return STATUS_NOT_SUPPORTED;
	case EIO:
	case ENOMEM:
		return STATUS_IO_DEVICE_ERROR;
	case ENODEV:
		return STATUS_DEVICE_REMOVED;
	default:
		return 0xffffffff;	/* none of these errors */
	}
}
