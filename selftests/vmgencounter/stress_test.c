// SPDX-License-Identifier: GPL-2.0-only
/*
 * No wake-up is lost: 64 waiters of all kinds against 100,000 changes, as fast
 * as they come. Who asks again with the ID that it was last given must end on
 * the last generation, and the count must be exact. Fast device only.
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define WAITERS	64
#define CHANGES	100000

FIXTURE(vmgen) {
	int fd;
	struct waiter w[WAITERS];
};

static bool stop;

static void *wait_again_and_again(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!w->err && !__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		w->err = waiter_wait(w);
	return NULL;
}

FIXTURE_SETUP(vmgen)
{
	int i;

	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	for (i = 0; i < WAITERS; i++) {
		ASSERT_EQ(0, waiter_open(&self->w[i], i % WAITER_KINDS));
		ASSERT_EQ(0, waiter_spawn(&self->w[i], wait_again_and_again));
	}
}

FIXTURE_TEARDOWN(vmgen)
{
	int i;

	for (i = 0; i < WAITERS; i++)
		waiter_close(&self->w[i]);
	close(self->fd);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

TEST_F_TIMEOUT(vmgen, no_lost_wakeup, 4 * TEST_TIMEOUT)
{
	struct vmgencounter_info before, after;
	double begin = seconds();
	char command[32];
	int i;

	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	snprintf(command, sizeof(command), "change %d", CHANGES);
	ASSERT_EQ(0, test_command(command));
	TH_LOG("%.0f changes a second with %d waiters",
	       CHANGES / (seconds() - begin), WAITERS);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	EXPECT_EQ(before.changes + CHANGES, after.changes);

	/* Who sleeps with an old ID now sleeps for ever; the test then times out. */
	for (i = 0; i < WAITERS; i++) {
		wait_asleep(self->w[i].tid);
		while (!same_id(&self->w[i].known, &after.id))
			wait_asleep(self->w[i].tid);
	}

	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, new_generation());
	for (i = 0; i < WAITERS; i++)
		EXPECT_EQ(0, waiter_join(&self->w[i]));
}

TEST(a_thousand_changes_a_second)
{
	double begin = seconds();

	ASSERT_EQ(0, test_command("change 5000"));
	TH_LOG("%.0f changes a second", 5000 / (seconds() - begin));
	EXPECT_LT(1000, 5000 / (seconds() - begin));
}

TEST_HARNESS_MAIN
