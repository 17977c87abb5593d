// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmgencounter-win32 and the configuration blocks of a PCI function: the three requests as a
 * program for Windows makes them, what they come to, and how they are cancelled
 */
#include "../vpci/vpci_helpers.h"
#include "win32_helpers.h"

#include <cfgmgr32.h>
#include <vpci.h>

#include "kselftest_harness.h"

#define BLOCK	3
#define MANY	24	/* more than the host is given at once */

struct call {
	OVERLAPPED overlapped;
	VPCI_READ_BLOCK_INPUT in;
	UCHAR out[VPCI_BLOCK_SIZE_MAX];	/* 0xa5 at first */
};

union write_input {
	VPCI_WRITE_BLOCK_INPUT head;
	char room[FIELD_OFFSET(VPCI_WRITE_BLOCK_INPUT, Data) + VPCI_BLOCK_SIZE_MAX];
};

FIXTURE(win32) {
	HANDLE file, event;	/* the latter of what is started, or NULL */
	char name[64];
	UCHAR block[VPCI_BLOCK_SIZE_MAX];
	union write_input write;
	struct host_counters before;
	struct call call[MANY];
	OVERLAPPED written;
	DWORD n;
};

FIXTURE_VARIANT(win32) {
	const char *backend;
};

FIXTURE_VARIANT_ADD(win32, ring) { "" };
FIXTURE_VARIANT_ADD(win32, threads) { "threads" };

static HANDLE open_name(const char *name, DWORD access)
{
	return CreateFileA(name, access, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
}

FIXTURE_SETUP(win32)
{
	use_backend(variant->backend);
	ASSERT_EQ(0, load_module("vpci_block"));
	ASSERT_EQ(0, reset_host());
	fill_pattern(self->block, sizeof(self->block), 1);
	ASSERT_EQ(0, host_block(BLOCK, self->block, sizeof(self->block)));
	snprintf(self->name, sizeof(self->name), "\\\\.\\VPCI#%s", function_name("00.0"));
	self->file = open_name(self->name, BOTH);
	ASSERT_NE(INVALID_HANDLE_VALUE, self->file);
	self->write.head.BlockId = BLOCK;
	self->write.head.DataLength = VPCI_BLOCK_SIZE_MAX;
	memcpy(self->write.head.Data, self->block, VPCI_BLOCK_SIZE_MAX);
	self->before = host_counters();
}

/* Nothing of it is left anywhere. */
FIXTURE_TEARDOWN(win32)
{
	CloseHandle(self->file);
	EXPECT_EQ(0, host("release"));
	EXPECT_EQ(self->before.errors, host_counters().errors);
	wait_unused("vpci_block");
	EXPECT_EQ(0, unload_module("vpci_block"));
}

static BOOL read_now(HANDLE file, DWORD requested, void *out, DWORD size, DWORD *n)
{
	VPCI_READ_BLOCK_INPUT in = { BLOCK, requested };

	return DeviceIoControl(file, IOCTL_VPCI_READ_BLOCK, &in, sizeof(in), out, size, n, NULL);
}

static BOOL write_now(HANDLE file, union write_input *in, DWORD size, DWORD *n)
{
	return DeviceIoControl(file, IOCTL_VPCI_WRITE_BLOCK, in, size, NULL, 0, n, NULL);
}

static void start_many(struct __test_metadata *_metadata, FIXTURE_DATA(win32) * self, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct call *c = &self->call[i];

		memset(c, 0, sizeof(*c));
		memset(c->out, 0xa5, sizeof(c->out));
		c->overlapped.hEvent = self->event;
		c->in.BlockId = BLOCK;
		c->in.BytesRequested = sizeof(c->out);
		EXPECT_FAILS(ERROR_IO_PENDING,
			     DeviceIoControl(self->file, IOCTL_VPCI_READ_BLOCK, &c->in,
					     sizeof(c->in), c->out, sizeof(c->out), NULL,
					     &c->overlapped));
	}
}

