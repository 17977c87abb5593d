// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmgencounter-win32: requests with an OVERLAPPED, which are pending until the ID changes, and
 * the events that tell; win32_cancel_test cancels them
 */
#include <sys/resource.h>

#include "win32_pending.h"

/* ---- what completes ---- */

TEST_F_TIMEOUT(win32, pending_until_the_change, TEST_TIMEOUT)
{
	ASSERT_TRUE(SetEvent(self->event));
	start(_metadata, self, 0, self->event);
	EXPECT_EQ(WAIT_TIMEOUT, (int)WaitForSingleObject(self->event, 0));
	if (self->fast) {
		ASSERT_EQ(0, spurious_notify());
		EXPECT_PENDING(self->file, &self->call[0].overlapped);
	}
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->event, INFINITE));
	EXPECT_TRUE(HasOverlappedIoCompleted(&self->call[0].overlapped));
	expect_end(_metadata, self, 0, 0);
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->event, 0));
}

/* Without an event the handle itself tells. */
TEST_F_TIMEOUT(win32, handle_is_signalled, TEST_TIMEOUT)
{
	if (!self->fast)
		SKIP(return, SLOW);
	start(_metadata, self, 0, NULL);
	EXPECT_EQ(WAIT_TIMEOUT, (int)WaitForSingleObject(self->file, 0));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->file, INFINITE));
	expect_end(_metadata, self, 0, 0);
}

TEST_F_TIMEOUT(win32, what_need_not_wait_is_over_at_once, TEST_TIMEOUT)
{
	const VM_GENCOUNTER other = { 1, 2 };
	struct call *c = &self->call[0];
	DWORD n = 77;

	EXPECT_TRUE(ask(self->file, c, &other, self->event));
	EXPECT_TRUE(same(&self->id, &c->id));
	EXPECT_TRUE(HasOverlappedIoCompleted(&c->overlapped));
	EXPECT_TRUE(GetOverlappedResult(self->file, &c->overlapped, &n, FALSE));
	EXPECT_EQ(16, n);
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->event, 0));
	EXPECT_TRUE(DeviceIoControl(self->file, IOCTL_VMGENCOUNTER_READ, NULL, 0, &c->id, 16, &n,
				    &c->overlapped));
	/* An error that is told at once signals nothing. */
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER,
		     DeviceIoControl(self->file, IOCTL_VMGENCOUNTER_READ, NULL, 0, &c->id, 15, &n,
				     &c->overlapped));
	EXPECT_EQ(0, n);
	EXPECT_EQ(WAIT_TIMEOUT, (int)WaitForSingleObject(self->event, 0));
}

/* The output is looked at when the request is on its way. */
TEST_F_TIMEOUT(win32, bad_output, TEST_TIMEOUT)
{
	struct call *c = &self->call[0];
	DWORD n = 77;

	memset(c, 0, sizeof(*c));
	c->id = self->id;
	EXPECT_FAILS(ERROR_IO_PENDING,
		     DeviceIoControl(self->file, IOCTL_VMGENCOUNTER_READ, &c->id, 16,
				     page_edge(8, PROT_NONE), 16, &n, &c->overlapped));
	expect_end(_metadata, self, 0, ERROR_NOACCESS);
}

/* METHOD_BUFFERED: what the input says later does not matter. */
TEST_F_TIMEOUT(win32, input_is_the_program_s_at_once, TEST_TIMEOUT)
{
	VM_GENCOUNTER known = self->id;
	struct call *c = &self->call[0];

	if (!self->fast)
		SKIP(return, SLOW);
	memset(c, 0, sizeof(*c));
	EXPECT_FAILS(ERROR_IO_PENDING,
		     DeviceIoControl(self->file, IOCTL_VMGENCOUNTER_READ, &known, 16, &c->id, 16,
				     NULL, &c->overlapped));
	memset(&known, 0, sizeof(known));
	ASSERT_EQ(0, spurious_notify());
	EXPECT_PENDING(self->file, &c->overlapped);
	ASSERT_EQ(0, new_generation());
	expect_end(_metadata, self, 0, 0);
}

TEST_F_TIMEOUT(win32, many, TEST_TIMEOUT)
{
	int i, threads = count_threads();

	for (i = 0; i < MANY; i++)
		start(_metadata, self, i, NULL);
	threads = count_threads() - threads;
	EXPECT_EQ(kernel_has_commands() && !variant->backend[0] ? 1 : MANY, threads);
	ASSERT_EQ(0, new_generation());
	for (i = 0; i < MANY; i++)
		expect_end(_metadata, self, i, 0);
	EXPECT_FAILS(ERROR_NOT_FOUND, CancelIoEx(self->file, NULL));
}

