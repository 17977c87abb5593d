// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions have a node, when, and what it looks like: those of a Hyper-V root
 * bus and no others, whichever of bus, function and module comes or goes first.
 */
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>

#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define DEVICES	"/sys/bus/pci/devices"

FIXTURE(bus) {
	struct host_counters before;
};

FIXTURE_SETUP(bus)
{
	ASSERT_EQ(0, load_module("vpci_block"));
	ASSERT_EQ(0, reset_host());
	self->before = host_counters();
}

FIXTURE_TEARDOWN(bus)
{
	EXPECT_EQ(self->before.errors, host_counters().errors);
	EXPECT_EQ(self->before.requests, host_counters().requests);
}

static int count(const char *pattern)
{
	glob_t found;
	int n = 0;

	if (!glob(pattern, 0, NULL, &found)) {
		n = found.gl_pathc;
		globfree(&found);
	}
	return n;
}

static bool works(const char *function)
{
	int fd = open_node(function, O_RDWR | O_NONBLOCK);
	uint64_t mask;
	bool good;

	good = fd >= 0 && invalid_blocks(fd, &mask) == EAGAIN;
	close(fd);
	return good;
}

/* ---- the node ---- */

static int stat_node(struct stat *st)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/vpci/%s", function_name("00.0"));
	return stat(path, st) ? errno : 0;
}

TEST_F_TIMEOUT(bus, node, TEST_TIMEOUT)
{
	char path[PATH_MAX], line[64], number[64];
	struct stat st;

	ASSERT_EQ(0, stat_node(&st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);
	snprintf(path, sizeof(path), DEVICES "/%s/vpci/%s/dev", function_name("00.0"),
		 function_name("00.0"));
	ASSERT_EQ(0, read_line(path, line, sizeof(line)));
	snprintf(number, sizeof(number), "%u:%u", (unsigned int)(st.st_rdev >> 8 & 0xfff),
		 (unsigned int)(st.st_rdev & 0xff));
	EXPECT_STREQ(number, line);
	EXPECT_EQ(1, count_nodes());
	EXPECT_EQ(1, count("/sys/class/vpci/*"));
}

TEST_F_TIMEOUT(bus, not_for_everybody, TEST_TIMEOUT)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	size_t i;

	ASSERT_EQ(0, seteuid(65534));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		EXPECT_EQ(-1, open_node("00.0", modes[i]));
		EXPECT_EQ(EACCES, errno);
	}
	ASSERT_EQ(0, seteuid(0));
	EXPECT_TRUE(works("00.0"));
}

/* udev loads the module for the VMBus class of passed-through functions. */
TEST_F_TIMEOUT(bus, is_loaded_by_udev, TEST_TIMEOUT)
{
	const char *passed_through = "1df6c444444400449d52802e27ede19f";
	char command[256];

	snprintf(command, sizeof(command),
		 "grep -q '^alias vmbus:%s vpci_block$' /lib/modules/*/modules.alias",
		 passed_through);
	EXPECT_EQ(0, system(command));
}

/* ---- which functions ---- */

/* What is in the machine besides: its bridges, its disk controller, serial lines. */
TEST_F_TIMEOUT(bus, ordinary_functions_have_none, TEST_TIMEOUT)
{
	EXPECT_LT(2, count(DEVICES "/*"));
	EXPECT_EQ(1, count("/sys/bus/vmbus/devices/*/pci*:*/*:*:??.?"));
	EXPECT_EQ(1, count_nodes());
	EXPECT_EQ(0, count(DEVICES "/0000:*/vpci"));
}

/* The module, with these alone, says nothing and does nothing. */
TEST_F_TIMEOUT(bus, only_ordinary_functions, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("rescind"));
	ASSERT_EQ(0, unload_module("vpci_block"));
	ASSERT_EQ(0, load_module("vpci_block"));
	EXPECT_EQ(0, count_nodes());
	EXPECT_EQ(0, count("/sys/class/vpci/*"));
	EXPECT_EQ(0, count_in_log("no /dev/vpci"));
	ASSERT_EQ(0, host("plug"));
	EXPECT_TRUE(works("00.0"));
}

