// SPDX-License-Identifier: MIT
/*
 * DeviceIoControl(), what becomes of it, and how it is cancelled
 *
 * What need not wait is done at once, by the caller's own thread: the counter's polling mode,
 * and its event-driven mode where the ID is another one already. All else is a request that
 * win32_ring() or win32_threads carries out. It is pending at first, also where the caller
 * waits for it because there is no OVERLAPPED, so that CancelIoEx() and CloseHandle() end that,
 * too.
 *
 * Lifetime and locks: see win32.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "win32.h"

struct win32_request *win32_requests;

/* With the lock: who carries out all requests of this process, as the first one finds. */
static const struct win32_backend *backend_for(const struct win32_file *file)
{
	static const struct win32_backend *backend;
	const char *wish;

	if (!backend) {
		wish = getenv("VMGENCOUNTER_WIN32_BACKEND");
		if (!wish || strcmp(wish, "threads"))
			backend = win32_ring(file);
		if (!backend)
			backend = &win32_threads;
	}
	return backend;
}

/* ---- the end ---- */

static void unlink_request(const struct win32_request *request)
{
	struct win32_request **at = &win32_requests;

	while (*at && *at != request)
		at = &(*at)->next;
	if (*at)
		*at = request->next;
}

/* With the lock. @signal: as an error that is told at once signals nothing. */
static void finish(struct win32_request *request, int err, bool signal)
{
	OVERLAPPED *overlapped = request->overlapped;

	unlink_request(request);
	overlapped->InternalHigh = err ? 0 : request->block.information;
	/* Last, as the program may look without the lock. */
	__atomic_store_n(&overlapped->Internal, (unsigned int)win32_status_of(err),
			 __ATOMIC_RELEASE);
	if (signal)
		request->signal->signalled = true;
	win32_changed();
	win32_put(request->signal);
	win32_put(&request->file->object);
	free(request);
}

void win32_end(struct win32_request *request, int err)
{
	finish(request, err, true);
}

/* A program may have no place for how much it was; Windows ends one that does. */
static BOOL result_of(const OVERLAPPED *overlapped, LPDWORD transferred)
{
	NTSTATUS status = __atomic_load_n(&overlapped->Internal, __ATOMIC_ACQUIRE);
	DWORD error = win32_error_of(status);

	if (transferred)
		*transferred = overlapped->InternalHigh;
	return error ? win32_fail(error) : TRUE;
}

static bool is_complete(void *overlapped)
{
	return HasOverlappedIoCompleted((OVERLAPPED *)overlapped);
}

/* ---- the beginning ---- */

/* As Windows does before a driver sees it: the right that the code names. */
static bool is_allowed(const struct win32_file *file, DWORD code)
{
	DWORD needed = code >> 14 & (FILE_READ_ACCESS | FILE_WRITE_ACCESS);

	return (file->rights & needed) == needed;
}

/* No other code goes to the kernel, where its number may mean something else. */
static bool is_known(DWORD code)
{
	return code == IOCTL_VMGENCOUNTER_READ || code == IOCTL_VPCI_INVALIDATE_BLOCK ||
	       code == IOCTL_VPCI_READ_BLOCK || code == IOCTL_VPCI_WRITE_BLOCK;
}

/* With the lock: references to the file and to what is signalled, or NULL and the last error. */
static struct win32_request *new_request(HANDLE device, OVERLAPPED *overlapped)
{
	struct win32_request *request = calloc(1, sizeof(*request));
	HANDLE event = overlapped->hEvent;
	struct win32_object *file;

	if (!request) {
		win32_fail(ERROR_NO_SYSTEM_RESOURCES);
		return NULL;
	}
	request->overlapped = overlapped;
	request->caller = pthread_self();
	file = win32_get(device, WIN32_FILE);
	request->file = (struct win32_file *)file;
	if (file)
		request->signal = event ? win32_get(event, WIN32_EVENT) :
					  win32_get(device, WIN32_FILE);
	if (request->signal)
		return request;
	if (file)
		win32_put(file);
	free(request);
	return NULL;
}

/* EAGAIN: it has to wait. No lock, as the kernel may take its time with the program's memory. */
static int try_now(struct win32_request *request)
{
	const struct win32_file *file = request->file;

	int err = EAGAIN;

	if (!is_allowed(file, request->code))
		err = EACCES;
	else if (!is_known(request->code))
		err = ENOTTY;
	else if (file->fd_now >= 0)
		err = ioctl(file->fd_now, request->code, &request->block) ? errno : 0;
	return err;
}

/*
 * With the lock. The counter's input is the program's again at once, as METHOD_BUFFERED means.
 * It can be read: the kernel has just done so.
 */
static int begin(struct win32_request *request)
{
	struct devioctl_request *block = &request->block;
	int err;

	if (request->file->fd_now >= 0) {
		memcpy(&request->known, (void *)(uintptr_t)block->in_buffer,
		       sizeof(request->known));
		block->in_buffer = (uintptr_t)&request->known;
		block->in_size = sizeof(request->known);
	}
	request->next = win32_requests;
	win32_requests = request;
	err = request->file->closed ? ECANCELED : backend_for(request->file)->begin(request);
	if (err)
		finish(request, err, false);
	return err;
}

