// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer whose page cannot be shown to user space (it is in System RAM, or reaches
 * into a second page, or the guest seems to be a confidential one): everything but
 * mmap() works.
 */
#include <vmgencounter.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

TEST(all_but_mmap)
{
	struct vmgencounter_info info;
	struct vm_gencounter id;
	int fd = open(VMGEN_DEVICE, O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_FALSE(info.flags & VMGENCOUNTER_MMAP);
	EXPECT_TRUE(info.flags & VMGENCOUNTER_WAKEUP);
	EXPECT_EQ(0, info.offset);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);

	EXPECT_EQ(POLLIN | POLLRDNORM, readiness(fd));
	EXPECT_EQ(ID_SIZE, read(fd, &id, ID_SIZE));
	EXPECT_EQ(0, current_id(fd, &id));
	close(fd);
}

TEST(library_asks_the_kernel)
{
	struct vm_gencounter id, stale = { 1, 2 };
	struct vmgen *vmgen = vmgen_open(NULL);
	struct vmgen_watch watch;

	ASSERT_NE(NULL, vmgen);
	ASSERT_EQ(0, vmgen_get(vmgen, &id));
	vmgen_watch_set(vmgen, &id, &watch);
	EXPECT_EQ(NULL, watch.id);
	EXPECT_EQ(0, vmgen_changed(&watch));
	vmgen_watch_set(vmgen, &stale, &watch);
	EXPECT_EQ(1, vmgen_changed(&watch));
	vmgen_close(vmgen);
}

TEST(firmware_is_blamed)
{
	if (module_position("vmgen_sealed"))
		SKIP(return, "it is the kernel's fault");
	EXPECT_EQ(1, count_in_log(", mmap is not available\n"));
	EXPECT_EQ(1, count_in_log(": [Firmware Bug]: the ID at "));
}

TEST(kernel_is_blamed)
{
	if (!module_position("vmgen_sealed"))
		SKIP(return, "it is the firmware's fault");
	EXPECT_EQ(1, count_in_log(" of a confidential guest encrypted, mmap is not available "));
}

TEST_HARNESS_MAIN
