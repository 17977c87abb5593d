// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmgencounter-win32 on a device that cannot notify: see deaf_test
 */
#include "../vmgencounter/vmgen_helpers.h"
#include "win32_helpers.h"
#include "kselftest_harness.h"

/* As on the Windows versions that lack the event-driven mode, whatever ID it is given. */
TEST(event_mode_is_refused)
{
	VM_GENCOUNTER id, stale = { 1, 2 };
	HANDLE file = open_as(NAME, BOTH);
	OVERLAPPED overlapped = { .hEvent = NULL };
	DWORD n;

	ASSERT_TRUE(poll_id(file, &id, &n));
	EXPECT_FAILS(ERROR_NOT_SUPPORTED, next_id(file, &id, &n, NULL));
	EXPECT_EQ(0, n);
	EXPECT_FAILS(ERROR_NOT_SUPPORTED, next_id(file, &stale, &n, &overlapped));
	EXPECT_TRUE(HasOverlappedIoCompleted(&overlapped));
	CloseHandle(file);
}

TEST_HARNESS_MAIN
