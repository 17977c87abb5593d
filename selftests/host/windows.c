// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libvmgencounter-win32 does without a device: events, waits, messages, and Windows'
 * formats. win32_headers_test runs it.
 */
#include <pthread.h>
#include <unistd.h>

#include "../win32/win32_helpers.h"
#include "kselftest_harness.h"

#undef VMGENCOUNTER_WIN32_NO_PRINT
#include <win32_print.h>

/* The C library's again, for the harness. */
#undef printf
#undef fprintf
#undef snprintf

FIXTURE(events) {
	HANDLE manual, automatic, both[2];
};

FIXTURE_SETUP(events)
{
	SetLastError(0xdead);
	self->manual = CreateEventW(NULL, TRUE, FALSE, NULL);
	self->automatic = CreateEventA(NULL, FALSE, FALSE, NULL);
	ASSERT_NE(NULL, self->manual);
	ASSERT_NE(NULL, self->automatic);
	EXPECT_EQ(ERROR_SUCCESS, (int)GetLastError());
	self->both[0] = self->manual;
	self->both[1] = self->automatic;
}

FIXTURE_TEARDOWN(events)
{
	EXPECT_TRUE(CloseHandle(self->manual));
	EXPECT_TRUE(CloseHandle(self->automatic));
}

static DWORD look(HANDLE event)
{
	return WaitForSingleObject(event, 0);
}

TEST_F(events, manual_reset)
{
	EXPECT_EQ(WAIT_TIMEOUT, (int)look(self->manual));
	EXPECT_TRUE(SetEvent(self->manual));
	EXPECT_EQ(WAIT_OBJECT_0, (int)look(self->manual));
	EXPECT_EQ(WAIT_OBJECT_0, (int)look(self->manual));
	EXPECT_TRUE(ResetEvent(self->manual));
	EXPECT_EQ(WAIT_TIMEOUT, (int)look(self->manual));
}

TEST_F(events, auto_reset)
{
	EXPECT_TRUE(SetEvent(self->automatic));
	EXPECT_TRUE(SetEvent(self->automatic));
	EXPECT_EQ(WAIT_OBJECT_0, (int)look(self->automatic));
	EXPECT_EQ(WAIT_TIMEOUT, (int)look(self->automatic));
}

TEST_F(events, any_of_two)
{
	EXPECT_EQ(WAIT_TIMEOUT, (int)WaitForMultipleObjects(2, self->both, FALSE, 0));
	SetEvent(self->automatic);
	EXPECT_EQ(WAIT_OBJECT_0 + 1, (int)WaitForMultipleObjects(2, self->both, FALSE, INFINITE));
	SetEvent(self->automatic);
	SetEvent(self->manual);
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForMultipleObjects(2, self->both, FALSE, 0));
	EXPECT_EQ(WAIT_OBJECT_0, (int)look(self->automatic));
}

/* None is taken before all can be. */
TEST_F(events, all_of_two)
{
	SetEvent(self->automatic);
	EXPECT_EQ(WAIT_TIMEOUT, (int)WaitForMultipleObjects(2, self->both, TRUE, 1));
	EXPECT_EQ(WAIT_OBJECT_0, (int)look(self->automatic));
	SetEvent(self->automatic);
	SetEvent(self->manual);
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForMultipleObjects(2, self->both, TRUE, INFINITE));
	EXPECT_EQ(WAIT_TIMEOUT, (int)look(self->automatic));
	EXPECT_EQ(WAIT_OBJECT_0, (int)look(self->manual));
}

static void *set_event(void *event)
{
	usleep(10000);
	SetEvent(event);
	return NULL;
}

TEST_F(events, waiter_is_woken)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, set_event, self->automatic));
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->automatic, INFINITE));
	pthread_join(thread, NULL);
}

TEST_F(events, many)
{
	HANDLE handles[MAXIMUM_WAIT_OBJECTS + 1];
	int i;

	for (i = 0; i <= MAXIMUM_WAIT_OBJECTS; i++)
		handles[i] = CreateEventA(NULL, TRUE, TRUE, NULL);
	EXPECT_EQ(WAIT_OBJECT_0,
		  (int)WaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS, handles, TRUE, 0));
	SetLastError(0);
	EXPECT_EQ(WAIT_FAILED, WaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS + 1, handles, TRUE, 0));
	EXPECT_EQ(ERROR_INVALID_PARAMETER, (int)GetLastError());
	EXPECT_EQ(WAIT_FAILED, WaitForMultipleObjects(0, handles, TRUE, 0));
	for (i = 0; i <= MAXIMUM_WAIT_OBJECTS; i++)
		EXPECT_TRUE(CloseHandle(handles[i]));
	EXPECT_EQ(WAIT_FAILED, WaitForMultipleObjects(2, handles, TRUE, 0));
	EXPECT_EQ(ERROR_INVALID_HANDLE, (int)GetLastError());
}

TEST_F(events, names_are_refused)
{
	SetLastError(0);
	EXPECT_EQ(NULL, CreateEventW(NULL, TRUE, FALSE, L"name"));
	EXPECT_EQ(ERROR_NOT_SUPPORTED, (int)GetLastError());
}

TEST(clock_and_sleep)
{
	ULONGLONG before = GetTickCount64();

	Sleep(20);
	EXPECT_LE(before + 19, GetTickCount64());
}

