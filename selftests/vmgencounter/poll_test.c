// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll(), select(), epoll and SIGIO: what is readable, who wakes and who does
 * not.
 */
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

FIXTURE(vmgen) {
	int fd;
	struct vm_gencounter id;
};

FIXTURE_SETUP(vmgen)
{
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(vmgen)
{
	close(self->fd);
}

static int epoll_of(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) ? -1 : epfd;
}

/* The events that epoll reports within @timeout ms, 0 for none. */
static uint32_t epoll_events(int epfd, int timeout)
{
	struct epoll_event ev = {};

	return epoll_wait(epfd, &ev, 1, timeout) == 1 ? ev.events : 0;
}

TEST_F_TIMEOUT(vmgen, fresh_file_is_readable, TEST_TIMEOUT)
{
	struct timeval now = {};
	fd_set set;
	int epfd;

	EXPECT_EQ(POLLIN | POLLRDNORM, readiness(self->fd));
	/* Asking changes nothing. */
	EXPECT_EQ(POLLIN | POLLRDNORM, readiness(self->fd));

	FD_ZERO(&set);
	FD_SET(self->fd, &set);
	EXPECT_EQ(1, select(self->fd + 1, &set, NULL, NULL, &now));

	epfd = epoll_of(self->fd, EPOLLIN | EPOLLRDNORM);
	ASSERT_LE(0, epfd);
	EXPECT_EQ(EPOLLIN | EPOLLRDNORM, epoll_events(epfd, 0));
	EXPECT_EQ(EPOLLIN | EPOLLRDNORM, epoll_events(epfd, 0));
	close(epfd);
}

TEST_F_TIMEOUT(vmgen, delivery_clears, TEST_TIMEOUT)
{
	int other = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);

	ASSERT_EQ(ID_SIZE, read(self->fd, &self->id, ID_SIZE));
	EXPECT_EQ(0, readiness(self->fd));
	EXPECT_EQ(POLLIN | POLLRDNORM, readiness(other));
	ASSERT_EQ(0, current_id(other, &self->id));
	EXPECT_EQ(0, readiness(other));
	close(other);
}

TEST_F_TIMEOUT(vmgen, a_write_is_never_ready, TEST_TIMEOUT)
{
	struct pollfd p = { .fd = self->fd, .events = POLLOUT | POLLPRI };

	EXPECT_EQ(0, poll(&p, 1, 0));
}

TEST_F_TIMEOUT(vmgen, one_change_wakes_every_kind, TEST_TIMEOUT)
{
	struct waiter w[2 * WAITER_KINDS];
	const int n = ARRAY_SIZE(w);
	struct vm_gencounter old;
	int i;

	ASSERT_EQ(0, current_id(self->fd, &old));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, waiter_open(&w[i], i % WAITER_KINDS));
		ASSERT_EQ(0, waiter_start(&w[i]));
	}
	ASSERT_EQ(0, new_generation());
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, waiter_join(&w[i]));

	ASSERT_EQ(0, current_id(self->fd, &self->id));
	EXPECT_FALSE(same_id(&old, &self->id));
	for (i = 0; i < n; i++) {
		EXPECT_TRUE(same_id(&w[i].known, &self->id))
			TH_LOG("%s has another ID", waiter_kind_name(w[i].kind));
		waiter_close(&w[i]);
	}
}

TEST_F_TIMEOUT(vmgen, level_stays_edge_does_not, TEST_TIMEOUT)
{
	int level, edge, i;

	ASSERT_EQ(0, current_id(self->fd, &self->id));
	level = epoll_of(self->fd, EPOLLIN);
	edge = epoll_of(self->fd, EPOLLIN | EPOLLET);
	EXPECT_EQ(0, epoll_events(level, 0));
	EXPECT_EQ(0, epoll_events(edge, 0));

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, new_generation());
		EXPECT_EQ(EPOLLIN, epoll_events(edge, -1));
		EXPECT_EQ(0, epoll_events(edge, 0));
		EXPECT_EQ(EPOLLIN, epoll_events(level, -1));
		EXPECT_EQ(EPOLLIN, epoll_events(level, 0));
		/* The second change finds the first one not yet delivered. */
	}
	ASSERT_EQ(0, current_id(self->fd, &self->id));
	EXPECT_EQ(0, epoll_events(level, 0));
	EXPECT_EQ(0, epoll_events(edge, 0));
	close(level);
	close(edge);
}