/* Whose a function's or its node's "add" is; "" if it is no such thing, or another function's. */
static const char *kind_of_add(const char *words, const char *function)
{
	if (strncmp(words, "add@", 4) || !strstr(words, function))
		return "";
	return strstr(words, "\nSUBSYSTEM=vpci\n") ? "vpci" :
	       strstr(words, "\nSUBSYSTEM=pci\n") ? "pci" : "";
}

/* Who is told of the node can look for what it belongs to, and can open it. */
TEST_F_TIMEOUT(bus, node_is_announced_after_its_function, TEST_TIMEOUT)
{
	static const char * const ways[] = { "add 01.0", "plug" };
	static const char * const functions[] = { "01.0", "00.0" };
	const char *kind, *last;
	char words[4096];
	int fd, i, node;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, i ? host("rescind") : 0);
		fd = open_uevents();
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, host("%s", ways[i]));
		last = "";
		do {
			ASSERT_EQ(0, next_uevent(fd, words, sizeof(words)));
			kind = kind_of_add(words, functions[i]);
			if (!strcmp(kind, "vpci"))
				EXPECT_STREQ("pci", last);
			last = *kind ? kind : last;
		} while (strcmp(kind, "vpci"));
		node = open_node(functions[i], O_RDWR);
		EXPECT_LE(0, node);
		close(node);
		close(fd);
	}
}

/* One that has gone before it was announced is not announced at all. */
TEST_F_TIMEOUT(bus, announcements_of_what_goes_at_once, TEST_TIMEOUT)
{
	int i, n = 0, fd = open_uevents();
	char words[4096];

	ASSERT_LE(0, fd);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, host("add 01.0"));
		ASSERT_EQ(0, host("eject 01.0"));
	}
	ASSERT_EQ(0, host("add 01.0"));
	do {
		ASSERT_EQ(0, next_uevent(fd, words, sizeof(words)));
		if (!strstr(words, "\nSUBSYSTEM=vpci\n") || !strstr(words, "01.0"))
			continue;
		n += !strncmp(words, "add@", 4) ? 1 : -1;
		EXPECT_TRUE(n == 0 || n == 1);
	} while (!n || !works("01.0"));
	close(fd);
}

static int write_to(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return write_text(path, text);
}

/* The directory in sysfs of a function that has virtual functions; "" if none does. */
static void find_sriov(char *path)
{
	glob_t found;

	*path = '\0';
	if (glob(DEVICES "/*/sriov_totalvfs", 0, NULL, &found))
		return;
	snprintf(path, PATH_MAX, "%s", found.gl_pathv[0]);
	*strrchr(path, '/') = '\0';
	globfree(&found);
}

/* Those that this guest's own devices have are no passed-through functions. */
TEST_F_TIMEOUT(bus, virtual_functions_have_none, TEST_TIMEOUT)
{
	char path[PATH_MAX], *name;

	find_sriov(path);
	if (!*path && !getenv("SRIOV"))
		SKIP(return, "this guest has no device with virtual functions");
	name = strrchr(path, '/') + 1;
	ASSERT_EQ(0, write_to(path, "driver_override", "vpci_pf"));
	ASSERT_EQ(0, write_text("/sys/bus/pci/drivers/vpci_pf/bind", name));
	ASSERT_EQ(0, write_to(path, "sriov_numvfs", "2"));
	EXPECT_EQ(2, count(DEVICES "/*/physfn"));
	EXPECT_EQ(1, count_nodes());
	EXPECT_EQ(0, count(DEVICES "/*/physfn/../vpci"));
	EXPECT_EQ(0, count(DEVICES "/0000:*/vpci"));
	/* Nor when they were there first. */
	ASSERT_EQ(0, unload_module("vpci_block"));
	ASSERT_EQ(0, load_module("vpci_block"));
	EXPECT_EQ(2, count(DEVICES "/*/physfn"));
	EXPECT_EQ(1, count_nodes());
	EXPECT_EQ(0, count(DEVICES "/0000:*/vpci"));
	EXPECT_TRUE(works("00.0"));
	ASSERT_EQ(0, write_to(path, "sriov_numvfs", "0"));
	EXPECT_EQ(0, count(DEVICES "/*/physfn"));
	ASSERT_EQ(0, write_text("/sys/bus/pci/drivers/vpci_pf/unbind", name));
}

