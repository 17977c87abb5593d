// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody who waits for a change is woken before the kernel's random number
 * generator is reseeded for it, or, where the kernel cannot promise that, before
 * the ID is in its pool. The kernel's own trace tells the order: the RNG's
 * message about the reseed, or its function that we call, and each wake-up of a
 * waiter.
 *
 * The guest is booted with trace_event=sched:sched_waking,printk:console and
 * ftrace=function ftrace_filter=add_device_randomness.
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

static bool promised(void)
{
	struct vmgencounter_info info = {};
	int fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);

	ioctl(fd, VMGENCOUNTER_GET_INFO, &info);
	close(fd);
	return info.flags & VMGENCOUNTER_WAKEUP_AFTER_RESEED;
}

/* What the trace shows, in its order. */
struct order {
	int seeds;
	int wakeups;
	int too_early;
};

#define RESEEDED	"crng reseeded due to virtual machine fork"
#define MIXED_BY_US	"add_device_randomness <-vmgen_"

static void read_trace(struct order *order, const char *seed)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char line[1024];

	*order = (struct order) {};
	while (trace && fgets(line, sizeof(line), trace)) {
		if (strstr(line, seed))
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

/* What must come first: the reseed, or our handing over of the ID. */
static const char *seed_in_trace(void)
{
	return promised() ? RESEEDED : MIXED_BY_US;
}

TEST_F_TIMEOUT(vmgen, rng_comes_first, TEST_TIMEOUT)
{
	int rounds = fast_device() ? 100 : 2;
	struct order order;

	/* With the in-tree driver, nothing less than the reseed will do. */
	ASSERT_TRUE(promised() || !intree_driver_bound());
	while (rounds--) {
		ASSERT_EQ(0, start_waiters(self));
		ASSERT_EQ(0, trace_on(self->filter));
		ASSERT_EQ(0, new_generation());
		ASSERT_EQ(0, join_waiters(self));
		ASSERT_EQ(0, trace_off());
		read_trace(&order, seed_in_trace());
		ASSERT_EQ(intree_driver_late() ? 2 : 1, order.seeds);
		ASSERT_LE(WAITER_KINDS, order.wakeups);
		ASSERT_EQ(0, order.too_early);
	}
}

/* No Notify tells of what happened during sleep, so the ID is ours to hand over. */
TEST_F_TIMEOUT(vmgen, resume_hands_over_the_id, TEST_TIMEOUT)
{
	struct order order;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, trace_on("pid == 0"));
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, write_text("/sys/power/pm_test", "devices"));
	ASSERT_EQ(0, write_text("/sys/power/state", "freeze"));
	ASSERT_EQ(0, write_text("/sys/power/pm_test", "none"));
	ASSERT_EQ(0, trace_off());
	read_trace(&order, intree_driver_is_module() ? RESEEDED : MIXED_BY_US);
	EXPECT_EQ(1, order.seeds);
}

TEST_HARNESS_MAIN
