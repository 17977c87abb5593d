// SPDX-License-Identifier: GPL-2.0-only
/*
 * No wake-up is lost: 64 waiters of all kinds against thousands of changes, as
 * fast as they come, and the count of changes is exact. Fast device only. The variable
 * CHANGES of the environment is for more or fewer of them.
 *
 * A lost wake-up shows only after the last change of a burst, as each further
 * one would make good for it. So there are many bursts, and after each of them
 * everybody must come to rest on the last generation.
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define WAITERS	64
#define CHANGES	"5000"
#define BURST	10

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

/* Who sleeps with an old ID now sleeps for ever; the test then times out. */
static void wait_all_know(struct waiter *w, const struct vm_gencounter *id)
{
	int i;

	for (i = 0; i < WAITERS; i++)
		do
			wait_asleep(w[i].tid);
		while (!same_id(&w[i].known, id));
}

TEST_F_TIMEOUT(vmgen, no_lost_wakeup, 4 * TEST_TIMEOUT)
{
	struct vmgencounter_info before, after;
	const int bursts = atoi(getenv("CHANGES") ?: CHANGES) / BURST;
	double begin = seconds();
	char command[32];
	int i;

	ASSERT_LT(0, bursts);
	snprintf(command, sizeof(command), "change %d", BURST);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	for (i = 0; i < bursts; i++) {
		ASSERT_EQ(0, test_command(command));
		ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
		ASSERT_EQ(before.changes + (i + 1) * BURST, after.changes);
		wait_all_know(self->w, &after.id);
	}
	TH_LOG("%d changes, %.0f a second, with %d waiters", bursts * BURST,
	       bursts * BURST / (seconds() - begin), WAITERS);

	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, new_generation());
	for (i = 0; i < WAITERS; i++)
		EXPECT_EQ(0, waiter_join(&self->w[i]));
}

FIXTURE(device) {
	double best;
};

FIXTURE_SETUP(device)
{
	self->best = 0;
}

FIXTURE_TEARDOWN(device)
{
}

/* The best of some runs, as other programs may have the host's processors. */
TEST_F_TIMEOUT(device, makes_a_thousand_changes_a_second, TEST_TIMEOUT)
{
	double begin, rate;
	int i;

	if (getenv("CHANGES"))
		SKIP(return, "speed is asked for where there is time for all changes");
	for (i = 0; i < 20; i++) {
		begin = seconds();
		ASSERT_EQ(0, test_command("change 250"));
		rate = 250 / (seconds() - begin);
		if (rate > self->best)
			self->best = rate;
	}
	TH_LOG("%.0f changes a second", self->best);
	EXPECT_LT(1000, self->best);
}

TEST_HARNESS_MAIN
