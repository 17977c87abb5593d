// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of Linux, as Wine shows them to a driver
 *
 * Wine's server opens them with O_NONBLOCK, and lets nobody but itself call poll(): a
 * request that would have to wait is pending, as with any file of Windows. There is no
 * ioctl() and no mmap().
 *
 * Lifetime: who opens a file closes it. Locks: none.
 */
#include "driver.h"

#define UNIX_PATH(path) RTL_CONSTANT_STRING(L"\\??\\unix" path)

static UNICODE_STRING directory_name = UNIX_PATH(L"\\dev");
static UNICODE_STRING node_name = UNIX_PATH(L"\\dev\\vmgencounter");
static UNICODE_STRING public_name = UNIX_PATH(L"\\dev\\vmgencounter_id");
static UNICODE_STRING flags_name = UNIX_PATH(L"\\sys\\class\\misc\\vmgencounter\\flags");

static NTSTATUS open_unix(UNICODE_STRING *name, ULONG options, HANDLE *file)
{
	OBJECT_ATTRIBUTES attributes;
	IO_STATUS_BLOCK io;

	InitializeObjectAttributes(&attributes, name, OBJ_KERNEL_HANDLE, NULL, NULL);
	return ZwCreateFile(file, GENERIC_READ | SYNCHRONIZE, &attributes, &io, NULL, 0,
			    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
			    FILE_OPEN, options, NULL, 0);
}

/* The whole of a file that never makes a reader wait. */
static NTSTATUS read_unix(UNICODE_STRING *name, void *buffer, ULONG size, ULONG_PTR *got)
{
	IO_STATUS_BLOCK io;
	NTSTATUS status;
	HANDLE file;

	status = open_unix(name, FILE_SYNCHRONOUS_IO_NONALERT, &file);
	if (status)
		return status;
	status = ZwReadFile(file, NULL, NULL, NULL, &io, buffer, size, NULL, NULL);
	*got = io.Information;
	ZwClose(file);
	return status;
}

/* For reads that are pending until there is another generation. */
NTSTATUS node_open(PHANDLE node)
{
	return open_unix(&node_name, 0, node);
}

NTSTATUS node_open_directory(PHANDLE directory)
{
	return open_unix(&directory_name, FILE_DIRECTORY_FILE, directory);
}

typedef NTSTATUS NTAPI notify_function(HANDLE directory, HANDLE event, PIO_APC_ROUTINE routine,
				       PVOID context, PIO_STATUS_BLOCK io, PVOID buffer,
				       ULONG size, ULONG filter, BOOLEAN subtree);

/* Sets the event at the next change of what is in the directory, or of a mode or an owner. */
void node_watch_directory(HANDLE directory, HANDLE event, IO_STATUS_BLOCK *io)
{
	/* The import library of mingw-w64 does not have it. */
	UNICODE_STRING name = RTL_CONSTANT_STRING(L"ZwNotifyChangeDirectoryFile");
	notify_function *notify = MmGetSystemRoutineAddress(&name);

	if (notify)
		notify(directory, event, NULL, NULL, io, NULL, 0,
		       FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_ATTRIBUTES, FALSE);
}

/* The current generation, by the node that every user may read. */
NTSTATUS node_read(struct generation *now)
{
	ULONG_PTR got = 0;
	NTSTATUS status;

	status = read_unix(&public_name, now, sizeof(*now), &got);
	return !status && got != sizeof(*now) ? STATUS_IO_DEVICE_ERROR : status;
}

/*
 * Whether Linux hears of changes (VMGENCOUNTER_WAKEUP, bit 0 of the flags). If not, poll()
 * of the node reports an error all the time, and Wine's server would ask it in a loop.
 */
bool node_notifies(void)
{
	char text[16];
	ULONG_PTR got = 0;
	char last;

	if (read_unix(&flags_name, text, sizeof(text), &got) || got < 2)
		return true;	/* a module that does not tell */
	last = text[got - 2];	/* a hexadecimal digit, before the newline */
	return (last <= '9' ? last - '0' : last - 'a' + 10) & 1;
}
