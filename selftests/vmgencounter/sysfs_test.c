// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device shows beside its node: attributes in sysfs, uevents, who may
 * see what, and the alias by which the module is loaded.
 */
#include <grp.h>
#include <limits.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define NOBODY	65534
#define UDEV_RULE "/usr/lib/udev/rules.d/60-vmgencounter.rules"

FIXTURE(vmgen) {
	int fd;
	int uevents;
};

/* A socket that gets what udev gets. */
static int listen_for_uevents(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct timeval limit = { .tv_sec = 15 };	/* then none is coming */
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return bind(s, (struct sockaddr *)&kernel, sizeof(kernel)) ? -1 : s;
}

FIXTURE_SETUP(vmgen)
{
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->uevents = listen_for_uevents();
	ASSERT_LE(0, self->uevents);
}

FIXTURE_TEARDOWN(vmgen)
{
	close(self->uevents);
	close(self->fd);
}

/* ---- uevents of the device ---- */

struct uevent {
	char text[4096];	/* "action@path", then KEY=VALUE, each with its NUL */
	ssize_t size;
};

/* The value of @key, or "". */
static const char *value(const struct uevent *ev, const char *key)
{
	const size_t len = strlen(key);
	const char *p;

	for (p = ev->text; p < ev->text + ev->size; p += strlen(p) + 1)
		if (!strncmp(p, key, len) && p[len] == '=')
			return p + len + 1;
	return "";
}

static bool is_ours(const struct uevent *ev)
{
	return !strcmp(value(ev, "DEVNAME"), "vmgencounter");
}

/* The next uevent of our device, whatever it is. 0 or an errno. */
static int next_uevent(int s, struct uevent *ev)
{
	do {
		ev->size = recv(s, ev->text, sizeof(ev->text) - 1, 0);
		if (ev->size < 0)
			return errno;
		ev->text[ev->size] = '\0';
	} while (!is_ours(ev));
	return 0;
}

static long long number(const struct uevent *ev, const char *key)
{
	const char *text = value(ev, key);

	return *text ? atoll(text) : -1;
}

/*
 * Is no uevent waiting? One that we have the kernel send is the next, then:
 * the socket keeps their order.
 */
static bool no_more_uevents(int s)
{
	struct uevent ev;

	if (write_text(VMGEN_SYSFS "/uevent", "change") || next_uevent(s, &ev))
		return false;
	return *value(&ev, "SYNTH_UUID");
}

/* ---- attributes ---- */

static int attribute(const char *name, char *line, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VMGEN_SYSFS "/%s", name);
	return read_line(path, line, size);
}

static long long changes(void)
{
	char line[64];

	return attribute("changes", line, sizeof(line)) ? -1 : atoll(line);
}

/* "low:high", as numbers. */
static void as_numbers(const struct vm_gencounter *id, char *text, size_t size)
{
	snprintf(text, size, "%016llx:%016llx",
		 (unsigned long long)id->generation_count,
		 (unsigned long long)id->generation_count_high);
}

