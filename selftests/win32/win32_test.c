// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmgencounter-win32: DeviceIoControl() that waits for itself, its errors, and a program
 * that is compiled as it is
 */
#include <sys/wait.h>

#include "../vmgencounter/vmgen_helpers.h"
#include "win32_helpers.h"
#include "win32.h"

#include <cfgmgr32.h>
#include <setupapi.h>

#include "kselftest_harness.h"

#define DRIVER		"/sys/bus/platform/drivers/vmgencounter"

FIXTURE(win32) {
	HANDLE file;
	VM_GENCOUNTER id;
	DWORD size;
	char device[64];
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
	self->file = open_as(NAME, BOTH);
	ASSERT_NE(INVALID_HANDLE_VALUE, self->file);
	ASSERT_TRUE(poll_id(self->file, &self->id, &self->size));
}

FIXTURE_TEARDOWN(win32)
{
	CloseHandle(self->file);
	if (access(VMGEN_DEVICE, F_OK))
		write_text(DRIVER "/bind", self->device);
}

/* ---- errors ---- */

TEST_F(win32, wrong_sizes)
{
	VM_GENCOUNTER id = self->id;
	DWORD n = 77;

	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER, counter(self->file, NULL, 0, &id, 15, &n));
	EXPECT_EQ(0, n);
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER, counter(self->file, &id, 16, NULL, 0, &n));
	n = 77;
	EXPECT_FAILS(ERROR_INVALID_PARAMETER, counter(self->file, &id, 15, &id, 16, &n));
	EXPECT_EQ(0, n);
	EXPECT_TRUE(same(&self->id, &id));
}

TEST_F(win32, bad_addresses)
{
	char *edge = page_edge(8, PROT_NONE);
	VM_GENCOUNTER id = self->id;
	DWORD n = 77;

	EXPECT_FAILS(ERROR_NOACCESS, counter(self->file, NULL, 0, edge, 16, &n));
	EXPECT_EQ(0, n);
	EXPECT_FAILS(ERROR_NOACCESS, counter(self->file, edge, 16, &id, 16, &n));
	/* Where it has to wait, too. */
	EXPECT_FAILS(ERROR_NOACCESS, counter(self->file, &id, 16, edge, 16, &n));
	/* Microsoft's documents want a place for the size; Windows ends who has none. */
	EXPECT_FAILS(ERROR_NOACCESS, poll_id(self->file, &id, NULL));
}

TEST_F(win32, unknown_codes)
{
	static const DWORD codes[] = {
		0, IOCTL_VPCI_READ_BLOCK, IOCTL_VPCI_INVALIDATE_BLOCK, VMGENCOUNTER_GET_INFO,
		IOCTL_VMGENCOUNTER_READ | METHOD_NEITHER, 0x5421 /* FIONBIO */,
	};
	char memory[256];
	size_t i;
	DWORD n;

	memset(memory, 0xa5, sizeof(memory));
	for (i = 0; i < ARRAY_SIZE(codes); i++)
		EXPECT_FAILS(ERROR_INVALID_FUNCTION,
			     DeviceIoControl(self->file, codes[i], memory, 128, memory, 128, &n,
					     NULL));
	EXPECT_TRUE(all_a5(memory, memory + sizeof(memory)));
}

TEST_F(win32, wrong_handles)
{
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
	const HANDLE wrong[] = { NULL, INVALID_HANDLE_VALUE, event, (HANDLE)0x40000 };
	VM_GENCOUNTER id;
	size_t i;
	DWORD n;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_FAILS(ERROR_INVALID_HANDLE, poll_id(wrong[i], &id, &n));
		EXPECT_FAILS(ERROR_INVALID_HANDLE, CancelIo(wrong[i]));
		EXPECT_FAILS(ERROR_INVALID_HANDLE, CancelIoEx(wrong[i], NULL));
		EXPECT_FAILS(ERROR_INVALID_HANDLE, SetupDiDestroyDeviceInfoList(wrong[i]));
	}
	EXPECT_FAILS(ERROR_INVALID_HANDLE, SetEvent(self->file));
	CloseHandle(event);
	EXPECT_FAILS(ERROR_INVALID_HANDLE, SetEvent(event));
	EXPECT_FAILS(ERROR_INVALID_HANDLE, CloseHandle(event));
}

