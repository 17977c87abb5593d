// SPDX-License-Identifier: GPL-2.0-only
/*
 * A devicetree's overlay brings the device, takes it away from those who use it, and brings it
 * back. With the in-tree driver bound, ours has a device of its own, which has to follow.
 */
#include <sys/stat.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DEVICES	"/sys/bus/platform/devices"
#define NODE	DEVICES "/10000030.vmgenid"
#define BESIDE	DEVICES "/vmgencounter"

/* The link to a device stays if only its parent has gone. */
static bool is_there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static bool apply_overlay(void)
{
	return !system("/sbin/modprobe vmgen_overlay");
}

static bool remove_overlay(void)
{
	return !system("rmmod vmgen_overlay");
}

/* All that want the device, as udev does. */
static bool load_drivers(void)
{
	return !system("/sbin/modprobe \"$(cat " NODE "/modalias)\"");
}

/* A node that is still referred to is a leak, and the kernel says so. */
static bool all_has_gone(void)
{
	return !is_there(VMGEN_DEVICE) && !is_there(BESIDE) && !is_there(NODE) &&
	       !count_in_log("OF: ERROR: memory leak");
}

/* One that the device's interrupt tells of. */
static int wait_for_change(void)
{
	struct waiter w;
	int err;

	err = waiter_open(&w, WAIT_READ) ?: waiter_start(&w) ?: new_generation() ?:
	      waiter_join(&w);
	waiter_close(&w);
	return err;
}

/* Only the first of these devices is there before our driver. */
TEST(goes_and_comes_back)
{
	struct vm_gencounter id;
	struct waiter w;

	ASSERT_TRUE(apply_overlay());
	ASSERT_TRUE(load_drivers());
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(intree_driver_is_module(), intree_driver_bound());
		EXPECT_EQ(intree_driver_is_module(), is_there(BESIDE));
		ASSERT_EQ(0, waiter_open(&w, WAIT_READ));
		ASSERT_EQ(0, waiter_start(&w));
		ASSERT_TRUE(remove_overlay());
		ASSERT_TRUE(all_has_gone());
		EXPECT_EQ(ENODEV, waiter_join(&w));
		EXPECT_EQ(ENODEV, current_id(w.fd, &id));
		waiter_close(&w);
		ASSERT_TRUE(apply_overlay());
	}
	ASSERT_EQ(0, system("/sbin/modprobe vmgen_test"));
	EXPECT_EQ(0, wait_for_change());

	/* Nor does the kernel call our driver when that has gone before the overlay. */
	ASSERT_EQ(0, system("rmmod vmgen_test vmgencounter"));
	ASSERT_TRUE(remove_overlay());
	EXPECT_TRUE(all_has_gone());
}

TEST_HARNESS_MAIN