/* The bytes in memory: a u32 and two u16, little-endian, and eight bytes. */
static void as_guid(const struct vm_gencounter *id, char *text, size_t size)
{
	const uint64_t low = id->generation_count;
	uint8_t b[8];
	int i;

	for (i = 0; i < 8; i++)
		b[i] = id->generation_count_high >> (8 * i);
	snprintf(text, size,
		 "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 (uint32_t)low, (uint16_t)(low >> 32), (uint16_t)(low >> 48),
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
}

TEST_F_TIMEOUT(vmgen, generation_is_the_id, TEST_TIMEOUT)
{
	char line[64], numbers[64], guid[64];
	struct vm_gencounter id;

	ASSERT_EQ(0, attribute("generation", line, sizeof(line)));
	/* Looking is not delivery. */
	EXPECT_EQ(POLLIN | POLLRDNORM, readiness(self->fd));
	ASSERT_EQ(0, current_id(self->fd, &id));
	as_numbers(&id, numbers, sizeof(numbers));
	EXPECT_STREQ(numbers, line);

	ASSERT_EQ(0, attribute("generation_guid", line, sizeof(line)));
	as_guid(&id, guid, sizeof(guid));
	EXPECT_STREQ(guid, line);
}

/* A change to an ID that we know; @guid is how the hypervisor writes it. */
static int change_to_known(char *guid)
{
	if (!fast_device())
		return restore_snapshot("", guid);
	snprintf(guid, GUID_SIZE, "89abcdef-4567-0123-1032-547698badcfe");
	return test_command("set 0123456789abcdef:fedcba9876543210") ?: test_command("notify");
}

TEST_F_TIMEOUT(vmgen, guid_is_the_hypervisors, TEST_TIMEOUT)
{
	char line[64], guid[GUID_SIZE], numbers[64];
	struct vm_gencounter id;
	struct uevent ev;

	ASSERT_EQ(0, change_to_known(guid));
	ASSERT_EQ(0, attribute("generation_guid", line, sizeof(line)));
	EXPECT_STREQ(guid, line);

	ASSERT_EQ(0, attribute("generation", line, sizeof(line)));
	if (fast_device())
		EXPECT_STREQ("0123456789abcdef:fedcba9876543210", line);
	ASSERT_EQ(0, current_id(self->fd, &id));
	as_numbers(&id, numbers, sizeof(numbers));
	EXPECT_STREQ(numbers, line);
	/* A Notify that comes late must not be taken for the next test's. */
	EXPECT_EQ(0, next_uevent(self->uevents, &ev));
}

TEST_F_TIMEOUT(vmgen, interface_guid, TEST_TIMEOUT)
{
	char line[64];

	ASSERT_EQ(0, attribute("device_interface_guid", line, sizeof(line)));
	EXPECT_STREQ("{3ff2c92b-6598-4e60-8e1c-0ccf4927e319}", line);
}

/* ---- the count and its uevents ---- */

TEST_F_TIMEOUT(vmgen, one_uevent_for_each_change, TEST_TIMEOUT)
{
	const int rounds = fast_device() ? 20 : 2;
	const long long before = changes();
	struct uevent ev;
	int i;

	ASSERT_LE(0, before);
	for (i = 1; i <= rounds; i++) {
		ASSERT_EQ(0, new_generation());
		ASSERT_EQ(0, next_uevent(self->uevents, &ev));
		EXPECT_EQ(before + i, number(&ev, "VMGENCOUNTER_CHANGES"));
		EXPECT_EQ(before + i, changes());
		EXPECT_TRUE(no_more_uevents(self->uevents));
	}
}

/* Everybody may listen to uevents, but the ID is not for everybody. */
static bool tells_the_id(const struct uevent *ev, const struct vm_gencounter *id)
{
	char numbers[64], guid[64];

	as_numbers(id, numbers, sizeof(numbers));
	as_guid(id, guid, sizeof(guid));
	return memmem(ev->text, ev->size, numbers, 16) ||
	       memmem(ev->text, ev->size, numbers + 17, 16) ||
	       memmem(ev->text, ev->size, guid, strlen(guid));
}

TEST_F_TIMEOUT(vmgen, uevent_says_whose_it_is, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	struct uevent ev;
	struct stat st;

	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, next_uevent(self->uevents, &ev));
	EXPECT_EQ(0, strncmp(ev.text, "change@/devices/", 16));
	EXPECT_STREQ("change", value(&ev, "ACTION"));
	EXPECT_STREQ("misc", value(&ev, "SUBSYSTEM"));
	EXPECT_STREQ("vmgencounter", value(&ev, "DEVNAME"));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(major(st.st_rdev), number(&ev, "MAJOR"));
	EXPECT_EQ(minor(st.st_rdev), number(&ev, "MINOR"));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(info.changes, number(&ev, "VMGENCOUNTER_CHANGES"));
	EXPECT_FALSE(tells_the_id(&ev, &info.id));
}

TEST_F_TIMEOUT(vmgen, spurious_notify_sends_none, TEST_TIMEOUT)
{
	const long long before = changes();
	struct uevent ev;

	ASSERT_EQ(0, spurious_notify());
	/* On QEMU it may still be on its way, but not behind a later one. */
	EXPECT_EQ(before, changes());
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, next_uevent(self->uevents, &ev));
	EXPECT_EQ(before + 1, number(&ev, "VMGENCOUNTER_CHANGES"));
	EXPECT_EQ(before + 1, changes());
	EXPECT_TRUE(no_more_uevents(self->uevents));
}

/* Who asks before the Notify counts the change; the Notify announces it. */
TEST_F_TIMEOUT(vmgen, counted_early_announced_once, TEST_TIMEOUT)
{
	const long long before = changes();
	struct uevent ev;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, test_command("set"));
	EXPECT_EQ(before + 1, changes());
	EXPECT_EQ(before + 1, changes());
	EXPECT_TRUE(no_more_uevents(self->uevents));
	ASSERT_EQ(0, test_command("notify"));
	ASSERT_EQ(0, next_uevent(self->uevents, &ev));
	EXPECT_EQ(before + 1, number(&ev, "VMGENCOUNTER_CHANGES"));
	EXPECT_EQ(before + 1, changes());
	EXPECT_TRUE(no_more_uevents(self->uevents));
}

/* What is shown is the buffer, before the Notify and whoever looked last. */
TEST_F_TIMEOUT(vmgen, shows_the_buffer, TEST_TIMEOUT)
{
	const char * const names[] = { "generation", "generation_guid" };
	char old[64], line[64];
	struct uevent ev;
	size_t i;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, attribute(names[i], old, sizeof(old)));
		ASSERT_EQ(0, test_command("set"));
		ASSERT_EQ(0, attribute(names[i], line, sizeof(line)));
		EXPECT_STRNE(old, line);
	}
	ASSERT_EQ(0, test_command("notify"));
	EXPECT_EQ(0, next_uevent(self->uevents, &ev));
}

