// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgenctl exec: what its command is told, when it runs, and how both end.
 */
#include <sys/stat.h>

#include <vmgencounter.h>

#include "../ctl.h"
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define GO_ON	"/run/go-on"	/* a fifo, from which the command reads */
#define AT_ONCE	"exec --from 0000000000000001:0000000000000002"
#define SAY	"set -- $VMGENCOUNTER_OLD_ID $VMGENCOUNTER_NEW_ID $VMGENCOUNTER_CHANGES;" \
		"echo $* $VMGENCOUNTER_RESEEDED"

FIXTURE(exec) {
	struct ctl c;
	struct vmgencounter_info info;
	struct vm_gencounter told;	/* the ID that exec knows */
	char line[512];
	int go_on;
};

FIXTURE_SETUP(exec)
{
	ASSERT_EQ(0, mkfifo(GO_ON, 0600));
	self->go_on = open(GO_ON, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->go_on);
	ASSERT_EQ(0, peek_info(&self->info));
	self->told = self->info.id;
}

FIXTURE_TEARDOWN(exec)
{
	close(self->go_on);
	unlink(GO_ON);
}

/* The next line is what SAY prints of a change from @told to the current ID, which is told now. */
static void expect_told(struct __test_metadata *_metadata, FIXTURE_DATA(exec) * self,
			enum vmgen_format format)
{
	char old[64], now[64], expected[256];

	ASSERT_EQ(0, peek_info(&self->info));
	vmgen_format(&self->told, format, old, sizeof(old));
	vmgen_format(&self->info.id, format, now, sizeof(now));
	snprintf(expected, sizeof(expected), "%s %s %llu 1", old, now, self->info.changes);
	ASSERT_TRUE(ctl_line(&self->c, self->line, sizeof(self->line)));
	EXPECT_STREQ(expected, self->line);
	self->told = self->info.id;
}

static void go_on(struct __test_metadata *_metadata, FIXTURE_DATA(exec) * self)
{
	ASSERT_EQ(1, write(self->go_on, "\n", 1));
}

TEST_F_TIMEOUT(exec, once, TEST_TIMEOUT)
{
	ctl_start(&self->c, "exec --once -F uuid -- sh -c '" SAY "; exit 7'");
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, new_generation());
	expect_told(_metadata, self, VMGEN_FORMAT_GUID);
	ctl_end(&self->c);
	EXPECT_RUN(7, "", "", &self->c);
}

/* With the ID of another machine the change has been already. */
TEST_F_TIMEOUT(exec, from, TEST_TIMEOUT)
{
	self->told = (struct vm_gencounter) { 1, 2 };
	ctl_start(&self->c, AT_ONCE " --once sh -c '" SAY "'");
	expect_told(_metadata, self, VMGEN_FORMAT_WINDOWS);
	ctl_end(&self->c);
	EXPECT_RUN(0, "", "", &self->c);
}

TEST_F_TIMEOUT(exec, at_each_change, TEST_TIMEOUT)
{
	ctl_start(&self->c, "exec -- sh -c '" SAY "; read x <" GO_ON "'");
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, new_generation());
	expect_told(_metadata, self, VMGEN_FORMAT_WINDOWS);
	/* Two while it runs: it runs once more. */
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, new_generation());
	go_on(_metadata, self);
	expect_told(_metadata, self, VMGEN_FORMAT_WINDOWS);
	go_on(_metadata, self);
	ctl_wait_asleep(&self->c);
	kill(self->c.pid, SIGTERM);
	ctl_end(&self->c);
	EXPECT_RUN(128 + SIGTERM, "", "", &self->c);
}

TEST_F_TIMEOUT(exec, command_fails, TEST_TIMEOUT)
{
	ctl_start(&self->c, "exec -- sh -c '" SAY "; exit 3'");
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, new_generation());
	expect_told(_metadata, self, VMGEN_FORMAT_WINDOWS);
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, new_generation());
	expect_told(_metadata, self, VMGEN_FORMAT_WINDOWS);
	ctl_wait_asleep(&self->c);
	kill(self->c.pid, SIGINT);
	ctl_end(&self->c);
	EXPECT_RUN(128 + SIGINT, "", "sh: exit status 3; it is run again", &self->c);
}

TEST_F_TIMEOUT(exec, command_is_killed, TEST_TIMEOUT)
{
	ctl_run(&self->c, AT_ONCE " --once -- sh -c 'kill -9 $$'");
	EXPECT_RUN(128 + SIGKILL, "", "", &self->c);
}

/* The command gets what would end us, and has the time that it takes. */
TEST_F_TIMEOUT(exec, signal_while_it_runs, TEST_TIMEOUT)
{
	ctl_start(&self->c, AT_ONCE " -- sh -c 'trap \"echo ends; exit\" TERM;"
		  "echo runs; while read x; do :; done <" GO_ON "'");
	ASSERT_TRUE(ctl_line(&self->c, self->line, sizeof(self->line)));
	EXPECT_STREQ("runs", self->line);
	kill(self->c.pid, SIGTERM);
	go_on(_metadata, self);		/* not all shells look for signals while they read */
	ctl_end(&self->c);
	EXPECT_RUN(128 + SIGTERM, "ends\n", "", &self->c);
}

/* As of nohup: neither it nor its command ends by that. */
TEST_F_TIMEOUT(exec, ignored_signal, TEST_TIMEOUT)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);	/* which must not keep it from seeing an end */
	ctl_start(&self->c, AT_ONCE " --once -- sh -c 'echo runs; read x <" GO_ON "; exit 5'");
	ASSERT_TRUE(ctl_line(&self->c, self->line, sizeof(self->line)));
	kill(self->c.pid, SIGHUP);
	signal(SIGCHLD, SIG_DFL);
	go_on(_metadata, self);
	ctl_end(&self->c);
	EXPECT_RUN(5, "", "", &self->c);
}

/* That is found out before there is a change. */
TEST_F_TIMEOUT(exec, command_is_not_there, TEST_TIMEOUT)
{
	ctl_run(&self->c, "exec -- nonesuch");
	EXPECT_RUN(127, "", "nonesuch: there is no such command", &self->c);
	ctl_run(&self->c, "exec -- /run/nonesuch");
	EXPECT_RUN(127, "", "/run/nonesuch: there is no such command", &self->c);
	ctl_run(&self->c, "exec -- /etc/passwd");
	EXPECT_RUN(126, "", "/etc/passwd cannot be run", &self->c);
}

TEST_HARNESS_MAIN
