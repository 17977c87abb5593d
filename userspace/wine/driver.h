/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of vmgencounter.sys share. Calls go one way:
 *
 *	driver.c	the device as Windows programs see it, and their requests
 *	watch.c		a thread: the node comes and goes, the generation changes
 *	requests.c	requests that wait for the next generation
 *	node.c		the files of Linux
 *
 * There is one device, so its state is in static variables of these files.
 */
#ifndef VMGENCOUNTER_WINE_DRIVER_H
#define VMGENCOUNTER_WINE_DRIVER_H

#include <stdbool.h>
#include <ntifs.h>

/* VM_GENCOUNTER on Windows, and the 16 bytes that read() of the node gives. */
struct generation {
	ULONGLONG low;
	ULONGLONG high;
};

static inline bool is_same(const struct generation *a, const struct generation *b)
{
	return a->low == b->low && a->high == b->high;
}

/* node.c */
NTSTATUS node_open(PHANDLE node);
NTSTATUS node_open_directory(PHANDLE directory);
void node_watch_directory(HANDLE directory, HANDLE event, IO_STATUS_BLOCK *io);
NTSTATUS node_read(struct generation *now);
bool node_notifies(void);

/* requests.c */
void requests_init(void);
void requests_allow(void);
void requests_refuse(NTSTATUS why);
NTSTATUS requests_add(IRP *irp);
bool requests_take(IRP *irp);
void requests_wake(const struct generation *now);
void requests_end(FILE_OBJECT *file, NTSTATUS status);
NTSTATUS request_finish(IRP *irp, NTSTATUS status, const struct generation *now);

/* watch.c */
NTSTATUS watch_start(void (*show)(bool there));
void watch_stop(void);

#endif /* VMGENCOUNTER_WINE_DRIVER_H */