/* Is it pending? If not, it has ended. */
static bool run(struct win32_request *request)
{
	OVERLAPPED *overlapped = request->overlapped;
	bool pending;
	int err;

	pthread_mutex_lock(&win32_lock);
	request->signal->signalled = false;
	pthread_mutex_unlock(&win32_lock);
	overlapped->InternalHigh = 0;
	__atomic_store_n(&overlapped->Internal, STATUS_PENDING, __ATOMIC_RELEASE);
	err = try_now(request);
	pthread_mutex_lock(&win32_lock);
	pending = err == EAGAIN && !begin(request);
	if (err != EAGAIN)
		finish(request, err, !err);
	pthread_mutex_unlock(&win32_lock);
	return pending;
}

static void wait_for(OVERLAPPED *overlapped)
{
	pthread_mutex_lock(&win32_lock);
	win32_wait(is_complete, overlapped, INFINITE);
	pthread_mutex_unlock(&win32_lock);
}

BOOL DeviceIoControl(HANDLE device, DWORD code, LPVOID in, DWORD in_size, LPVOID out,
		     DWORD out_size, LPDWORD returned, LPOVERLAPPED overlapped)
{
	OVERLAPPED own = { .hEvent = NULL };
	struct win32_request *request;
	bool waits;

	if (returned)
		*returned = 0;
	else if (!overlapped)
		return win32_fail(ERROR_NOACCESS);
	pthread_mutex_lock(&win32_lock);
	request = new_request(device, overlapped ? overlapped : &own);
	waits = request && !(overlapped && request->file->overlapped);
	pthread_mutex_unlock(&win32_lock);
	if (!request)
		return FALSE;
	request->code = code;
	request->block = (struct devioctl_request) {
		.in_buffer = (uintptr_t)in, .in_size = in_size,
		.out_buffer = (uintptr_t)out, .out_size = out_size,
	};
	if (!overlapped)
		overlapped = &own;
	if (run(request)) {
		if (!waits)
			return win32_fail(ERROR_IO_PENDING);
		wait_for(overlapped);
	}
	return result_of(overlapped, returned);
}

/* ---- what became of it ---- */

BOOL GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred,
			   DWORD milliseconds, BOOL alertable)
{
	struct win32_object *object = NULL;
	bool over;

	(void)alertable;
	if (!HasOverlappedIoCompleted(overlapped)) {
		pthread_mutex_lock(&win32_lock);
		if (!overlapped->hEvent) {
			object = win32_get(file, WIN32_FILE);
			if (!object) {
				pthread_mutex_unlock(&win32_lock);
				return FALSE;
			}
		}
		over = win32_wait(is_complete, overlapped, milliseconds);
		if (object)
			win32_put(object);
		pthread_mutex_unlock(&win32_lock);
		if (!over)
			return win32_fail(milliseconds ? WAIT_TIMEOUT : ERROR_IO_INCOMPLETE);
	}
	return result_of(overlapped, transferred);
}

BOOL GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred, BOOL wait)
{
	return GetOverlappedResultEx(file, overlapped, transferred, wait ? INFINITE : 0, FALSE);
}

/* ---- cancelling ---- */

bool win32_cancel(struct win32_file *file, const OVERLAPPED *overlapped, const pthread_t *caller)
{
	struct win32_request *r;
	bool found = false;

	for (r = win32_requests; r; r = r->next) {
		if (r->file != file || (overlapped && r->overlapped != overlapped) ||
		    (caller && !pthread_equal(r->caller, *caller)))
			continue;
		found = true;
		if (!r->cancelled) {
			__atomic_store_n(&r->cancelled, true, __ATOMIC_RELEASE);
			backend_for(file)->cancel(r);
		}
	}
	return found;
}

void win32_close_file(struct win32_file *file)
{
	file->closed = true;
	win32_cancel(file, NULL, NULL);
}

static BOOL cancel(HANDLE handle, const OVERLAPPED *overlapped, const pthread_t *caller,
		   bool *found)
{
	struct win32_object *file;

	pthread_mutex_lock(&win32_lock);
	file = win32_get(handle, WIN32_FILE);
	if (file) {
		*found = win32_cancel((struct win32_file *)file, overlapped, caller);
		win32_put(file);
	}
	pthread_mutex_unlock(&win32_lock);
	return !!file;
}

BOOL CancelIoEx(HANDLE file, LPOVERLAPPED overlapped)
{
	bool found;

	if (!cancel(file, overlapped, NULL, &found))
		return FALSE;
	return found ? TRUE : win32_fail(ERROR_NOT_FOUND);
}

BOOL CancelIo(HANDLE file)
{
	const pthread_t self = pthread_self();
	bool found;

	return cancel(file, NULL, &self, &found);
}