/* A handle that was not opened for it: the call waits, and the OVERLAPPED says the same. */
TEST_F_TIMEOUT(win32, overlapped_of_another_handle, TEST_TIMEOUT)
{
	HANDLE file = open_as(NAME, BOTH);
	const VM_GENCOUNTER other = { 1, 2 };
	struct call *c = &self->call[0];

	EXPECT_TRUE(ask(file, c, &other, self->event));
	EXPECT_EQ(16, c->overlapped.InternalHigh);
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->event, 0));
	c->overlapped.hEvent = file;
	EXPECT_FAILS(ERROR_INVALID_HANDLE, ask(file, c, &other, file));
	CloseHandle(file);
}

TEST_F_TIMEOUT(win32, device_that_goes, TEST_TIMEOUT)
{
	int i;

	for (i = 0; i < 10; i++)
		start(_metadata, self, i, NULL);
	ASSERT_EQ(0, write_text(DRIVER "/unbind", self->device));
	for (i = 0; i < 10; i++)
		expect_end(_metadata, self, i, ERROR_DEVICE_REMOVED);
}

/* Nor is there room for a ring. What was before the request is as it was. */
TEST_F_TIMEOUT(win32, no_thread_for_a_request, TEST_TIMEOUT)
{
	const struct rlimit none = { 0, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct call *c = &self->call[0];

	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &none));
	EXPECT_FAILS(ERROR_NO_SYSTEM_RESOURCES, ask(self->file, c, &self->id, self->event));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &all));
	EXPECT_EQ(WAIT_TIMEOUT, (int)WaitForSingleObject(self->event, 0));
	EXPECT_FAILS(ERROR_NOT_FOUND, CancelIoEx(self->file, NULL));
	start(_metadata, self, 0, self->event);
	EXPECT_TRUE(CancelIoEx(self->file, NULL));
	expect_end(_metadata, self, 0, ERROR_OPERATION_ABORTED);
}

/* ---- waiting for the result ---- */

TEST_F_TIMEOUT(win32, result_with_a_limit, TEST_TIMEOUT)
{
	OVERLAPPED *overlapped = &self->call[0].overlapped;
	DWORD n = 77;

	start(_metadata, self, 0, NULL);
	EXPECT_FAILS(ERROR_IO_INCOMPLETE,
		     GetOverlappedResultEx(self->file, overlapped, &n, 0, FALSE));
	EXPECT_FAILS(WAIT_TIMEOUT, GetOverlappedResultEx(self->file, overlapped, &n, 1, TRUE));
	EXPECT_FAILS(ERROR_INVALID_HANDLE, GetOverlappedResult(NULL, overlapped, &n, TRUE));
	EXPECT_EQ(77, n);
	EXPECT_TRUE(CancelIoEx(self->file, NULL));
	EXPECT_FAILS(ERROR_OPERATION_ABORTED,
		     GetOverlappedResultEx(self->file, overlapped, &n, INFINITE, FALSE));
}

struct waiter_of_win32 {
	HANDLE counter, stop;
	VM_GENCOUNTER id;
	DWORD error;
};

static void *wait_for_change(void *arg)
{
	struct waiter_of_win32 *w = arg;

	w->error = WaitForChange(w->counter, w->stop, &w->id);
	return NULL;
}

/* The program of follow_overlapped.c: once it is told to stop, once the ID changes. */
TEST_F_TIMEOUT(win32, program_waits_for_both, TEST_TIMEOUT)
{
	struct waiter_of_win32 w = { OpenCounter(), self->event, self->id, 77 };
	pthread_t thread;

	ASSERT_NE(INVALID_HANDLE_VALUE, w.counter);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_change, &w));
	EXPECT_TRUE(SetEvent(self->event));
	pthread_join(thread, NULL);
	EXPECT_EQ(ERROR_OPERATION_ABORTED, (int)w.error);
	EXPECT_TRUE(ResetEvent(self->event));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_change, &w));
	ASSERT_EQ(0, new_generation());
	pthread_join(thread, NULL);
	EXPECT_EQ(0, w.error);
	EXPECT_FALSE(same(&self->id, &w.id));
	CloseHandle(w.counter);
}

TEST_HARNESS_MAIN