static void expect_end(struct __test_metadata *_metadata, FIXTURE_DATA(win32) * self, int i,
		       int error)
{
	struct call *c = &self->call[i];

	SetLastError(0);
	EXPECT_EQ(!error, GetOverlappedResult(self->file, &c->overlapped, &self->n, TRUE));
	EXPECT_EQ(error, (int)GetLastError());
	EXPECT_EQ(error ? 0 : sizeof(c->out), self->n);
	EXPECT_TRUE(error ? all_a5(c->out, c->out + sizeof(c->out)) :
			    !memcmp(self->block, c->out, sizeof(c->out)));
}

static void start_write_block(struct __test_metadata *_metadata, FIXTURE_DATA(win32) * self)
{
	EXPECT_FAILS(ERROR_IO_PENDING,
		     DeviceIoControl(self->file, IOCTL_VPCI_WRITE_BLOCK, &self->write,
				     sizeof(self->write), NULL, 0, NULL, &self->written));
}

static void wait_for(const char *name, long long n)
{
	while (function_number("00.0", name) != n)
		usleep(1000);
}

/* ---- names ---- */

TEST_F_TIMEOUT(win32, names, TEST_TIMEOUT)
{
	GUID guid = GUID_DEVINTERFACE_VPCI;
	char list[128], upper[64];
	HANDLE file;
	size_t i;

	for (i = 0; i <= strlen(self->name); i++)
		upper[i] = self->name[i] >= 'a' && self->name[i] <= 'z' ? self->name[i] - 32 :
			   self->name[i];
	file = open_name(upper, BOTH);
	EXPECT_NE(INVALID_HANDLE_VALUE, file);
	CloseHandle(file);
	ASSERT_EQ(CR_SUCCESS, (int)CM_Get_Device_Interface_ListA(&guid, NULL, list, 128, 0));
	snprintf(upper, sizeof(upper), "\\\\?\\VPCI#%s#", function_name("00.0"));
	EXPECT_EQ(0, strncmp(upper, list, strlen(upper)));
	EXPECT_STREQ("{57863182-c948-4692-97e3-34b57662a3e0}", list + strlen(upper));
	EXPECT_EQ('\0', list[strlen(list) + 1]);
	file = open_name(list, BOTH);
	EXPECT_TRUE(read_now(file, 8, self->call[0].out, 8, &self->n));
	CloseHandle(file);
	/* On Windows each of the codes wants both. */
	file = open_name(list, GENERIC_READ);
	EXPECT_FAILS(ERROR_ACCESS_DENIED, read_now(file, 8, self->call[0].out, 8, &self->n));
	CloseHandle(file);
	EXPECT_NO_FILE(ERROR_FILE_NOT_FOUND, open_name("\\\\.\\VPCI#1111:00:00.7", BOTH));
	EXPECT_NO_FILE(ERROR_FILE_NOT_FOUND, open_name("\\\\.\\VPCI#", BOTH));
	strcat(self->name, "0");
	EXPECT_NO_FILE(ERROR_FILE_NOT_FOUND, open_name(self->name, BOTH));
}

/* ---- what they come to ---- */

TEST_F_TIMEOUT(win32, read, TEST_TIMEOUT)
{
	ASSERT_TRUE(read_now(self->file, 128, self->call[0].out, 128, &self->n));
	EXPECT_EQ(128, self->n);
	EXPECT_EQ(0, memcmp(self->block, self->call[0].out, 128));
	EXPECT_EQ(1, host_counters().reads - self->before.reads);
}

TEST_F_TIMEOUT(win32, write, TEST_TIMEOUT)
{
	self->n = 77;
	ASSERT_TRUE(write_now(self->file, &self->write, sizeof(self->write), &self->n));
	EXPECT_EQ(0, self->n);
	EXPECT_EQ(1, host_counters().writes - self->before.writes);
	EXPECT_EQ(128, host_counters().last_len);
	EXPECT_EQ(0, memcmp(self->block, host_counters().last, 128));
}