TEST_F_TIMEOUT(vmgen, sigio_tells_the_descriptor, TEST_TIMEOUT)
{
	struct timespec forever = { .tv_sec = TEST_TIMEOUT };
	siginfo_t info = {};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_EQ(0, current_id(self->fd, &self->id));
	ASSERT_EQ(0, fcntl(self->fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->fd, F_SETSIG, SIGRTMIN));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_ASYNC));

	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(SIGRTMIN, sigtimedwait(&set, &info, &forever));
	EXPECT_EQ(self->fd, info.si_fd);
	EXPECT_EQ(POLL_IN, info.si_code);
	EXPECT_EQ(POLLIN | POLLRDNORM, info.si_band);

	/* Switched off, it stays off: nothing is pending after a change. */
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR));
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, other_id(self->fd, &self->id, &self->id));
	ASSERT_EQ(0, sigpending(&set));
	EXPECT_EQ(0, sigismember(&set, SIGRTMIN));
}

/* One change and one spurious Notify count as one, and the latter wakes nobody. */
TEST_F_TIMEOUT(vmgen, spurious_notify_wakes_nobody, TEST_TIMEOUT)
{
	struct vmgencounter_info before, after;
	struct waiter w[WAITER_KINDS];
	long switches[WAITER_KINDS];
	int i;

	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	for (i = 0; i < WAITER_KINDS; i++) {
		ASSERT_EQ(0, waiter_open(&w[i], i));
		ASSERT_EQ(0, waiter_start(&w[i]));
		switches[i] = voluntary_switches(w[i].tid);
	}
	ASSERT_EQ(0, spurious_notify());
	for (i = 0; i < WAITER_KINDS; i++) {
		EXPECT_TRUE(is_asleep(w[i].tid));
		EXPECT_EQ(switches[i], voluntary_switches(w[i].tid))
			TH_LOG("%s ran", waiter_kind_name(i));
	}
	ASSERT_EQ(0, new_generation());
	for (i = 0; i < WAITER_KINDS; i++) {
		EXPECT_EQ(0, waiter_join(&w[i]));
		waiter_close(&w[i]);
	}
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	EXPECT_EQ(before.changes + 1, after.changes);
}

/* ---- the steps of a change apart: fast device only ---- */

/*
 * The buffer changes before the Notify comes. Who asks in between gets the
 * truth, and the count that belongs to it; who sleeps is not let go before the
 * Notify, not even by a signal.
 */
TEST_F_TIMEOUT(vmgen, between_change_and_notify, TEST_TIMEOUT)
{
	struct vmgencounter_info before, after;
	struct waiter w[2];
	int i;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	ASSERT_EQ(0, current_id(self->fd, &self->id));
	ASSERT_EQ(0, waiter_open(&w[0], WAIT_READ));
	ASSERT_EQ(0, waiter_open(&w[1], WAIT_IOCTL));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, waiter_start(&w[i]));

	ASSERT_EQ(0, test_command("set"));
	EXPECT_EQ(POLLIN | POLLRDNORM, readiness(self->fd));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(is_asleep(w[i].tid));
		syscall(SYS_tgkill, getpid(), w[i].tid, SIGUSR1);
		EXPECT_EQ(EINTR, waiter_join(&w[i]));
		waiter_close(&w[i]);
	}
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	EXPECT_FALSE(same_id(&before.id, &after.id));
	EXPECT_EQ(before.changes + 1, after.changes);

	/* The Notify brings no second change. */
	ASSERT_EQ(0, spurious_notify());
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	EXPECT_EQ(before.changes + 1, after.changes);
}

/*
 * A -> B, seen by one who asked early, -> A again, and only then a Notify: for
 * him who knows B it is a change like any other.
 */
TEST_F_TIMEOUT(vmgen, there_and_back_again, TEST_TIMEOUT)
{
	struct waiter w[WAITER_KINDS];
	char back[64];
	int i;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, current_id(self->fd, &self->id));
	snprintf(back, sizeof(back), "set %llx:%llx",
		 (unsigned long long)self->id.generation_count,
		 (unsigned long long)self->id.generation_count_high);

	ASSERT_EQ(0, test_command("set"));
	for (i = 0; i < WAITER_KINDS; i++) {
		ASSERT_EQ(0, waiter_open(&w[i], i));
		ASSERT_FALSE(same_id(&w[i].known, &self->id));
		ASSERT_EQ(0, waiter_start(&w[i]));
	}
	ASSERT_EQ(0, test_command(back));
	ASSERT_EQ(0, test_command("notify"));
	for (i = 0; i < WAITER_KINDS; i++) {
		EXPECT_EQ(0, waiter_join(&w[i]));
		EXPECT_TRUE(same_id(&w[i].known, &self->id));
		waiter_close(&w[i]);
	}
}

TEST_HARNESS_MAIN
