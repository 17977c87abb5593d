// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another driver (the test module vmgen_sysgenid) has had the name sysgenid before ours
 * came with sysgenid=1: it keeps the node, the log tells, and all else works.
 */
#include <sys/stat.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define NODE	"/dev/sysgenid"
#define DRIVER	"/sys/bus/platform/drivers/vmgencounter"

static int log_lines(void)
{
	return count_in_log("another driver has the name sysgenid");
}

/* Its mode is another one than ours has, and it has no calls. */
static bool node_is_the_others(void)
{
	int fd = open(NODE, O_RDONLY | O_CLOEXEC);
	bool others;
	struct stat st;
	uint32_t counter;

	others = !fstat(fd, &st) && (st.st_mode & 0777) == 0400 &&
		 read(fd, &counter, sizeof(counter)) == -1 && errno == EINVAL;
	close(fd);
	return others;
}

FIXTURE(taken) {
	char device[64];
};

FIXTURE_SETUP(taken)
{
	device_name(self->device, sizeof(self->device));
}

FIXTURE_TEARDOWN(taken)
{
}

static int bind_again(FIXTURE_DATA(taken) * self)
{
	return write_text(DRIVER "/unbind", self->device) ?:
	       write_text(DRIVER "/bind", self->device);
}

TEST_F(taken, the_log_says_so_once)
{
	EXPECT_EQ(1, log_lines());
	EXPECT_EQ(0, count_in_log("Call Trace"));
	EXPECT_EQ(0, count_in_log("duplicate filename"));
}

TEST_F(taken, the_node_is_the_others)
{
	EXPECT_TRUE(node_is_the_others());
}

TEST_F_TIMEOUT(taken, vmgencounter_works, TEST_TIMEOUT)
{
	struct waiter w;

	ASSERT_EQ(0, waiter_open(&w, WAIT_READ));
	ASSERT_EQ(0, waiter_start(&w));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(0, waiter_join(&w));
	waiter_close(&w);
}

TEST_F_TIMEOUT(taken, nor_is_it_ours_when_bound_again, TEST_TIMEOUT)
{
	int before = log_lines();

	ASSERT_EQ(0, bind_again(self));
	EXPECT_TRUE(node_is_the_others());
	EXPECT_EQ(before + 1, log_lines());
}

/* Once the other one has gone the name is free, and the next bind takes it. */
TEST_F_TIMEOUT(taken, the_next_bind_takes_a_free_name, TEST_TIMEOUT)
{
	struct stat st;

	ASSERT_EQ(0, system("rmmod vmgen_sysgenid"));
	EXPECT_EQ(-1, access(NODE, F_OK));
	ASSERT_EQ(0, bind_again(self));
	ASSERT_EQ(0, stat(NODE, &st));
	EXPECT_EQ(S_IFCHR | 0444, st.st_mode);
	EXPECT_EQ(0, count_in_log("Call Trace"));
}

TEST_HARNESS_MAIN