TEST_F_TIMEOUT(win32, invalidate, TEST_TIMEOUT)
{
	VPCI_INVALIDATE_BLOCK_OUTPUT out = { 0 };
	OVERLAPPED overlapped = { 0 };

	EXPECT_FAILS(ERROR_IO_PENDING,
		     DeviceIoControl(self->file, IOCTL_VPCI_INVALIDATE_BLOCK, NULL, 0, &out,
				     sizeof(out), NULL, &overlapped));
	EXPECT_FAILS(ERROR_IO_INCOMPLETE,
		     GetOverlappedResult(self->file, &overlapped, &self->n, FALSE));
	ASSERT_EQ(0, host("invalidate 00.0 8000000000000001"));
	ASSERT_TRUE(GetOverlappedResult(self->file, &overlapped, &self->n, TRUE));
	EXPECT_EQ(8, self->n);
	EXPECT_EQ(0x8000000000000001, out.BlockMask);
	ASSERT_EQ(0, host("invalidate 00.0 2"));
	ASSERT_TRUE(DeviceIoControl(self->file, IOCTL_VPCI_INVALIDATE_BLOCK, NULL, 0, &out,
				    sizeof(out), &self->n, NULL));
	EXPECT_EQ(2, out.BlockMask);
}

TEST_F_TIMEOUT(win32, wrong_sizes_and_addresses, TEST_TIMEOUT)
{
	UCHAR *out = self->call[0].out;
	char *edge = page_edge(4, PROT_NONE);
	VM_GENCOUNTER id;

	memset(out, 0xa5, 128);
	/* BytesRequested and the length of the output have to be equal. */
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER, read_now(self->file, 16, out, 15, &self->n));
	EXPECT_FAILS(ERROR_INVALID_PARAMETER, read_now(self->file, 16, out, 17, &self->n));
	EXPECT_FAILS(ERROR_INVALID_PARAMETER, read_now(self->file, 0, out, 0, &self->n));
	EXPECT_FAILS(ERROR_INVALID_PARAMETER, read_now(self->file, 129, out, 129, &self->n));
	EXPECT_FAILS(ERROR_NOACCESS, read_now(self->file, 16, edge, 16, &self->n));
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER, write_now(self->file, &self->write, 135, &self->n));
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER, write_now(self->file, &self->write, 7, &self->n));
	EXPECT_FAILS(ERROR_NOACCESS, write_now(self->file, (void *)edge, 136, &self->n));
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER,
		     DeviceIoControl(self->file, IOCTL_VPCI_INVALIDATE_BLOCK, NULL, 0, out, 7,
				     &self->n, NULL));
	EXPECT_EQ(0, self->n);
	EXPECT_FAILS(ERROR_INVALID_FUNCTION, poll_id(self->file, &id, &self->n));
	EXPECT_TRUE(all_a5(out, out + 128));
	EXPECT_EQ(self->before.requests, host_counters().requests);
}

TEST_F_TIMEOUT(win32, failed_by_the_host, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("answer status c0000001"));
	start_many(_metadata, self, 2);
	expect_end(_metadata, self, 0, ERROR_IO_DEVICE);
	expect_end(_metadata, self, 1, ERROR_IO_DEVICE);
	EXPECT_FAILS(ERROR_IO_DEVICE,
		     write_now(self->file, &self->write, sizeof(self->write), &self->n));
}

TEST_F_TIMEOUT(win32, driver_that_listens, TEST_TIMEOUT)
{
	VPCI_INVALIDATE_BLOCK_OUTPUT out;

	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	EXPECT_FAILS(ERROR_BUSY,
		     DeviceIoControl(self->file, IOCTL_VPCI_INVALIDATE_BLOCK, NULL, 0, &out,
				     sizeof(out), &self->n, NULL));
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
}

