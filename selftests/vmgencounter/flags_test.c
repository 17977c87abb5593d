// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flags promise the same whatever the kernel's vmgenid driver is, built in, a
 * module, bound or not, and what happens to it later.
 */
#include <limits.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

FIXTURE(vmgen) {
	struct vmgencounter_info info;
};

FIXTURE_SETUP(vmgen)
{
	int fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, VMGENCOUNTER_GET_INFO, &self->info));
	close(fd);
}

FIXTURE_TEARDOWN(vmgen)
{
}

/* Has the device a node in a devicetree, with that property? Ours may be its child. */
static bool has_dt_property(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VMGEN_SYSFS "/device/of_node/%s", name);
	if (!access(path, F_OK))
		return true;
	snprintf(path, sizeof(path), VMGEN_SYSFS "/device/../of_node/%s", name);
	return !access(path, F_OK);
}

static bool is_devicetree(void)
{
	return has_dt_property("compatible");
}

/* The test module keeps us from the Notify, or the devicetree has no interrupt. */
static bool is_deaf(void)
{
	return module_position("vmgen_deaf") ||
	       (is_devicetree() && !has_dt_property("interrupts"));
}

/* The table of docs/vmgencounter.rst. */
TEST_F(vmgen, flags_fit_the_kernel)
{
	uint32_t flags = VMGENCOUNTER_MMAP | VMGENCOUNTER_ID_ALONE;

	if (!is_deaf())
		flags |= VMGENCOUNTER_WAKEUP | VMGENCOUNTER_WAKEUP_AFTER_RESEED;
	EXPECT_EQ(flags, self->info.flags)
		TH_LOG("vmgenid: %s%s%s",
		       intree_driver_is_module() ? "a module" :
		       intree_driver_is_builtin() ? "built in" : "not in this kernel",
		       intree_driver_bound() ? ", bound" : "",
		       intree_driver_late() ? ", loaded after vmgencounter" : "");
}

TEST_F(vmgen, sysfs_shows_them)
{
	char line[64], flags[16];

	snprintf(flags, sizeof(flags), "%#x", self->info.flags);
	ASSERT_EQ(0, read_line(VMGEN_SYSFS "/flags", line, sizeof(line)));
	EXPECT_STREQ(flags, line);
}

TEST_F(vmgen, log_tells_the_source)
{
	const char *line = is_devicetree() ? ", changes from its interrupt" :
					     ", changes from ACPI";

	if (!(self->info.flags & VMGENCOUNTER_WAKEUP))
		SKIP(return, "there is no source");
	EXPECT_EQ(1, count_in_log(line));
}

/* Wherever it is, before or after ours, the kernel's own driver gets its device. */
TEST_F(vmgen, loaded_vmgenid_is_bound)
{
	if (!module_position("vmgenid"))
		SKIP(return, "vmgenid is not a module here that is loaded");
	EXPECT_TRUE(intree_driver_bound());
}

TEST_HARNESS_MAIN
