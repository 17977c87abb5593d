// SPDX-License-Identifier: GPL-2.0-only
/*
 * A devicetree that is wrong: each node of vmgen-broken.dtsi is refused with one
 * line in the log that says why, and the first good one is taken all the same.
 */
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DEVICES	"/sys/bus/platform/devices"
#define FW_BUG	"[Firmware Bug]: "

FIXTURE(node) {
	char driver[128];
};

FIXTURE_VARIANT(node) {
	const char *name;
	const char *message;
	bool bound;
};

FIXTURE_VARIANT_ADD(node, without_reg) {
	.name = "vmgenid-without-reg",
	.message = FW_BUG
		"there is no reg, device ignored",
};

FIXTURE_VARIANT_ADD(node, small) {
	.name = "50000100.vmgenid",
	.message = FW_BUG
		"reg has 8 bytes and not 16, device ignored",
};

FIXTURE_VARIANT_ADD(node, zero) {
	.name = "0.vmgenid",
	.message = FW_BUG
		"reg is zero, device ignored",
};

FIXTURE_VARIANT_ADD(node, unaligned) {
	.name = "50000034.vmgenid",
	.message = FW_BUG
		"reg 0x50000034 is not 8-byte aligned, device ignored",
};

FIXTURE_VARIANT_ADD(node, beyond) {
	.name = "7fffffff50000030.vmgenid",
	.message = FW_BUG
		"reg 0x7fffffff50000030 is beyond the last physical address, device ignored",
};

FIXTURE_VARIANT_ADD(node, half_in_ram) {
	.name = "4ffffff8.vmgenid",
	.message = FW_BUG
		"reg 0x4ffffff8 is half in System RAM, device ignored",
};

FIXTURE_VARIANT_ADD(node, second_device) {
	.name = "50000060.vmgenid",
	.message = FW_BUG
		"a second VM generation ID device, ignored: /dev/vmgencounter shows the first",
};

FIXTURE_VARIANT_ADD(node, good) {
	.name = "50000030.vmgenid",
	.message = "generation ID at 0x0000000050000030, changes from its interrupt",
	.bound = true,
};

FIXTURE_SETUP(node)
{
	snprintf(self->driver, sizeof(self->driver), DEVICES "/%s/driver",
		 variant->name);
}

FIXTURE_TEARDOWN(node)
{
}

TEST_F(node, is_judged)
{
	char line[256];

	snprintf(line, sizeof(line), "vmgencounter %s: %s", variant->name,
		 variant->message);
	EXPECT_EQ(1, count_in_log(line))
		TH_LOG("in the log, %d times: %s", count_in_log(line), line);
	EXPECT_EQ(variant->bound, !access(self->driver, F_OK));
}

TEST(good_node_works)
{
	struct vm_gencounter id;
	char name[64];
	int fd = open(VMGEN_DEVICE, O_RDWR);

	EXPECT_EQ(0, current_id(fd, &id));
	device_name(name, sizeof(name));
	EXPECT_STREQ("50000030.vmgenid", name);
	close(fd);
}

TEST_HARNESS_MAIN
