// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgenctl vpci: each of its commands, with a host that answers, refuses, invalidates, and
 * takes the function away. All that it prints is compared whole.
 */
#include "../ctl.h"
#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define NOBODY	65534
#define NUMBERS	"\"in_flight\":1,\"waiting\":0,\"failed\":1,\"left_behind\":%lld"

FIXTURE(ctl) {
	struct ctl c;
	struct host_counters before;
	char name[64];			/* of the function */
	char line[512], expected[1024];
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
};

FIXTURE_SETUP(ctl)
{
	ASSERT_EQ(0, reset_host());
	self->before = host_counters();
	snprintf(self->name, sizeof(self->name), "%s", function_name("00.0"));
	fill_pattern(self->block, sizeof(self->block), 4);
	ASSERT_EQ(0, host_block(3, self->block, sizeof(self->block)));
	ASSERT_EQ(0, host_block(5, "x", 1));
}

FIXTURE_TEARDOWN(ctl)
{
	EXPECT_EQ(0, host("release"));
	EXPECT_EQ(self->before.errors, host_counters().errors);
}

/* ---- list ---- */

TEST_F_TIMEOUT(ctl, list, TEST_TIMEOUT)
{
	struct caller kept;
	int fd = open_node("00.0", O_RDWR);
	long long behind = function_number("00.0", "left_behind");

	ASSERT_EQ(EIO, read_block(fd, 99, self->block, 8, NULL));
	ASSERT_EQ(0, host("answer never"));
	self->before = host_counters();
	ASSERT_EQ(0, start_read(&kept, fd, 3, 8));
	ASSERT_EQ(0, host_wait(&self->before, 1));
	ctl_run(&self->c, "vpci list");
	snprintf(self->expected, sizeof(self->expected), "%s\tvpci_block\t1\t0\t1\t%lld\n",
		 self->name, behind);
	EXPECT_RUN(0, self->expected, "", &self->c);
	ctl_run(&self->c, "vpci list --json");
	snprintf(self->expected, sizeof(self->expected),
		 "[{\"function\":\"%s\",\"listener\":\"vpci_block\"," NUMBERS "}]\n",
		 self->name, behind);
	EXPECT_RUN(0, self->expected, "", &self->c);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(0, join_caller(&kept));
	close(fd);
}

TEST_F_TIMEOUT(ctl, list_on_a_terminal, TEST_TIMEOUT)
{
	setenv("NO_COLOR", "1", 1);
	ctl_run_on_terminal(&self->c, "vpci list");
	snprintf(self->expected, sizeof(self->expected),
		 "%-16s  %-14s  %11s  %11s  %11s  %11s\n%-16s  %-14s  %11d  %11d  %11d  %11lld\n",
		 "FUNCTION", "listener", "in_flight", "waiting", "failed", "left_behind",
		 self->name, "vpci_block", 0, 0, 0, function_number("00.0", "left_behind"));
	EXPECT_RUN(0, self->expected, "", &self->c);
}

TEST_F_TIMEOUT(ctl, list_of_none, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("eject 00.0"));
	ctl_run(&self->c, "vpci list");
	EXPECT_RUN(0, "", "has passed no PCI function through", &self->c);
	ctl_run(&self->c, "vpci list -j");
	EXPECT_RUN(0, "[]\n", "", &self->c);
	ASSERT_EQ(0, host("add 00.0"));
}

/* ---- read ---- */

TEST_F_TIMEOUT(ctl, read, TEST_TIMEOUT)
{
	const char *dump =
	"00000000  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|\n"
	"00000010  50 51 52 53 54                                    |PQRST|\n";

	ctl_run(&self->c, "vpci read %s 3 21", self->name);
	EXPECT_RUN(0, dump, "", &self->c);
	ctl_run(&self->c, "vpci read --raw /dev/vpci/%s 0x3", self->name);
	EXPECT_EQ(0, self->c.status);
	EXPECT_EQ(sizeof(self->block), self->c.len);
	EXPECT_EQ(0, memcmp(self->block, self->c.out, sizeof(self->block)));
	ctl_run(&self->c, "vpci read --json %s 3 4", self->name);
	snprintf(self->expected, sizeof(self->expected),
		 "{\"function\":\"%s\",\"block\":3,\"length\":4,\"data\":\"40414243\"}\n",
		 self->name);
	EXPECT_RUN(0, self->expected, "", &self->c);
	/* No octal number. */
	ASSERT_EQ(0, host_block(10, "ten", 3));
	ctl_run(&self->c, "vpci read --raw %s 010 3", self->name);
	EXPECT_RUN(0, "ten", "", &self->c);
}