TEST_F_TIMEOUT(win32, function_that_goes, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("answer never"));
	start_many(_metadata, self, MANY);
	ASSERT_EQ(0, host_wait(&self->before, VPCI_REQUESTS_MAX));
	wait_for("waiting", MANY - VPCI_REQUESTS_MAX);
	ASSERT_EQ(0, host("eject 00.0"));
	for (i = 0; i < MANY; i++)
		expect_end(_metadata, self, i, ERROR_DEVICE_REMOVED);
	EXPECT_NO_FILE(ERROR_FILE_NOT_FOUND, open_name(self->name, BOTH));
	ASSERT_EQ(0, host("add 00.0"));
}

/* ---- pending and cancelled ---- */

TEST_F_TIMEOUT(win32, many_are_pending, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("answer never"));
	start_many(_metadata, self, MANY);
	ASSERT_EQ(0, host_wait(&self->before, VPCI_REQUESTS_MAX));
	for (i = 0; i < MANY; i++)
		EXPECT_FALSE(HasOverlappedIoCompleted(&self->call[i].overlapped));
	ASSERT_EQ(0, host("release"));
	for (i = 0; i < MANY; i++)
		expect_end(_metadata, self, i, 0);
}

/* What the host has been asked to read, and what waits for its turn. */
TEST_F_TIMEOUT(win32, reads_are_cancelled, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("answer never"));
	start_many(_metadata, self, VPCI_REQUESTS_MAX + 2);
	ASSERT_EQ(0, host_wait(&self->before, VPCI_REQUESTS_MAX));
	wait_for("waiting", 2);
	for (i = 0; i < VPCI_REQUESTS_MAX + 2; i++) {
		EXPECT_TRUE(CancelIoEx(self->file, &self->call[i].overlapped));
		expect_end(_metadata, self, i, ERROR_OPERATION_ABORTED);
	}
	EXPECT_EQ(0, function_number("00.0", "waiting"));
	ASSERT_EQ(0, host("release"));
}

TEST_F_TIMEOUT(win32, closing_cancels, TEST_TIMEOUT)
{
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);

	ASSERT_EQ(0, host("answer never"));
	self->event = event;
	start_many(_metadata, self, 1);
	ASSERT_EQ(0, host_wait(&self->before, 1));
	EXPECT_TRUE(CloseHandle(self->file));
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(event, INFINITE));
	expect_end(_metadata, self, 0, ERROR_OPERATION_ABORTED);
	CloseHandle(event);
}

/* It may have taken effect, so it is not said to have been cancelled. */
TEST_F_TIMEOUT(win32, write_that_the_host_has_goes_on, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("answer never"));
	start_write_block(_metadata, self);
	ASSERT_EQ(0, host_wait(&self->before, 1));
	EXPECT_TRUE(CancelIoEx(self->file, &self->written));
	EXPECT_TRUE(CancelIoEx(self->file, NULL));
	EXPECT_FAILS(WAIT_TIMEOUT,
		     GetOverlappedResultEx(self->file, &self->written, &self->n, 100, FALSE));
	ASSERT_EQ(0, host("release"));
	EXPECT_TRUE(GetOverlappedResult(self->file, &self->written, &self->n, TRUE));
	EXPECT_EQ(1, host_counters().writes - self->before.writes);
}

/* It has not been sent, and is not sent later. */
TEST_F_TIMEOUT(win32, write_that_waits_is_cancelled, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("answer never"));
	start_many(_metadata, self, VPCI_REQUESTS_MAX);
	ASSERT_EQ(0, host_wait(&self->before, VPCI_REQUESTS_MAX));
	start_write_block(_metadata, self);
	wait_for("waiting", 1);
	EXPECT_TRUE(CancelIoEx(self->file, &self->written));
	EXPECT_FAILS(ERROR_OPERATION_ABORTED,
		     GetOverlappedResult(self->file, &self->written, &self->n, TRUE));
	ASSERT_EQ(0, host("release"));
	for (i = 0; i < VPCI_REQUESTS_MAX; i++)
		expect_end(_metadata, self, i, 0);
	EXPECT_EQ(self->before.writes, host_counters().writes);
}

TEST_HARNESS_MAIN
