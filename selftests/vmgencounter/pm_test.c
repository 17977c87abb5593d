// SPDX-License-Identifier: GPL-2.0-only
/*
 * A change that happened while the guest slept, of which no Notify came, is
 * found when the devices resume. The kernel's own test mode suspends all devices
 * and resumes them. Fast device only.
 */
#include <sys/wait.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

/* "freeze" or "disk", as far as the devices, and in the real order. */
static int sleep_a_little(const char *state)
{
	return write_text("/sys/module/suspend/parameters/pm_test_delay", "0") ?:
	       write_text("/sys/power/pm_test", "devices") ?:
	       write_text("/sys/power/state", state) ?:
	       write_text("/sys/power/pm_test", "none");
}

FIXTURE(vmgen) {
	struct vmgencounter_info before;
	int fd;
};

FIXTURE_VARIANT(vmgen) {
	const char *state;
};

FIXTURE_VARIANT_ADD(vmgen, suspend) {
	.state = "freeze",
};

/* Devices are thawed again after the image would have been made. */
FIXTURE_VARIANT_ADD(vmgen, hibernate) {
	.state = "disk",
};

FIXTURE_SETUP(vmgen)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	self->fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->before));
}

FIXTURE_TEARDOWN(vmgen)
{
	close(self->fd);
}

TEST_F_TIMEOUT(vmgen, change_while_asleep, TEST_TIMEOUT)
{
	struct waiter w[WAITER_KINDS];
	struct vmgencounter_info after;
	int i;

	for (i = 0; i < WAITER_KINDS; i++) {
		ASSERT_EQ(0, waiter_open(&w[i], i));
		w[i].restart = true;
		ASSERT_EQ(0, waiter_start(&w[i]));
	}
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, sleep_a_little(variant->state));
	for (i = 0; i < WAITER_KINDS; i++) {
		EXPECT_EQ(0, waiter_join(&w[i]))
			TH_LOG("%s", waiter_kind_name(i));
		EXPECT_FALSE(same_id(&self->before.id, &w[i].known));
		waiter_close(&w[i]);
	}
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	EXPECT_EQ(self->before.changes + 1, after.changes);
}

/* Those who did not wait in a call, and so do not ask again, are told as well. */
TEST_F_TIMEOUT(vmgen, resume_sends_sigio, TEST_TIMEOUT)
{
	struct vm_gencounter id;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_EQ(ID_SIZE, read(self->fd, &id, ID_SIZE));
	ASSERT_EQ(0, fcntl(self->fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDONLY | O_ASYNC));
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, sleep_a_little(variant->state));
	ASSERT_EQ(0, sigpending(&set));
	EXPECT_EQ(1, sigismember(&set, SIGIO));
}

/* Nor does it end a call: what waits goes on, and its block is as it was. */
TEST_F_TIMEOUT(vmgen, sleep_is_no_change, TEST_TIMEOUT)
{
	int fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	struct vmgencounter_info after;
	struct shared_call *c;
	int status;

	ASSERT_LE(0, fd);
	c = shared_call_start(fd, &self->before.id);
	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, sleep_a_little(variant->state));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	EXPECT_EQ(self->before.changes, after.changes);
	wait_state(c->pid, 'S');
	EXPECT_EQ(UNTOUCHED, c->req.status);
	EXPECT_EQ(UNTOUCHED, c->req.information);
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(c->pid, waitpid(c->pid, &status, 0));
	EXPECT_EQ(0, c->err);
	EXPECT_EQ(STATUS_SUCCESS, c->req.status);
	munmap(c, sizeof(*c));
	close(fd);
}

TEST_HARNESS_MAIN