/* VMBus adds nothing to twelve bytes. */
TEST_F_TIMEOUT(ctl, read_less, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("answer short 12"));
	ctl_run(&self->c, "vpci read %s 3 --raw", self->name);
	EXPECT_EQ(0, self->c.status);
	EXPECT_EQ(12, self->c.len);
	EXPECT_EQ(0, memcmp(self->block, self->c.out, 12));
	ASSERT_EQ(0, host("answer ok"));
}

TEST_F_TIMEOUT(ctl, read_fails, TEST_TIMEOUT)
{
	ctl_run(&self->c, "vpci read %s 99", self->name);
	EXPECT_RUN(1, "", "Input/output error\n  the host has no such block", &self->c);
	ctl_run(&self->c, "vpci read 0000:00:1f.7 3");
	EXPECT_RUN(1, "", "'vmgenctl vpci list' shows", &self->c);
	ctl_run(&self->c, "vpci read /dev/null 3");
	EXPECT_RUN(1, "", "/dev/null: Inappropriate ioctl for device\n  that is no node", &self->c);
	ctl_run(&self->c, "vpci read %s 4294967296", self->name);
	EXPECT_RUN(2, "", "'4294967296' is no number of a block", &self->c);
}

/* Everybody may list them. */
TEST(unprivileged)
{
	struct ctl c;

	ASSERT_EQ(0, reset_host());
	ASSERT_EQ(0, setuid(NOBODY));
	ctl_run(&c, "vpci read %s 3", function_name("00.0"));
	EXPECT_RUN(1, "", "Permission denied\n  root may, and who a udev rule lets", &c);
	ctl_run(&c, "vpci list");
	EXPECT_EQ(0, c.status);
	EXPECT_EQ(&c.out[0], strstr(c.out, function_name("00.0")));
}

/* ---- write ---- */

TEST_F_TIMEOUT(ctl, write, TEST_TIMEOUT)
{
	struct host_counters host;

	ctl_run(&self->c, "vpci write %s 5 0102 fF 30", self->name);
	EXPECT_RUN(0, "", "", &self->c);
	host = host_counters();
	EXPECT_EQ(5, host.last_id);
	EXPECT_EQ(4, host.last_len);
	EXPECT_EQ(0, memcmp("\x01\x02\xff\x30", host.last, 4));

	ctl_run(&self->c, "vpci read --raw %s 3 >/run/block", self->name);
	EXPECT_RUN(0, "", "", &self->c);
	ctl_run(&self->c, "vpci write %s 5 </run/block", self->name);
	EXPECT_RUN(0, "", "", &self->c);
	host = host_counters();
	EXPECT_EQ(sizeof(self->block), host.last_len);
	EXPECT_EQ(0, memcmp(self->block, host.last, sizeof(self->block)));
	EXPECT_EQ(self->before.writes + 2, host.writes);
}

/* The host is not asked. */
TEST_F_TIMEOUT(ctl, write_what_cannot_be, TEST_TIMEOUT)
{
	ctl_run(&self->c, "vpci write %s 5 012", self->name);
	EXPECT_RUN(2, "", "'012' is not bytes of two hexadecimal digits each", &self->c);
	ctl_run(&self->c, "vpci write %s 5 </dev/null", self->name);
	EXPECT_RUN(1, "", "these are none", &self->c);
	ctl_run(&self->c, "vpci write %s 5 </dev/zero", self->name);
	EXPECT_RUN(1, "", "these are more", &self->c);
	EXPECT_EQ(self->before.requests, host_counters().requests);
	ASSERT_EQ(0, host("answer status c0000022"));
	ctl_run(&self->c, "vpci write %s 5 01", self->name);
	EXPECT_RUN(1, "", "Input/output error\n  the host has no such block", &self->c);
	ASSERT_EQ(0, host("answer ok"));
}

