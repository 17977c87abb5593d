// SPDX-License-Identifier: MIT
/*
 * CreateFile(): which node a name of Windows means, and what its handle may do
 *
 * Lifetime: a file has one descriptor, or the counter's two, which are closed with the last
 * reference: after CloseHandle(), and when no request is pending any more.
 *
 * Locks: none here. Nothing of a file changes after it was opened but its signal, and that it
 * is closed.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "win32.h"

#define RIGHTS	(FILE_READ_ACCESS | FILE_WRITE_ACCESS)

/* ---- names ---- */

bool win32_narrow(const wchar_t *wide, char *narrow, size_t size)
{
	while (size--) {
		*narrow = (unsigned int)*wide < 0x80 ? (char)*wide : '?';
		if (!*wide)
			return true;
		narrow++;
		wide++;
	}
	return false;
}

static bool is_separator(char c)
{
	return c == '\\' || c == '/';
}

/* What follows \\.\ or \\?\, however many backslashes that ends with; NULL if it is neither. */
static const char *name_of_device(const char *name)
{
	const char *rest = name + 4;

	if (!strncmp(name, "\\\\?\\", 4))
		return rest;
	if (!is_separator(name[0]) || !is_separator(name[1]) || name[2] != '.' ||
	    !is_separator(name[3]))
		return NULL;
	while (is_separator(*rest))
		rest++;
	return rest;
}

/* DDDD:BB:DD.F, in small letters: the length of it, or 0. */
static size_t function_of(const char *name, char *function, size_t size)
{
	unsigned int domain, bus, device, number;
	int length = 0;

	if (!isxdigit((unsigned char)*name) ||
	    sscanf(name, "%8x:%2x:%2x.%1x%n", &domain, &bus, &device, &number, &length) != 4)
		return 0;
	snprintf(function, size, "%04x:%02x:%02x.%x", domain, bus, device, number);
	return strlen(function) == (size_t)length && !strncasecmp(name, function, length) ?
	       length : 0;
}

static bool vpci_path(const char *name, char *path, size_t size)
{
	char function[32];
	size_t length;

	if (strncasecmp(name, WIN32_VPCI_PREFIX, strlen(WIN32_VPCI_PREFIX)))
		return false;
	name += strlen(WIN32_VPCI_PREFIX);
	length = function_of(name, function, sizeof(function));
	if (!length || (name[length] && strcasecmp(name + length, WIN32_VPCI_SUFFIX)))
		return false;
	snprintf(path, size, WIN32_VPCI_DIRECTORY "%s", function);
	return true;
}

/* The node, and by which code its commands are cancelled; 0 if there is none of this name. */
static int node_of(const char *device, char *path, size_t size)
{
	if (!strcasecmp(device, "VmGenerationCounter") || !strcasecmp(device, WIN32_COUNTER_NAME)) {
		snprintf(path, size, WIN32_COUNTER_PATH);
		return VMGENCOUNTER_CANCEL;
	}
	return vpci_path(device, path, size) ? VPCI_CANCEL : 0;
}

/* ---- opening ---- */

static DWORD rights_of(DWORD access)
{
	DWORD rights = 0;

	if (access & (GENERIC_READ | GENERIC_ALL | FILE_READ_DATA))
		rights |= FILE_READ_ACCESS;
	if (access & (GENERIC_WRITE | GENERIC_ALL | FILE_WRITE_DATA))
		rights |= FILE_WRITE_ACCESS;
	return rights;
}

/* A handle without rights needs none: it is for nothing that the node's driver hears of. */
static int open_flags(DWORD rights)
{
	static const int flags[RIGHTS + 1] = {
		O_PATH,
		[FILE_READ_ACCESS] = O_RDONLY,
		[FILE_WRITE_ACCESS] = O_WRONLY,
		[RIGHTS] = O_RDWR,
	};

	return flags[rights] | O_CLOEXEC;
}

static DWORD error_of_open(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case ENXIO:
	case ENODEV:
		return ERROR_FILE_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERROR_ACCESS_DENIED;
	case EMFILE:
	case ENFILE:
		return ERROR_TOO_MANY_OPEN_FILES;
	case EAGAIN:
		return ERROR_NOT_READY;
	case ENOMEM:
		return ERROR_NO_SYSTEM_RESOURCES;
	default:
		return ERROR_GEN_FAILURE;
	}
}

static void close_file(struct win32_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	if (file->fd_now >= 0)
		close(file->fd_now);
	free(file);
}

static void free_file(struct win32_object *object)
{
	close_file((struct win32_file *)object);
}

static bool open_node(struct win32_file *file, const char *path)
{
	int flags = open_flags(file->rights);

	file->fd = open(path, flags);
	if (file->fd < 0)
		return false;
	if (file->cancel_code != VMGENCOUNTER_CANCEL || file->rights != RIGHTS)
		return true;
	file->fd_now = open(path, flags | O_NONBLOCK);
	return file->fd_now >= 0;
}

static HANDLE open_file(const char *path, int cancel_code, DWORD rights, bool overlapped)
{
	struct win32_file *file = calloc(1, sizeof(*file));

	if (!file) {
		win32_fail(ERROR_NOT_ENOUGH_MEMORY);
		return INVALID_HANDLE_VALUE;
	}
	file->object.kind = WIN32_FILE;
	file->object.free = free_file;
	file->fd = -1;
	file->fd_now = -1;
	file->rights = rights;
	file->overlapped = overlapped;
	file->cancel_code = cancel_code;
	if (!open_node(file, path)) {
		win32_fail(error_of_open(errno));
		close_file(file);
		return INVALID_HANDLE_VALUE;
	}
	return win32_open(&file->object) ?: INVALID_HANDLE_VALUE;
}

HANDLE CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security,
		   DWORD disposition, DWORD flags, HANDLE template_file)
{
	const char *device = name && *name ? name_of_device(name) : NULL;
	char path[sizeof(WIN32_VPCI_DIRECTORY) + 32];
	int cancel_code;

	(void)share, (void)security, (void)template_file;
	if (!name || !*name) {
		win32_fail(ERROR_PATH_NOT_FOUND);
	} else if (disposition < CREATE_NEW || disposition > TRUNCATE_EXISTING) {
		win32_fail(ERROR_INVALID_PARAMETER);
	} else if (!device) {
		win32_fail(ERROR_NOT_SUPPORTED);
	} else {
		cancel_code = node_of(device, path, sizeof(path));
		if (cancel_code)
			return open_file(path, cancel_code, rights_of(access),
					 flags & FILE_FLAG_OVERLAPPED);
		win32_fail(ERROR_FILE_NOT_FOUND);
	}
	return INVALID_HANDLE_VALUE;
}

HANDLE CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security,
		   DWORD disposition, DWORD flags, HANDLE template_file)
{
	char narrow[WIN32_NAME_MAX];

	if (name && !win32_narrow(name, narrow, sizeof(narrow))) {
		win32_fail(ERROR_FILE_NOT_FOUND);
		return INVALID_HANDLE_VALUE;
	}
	return CreateFileA(name ? narrow : NULL, access, share, security, disposition, flags,
			   template_file);
}
