// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody who waits for a change is woken before the kernel's random number
 * generator is reseeded for it. The kernel's own trace tells the order: the
 * RNG's message about the reseed, and each wake-up of a waiter.
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

/*
 * Events are switched on once at most, and never off: that patches code that
 * the other CPUs run, which emulators get wrong now and then. Better still is to
 * boot with trace_event=sched:sched_waking,printk:console.
 */
static int enable_event(const char *event)
{
	char path[256], now[8] = "";

	snprintf(path, sizeof(path), TRACING "/events/%s/enable", event);
	return read_line(path, now, sizeof(now)) ?:
	       (now[0] == '1' ? 0 : write_text(path, "1"));
}

static int trace_off(void)
{
	return tracing("tracing_on", "0");
}

/* @filter names the waiters' threads. The clock must be one for all CPUs. */
static int trace_on(const char *filter)
{
	return trace_off() ?:
	       tracing("trace_clock", "global") ?:
	       tracing("events/sched/sched_waking/filter", filter) ?:
	       enable_event("sched/sched_waking") ?:
	       enable_event("printk/console") ?:
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
	int reseeds;
	int wakeups;
	int too_early;
};

static void read_trace(struct order *order)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char line[1024];

	*order = (struct order) {};
	while (trace && fgets(line, sizeof(line), trace)) {
		if (strstr(line, "crng reseeded due to virtual machine fork"))
			order->reseeds++;
		if (!strstr(line, "sched_waking:"))
			continue;
		order->wakeups++;
		if (!order->reseeds)
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

TEST_F_TIMEOUT(vmgen, reseed_comes_first, TEST_TIMEOUT)
{
	int rounds = fast_device() ? 100 : 2;
	struct order order;

	if (!intree_driver_bound() && !promised())
		SKIP(return, "this kernel cannot promise it, and says so");
	ASSERT_TRUE(promised());
	while (rounds--) {
		ASSERT_EQ(0, start_waiters(self));
		ASSERT_EQ(0, trace_on(self->filter));
		ASSERT_EQ(0, new_generation());
		ASSERT_EQ(0, join_waiters(self));
		ASSERT_EQ(0, trace_off());
		read_trace(&order);
		ASSERT_EQ(1, order.reseeds);
		ASSERT_LE(WAITER_KINDS, order.wakeups);
		ASSERT_EQ(0, order.too_early);
	}
}

TEST_HARNESS_MAIN
