// SPDX-License-Identifier: MIT
/*
 * Errors: the last one of each thread, and what Windows calls those of the kernel
 *
 * Lifetime: the last error is a variable of the thread. Locks: none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "win32.h"

static __thread DWORD last_error;

DWORD GetLastError(void)
{
	return last_error;
}

void SetLastError(DWORD error)
{
	last_error = error;
}

BOOL win32_fail(DWORD error)
{
	last_error = error;
	return FALSE;
}

/* The dictionary of <linux/devioctl.h>, in its order. */
static const struct {
	int err;
	unsigned int status;
	DWORD error;
} dictionary[] = {
	{ 0, STATUS_SUCCESS, ERROR_SUCCESS },
	{ ENOBUFS, STATUS_BUFFER_TOO_SMALL, ERROR_INSUFFICIENT_BUFFER },
	{ EINVAL, STATUS_INVALID_PARAMETER, ERROR_INVALID_PARAMETER },
	{ EFAULT, STATUS_ACCESS_VIOLATION, ERROR_NOACCESS },
	{ EACCES, STATUS_ACCESS_DENIED, ERROR_ACCESS_DENIED },
	{ EAGAIN, STATUS_CANT_WAIT, ERROR_CANT_WAIT },
	{ EBUSY, STATUS_DEVICE_BUSY, ERROR_BUSY },
	{ ENOMEM, STATUS_INSUFFICIENT_RESOURCES, ERROR_NO_SYSTEM_RESOURCES },
	{ ECANCELED, STATUS_CANCELLED, ERROR_OPERATION_ABORTED },
	{ EOPNOTSUPP, STATUS_NOT_SUPPORTED, ERROR_NOT_SUPPORTED },
	{ EIO, STATUS_IO_DEVICE_ERROR, ERROR_IO_DEVICE },
	{ ENODEV, STATUS_DEVICE_REMOVED, ERROR_DEVICE_REMOVED },
	{ ENOTTY, 0xc0000010 /* STATUS_INVALID_DEVICE_REQUEST */, ERROR_INVALID_FUNCTION },
	{ EINTR, STATUS_CANCELLED, ERROR_OPERATION_ABORTED },
};

NTSTATUS win32_status_of(int err)
{
	size_t i;

	for (i = 0; i < ARRAYSIZE(dictionary); i++)
		if (dictionary[i].err == err)
			return (NTSTATUS)dictionary[i].status;
	return (NTSTATUS)STATUS_IO_DEVICE_ERROR;
}

DWORD win32_error_of(NTSTATUS status)
{
	size_t i;

	for (i = 0; i < ARRAYSIZE(dictionary); i++)
		if (dictionary[i].status == (unsigned int)status)
			return dictionary[i].error;
	return ERROR_GEN_FAILURE;
}

/* ---- what they mean ---- */

static const struct {
	DWORD error;
	const char *text;
} texts[] = {
	{ ERROR_SUCCESS, "The operation completed successfully." },
	{ ERROR_INVALID_FUNCTION, "The device does not know this request." },
	{ ERROR_FILE_NOT_FOUND, "There is no such device." },
	{ ERROR_PATH_NOT_FOUND, "There is no name." },
	{ ERROR_TOO_MANY_OPEN_FILES, "Too many files are open." },
	{ ERROR_ACCESS_DENIED, "Access is denied." },
	{ ERROR_INVALID_HANDLE, "The handle is invalid." },
	{ ERROR_NOT_ENOUGH_MEMORY, "There is not enough memory." },
	{ ERROR_NOT_READY, "The device is not ready." },
	{ ERROR_GEN_FAILURE, "The device does not work." },
	{ ERROR_NOT_SUPPORTED, "The request is not supported." },
	{ ERROR_INVALID_PARAMETER, "A parameter is incorrect." },
	{ ERROR_INSUFFICIENT_BUFFER, "A buffer is too small." },
	{ ERROR_BUSY, "A driver uses what is asked for." },
	{ WAIT_TIMEOUT, "The wait has timed out." },
	{ ERROR_NO_MORE_ITEMS, "There are no more items." },
	{ ERROR_CANT_WAIT, "The request would have to wait." },
	{ ERROR_OPERATION_ABORTED, "The request was cancelled." },
	{ ERROR_IO_INCOMPLETE, "The overlapped request is not complete." },
	{ ERROR_IO_PENDING, "The overlapped request is in progress." },
	{ ERROR_NOACCESS, "A memory location cannot be accessed." },
	{ ERROR_IO_DEVICE, "The device has failed the request." },
	{ ERROR_NOT_FOUND, "There is no such request." },
	{ ERROR_NO_SYSTEM_RESOURCES, "There is no memory for the request." },
	{ ERROR_DEVICE_REMOVED, "The device has been removed." },
	{ ERROR_INVALID_USER_BUFFER, "The size of a structure is wrong." },
};

static const char *text_of(DWORD error)
{
	size_t i;

	for (i = 0; i < ARRAYSIZE(texts); i++)
		if (texts[i].error == error)
			return texts[i].text;
	return NULL;
}

/* In new memory, as it ends in a line or not; NULL and the last error if there is none. */
static char *message(DWORD flags, DWORD error)
{
	const char *text = text_of(error);
	char *line;

	if (!(flags & FORMAT_MESSAGE_FROM_SYSTEM))
		win32_fail(ERROR_INVALID_PARAMETER);
	else if (!text)
		win32_fail(ERROR_MR_MID_NOT_FOUND);
	else if (asprintf(&line, "%s%s", text,
			  flags & FORMAT_MESSAGE_MAX_WIDTH_MASK ? " " : "\r\n") < 0)
		win32_fail(ERROR_NOT_ENOUGH_MEMORY);
	else
		return line;
	return NULL;
}

/* Room for so many characters of @width bytes; NULL and the last error if there is none. */
static void *room_for(size_t length, size_t width, DWORD flags, void *buffer, DWORD size)
{
	void *memory;

	if (!(flags & FORMAT_MESSAGE_ALLOCATE_BUFFER)) {
		if (length <= size)
			return buffer;
		win32_fail(ERROR_INSUFFICIENT_BUFFER);
		return NULL;
	}
	memory = calloc(length > size ? length : size, width);
	if (!memory)
		win32_fail(ERROR_NOT_ENOUGH_MEMORY);
	*(void **)buffer = memory;
	return memory;
}

DWORD FormatMessageA(DWORD flags, LPCVOID source, DWORD error, DWORD language, LPSTR buffer,
		     DWORD size, void *arguments)
{
	char *text = message(flags, error), *to;
	size_t length = text ? strlen(text) : 0;

	(void)source, (void)language, (void)arguments;
	if (!text)
		return 0;
	to = room_for(length + 1, sizeof(*to), flags, buffer, size);
	if (to)
		memcpy(to, text, length + 1);
	free(text);
	return to ? length : 0;
}

DWORD FormatMessageW(DWORD flags, LPCVOID source, DWORD error, DWORD language, LPWSTR buffer,
		     DWORD size, void *arguments)
{
	char *text = message(flags, error);
	size_t i, length = text ? strlen(text) : 0;
	wchar_t *to;

	(void)source, (void)language, (void)arguments;
	if (!text)
		return 0;
	to = room_for(length + 1, sizeof(*to), flags, buffer, size);
	for (i = 0; to && i <= length; i++)
		to[i] = (unsigned char)text[i];
	free(text);
	return to ? length : 0;
}

HLOCAL LocalFree(HLOCAL memory)
{
	free(memory);
	return NULL;
}