TEST(hresults)
{
	EXPECT_EQ(S_OK, HRESULT_FROM_WIN32(ERROR_SUCCESS));
	EXPECT_EQ((HRESULT)0x80070002, HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND));
	EXPECT_EQ(E_ACCESSDENIED, HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED));
	EXPECT_EQ(E_FAIL, HRESULT_FROM_WIN32(E_FAIL));
	EXPECT_TRUE(FAILED(HRESULT_FROM_WIN32(ERROR_BUSY)) && SUCCEEDED(S_FALSE));
	EXPECT_EQ(ERROR_BUSY, HRESULT_CODE(HRESULT_FROM_WIN32(ERROR_BUSY)));
}

TEST(messages)
{
	const DWORD from_system = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
	wchar_t *wide = NULL;
	char narrow[64];

	EXPECT_EQ(19, FormatMessageA(from_system, NULL, ERROR_ACCESS_DENIED, 0, narrow, 64, NULL));
	EXPECT_STREQ("Access is denied.\r\n", narrow);
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER,
		     FormatMessageA(from_system, NULL, ERROR_ACCESS_DENIED, 0, narrow, 19, NULL));
	EXPECT_FAILS(ERROR_MR_MID_NOT_FOUND,
		     FormatMessageA(from_system, NULL, 0xdead, 0, narrow, 64, NULL));
	EXPECT_FAILS(ERROR_INVALID_PARAMETER, FormatMessageA(0, NULL, 5, 0, narrow, 64, NULL));
	EXPECT_EQ(19, FormatMessageW(from_system | FORMAT_MESSAGE_ALLOCATE_BUFFER, NULL,
				     ERROR_ACCESS_DENIED, 0, (void *)&wide, 0, NULL));
	EXPECT_EQ(0, wcscmp(L"Access is denied.\r\n", wide));
	EXPECT_EQ(NULL, LocalFree(wide));
}

/* ---- formats ---- */

#define EXPECT_PRINTS(expected, ...) do {				\
	const char *expected_ = (expected);				\
	char text_[128];						\
									\
	EXPECT_EQ(strlen(expected_),					\
		  (size_t)win32_snprintf(text_, sizeof(text_), __VA_ARGS__)); \
	EXPECT_STREQ(expected_, text_);					\
} while (0)

#define EXPECT_PRINTS_WIDE(expected, ...) do {				\
	const wchar_t *expected_ = (expected);				\
	wchar_t text_[128];						\
									\
	EXPECT_EQ(wcslen(expected_),					\
		  (size_t)win32_swprintf(text_, 128, __VA_ARGS__));	\
	EXPECT_EQ(0, wcscmp(expected_, text_)) TH_LOG("%ls", text_);	\
} while (0)

TEST(formats)
{
	const DWORD dword = 0xfedcba98;
	const LONG negative = -5;
	const ULONGLONG big = 0x123456789abcdef0;

	EXPECT_PRINTS("123456789abcdef0:77", "%I64x:%d", big, 77);
	EXPECT_PRINTS("-5 4275878552 FEDCBA98", "%ld %lu %lX", negative, dword, dword);
	EXPECT_PRINTS("-5 -5 4275878552", "%I32d %lld %u", negative, -5LL, dword);
	EXPECT_PRINTS("100% 00000077", "%d%% %08I64x", 100, 0x77ULL);
	EXPECT_PRINTS("narrow wide w", "%s %S %C", "narrow", L"wide", L'w');
	EXPECT_PRINTS("narrow wide  wide", "%hs %ls %5ws", "narrow", L"wide", L"wide");
	EXPECT_PRINTS("12 1.50 c", "%Iu %.2lf %c", (size_t)12, 1.5, 'c');
	EXPECT_PRINTS("   77|77   |", "%*d|%-*I64d|", 5, 77, 5, 77LL);
	EXPECT_PRINTS("", "%s", "");
	EXPECT_PRINTS_WIDE(L"123456789abcdef0:wide", L"%I64x:%s", big, L"wide");
	EXPECT_PRINTS_WIDE(L"narrow narrow wide", L"%S %hs %ls", "narrow", "narrow", L"wide");
	EXPECT_PRINTS_WIDE(L"w n -5 5", L"%c %C %ld %d", L'w', 'n', negative, 5);
}

TEST(format_without_room)
{
	wchar_t text[4];

	EXPECT_EQ(-1, win32_swprintf(text, 4, L"%s", L"four"));
	EXPECT_EQ(3, win32_swprintf(text, 4, L"%s", L"and"));
}

/* On Windows one stream takes both. */
TEST(wide_and_narrow_in_one_stream)
{
	char text[64] = "";
	FILE *stream = tmpfile();

	ASSERT_NE(NULL, stream);
	EXPECT_EQ(5, win32_fprintf(stream, "one%s", "\r\n"));
	EXPECT_EQ(6, win32_fwprintf(stream, L"%s\u2026?\n", L"two"));
	EXPECT_EQ(6, win32_fprintf(stream, "%S\n", L"three"));
	rewind(stream);
	EXPECT_EQ(17, fread(text, 1, sizeof(text), stream));
	EXPECT_STREQ("one\r\ntwo??\nthree\n", text);
	fclose(stream);
}

TEST_HARNESS_MAIN
