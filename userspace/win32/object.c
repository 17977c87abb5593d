// SPDX-License-Identifier: MIT
/*
 * Handles, events, and waiting for what they stand for
 *
 * Lifetime: a handle is a place in a table, until it is closed; the place is used again. The
 * object goes with its last reference, which a request or somebody who waits may have.
 *
 * Locks: win32_lock. There is one condition for all that is waited for, as there is little.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "win32.h"

#define HANDLE_STEP	4	/* Windows ignores the two lowest bits, too */

pthread_mutex_t win32_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;

static struct win32_object **table;
static size_t places;

/* Before what C++ does for a program's own objects. */
static void __attribute__((constructor(101))) init_condition(void)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* ---- handles ---- */

static bool grow(void)
{
	size_t more = places ? places * 2 : 16;
	struct win32_object **bigger = realloc(table, more * sizeof(*table));

	if (!bigger)
		return false;
	memset(bigger + places, 0, (more - places) * sizeof(*table));
	table = bigger;
	places = more;
	return true;
}

HANDLE win32_open(struct win32_object *object)
{
	HANDLE handle = NULL;
	size_t i = 0;

	object->references = 1;
	pthread_mutex_lock(&win32_lock);
	while (i < places && table[i])
		i++;
	if (i < places || grow()) {
		table[i] = object;
		handle = (HANDLE)((i + 1) * HANDLE_STEP);
	} else {
		win32_put(object);
		win32_fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	pthread_mutex_unlock(&win32_lock);
	return handle;
}

/* With the lock: its place, or NULL. */
static struct win32_object **find(HANDLE handle)
{
	size_t i = (uintptr_t)handle / HANDLE_STEP - 1;

	return i < places && table[i] ? &table[i] : NULL;
}

struct win32_object *win32_get(HANDLE handle, enum win32_kind kind)
{
	struct win32_object **place = find(handle);

	if (!place || (*place)->kind != kind) {
		win32_fail(ERROR_INVALID_HANDLE);
		return NULL;
	}
	(*place)->references++;
	return *place;
}

void win32_put(struct win32_object *object)
{
	if (!--object->references)
		object->free(object);
}

BOOL CloseHandle(HANDLE handle)
{
	struct win32_object **place, *object = NULL;

	pthread_mutex_lock(&win32_lock);
	place = find(handle);
	if (place) {
		object = *place;
		*place = NULL;
		if (object->kind == WIN32_FILE)
			win32_close_file((struct win32_file *)object);
		win32_put(object);
	}
	pthread_mutex_unlock(&win32_lock);
	return object ? TRUE : win32_fail(ERROR_INVALID_HANDLE);
}

/* ---- events ---- */

static void free_event(struct win32_object *object)
{
	free(object);
}

HANDLE CreateEventA(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state,
		    LPCSTR name)
{
	struct win32_object *event;
	HANDLE handle = NULL;

	(void)security;
	if (name) {
		win32_fail(ERROR_NOT_SUPPORTED);
		return NULL;
	}
	event = calloc(1, sizeof(*event));
	if (!event) {
		win32_fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	event->kind = WIN32_EVENT;
	event->free = free_event;
	event->auto_reset = !manual_reset;
	event->signalled = initial_state;
	handle = win32_open(event);
	if (handle)
		SetLastError(ERROR_SUCCESS);
	return handle;
}

HANDLE CreateEventW(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state,
		    LPCWSTR name)
{
	return CreateEventA(security, manual_reset, initial_state, name ? "" : NULL);
}

static BOOL signal_event(HANDLE handle, bool signalled)
{
	struct win32_object *event;

	pthread_mutex_lock(&win32_lock);
	event = win32_get(handle, WIN32_EVENT);
	if (event) {
		event->signalled = signalled;
		win32_changed();
		win32_put(event);
	}
	pthread_mutex_unlock(&win32_lock);
	return !!event;
}

BOOL SetEvent(HANDLE event)
{
	return signal_event(event, true);
}

BOOL ResetEvent(HANDLE event)
{
	return signal_event(event, false);
}

/* ---- waiting ---- */

void win32_changed(void)
{
	pthread_cond_broadcast(&changed);
}

static struct timespec in_milliseconds(DWORD milliseconds)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += milliseconds / 1000;
	end.tv_nsec += milliseconds % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_nsec -= 1000000000L;
		end.tv_sec++;
	}
	return end;
}

bool win32_wait(bool (*is_over)(void *arg), void *arg, DWORD milliseconds)
{
	struct timespec end = in_milliseconds(milliseconds);
	int err = milliseconds ? 0 : ETIMEDOUT;

	while (!is_over(arg)) {
		if (err == ETIMEDOUT)
			return false;
		if (milliseconds == INFINITE)
			pthread_cond_wait(&changed, &win32_lock);
		else
			err = pthread_cond_timedwait(&changed, &win32_lock, &end);
	}
	return true;
}

struct wait {
	struct win32_object *objects[MAXIMUM_WAIT_OBJECTS];
	DWORD count;
	DWORD which;		/* of them, 0 for all */
};

static void take(struct win32_object *object)
{
	if (object->auto_reset)
		object->signalled = false;
}

static bool take_one(void *arg)
{
	struct wait *w = arg;

	for (w->which = 0; w->which < w->count; w->which++) {
		if (w->objects[w->which]->signalled) {
			take(w->objects[w->which]);
			return true;
		}
	}
	return false;
}

/* None is taken before all can be. */
static bool take_all(void *arg)
{
	struct wait *w = arg;
	DWORD i;

	for (i = 0; i < w->count; i++)
		if (!w->objects[i]->signalled)
			return false;
	for (i = 0; i < w->count; i++)
		take(w->objects[i]);
	return true;
}

/* With the lock: references to events and files; 0 if a handle is neither. */
static DWORD get_all(struct wait *w, DWORD count, const HANDLE *handles)
{
	struct win32_object **place;

	for (w->count = 0; w->count < count; w->count++) {
		place = find(handles[w->count]);
		if (!place || (*place)->kind == WIN32_DEVICE_SET)
			return win32_fail(ERROR_INVALID_HANDLE);
		w->objects[w->count] = *place;
		(*place)->references++;
	}
	return count;
}

DWORD WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds)
{
	DWORD result = WAIT_FAILED;
	struct wait w;

	if (!count || count > MAXIMUM_WAIT_OBJECTS) {
		win32_fail(ERROR_INVALID_PARAMETER);
		return WAIT_FAILED;
	}
	w.which = 0;
	pthread_mutex_lock(&win32_lock);
	if (get_all(&w, count, handles))
		result = win32_wait(all ? take_all : take_one, &w, milliseconds) ?
			 WAIT_OBJECT_0 + w.which : WAIT_TIMEOUT;
	while (w.count--)
		win32_put(w.objects[w.count]);
	pthread_mutex_unlock(&win32_lock);
	return result;
}

DWORD WaitForSingleObject(HANDLE handle, DWORD milliseconds)
{
	return WaitForMultipleObjects(1, &handle, FALSE, milliseconds);
}

/* ---- time ---- */

void Sleep(DWORD milliseconds)
{
	struct timespec end = in_milliseconds(milliseconds);
	int err;

	do
		err = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
	while (err == EINTR || milliseconds == INFINITE);
}

ULONGLONG GetTickCount64(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}
