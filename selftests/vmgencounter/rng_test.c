// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody who waits for a change is woken before the kernel's random number
 * generator is reseeded for it. The kernel's own trace tells the order: the
 * function that RNDRESEEDCRNG calls, and each wake-up of a waiter.
 *
 * The guest is booted with trace_event=sched:sched_waking and
 * ftrace=function ftrace_filter=add_device_randomness,crng_reseed.
 */
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define TRACING	"/sys/kernel/tracing"

FIXTURE(vmgen) {
	struct waiter w[WAITER_KINDS];
	char filter[32 * WAITER_KINDS];
};

static int tracing(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), TRACING "/%s", file);
	return write_text(path, text);
}

static int trace_off(void)
{
	return tracing("tracing_on", "0");
}

/*
 * @filter names the waiters' threads. The clock must be one for all CPUs. Events
 * are on from the boot: to switch them on or off patches code that the other CPU
 * runs, which emulators get wrong now and then.
 */
static int trace_on(const char *filter)
{
	return trace_off() ?:
	       tracing("trace_clock", "global") ?:
	       tracing("events/sched/sched_waking/filter", filter) ?:
	       (truncate(TRACING "/trace", 0) ? errno : 0) ?:
	       tracing("tracing_on", "1");
}

FIXTURE_SETUP(vmgen)
{
}

FIXTURE_TEARDOWN(vmgen)
{
	trace_off();
	tracing("events/sched/sched_waking/filter", "0");
}

/* What the trace shows, in its order. */
struct order {
	int mixes;		/* our ID, into the pool */
	int seeds;		/* from the pool, after that */
	int wakeups;
	int too_early;
};

#define MIXED_BY_US	"add_device_randomness <-vmgen_"
#define RESEEDED_BY_US	"crng_reseed <-random_ioctl"

static void read_trace(struct order *order)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char line[1024];

	*order = (struct order) {};
	while (trace && fgets(line, sizeof(line), trace)) {
		if (strstr(line, MIXED_BY_US))
			order->mixes++;
		if (order->mixes && strstr(line, RESEEDED_BY_US))
			order->seeds++;
		if (!strstr(line, "sched_waking:"))
			continue;
		order->wakeups++;
		if (!order->seeds)
			order->too_early++;
	}
	if (trace)
		fclose(trace);
}

static int start_waiters(FIXTURE_DATA(vmgen) * self)
{
	char *end = self->filter;
	int i, err = 0;

	for (i = 0; i < WAITER_KINDS && !err; i++) {
		err = waiter_open(&self->w[i], i) ?: waiter_start(&self->w[i]);
		end += sprintf(end, "%spid == %d", i ? " || " : "", self->w[i].tid);
	}
	return err;
}

static int join_waiters(FIXTURE_DATA(vmgen) * self)
{
	int i, err = 0;

	for (i = 0; i < WAITER_KINDS; i++) {
		err = waiter_join(&self->w[i]) ?: err;
		waiter_close(&self->w[i]);
	}
	return err;
}

TEST_F_TIMEOUT(vmgen, rng_comes_first, TEST_TIMEOUT)
{
	int rounds = fast_device() ? 10 : 2;
	struct order order;

	while (rounds--) {
		ASSERT_EQ(0, start_waiters(self));
		ASSERT_EQ(0, trace_on(self->filter));
		ASSERT_EQ(0, new_generation());
		ASSERT_EQ(0, join_waiters(self));
		ASSERT_EQ(0, trace_off());
		read_trace(&order);
		ASSERT_EQ(1, order.mixes);
		ASSERT_EQ(1, order.seeds);
		ASSERT_LE(WAITER_KINDS, order.wakeups);
		ASSERT_EQ(0, order.too_early);
	}
}

/* No Notify tells of what happened during sleep. Processes run after the reseed. */
TEST_F_TIMEOUT(vmgen, resume_reseeds, TEST_TIMEOUT)
{
	struct order order;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, trace_on("pid == 0"));
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, write_text("/sys/module/suspend/parameters/pm_test_delay", "0"));
	ASSERT_EQ(0, write_text("/sys/power/pm_test", "devices"));
	ASSERT_EQ(0, write_text("/sys/power/state", "freeze"));
	ASSERT_EQ(0, write_text("/sys/power/pm_test", "none"));
	ASSERT_EQ(0, trace_off());
	read_trace(&order);
	EXPECT_EQ(1, order.mixes);
	EXPECT_EQ(1, order.seeds);
}

TEST_HARNESS_MAIN
