// SPDX-License-Identifier: GPL-2.0-only
/*
 * A devicetree's device whose interrupt comes late. With the in-tree driver bound, ours has a
 * device of its own, which has to wait for it, too.
 */
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define BESIDE	"/sys/bus/platform/devices/vmgencounter"

/* Loaded again, as the device of our own is added when the module is. */
static bool load_again(void)
{
	return !system("rmmod vmgencounter") && !system("/sbin/modprobe vmgencounter");
}

static bool works(void)
{
	struct vm_gencounter id;
	int fd = open(VMGEN_DEVICE, O_RDWR);
	bool ok = fd >= 0 && !current_id(fd, &id);

	close(fd);
	return ok;
}

TEST(an_interrupt_that_comes_late)
{
	bool beside = !access(BESIDE, F_OK);

	EXPECT_EQ(intree_driver_bound(), beside);
	ASSERT_EQ(0, system("/sbin/modprobe vmgen_late"));
	ASSERT_TRUE(load_again());
	EXPECT_FALSE(works());
	EXPECT_EQ(beside, !access(BESIDE, F_OK));
	ASSERT_EQ(0, system("rmmod vmgen_late"));
	while (!works())	/* a kworker does it; the guest's time is limited */
		usleep(1000);
	EXPECT_EQ(beside, !access(BESIDE, F_OK));
}

/* One that never comes is forgotten with the module. */
TEST(an_interrupt_that_never_comes)
{
	bool beside = !access(BESIDE, F_OK);

	ASSERT_EQ(0, system("/sbin/modprobe vmgen_late"));
	ASSERT_TRUE(load_again());
	ASSERT_EQ(0, system("rmmod vmgencounter"));
	EXPECT_EQ(-1, access(BESIDE, F_OK));
	ASSERT_EQ(0, system("rmmod vmgen_late"));
	ASSERT_EQ(0, system("/sbin/modprobe vmgencounter"));
	EXPECT_TRUE(works());
	EXPECT_EQ(beside, !access(BESIDE, F_OK));
}

TEST_HARNESS_MAIN
