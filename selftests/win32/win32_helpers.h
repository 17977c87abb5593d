/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of libvmgencounter-win32 share. Each runs by both of its ways to wait: the
 * ring, where the kernel has it (else by threads again), and threads.
 */
#ifndef WIN32_HELPERS_H
#define WIN32_HELPERS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

/* The tests print in the C library's way. */
#define VMGENCOUNTER_WIN32_NO_PRINT
#include <windows.h>
#include <vmgenerationcounter.h>

#define NAME	L"\\\\.\\VmGenerationCounter"
#define BOTH	(GENERIC_READ | GENERIC_WRITE)

/* Before the first request of the process. */
static inline void use_backend(const char *backend)
{
	setenv("VMGENCOUNTER_WIN32_BACKEND", backend, 1);
}

/* A call that fails with an error, which it is that sets. */
#define EXPECT_FAILS(error, call) do {					\
	SetLastError(0xdead);						\
	EXPECT_FALSE(call);						\
	EXPECT_EQ(error, (int)GetLastError());				\
} while (0)

#define EXPECT_NO_FILE(error, call) do {				\
	SetLastError(0xdead);						\
	EXPECT_EQ(INVALID_HANDLE_VALUE, call);				\
	EXPECT_EQ(error, (int)GetLastError());				\
} while (0)

static inline HANDLE open_as(const wchar_t *name, DWORD access)
{
	return CreateFileW(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
			   0, NULL);
}

/* The counter's polling mode. */
static inline BOOL poll_id(HANDLE file, VM_GENCOUNTER *id, DWORD *size)
{
	return DeviceIoControl(file, IOCTL_VMGENCOUNTER_READ, NULL, 0, id, sizeof(*id), size, NULL);
}

static inline bool same(const VM_GENCOUNTER *a, const VM_GENCOUNTER *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Threads of this process. */
static inline int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	int n = 0;

	while (tasks && (task = readdir(tasks)))
		n += task->d_name[0] != '.';
	if (tasks)
		closedir(tasks);
	return n;
}

/* What the counter's request is for, in event-driven mode with @id for both. */
static inline BOOL next_id(HANDLE file, VM_GENCOUNTER *id, DWORD *size, OVERLAPPED *overlapped)
{
	return DeviceIoControl(file, IOCTL_VMGENCOUNTER_READ, id, sizeof(*id), id, sizeof(*id),
			       size, overlapped);
}

/* A request that waits for itself, with sizes of its own. */
static inline BOOL counter(HANDLE file, void *in, DWORD in_size, void *out, DWORD out_size,
			   DWORD *size)
{
	return DeviceIoControl(file, IOCTL_VMGENCOUNTER_READ, in, in_size, out, out_size, size,
			       NULL);
}

/* Of the programs that are compiled as they are: follow_generation.cpp and follow_overlapped.c. */
int wmain(int argc, wchar_t **argv);
HANDLE OpenCounter(void);
DWORD WaitForChange(HANDLE counter, HANDLE stop, VM_GENCOUNTER *generation);

/* Can commands of io_uring be cancelled here, so that there is a ring? */
static inline bool kernel_has_commands(void)
{
	unsigned int major, minor;
	struct utsname name;

	uname(&name);
	return sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 8));
}

#endif /* WIN32_HELPERS_H */
