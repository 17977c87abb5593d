/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What win32_pending_test and win32_cancel_test share: requests with an OVERLAPPED that are
 * pending, by each of the two ways to wait
 */
#ifndef WIN32_PENDING_H
#define WIN32_PENDING_H

#include "../vmgencounter/vmgen_helpers.h"
#include "win32_helpers.h"
#include "kselftest_harness.h"

#define DRIVER	"/sys/bus/platform/drivers/vmgencounter"
#define MANY	100	/* more than the ring's queue has room for */

struct call {
	OVERLAPPED overlapped;
	VM_GENCOUNTER id;	/* input and output */
};

FIXTURE(win32) {
	HANDLE file, event;
	VM_GENCOUNTER id;
	DWORD size;
	struct call call[MANY];
	char device[64];
	bool fast;
};

FIXTURE_VARIANT(win32) {
	const char *backend;
};

FIXTURE_VARIANT_ADD(win32, ring) { "" };
FIXTURE_VARIANT_ADD(win32, threads) { "threads" };

FIXTURE_SETUP(win32)
{
	use_backend(variant->backend);
	device_name(self->device, sizeof(self->device));
	self->fast = fast_device();
	self->file = CreateFileW(NAME, BOTH, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
	ASSERT_NE(INVALID_HANDLE_VALUE, self->file);
	ASSERT_TRUE(poll_id(self->file, &self->id, &self->size));
	self->event = CreateEventA(NULL, TRUE, FALSE, NULL);
	ASSERT_NE(NULL, self->event);
}

FIXTURE_TEARDOWN(win32)
{
	CloseHandle(self->file);
	CloseHandle(self->event);
	if (access(VMGEN_DEVICE, F_OK))
		write_text(DRIVER "/bind", self->device);
}

#define SLOW	"each change is a restored snapshot"

/* It is not over, and nobody is told that it is. */
#define EXPECT_PENDING(file, overlapped) do {				\
	OVERLAPPED *overlapped_ = (overlapped);				\
	DWORD n_ = 77;							\
									\
	EXPECT_FALSE(HasOverlappedIoCompleted(overlapped_));		\
	EXPECT_FAILS(ERROR_IO_INCOMPLETE,				\
		     GetOverlappedResult(file, overlapped_, &n_, FALSE)); \
	EXPECT_EQ(77, n_);						\
} while (0)

static BOOL ask(HANDLE file, struct call *c, const VM_GENCOUNTER *known, HANDLE event)
{
	memset(c, 0, sizeof(*c));
	c->id = *known;
	c->overlapped.hEvent = event;
	return next_id(file, &c->id, NULL, &c->overlapped);
}

static void start(struct __test_metadata *_metadata, FIXTURE_DATA(win32) * self, int i,
		  HANDLE event)
{
	EXPECT_FAILS(ERROR_IO_PENDING, ask(self->file, &self->call[i], &self->id, event));
	EXPECT_PENDING(self->file, &self->call[i].overlapped);
}

/* Wait for its end, and what has become of it. */
static void expect_end(struct __test_metadata *_metadata, FIXTURE_DATA(win32) * self, int i,
		       int error)
{
	struct call *c = &self->call[i];
	DWORD n = 77;

	SetLastError(0);
	EXPECT_EQ(!error, GetOverlappedResult(self->file, &c->overlapped, &n, TRUE));
	EXPECT_EQ(error, (int)GetLastError());
	EXPECT_EQ(error ? 0 : 16, n);
	EXPECT_EQ(n, c->overlapped.InternalHigh);
	EXPECT_EQ(error != 0, same(&self->id, &c->id));
}

#endif /* WIN32_PENDING_H */