/* ---- watch ---- */

static void expect_line(struct __test_metadata *_metadata, FIXTURE_DATA(ctl) * self,
			const char *expected)
{
	ASSERT_TRUE(ctl_line(&self->c, self->line, sizeof(self->line)));
	EXPECT_STREQ(expected, self->line);
}

TEST_F_TIMEOUT(ctl, watch, TEST_TIMEOUT)
{
	ctl_start(&self->c, "vpci watch --banner -n 2 %s", self->name);
	snprintf(self->expected, sizeof(self->expected), "Watching %s...", self->name);
	expect_line(_metadata, self, self->expected);
	ASSERT_EQ(0, host("invalidate 00.0 6"));
	expect_line(_metadata, self, "0x0000000000000006\t1 2");
	ASSERT_EQ(0, host("invalidate 00.0 8000000000000000"));
	ctl_end(&self->c);
	EXPECT_RUN(0, "0x8000000000000000\t63\n", "", &self->c);

	ctl_start(&self->c, "vpci watch --banner --json %s", self->name);
	snprintf(self->expected, sizeof(self->expected), "{\"watching\":\"%s\"}", self->name);
	expect_line(_metadata, self, self->expected);
	ASSERT_EQ(0, host("invalidate 00.0 3"));
	snprintf(self->expected, sizeof(self->expected),
		 "{\"function\":\"%s\",\"mask\":\"0x0000000000000003\",\"blocks\":[0,1]}",
		 self->name);
	expect_line(_metadata, self, self->expected);
	kill(self->c.pid, SIGTERM);
	ctl_end(&self->c);
	EXPECT_RUN(128 + SIGTERM, "", "", &self->c);
}

TEST_F_TIMEOUT(ctl, watch_ends, TEST_TIMEOUT)
{
	ctl_run(&self->c, "vpci watch --idle-timeout 10ms %s", self->name);
	EXPECT_RUN(0, "", "", &self->c);
	ctl_start(&self->c, "vpci watch %s", self->name);
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, host("eject 00.0"));
	ctl_end(&self->c);
	EXPECT_RUN(1, "", "No such device\n  the function is gone", &self->c);
	ASSERT_EQ(0, host("add 00.0"));
}

TEST_F_TIMEOUT(ctl, watch_beside_a_driver, TEST_TIMEOUT)
{
	ctl_start(&self->c, "vpci watch %s", self->name);
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	ctl_end(&self->c);
	EXPECT_RUN(1, "", "the driver vpci_listener is told instead\n  unbind it", &self->c);
	ctl_run(&self->c, "vpci watch --banner %s", self->name);
	EXPECT_RUN(1, "", "the driver vpci_listener is told instead\n  unbind it", &self->c);
	ctl_run(&self->c, "vpci list");
	snprintf(self->expected, sizeof(self->expected), "%s\tvpci_listener\t", self->name);
	EXPECT_EQ(&self->c.out[0], strstr(self->c.out, self->expected));
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
}

TEST_F_TIMEOUT(ctl, module_is_not_there, TEST_TIMEOUT)
{
	wait_unused("vpci_block");
	ASSERT_EQ(0, unload_module("vpci_block"));
	ctl_run(&self->c, "vpci list");
	EXPECT_RUN(1, "", "not loaded: as root, modprobe vpci_block", &self->c);
	ctl_run(&self->c, "vpci read 1111:00:00.0 0");
	EXPECT_RUN(1, "", "not loaded: as root, modprobe vpci_block", &self->c);
	ASSERT_EQ(0, load_module("vpci_block"));
}

TEST_HARNESS_MAIN