/* ---- who may ---- */

static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		abort();
}

TEST_F_TIMEOUT(vmgen, node_is_roots, TEST_TIMEOUT)
{
	const int how[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct stat st;
	size_t i;

	if (!access(UDEV_RULE, F_OK))
		SKIP(return, "a udev rule has given the node to a group");
	ASSERT_EQ(0, stat(VMGEN_DEVICE, &st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);
	become_nobody();	/* each test is a process of its own */
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		EXPECT_EQ(-1, open(VMGEN_DEVICE, how[i]));
		EXPECT_EQ(EACCES, errno);
	}
}

TEST_F_TIMEOUT(vmgen, an_open_file_can_be_handed_down, TEST_TIMEOUT)
{
	struct vm_gencounter id;

	become_nobody();
	EXPECT_EQ(0, current_id(self->fd, &id));
}

FIXTURE(attribute) {
	char path[PATH_MAX];
};

FIXTURE_VARIANT(attribute) {
	const char *name;
	mode_t mode;
	int nobody;		/* errno when nobody reads it */
};

FIXTURE_VARIANT_ADD(attribute, generation) {
	.name = "generation",
	.mode = 0400,
	.nobody = EACCES,
};

FIXTURE_VARIANT_ADD(attribute, generation_guid) {
	.name = "generation_guid",
	.mode = 0400,
	.nobody = EACCES,
};

FIXTURE_VARIANT_ADD(attribute, changes) {
	.name = "changes",
	.mode = 0444,
};

FIXTURE_VARIANT_ADD(attribute, flags) {
	.name = "flags",
	.mode = 0444,
};

FIXTURE_VARIANT_ADD(attribute, device_interface_guid) {
	.name = "device_interface_guid",
	.mode = 0444,
};

FIXTURE_SETUP(attribute)
{
	snprintf(self->path, sizeof(self->path), VMGEN_SYSFS "/%s", variant->name);
}

FIXTURE_TEARDOWN(attribute)
{
}

TEST_F_TIMEOUT(attribute, who_may_read_it, TEST_TIMEOUT)
{
	char line[64];
	struct stat st;

	ASSERT_EQ(0, stat(self->path, &st));
	EXPECT_EQ(S_IFREG | variant->mode, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, read_line(self->path, line, sizeof(line)));
	become_nobody();
	EXPECT_EQ(variant->nobody, read_line(self->path, line, sizeof(line)));
}

TEST_F_TIMEOUT(attribute, nobody_may_write_it, TEST_TIMEOUT)
{
	EXPECT_EQ(EACCES, write_text(self->path, "0"));
}

/* ---- how the module comes ---- */

static bool module_loaded(void)
{
	return !system("grep -q '^vmgencounter ' /proc/modules");
}

/* The last part of where a link in sysfs leads. */
static void link_name(const char *link, char *name, size_t size)
{
	char target[PATH_MAX] = "";
	char *slash;

	if (!realpath(link, target))
		target[0] = '\0';
	slash = strrchr(target, '/');
	snprintf(name, size, "%s", slash ? slash + 1 : "");
}

TEST_F_TIMEOUT(vmgen, driver_is_bound, TEST_TIMEOUT)
{
	char name[256];

	EXPECT_TRUE(module_loaded());
	link_name(VMGEN_SYSFS "/device/driver", name, sizeof(name));
	EXPECT_STREQ("vmgencounter", name);
	link_name(VMGEN_SYSFS "/device/driver/module", name, sizeof(name));
	EXPECT_STREQ("vmgencounter", name);
	/* There only for who asks for it. */
	EXPECT_EQ(-1, access("/dev/sysgenid", F_OK));
}

/* Unloaded and loaded as udev does it, by nothing but the device's modalias. */
TEST_F_TIMEOUT(vmgen, modalias_loads_the_module, TEST_TIMEOUT)
{
	char alias[128], command[256];

	/* The firmware's device's, as ours may be one that was added beside it. */
	ASSERT_TRUE(!attribute("device/firmware_node/modalias", alias, sizeof(alias)) ||
		    !attribute("device/../modalias", alias, sizeof(alias)) ||
		    !attribute("device/modalias", alias, sizeof(alias)));
	EXPECT_TRUE(strstr(alias, "VM_GEN_COUNTER") || strstr(alias, "microsoft,vmgenid"));
	close(self->fd);
	ASSERT_EQ(0, system("rmmod vmgencounter"));
	EXPECT_FALSE(module_loaded());
	EXPECT_EQ(-1, access(VMGEN_SYSFS, F_OK));

	snprintf(command, sizeof(command), "modprobe '%s'", alias);
	/* The alias is vmgenid's, too, and fails with it where that is forbidden. */
	if (system(command))
		EXPECT_TRUE(intree_driver_is_module() && !module_position("vmgenid"));
	EXPECT_TRUE(module_loaded());
	/* A new count: since the driver took the device. */
	EXPECT_EQ(0, changes());
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->fd);
}

TEST_HARNESS_MAIN
