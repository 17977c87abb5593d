// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmgencounter-win32: requests with an OVERLAPPED that are cancelled: each ends once, and says
 * that it was, or what it was for
 */
#include "win32_pending.h"

TEST_F_TIMEOUT(win32, one_is_cancelled, TEST_TIMEOUT)
{
	int i;

	for (i = 0; i < 4; i++)
		start(_metadata, self, i, NULL);
	EXPECT_TRUE(CancelIoEx(self->file, &self->call[2].overlapped));
	expect_end(_metadata, self, 2, ERROR_OPERATION_ABORTED);
	EXPECT_FAILS(ERROR_NOT_FOUND, CancelIoEx(self->file, &self->call[2].overlapped));
	for (i = 0; i < 4; i++)
		if (i != 2)
			EXPECT_PENDING(self->file, &self->call[i].overlapped);
	EXPECT_TRUE(CancelIoEx(self->file, NULL));
	for (i = 0; i < 4; i++)
		expect_end(_metadata, self, i, ERROR_OPERATION_ABORTED);
}

TEST_F_TIMEOUT(win32, event_tells_of_the_cancellation, TEST_TIMEOUT)
{
	start(_metadata, self, 0, self->event);
	EXPECT_TRUE(CancelIoEx(self->file, &self->call[0].overlapped));
	EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->event, INFINITE));
	expect_end(_metadata, self, 0, ERROR_OPERATION_ABORTED);
}

TEST_F_TIMEOUT(win32, closing_cancels, TEST_TIMEOUT)
{
	int i;

	for (i = 0; i < 4; i++)
		start(_metadata, self, i, self->event);
	EXPECT_TRUE(CloseHandle(self->file));
	for (i = 0; i < 4; i++)
		expect_end(_metadata, self, i, ERROR_OPERATION_ABORTED);
}

struct other_thread {
	FIXTURE_DATA(win32) * self;
	DWORD error;
};

static void *ask_and_end(void *arg)
{
	struct other_thread *other = arg;

	ask(other->self->file, &other->self->call[0], &other->self->id, NULL);
	__atomic_store_n(&other->error, GetLastError(), __ATOMIC_RELEASE);
	return NULL;
}

/* CancelIo() is for the caller's own; those of a thread that has ended go on. */
TEST_F_TIMEOUT(win32, own_are_cancelled, TEST_TIMEOUT)
{
	struct other_thread other = { .self = self };
	pthread_t thread;

	start(_metadata, self, 1, NULL);
	ASSERT_EQ(0, pthread_create(&thread, NULL, ask_and_end, &other));
	/* It is still there when CancelIo() looks: an ID of a thread is used again. */
	while (!__atomic_load_n(&other.error, __ATOMIC_ACQUIRE))
		usleep(1000);
	EXPECT_EQ(ERROR_IO_PENDING, (int)other.error);
	EXPECT_TRUE(CancelIo(self->file));
	pthread_join(thread, NULL);
	expect_end(_metadata, self, 1, ERROR_OPERATION_ABORTED);
	EXPECT_PENDING(self->file, &self->call[0].overlapped);
	EXPECT_TRUE(CancelIoEx(self->file, &self->call[0].overlapped));
	expect_end(_metadata, self, 0, ERROR_OPERATION_ABORTED);
	EXPECT_TRUE(CancelIo(self->file));
}

struct race {
	HANDLE file;
	OVERLAPPED *overlapped;
	bool cancels;		/* or makes a change */
};

static void *run_race(void *arg)
{
	const struct race *race = arg;

	if (race->cancels)
		CancelIoEx(race->file, race->overlapped);
	else
		test_command("change");
	return NULL;
}

/* It ends once, with the new ID or with the old one, and never is forgotten. */
TEST_F_TIMEOUT(win32, cancelled_while_it_changes, TEST_TIMEOUT)
{
	struct call *c = &self->call[0];
	int i, aborted = 0, all = rounds(400);
	pthread_t thread;
	DWORD n;

	for (i = 0; i < all; i++) {
		struct race here = { self->file, &c->overlapped, i & 1 };
		struct race there = { self->file, &c->overlapped, !(i & 1) };

		EXPECT_FAILS(ERROR_IO_PENDING, ask(self->file, c, &self->id, self->event));
		ASSERT_EQ(0, pthread_create(&thread, NULL, run_race, &there));
		run_race(&here);
		EXPECT_EQ(WAIT_OBJECT_0, (int)WaitForSingleObject(self->event, INFINITE));
		if (GetOverlappedResult(self->file, &c->overlapped, &n, FALSE)) {
			EXPECT_FALSE(same(&self->id, &c->id));
		} else {
			EXPECT_EQ(ERROR_OPERATION_ABORTED, (int)GetLastError());
			EXPECT_TRUE(same(&self->id, &c->id));
			aborted++;
		}
		pthread_join(thread, NULL);
		ASSERT_TRUE(poll_id(self->file, &self->id, &self->size));
	}
	TH_LOG("%d of %d were cancelled", aborted, all);
}

TEST_HARNESS_MAIN
