// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgenctl where the kernel does not hear of changes: who would wait for ever is told.
 */
#include "../ctl.h"
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

TEST(it_says_what_it_cannot_do)
{
	static const char * const commands[] = { "wait", "wait -t 0s", "monitor", "exec true" };
	struct ctl c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		ctl_run(&c, "%s", commands[i]);
		EXPECT_RUN(1, "", "not supported\n  the kernel does not hear of changes", &c);
	}
	ctl_run(&c, "info");
	EXPECT_EQ(0, c.status);
	EXPECT_NE(NULL, strstr(c.out, "\nwaiting: not possible, as the kernel does not hear"));
	EXPECT_NE(NULL, strstr(c.out, "\nflags: MMAP ID_ALONE\n"));
	ctl_run(&c, "info --openmetrics");
	EXPECT_EQ(0, c.status);
	EXPECT_NE(NULL, strstr(c.out, "\nvmgencounter_wakeup 0\n"));
}

TEST(it_says_what_it_can)
{
	struct vm_gencounter before, after;
	struct ctl c;

	ctl_run(&c, "get --format raw");
	ASSERT_EQ(ID_SIZE, c.len);
	memcpy(&before, c.out, ID_SIZE);
	ASSERT_EQ(0, test_command("set"));
	ctl_run(&c, "get --format raw");
	ASSERT_EQ(ID_SIZE, c.len);
	memcpy(&after, c.out, ID_SIZE);
	EXPECT_FALSE(same_id(&before, &after));
	ASSERT_EQ(0, peek_id(&before));
	EXPECT_TRUE(same_id(&before, &after));
}

TEST_HARNESS_MAIN
