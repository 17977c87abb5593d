// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware that is wrong: each device of vmgen-broken.asl is refused with one
 * line in the log that says why, and the first good one is taken all the same.
 *
 * Before 5.18 a driver cannot match VM_Gen_Counter, the _CID that most devices here
 * have, and the module does not look at what it has no need of.
 */
#include <sys/utsname.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DEVICES	"/sys/bus/platform/devices"

static bool matches_long_cid(void)
{
	struct utsname kernel;
	int major, minor;

	if (uname(&kernel) || sscanf(kernel.release, "%d.%d", &major, &minor) != 2)
		return true;
	return major > 5 || (major == 5 && minor >= 18);
}

/* Of the page that the kernel leaves alone: RAM begins elsewhere on arm64. */
#ifdef __aarch64__
#define PAGE	"60000"
#define BELOW	"5ffff"
#else
#define PAGE	"10000"
#define BELOW	"ffff"
#endif

FIXTURE(device) {
	char driver[128];
};

FIXTURE_VARIANT(device) {
	const char *name;
	const char *message;
	bool matches;		/* in every kernel */
	bool bound;
};

#define FW_BUG	"[Firmware Bug]: "

FIXTURE_VARIANT_ADD(device, missing) {
	.name = "VMGB0000:00",
	.message = FW_BUG
		"ADDR cannot be evaluated (AE_NOT_FOUND), device ignored",
};

FIXTURE_VARIANT_ADD(device, buffer) {
	.name = "VMGB0001:00",
	.message = FW_BUG
		"ADDR is not a package of two integers, device ignored",
};

FIXTURE_VARIANT_ADD(device, one_element) {
	.name = "VMGB0002:00",
	.message = FW_BUG
		"ADDR is not a package of two integers, device ignored",
};

FIXTURE_VARIANT_ADD(device, three_elements) {
	.name = "VMGB0003:00",
	.message = FW_BUG
		"ADDR is not a package of two integers, device ignored",
};

FIXTURE_VARIANT_ADD(device, string) {
	.name = "VMGB0004:00",
	.message = FW_BUG
		"ADDR is not a package of two integers, device ignored",
};

FIXTURE_VARIANT_ADD(device, zero) {
	.name = "VMGB0005:00",
	.message = FW_BUG
		"ADDR is zero, device ignored",
};

FIXTURE_VARIANT_ADD(device, unaligned) {
	.name = "VMGB0006:00",
	.message = FW_BUG
		"ADDR 0x" PAGE "034 is not 8-byte aligned, device ignored",
};

FIXTURE_VARIANT_ADD(device, overflow) {
	.name = "VMGB0007:00",
	.message = FW_BUG
		"ADDR 0xfffffffffffffff8 is beyond the last physical address, device ignored",
};

FIXTURE_VARIANT_ADD(device, beyond) {
	.name = "VMGB0008:00",
	.message = FW_BUG
		"ADDR 0x7fffffff" PAGE "030 is beyond the last physical address, device ignored",
};

FIXTURE_VARIANT_ADD(device, half_in_ram) {
	.name = "VMGB0009:00",
	.message = FW_BUG
		"ADDR 0x" BELOW "ff8 is half in System RAM, device ignored",
};

#ifndef __aarch64__
FIXTURE_VARIANT_ADD(device, never_still) {
	.name = "VMGB000C:00",
	.message = FW_BUG
		"the ID at 0x00000000fed000f0 does not stand still, device ignored",
	.matches = true,
};
#endif

FIXTURE_VARIANT_ADD(device, second_device) {
	.name = "VMGB000B:00",
	.message = FW_BUG
		"a second VM generation ID device, ignored: /dev/vmgencounter shows the first",
};

FIXTURE_VARIANT_ADD(device, good) {
	.name = "VMGB000A:00",
	.message = "generation ID at 0x00000000" PAGE "030, changes from ACPI",
	.bound = true,
};

FIXTURE_SETUP(device)
{
	snprintf(self->driver, sizeof(self->driver), DEVICES "/%s/driver",
		 variant->name);
}

FIXTURE_TEARDOWN(device)
{
}

TEST_F(device, is_judged)
{
	bool ours = intree_driver_is_module();
	char line[256];

	if (ours && !strcmp(variant->name, "VMGB000B:00"))
		SKIP(return, "this kernel's devices are tried until one is good");
	if (!variant->bound && !variant->matches && !matches_long_cid())
		SKIP(return, "this kernel's drivers cannot match the device");
	snprintf(line, sizeof(line), "vmgencounter %s: %s",
		 ours ? "vmgencounter" : variant->name, variant->message);
	/* Ours has one name for all, and four of them get one message. */
	EXPECT_TRUE(ours ? count_in_log(line) : count_in_log(line) == 1)
		TH_LOG("in the log, %d times: %s", count_in_log(line), line);
	EXPECT_EQ(variant->bound && !ours, !access(self->driver, F_OK));
}

TEST(good_device_works)
{
	struct vm_gencounter id;
	char name[64], hid[64] = "";
	int fd = open(VMGEN_DEVICE, O_RDWR);

	EXPECT_EQ(0, current_id(fd, &id));
	device_name(name, sizeof(name));
	EXPECT_STREQ(intree_driver_is_module() ? "vmgencounter" : "VMGB000A:00", name);
	EXPECT_EQ(0, read_line(VMGEN_SYSFS "/device/firmware_node/hid", hid, sizeof(hid)));
	EXPECT_STREQ("VMGB000A", hid);
	close(fd);
}

TEST_HARNESS_MAIN