/* Not even below a device that has hv_pci's bus or a driver of its name, but not both. */
TEST_F_TIMEOUT(bus, almost_hv_pci_has_none, TEST_TIMEOUT)
{
	if (real_hv_pci())
		SKIP(return, "there are no such buses where the VMBus is simulated");
	ASSERT_EQ(0, host("strangers come"));
	EXPECT_EQ(5, count(DEVICES "/222?:00:00.0"));
	EXPECT_EQ(1, count_nodes());
	/* Nor when they were there first. */
	ASSERT_EQ(0, unload_module("vpci_block"));
	ASSERT_EQ(0, load_module("vpci_block"));
	EXPECT_EQ(5, count(DEVICES "/222?:00:00.0"));
	EXPECT_EQ(1, count_nodes());
	EXPECT_TRUE(works("00.0"));
	ASSERT_EQ(0, host("strangers go"));
	EXPECT_EQ(0, count(DEVICES "/222?:00:00.0"));
	EXPECT_EQ(1, count_nodes());
}

TEST_F_TIMEOUT(bus, each_function_has_one, TEST_TIMEOUT)
{
	static const char * const names[] = { "01.0", "01.3", "1f.0", "1f.7" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_FALSE(has_node(names[i]));
		ASSERT_EQ(0, host("add %s", names[i]));
		EXPECT_TRUE(works(names[i]));
	}
	EXPECT_EQ(1 + ARRAY_SIZE(names), count_nodes());
	for (i = ARRAY_SIZE(names); i--;) {
		ASSERT_EQ(0, host("eject %s", names[i]));
		EXPECT_FALSE(has_node(names[i]));
		EXPECT_EQ(1 + i, count_nodes());
	}
	EXPECT_TRUE(works("00.0"));
}

/* A node that was made for the old one, in a container, opens nothing. */
TEST_F_TIMEOUT(bus, a_new_function_has_a_new_number, TEST_TIMEOUT)
{
	struct stat before, after;
	int fd;

	ASSERT_EQ(0, stat_node(&before));
	ASSERT_EQ(0, mknod("/tmp/old", S_IFCHR | 0600, before.st_rdev));
	ASSERT_EQ(0, host("eject 00.0"));
	ASSERT_EQ(0, host("add 00.0"));
	ASSERT_EQ(0, stat_node(&after));
	EXPECT_NE(before.st_rdev, after.st_rdev);
	fd = open("/tmp/old", O_RDWR);
	EXPECT_EQ(-1, fd);
	EXPECT_EQ(ENXIO, errno);
	close(fd);
	EXPECT_EQ(0, unlink("/tmp/old"));
	EXPECT_TRUE(works("00.0"));
}

TEST_F_TIMEOUT(bus, all_go_with_the_bus, TEST_TIMEOUT)
{
	int slot;

	for (slot = 1; slot < 16; slot++)
		ASSERT_EQ(0, host("add %02x.0", slot));
	EXPECT_EQ(16, count_nodes());
	ASSERT_EQ(0, host("rescind"));
	EXPECT_EQ(0, count_nodes());
	EXPECT_EQ(0, count("/sys/class/vpci/*"));
	ASSERT_EQ(0, host("plug"));
	EXPECT_EQ(1, count_nodes());
	EXPECT_TRUE(works("00.0"));
}