/* All of the dictionary, what no call here can come to included. */
TEST(dictionary)
{
	static const struct { int err; DWORD error; } rows[] = {
		{ 0, ERROR_SUCCESS }, { ENOBUFS, ERROR_INSUFFICIENT_BUFFER },
		{ EINVAL, ERROR_INVALID_PARAMETER }, { EFAULT, ERROR_NOACCESS },
		{ EACCES, ERROR_ACCESS_DENIED }, { EAGAIN, ERROR_CANT_WAIT },
		{ EBUSY, ERROR_BUSY }, { ENOMEM, ERROR_NO_SYSTEM_RESOURCES },
		{ ECANCELED, ERROR_OPERATION_ABORTED }, { EOPNOTSUPP, ERROR_NOT_SUPPORTED },
		{ EIO, ERROR_IO_DEVICE }, { ENODEV, ERROR_DEVICE_REMOVED },
		{ EINTR, ERROR_OPERATION_ABORTED },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		EXPECT_EQ(status_of(rows[i].err), (uint32_t)win32_status_of(rows[i].err));
		EXPECT_EQ(rows[i].error, win32_error_of(win32_status_of(rows[i].err)));
	}
	EXPECT_EQ(ERROR_INVALID_FUNCTION, (int)win32_error_of(win32_status_of(ENOTTY)));
}

static void *last_error(void *arg)
{
	DWORD *before = arg;

	*before = GetLastError();
	SetLastError(ERROR_BUSY);
	return NULL;
}

TEST(last_error_is_the_thread_s)
{
	DWORD before = 77;
	pthread_t thread;

	SetLastError(ERROR_NOT_READY);
	ASSERT_EQ(0, pthread_create(&thread, NULL, last_error, &before));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, before);
	EXPECT_EQ(ERROR_NOT_READY, (int)GetLastError());
}

/* ---- the counter ---- */

TEST_F(win32, polling)
{
	struct vm_gencounter id;

	ASSERT_EQ(0, peek_id(&id));
	EXPECT_EQ(0, memcmp(&id, &self->id, sizeof(id)));
	EXPECT_EQ(sizeof(id), self->size);
}

TEST_F(win32, another_id_does_not_wait)
{
	VM_GENCOUNTER id = { 1, 2 };

	EXPECT_TRUE(next_id(self->file, &id, &self->size, NULL));
	EXPECT_TRUE(same(&self->id, &id));
	EXPECT_EQ(sizeof(id), self->size);
}

struct sync_call {
	HANDLE file;
	VM_GENCOUNTER id;
	DWORD size, error;
	pthread_t thread;
	pid_t tid;
};

static void *wait_for_next(void *arg)
{
	struct sync_call *c = arg;

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	c->error = next_id(c->file, &c->id, &c->size, NULL) ? 0 : GetLastError();
	return NULL;
}

/* Returns when it sleeps. */
static int start(struct sync_call *c, HANDLE file, const VM_GENCOUNTER *known)
{
	int err;

	*c = (struct sync_call) { .file = file, .id = *known, .size = 77 };
	err = pthread_create(&c->thread, NULL, wait_for_next, c);
	while (!err && !__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE))
		usleep(1000);
	if (!err)
		wait_asleep(c->tid);
	return err;
}

TEST_F_TIMEOUT(win32, event_mode_waits_for_a_change, TEST_TIMEOUT)
{
	struct sync_call c;

	ASSERT_EQ(0, start(&c, self->file, &self->id));
	ASSERT_EQ(0, new_generation());
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.error);
	EXPECT_EQ(16, c.size);
	EXPECT_FALSE(same(&self->id, &c.id));
	ASSERT_TRUE(poll_id(self->file, &self->id, &self->size));
	EXPECT_TRUE(same(&self->id, &c.id));
}

/* Windows has no signals, so the program's do not end a wait. */
TEST_F_TIMEOUT(win32, signals_end_nothing, TEST_TIMEOUT)
{
	struct sync_call c;

	catch_sigusr1(false);
	ASSERT_EQ(0, start(&c, self->file, &self->id));
	pthread_kill(c.thread, SIGUSR1);
	kill(getpid(), SIGUSR1);
	wait_asleep(c.tid);
	EXPECT_TRUE(CancelIoEx(self->file, NULL));
	pthread_join(c.thread, NULL);
	EXPECT_EQ(ERROR_OPERATION_ABORTED, (int)c.error);
	EXPECT_EQ(0, c.size);
	EXPECT_TRUE(same(&self->id, &c.id));
}

