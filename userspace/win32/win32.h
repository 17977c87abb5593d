/* SPDX-License-Identifier: MIT */
/*
 * What the files of libvmgencounter-win32 share: objects behind handles, requests that are
 * pending, and those who carry them out.
 *
 * Lifetime: an object lives as long as there is a reference to it. Its handle is one, until
 * CloseHandle(); a request has two, to its file and to what it signals. A request ends once,
 * in win32_end(), which frees it. The program's OVERLAPPED and buffers are not touched after.
 *
 * Locks: win32_lock is for all that is here, and is not held while anybody waits, except that
 * win32_wait() waits for win32_changed().
 */
#ifndef VMGENCOUNTER_WIN32_H
#define VMGENCOUNTER_WIN32_H

#include <pthread.h>
#include <stdbool.h>

#define VMGENCOUNTER_WIN32_NO_PRINT
#include <windows.h>

#include <linux/devioctl.h>
#include <linux/vmgencounter.h>
#include <linux/vpci.h>

/* ---- errors ---- */

/* One of the dictionary of <linux/devioctl.h>: what Windows has for an errno. */
NTSTATUS win32_status_of(int err);
DWORD win32_error_of(NTSTATUS status);

/* Sets the last error: FALSE. */
BOOL win32_fail(DWORD error);

/* ---- objects ---- */

enum win32_kind { WIN32_EVENT, WIN32_FILE, WIN32_DEVICE_SET };

struct win32_object {
	enum win32_kind kind;
	unsigned int references;
	bool signalled;
	bool auto_reset;		/* who waits for it takes the signal away */
	void (*free)(struct win32_object *object);
};

struct win32_file {
	struct win32_object object;	/* signalled when a request ends that has no event */
	int fd;
	int fd_now;	/* of the counter, O_NONBLOCK, else -1: what need not wait */
	DWORD rights;			/* FILE_READ_ACCESS, FILE_WRITE_ACCESS */
	bool overlapped;
	bool closed;			/* its handle: nothing more begins */
	int cancel_code;		/* VMGENCOUNTER_CANCEL or VPCI_CANCEL */
};

extern pthread_mutex_t win32_lock;

/* A new handle takes the reference over; NULL and the last error if there is no memory. */
HANDLE win32_open(struct win32_object *object);

/* With the lock: a reference, or NULL and the last error. */
struct win32_object *win32_get(HANDLE handle, enum win32_kind kind);
void win32_put(struct win32_object *object);

/* With the lock: those who wait look again. */
void win32_changed(void);

/* With the lock: wait until it is over; false if the time is. */
bool win32_wait(bool (*is_over)(void *arg), void *arg, DWORD milliseconds);

/* ---- requests ---- */

struct win32_request {
	struct win32_request *next;
	struct win32_file *file;
	struct win32_object *signal;	/* its event, or its file */
	OVERLAPPED *overlapped;
	pthread_t caller;
	DWORD code;
	bool cancelled;
	bool begun, cancel_begun;	/* for a ring */
	pthread_t worker;		/* for threads */
	struct vm_gencounter known;	/* the counter's input, which is the program's no more */
	struct devioctl_request block;
};

/* Those that are pending, of all files. */
extern struct win32_request *win32_requests;

/* With the lock. */
void win32_end(struct win32_request *request, int err);

/* With the lock: cancel those of a file; false if there are none. */
bool win32_cancel(struct win32_file *file, const OVERLAPPED *overlapped, const pthread_t *caller);

/* With the lock: the same for all of them, and what is about to begin. */
void win32_close_file(struct win32_file *file);

/*
 * Who carries requests out, both with the lock. One that is begun ends by win32_end(), in a
 * thread of theirs; 0 or an errno, and it is not begun. One that is cancelled ends soon, unless
 * the host has been asked to write.
 */
struct win32_backend {
	int (*begin)(struct win32_request *request);
	void (*cancel)(struct win32_request *request);
};

extern const struct win32_backend win32_threads;

/* A ring, or NULL where there is none, or it does not take the commands of this file. */
const struct win32_backend *win32_ring(const struct win32_file *file);

/* ---- names ---- */

#define WIN32_COUNTER_PATH	"/dev/vmgencounter"
#define WIN32_COUNTER_NAME	"ACPI#VM_Gen_Counter#0#" VM_GENCOUNTER_INTERFACE_GUID
#define WIN32_VPCI_DIRECTORY	"/dev/vpci/"
#define WIN32_VPCI_PREFIX	"VPCI#"
#define WIN32_VPCI_SUFFIX	"#{57863182-c948-4692-97e3-34b57662a3e0}"
#define WIN32_NAME_MAX		128

/* ASCII alone, with a ? for all else; false if it is too long. */
bool win32_narrow(const wchar_t *wide, char *narrow, size_t size);

#endif /* VMGENCOUNTER_WIN32_H */