/* As an administrator does it, and not the host. */
TEST_F_TIMEOUT(bus, removed_and_scanned_again, TEST_TIMEOUT)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/remove", function_name("00.0"));
	ASSERT_EQ(0, write_text(path, "1"));
	EXPECT_EQ(0, count_nodes());
	ASSERT_EQ(0, write_text("/sys/bus/pci/rescan", "1"));
	EXPECT_TRUE(works("00.0"));
	EXPECT_EQ(1, count_nodes());
}

/* ---- the module ---- */

TEST_F_TIMEOUT(bus, module_goes_and_comes, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("add 01.0"));
	for (i = 0; i < 20; i++) {
		EXPECT_TRUE(works("00.0"));
		EXPECT_TRUE(works("01.0"));
		EXPECT_EQ(2, count_nodes());
		ASSERT_EQ(0, unload_module("vpci_block"));
		EXPECT_EQ(0, count_nodes());
		EXPECT_EQ(0, access("/sys/class/vpci", F_OK) == 0);
		ASSERT_EQ(0, load_module("vpci_block"));
	}
}

TEST_F_TIMEOUT(bus, open_file_holds_the_module, TEST_TIMEOUT)
{
	int fd = open_node("00.0", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EWOULDBLOCK, unload_module("vpci_block"));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(EWOULDBLOCK, unload_module("vpci_block"));
	close(fd);
	EXPECT_EQ(0, unload_module("vpci_block"));
	ASSERT_EQ(0, host("add 00.0"));
	EXPECT_EQ(0, count_nodes());
	ASSERT_EQ(0, load_module("vpci_block"));
	EXPECT_TRUE(works("00.0"));
}

/* Functions come and go while the module does: neither twice nor left behind. */
static void *add_and_eject(void *arg)
{
	bool *stop = arg;
	intptr_t n = 0;

	for (; !__atomic_load_n(stop, __ATOMIC_RELAXED); n++) {
		if (host("add 01.0") || host("eject 01.0"))
			return (void *)-1;
	}
	return (void *)n;
}

TEST_F_TIMEOUT(bus, functions_come_while_the_module_does, TEST_TIMEOUT)
{
	const int times = rounds(25);
	bool stop = false;
	pthread_t thread;
	void *ejected;
	int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, add_and_eject, &stop));
	for (i = 0; i < times; i++) {
		ASSERT_EQ(0, unload_module("vpci_block"));
		ASSERT_EQ(0, load_module("vpci_block"));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, &ejected);
	EXPECT_LT(times * 2 / 5, (intptr_t)ejected);
	EXPECT_EQ(1, count_nodes());
	EXPECT_TRUE(works("00.0"));
	EXPECT_EQ(0, count_in_log("no /dev/vpci"));
	EXPECT_EQ(0, count_in_log("duplicate filename"));
}

/* hv_pci goes and comes, with the module there. An open file keeps it. */
TEST_F_TIMEOUT(bus, hv_pci_goes_and_comes, TEST_TIMEOUT)
{
	uint64_t mask;
	int i, fd;

	if (real_hv_pci())
		SKIP(return, "the host goes with hv_pci where the VMBus is simulated");
	for (i = 0; i < 10; i++) {
		fd = open_node("00.0", O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(EWOULDBLOCK, unload_module("vpci_fake"));
		ASSERT_EQ(0, host("rescind"));
		EXPECT_EQ(0, count_nodes());
		EXPECT_EQ(ENODEV, invalid_blocks(fd, &mask));
		close(fd);
		ASSERT_EQ(0, unload_module("vpci_fake"));
		ASSERT_EQ(0, load_module("vpci_fake"));
		EXPECT_TRUE(works("00.0"));
	}
	self->before = host_counters();
}

TEST_HARNESS_MAIN