TEST_F_TIMEOUT(win32, closing_ends_a_call_that_waits, TEST_TIMEOUT)
{
	struct sync_call c;

	ASSERT_EQ(0, start(&c, self->file, &self->id));
	EXPECT_TRUE(CloseHandle(self->file));
	pthread_join(c.thread, NULL);
	EXPECT_EQ(ERROR_OPERATION_ABORTED, (int)c.error);
	EXPECT_FAILS(ERROR_INVALID_HANDLE, poll_id(self->file, &self->id, &self->size));
}

/* Whether it has begun by then, or not. */
TEST_F_TIMEOUT(win32, closing_while_a_call_begins, TEST_TIMEOUT)
{
	int i, begun = 0, all = rounds(400);
	struct sync_call c;

	for (i = 0; i < all; i++) {
		c = (struct sync_call) { .file = open_as(NAME, BOTH), .id = self->id };
		ASSERT_EQ(0, pthread_create(&c.thread, NULL, wait_for_next, &c));
		while (!(i & 1) && !__atomic_load_n(&c.tid, __ATOMIC_ACQUIRE))
			;
		EXPECT_TRUE(CloseHandle(c.file));
		pthread_join(c.thread, NULL);
		begun += c.error == ERROR_OPERATION_ABORTED;
		EXPECT_TRUE(c.error == ERROR_OPERATION_ABORTED || c.error == ERROR_INVALID_HANDLE)
			TH_LOG("error %d", c.error);
	}
	TH_LOG("%d of %d had begun", begun, all);
}

TEST_F_TIMEOUT(win32, device_that_goes, TEST_TIMEOUT)
{
	GUID guid = GUID_DEVINTERFACE_VM_GENCOUNTER;
	struct sync_call c;
	ULONG n = 0;

	ASSERT_EQ(0, start(&c, self->file, &self->id));
	ASSERT_EQ(0, write_text(DRIVER "/unbind", self->device));
	pthread_join(c.thread, NULL);
	EXPECT_EQ(ERROR_DEVICE_REMOVED, (int)c.error);
	EXPECT_FAILS(ERROR_DEVICE_REMOVED, poll_id(self->file, &self->id, &self->size));
	EXPECT_FAILS(ERROR_DEVICE_REMOVED, next_id(self->file, &self->id, &self->size, NULL));
	EXPECT_NO_FILE(ERROR_FILE_NOT_FOUND, open_as(NAME, BOTH));
	EXPECT_NO_FILE(ERROR_FILE_NOT_FOUND, open_as(NAME, 0));
	EXPECT_EQ(CR_SUCCESS, (int)CM_Get_Device_Interface_List_SizeA(&n, &guid, NULL, 0));
	EXPECT_EQ(1, n);
}

/* ---- a program for Windows, as it is ---- */

TEST_F_TIMEOUT(win32, program_follows_the_generation, TEST_TIMEOUT)
{
	wchar_t *words[] = { L"program", L"wait", NULL };
	char text[256], expected[256];
	VM_GENCOUNTER id;
	int fds[2], status;
	FILE *output;
	pid_t pid;

	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		exit(wmain(2, words));
	}
	close(fds[1]);
	output = fdopen(fds[0], "r");
	ASSERT_NE(NULL, fgets(text, sizeof(text), output));
	snprintf(expected, sizeof(expected), "VmCounterValue: %llx:%llx\n",
		 self->id.GenerationCount, self->id.GenerationCountHigh);
	EXPECT_STREQ(expected, text);
	ASSERT_EQ(0, new_generation());
	ASSERT_NE(NULL, fgets(text, sizeof(text), output));
	ASSERT_TRUE(poll_id(self->file, &id, &self->size));
	snprintf(expected, sizeof(expected), "VmCounterValue changed to: %llx:%llx\n",
		 id.GenerationCount, id.GenerationCountHigh);
	EXPECT_STREQ(expected, text);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	fclose(output);
}

TEST_HARNESS_MAIN
