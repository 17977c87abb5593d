// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgenctl info --openmetrics, across real changes: all of it is compared, and with what the
 * kernel says. hooks_fleet_disk_test has programs read it that read such texts for a living.
 */
#include <time.h>

#include "../ctl.h"
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define NOBODY		65534
#define NAME		"vmgencounter_"
#define SAMPLE		NAME "last_change_timestamp_seconds "
#define TEXT								\
	"# TYPE " NAME "changes counter\n"				\
	"# HELP " NAME "changes New generations that the kernel has seen "	\
	"since it took the device.\n"					\
	NAME "changes_total %llu\n"					\
	"# TYPE " SAMPLE "gauge\n"					\
	"# UNIT " SAMPLE "seconds\n"					\
	"# HELP " SAMPLE "When it has seen the last one; 0 if none.\n"	\
	SAMPLE "%lld\n"							\
	"# TYPE " NAME "reseeded gauge\n"				\
	"# HELP " NAME "reseeded 1 if the kernel's random numbers are "	\
	"this generation's own.\n"					\
	NAME "reseeded %d\n"						\
	"# TYPE " NAME "id_trusted gauge\n"				\
	"# HELP " NAME "id_trusted 0 if the ID may be an old one, after hibernation.\n" \
	NAME "id_trusted 1\n"
#define WAKEUP								\
	"# TYPE " NAME "wakeup gauge\n"					\
	"# HELP " NAME "wakeup 1 if the kernel hears of changes, "	\
	"so that programs can wait for them.\n"				\
	NAME "wakeup 1\n"

FIXTURE(metrics) {
	struct vmgencounter_info info;
	struct ctl c;
	char expected[2048];
};

FIXTURE_SETUP(metrics)
{
	ASSERT_EQ(0, peek_info(&self->info));
}

FIXTURE_TEARDOWN(metrics)
{
}

/* The time that the text has. */
static long long time_in(const char *text)
{
	const char *at = strstr(text, "\n" SAMPLE);

	return at ? atoll(at + strlen("\n" SAMPLE)) : -1;
}

/* Is it that of the last change, to a second? Without a change it has to be 0. */
static bool is_time_of_change(long long at, const struct vmgencounter_info *info)
{
	struct timespec real, boot;
	long long age;

	if (!info->changes)
		return !at;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	age = boot.tv_sec - (long long)(info->changed_at / 1000000000);
	return llabs(real.tv_sec - age - at) < 2;
}

static void expect_metrics(struct __test_metadata *_metadata, FIXTURE_DATA(metrics) * self,
			   bool reseeded, const char *end)
{
	long long at;

	ctl_run(&self->c, "info --openmetrics");
	ASSERT_EQ(0, peek_info(&self->info));
	at = time_in(self->c.out);
	EXPECT_TRUE(is_time_of_change(at, &self->info)) TH_LOG("%lld", at);
	snprintf(self->expected, sizeof(self->expected), TEXT "%s# EOF\n", self->info.changes, at,
		 reseeded, end);
	EXPECT_RUN(0, self->expected, "", &self->c);
}

TEST_F_TIMEOUT(metrics, before_a_change, TEST_TIMEOUT)
{
	ASSERT_EQ(0, self->info.changes);
	expect_metrics(_metadata, self, !self->info.reseeded, WAKEUP);
}

TEST_F_TIMEOUT(metrics, each_change_is_counted, TEST_TIMEOUT)
{
	unsigned long long changes = self->info.changes;
	int i;

	for (i = 1; i <= 2; i++) {
		ASSERT_EQ(0, new_generation());
		expect_metrics(_metadata, self, true, WAKEUP);
		EXPECT_EQ(changes + i, self->info.changes);
	}
}

/* The ID is another one, and the Notify that has the kernel reseed is late. */
TEST_F_TIMEOUT(metrics, not_reseeded, TEST_TIMEOUT)
{
	if (!fast_device())
		SKIP(return, "a change cannot be had without its Notify");
	ASSERT_EQ(0, test_command("set"));
	expect_metrics(_metadata, self, false, WAKEUP);
	ASSERT_EQ(0, test_command("notify"));
	expect_metrics(_metadata, self, true, WAKEUP);
}

/* Nobody can tell by that node if others can wait. */
TEST_F_TIMEOUT(metrics, unprivileged, TEST_TIMEOUT)
{
	ASSERT_EQ(0, setuid(NOBODY));
	ctl_run(&self->c, "info --openmetrics");
	snprintf(self->expected, sizeof(self->expected), TEXT "# EOF\n", self->info.changes,
		 time_in(self->c.out), self->info.reseeded == self->info.changes);
	EXPECT_RUN(0, self->expected, "", &self->c);
}

TEST_HARNESS_MAIN
