// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host may do with a request: fail it, answer it late, twice, wrongly or
 * never, and take the function away meanwhile. Callers, close(), removal and the rest
 * of the guest must get on with it.
 */
#include <glob.h>
#include <libgen.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define BLOCK	3		/* 128 bytes of pattern 1 */
#define GONE	(POLLHUP | POLLERR)

/* More than are ever given to hv_pci at once. */
#define MANY	24

FIXTURE(host) {
	int fd;
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	uint8_t out[VPCI_BLOCK_SIZE_MAX];
	struct host_counters before;
	struct caller callers[MANY];
};

FIXTURE_SETUP(host)
{
	ASSERT_EQ(0, load_module("vpci_block"));
	ASSERT_EQ(0, reset_host());
	fill_pattern(self->block, sizeof(self->block), 1);
	memset(self->out, 0xa5, sizeof(self->out));
	ASSERT_EQ(0, host_block(BLOCK, self->block, sizeof(self->block)));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	self->before = host_counters();
}

/* Whatever was kept has been answered: nothing of it is left anywhere. */
FIXTURE_TEARDOWN(host)
{
	EXPECT_EQ(0, host("release"));
	if (self->fd >= 0)
		close(self->fd);
	EXPECT_EQ(self->before.errors, host_counters().errors);
	wait_unused("vpci_block");
	EXPECT_EQ(0, unload_module("vpci_block"));
	/* It complains of references to what was its own. */
	if (!real_hv_pci()) {
		EXPECT_EQ(0, unload_module("vpci_fake"));
		EXPECT_EQ(0, load_module("vpci_fake"));
	}
	EXPECT_EQ(0, load_module("vpci_block"));
}

static int read_all(FIXTURE_DATA(host) * self, uint32_t *came)
{
	return read_block(self->fd, BLOCK, self->out, sizeof(self->out), came);
}

static bool reads_well(FIXTURE_DATA(host) * self)
{
	uint32_t came = 0;

	return !read_all(self, &came) && came == sizeof(self->block) &&
	       !memcmp(self->block, self->out, came);
}

static long long request_count(const char *name)
{
	return function_number("00.0", name);
}

/* Threads whose reads (and writes, every other one) the host has, or waits to be given. */
static int start_many(FIXTURE_DATA(host) * self, int n)
{
	int i, err = 0;

	for (i = 0; i < n && !err; i++)
		err = i & 1 ? start_write(&self->callers[i], self->fd, BLOCK, 32) :
			      start_read(&self->callers[i], self->fd, BLOCK, 128);
	return err;
}

static int count_waiting(FIXTURE_DATA(host) * self, int n)
{
	int i, waiting = 0;

	for (i = 0; i < n; i++)
		waiting += is_waiting(&self->callers[i]);
	return waiting;
}

/* How many of them ended with @err. */
static int join_many(FIXTURE_DATA(host) * self, int n, int err)
{
	int i, same = 0;

	for (i = 0; i < n; i++)
		same += join_caller(&self->callers[i]) == err &&
			self->callers[i].req.status == status_of(err);
	return same;
}

/* A node of the same name, and a function that works. */
static void expect_works_anew(struct __test_metadata *_metadata, FIXTURE_DATA(host) * self)
{
	close(self->fd);
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	EXPECT_TRUE(reads_well(self));
}

/* ---- answers ---- */

TEST_F_TIMEOUT(host, failing_status, TEST_TIMEOUT)
{
	uint32_t came;

	ASSERT_EQ(0, host("answer status c0000001"));
	EXPECT_EQ(EIO, read_all(self, &came));
	EXPECT_EQ(0, came);
	EXPECT_EQ(EIO, write_block(self->fd, BLOCK, self->block, 16));
	ASSERT_EQ(0, host("answer status 1"));
	EXPECT_EQ(EIO, read_all(self, &came));
	EXPECT_EQ(EIO, write_block(self->fd, BLOCK, self->block, 16));
	EXPECT_TRUE(all_a5(self->out, self->out + sizeof(self->out)));
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_TRUE(reads_well(self));
	EXPECT_EQ(0, write_block(self->fd, BLOCK, self->block, 16));
}

TEST_F_TIMEOUT(host, missing_block, TEST_TIMEOUT)
{
	uint32_t came;

	EXPECT_EQ(EIO, read_block(self->fd, 9, self->out, 16, &came));
	EXPECT_EQ(0, came);
	EXPECT_EQ(EIO, write_block(self->fd, 9, self->block, 16));
	EXPECT_TRUE(all_a5(self->out, self->out + sizeof(self->out)));
	EXPECT_TRUE(reads_well(self));
}

TEST_F_TIMEOUT(host, empty_answer, TEST_TIMEOUT)
{
	int err = host("answer empty");
	uint32_t came;

	if (err == EOPNOTSUPP)
		SKIP(return, "packets that have a status have 4 bytes of data, too");
	ASSERT_EQ(0, err);
	EXPECT_EQ(EIO, read_all(self, &came));
	EXPECT_EQ(0, came);
	EXPECT_TRUE(all_a5(self->out, self->out + sizeof(self->out)));
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_TRUE(reads_well(self));
}

/* The second comes before the next request, which gets the same ID: see vpci_wire_test.c. */
TEST_F_TIMEOUT(host, answers_twice, TEST_TIMEOUT)
{
	int err = host("answer twice");
	int i;

	if (err == EOPNOTSUPP)
		SKIP(return, "there are no packets where hv_pci's place is taken");
	ASSERT_EQ(0, err);
	for (i = 0; i < 20; i++) {
		EXPECT_TRUE(reads_well(self));
		ASSERT_EQ(0, host("invalidate 00.0 1"));
		EXPECT_EQ(0, write_block(self->fd, BLOCK, self->block, 16));
		ASSERT_EQ(0, host("invalidate 00.0 1"));
	}
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_TRUE(reads_well(self));
}

/* VMBus has no room for the request. That is no failure, and it is sent when there is. */
TEST_F_TIMEOUT(host, full_ring, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("answer full"));
	ASSERT_EQ(0, start_many(self, 2));
	for (i = 0; i < 2; i++) {
		wait_asleep(self->callers[i].tid);
		EXPECT_TRUE(is_waiting(&self->callers[i]));
	}
	/* The host has not been asked, so a write can be taken back. */
	ASSERT_EQ(0, start_write(&self->callers[2], self->fd, BLOCK, 32));
	wait_asleep(self->callers[2].tid);
	interrupt_caller(&self->callers[2]);
	EXPECT_EQ(EINTR, join_caller(&self->callers[2]));
	EXPECT_EQ(0, host_counters().requests - self->before.requests);
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_EQ(2, join_many(self, 2, 0));
	EXPECT_EQ(2, host_counters().requests - self->before.requests);
	EXPECT_EQ(0, request_count("failed"));
	/* Nor does it keep a function here. */
	ASSERT_EQ(0, host("answer full"));
	ASSERT_EQ(0, start_many(self, 2));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(2, join_many(self, 2, ENODEV));
}

TEST_F_TIMEOUT(host, late_answer, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, 2));
	ASSERT_EQ(0, host_wait(&self->before, 2));
	EXPECT_EQ(2, host_counters().kept);
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(is_waiting(&self->callers[i]));
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(2, join_many(self, 2, 0));
	EXPECT_EQ(128, self->callers[0].req.information);
	EXPECT_EQ(0, memcmp(self->block, self->callers[0].out, 128));
}

/* What the host is to answer is dropped; and who is told so has asked for nothing since. */
TEST_F_TIMEOUT(host, signal_ends_the_wait_of_a_read, TEST_TIMEOUT)
{
	struct caller *c = &self->callers[0];

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_read(c, self->fd, BLOCK, 128));
	ASSERT_EQ(0, host_wait(&self->before, 1));
	wait_asleep(c->tid);
	interrupt_caller(c);
	EXPECT_EQ(EINTR, join_caller(c));
	EXPECT_EQ(UNTOUCHED, c->req.status);
	EXPECT_EQ(UNTOUCHED, c->req.information);
	EXPECT_EQ(1, request_count("left_behind"));
	ASSERT_EQ(0, host("release"));
	while (request_count("left_behind"))
		usleep(1000);
	EXPECT_TRUE(reads_well(self));
	EXPECT_TRUE(all_a5(c->out, c->out + sizeof(c->out)));
}

/* A write that the host has is waited for, as nobody could tell what becomes of it. */
TEST_F_TIMEOUT(host, signal_does_not_end_the_wait_of_a_write, TEST_TIMEOUT)
{
	struct caller *c = &self->callers[0];

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_write(c, self->fd, BLOCK, 32));
	ASSERT_EQ(0, host_wait(&self->before, 1));
	wait_asleep(c->tid);
	interrupt_caller(c);
	wait_asleep(c->tid);
	EXPECT_TRUE(is_waiting(c));
	ASSERT_EQ(0, host("release"));
	EXPECT_RESULT(0, 0, join_caller(c), &c->req);
	EXPECT_EQ(1, host_counters().requests - self->before.requests);
}

/* One that waits for its turn is taken back. */
TEST_F_TIMEOUT(host, signal_ends_the_wait_for_a_turn, TEST_TIMEOUT)
{
	const int first = VPCI_REQUESTS_MAX;
	int i;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, first + 2));
	ASSERT_EQ(0, host_wait(&self->before, first));
	while (request_count("waiting") != 2)
		usleep(1000);
	ASSERT_EQ(0, start_write(&self->callers[MANY - 1], self->fd, BLOCK, 32));
	wait_asleep(self->callers[MANY - 1].tid);
	EXPECT_EQ(3, request_count("waiting"));
	interrupt_caller(&self->callers[MANY - 1]);
	EXPECT_EQ(EINTR, join_caller(&self->callers[MANY - 1]));
	EXPECT_EQ(UNTOUCHED, self->callers[MANY - 1].req.status);
	EXPECT_EQ(2, request_count("waiting"));
	EXPECT_EQ(first, request_count("in_flight"));
	ASSERT_EQ(0, host("release"));
	for (i = 0; i < first + 2; i++)
		EXPECT_EQ(0, join_caller(&self->callers[i]));
	EXPECT_EQ(first + 2, host_counters().requests - self->before.requests);
}

/* More than hv_pci is given at once: the others get their turn, and each its own. */
TEST_F_TIMEOUT(host, many_late_answers, TEST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, MANY));
	ASSERT_EQ(0, host_wait(&self->before, 1));
	for (i = 0; i < MANY; i++)
		wait_asleep(self->callers[i].tid);
	EXPECT_LT(host_counters().kept, MANY);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(MANY, join_many(self, MANY, 0));
	for (i = 0; i < MANY; i += 2)
		EXPECT_EQ(0, memcmp(self->block, self->callers[i].out, 128));
	EXPECT_EQ(MANY, host_counters().requests - self->before.requests);
}

/* First come, first served: whenever one place is free, the next in the row has it. */
TEST_F_TIMEOUT(host, in_the_order_in_which_they_came, TEST_TIMEOUT)
{
	const int first = VPCI_REQUESTS_MAX;
	int i;

	for (i = first; i < MANY; i++)
		ASSERT_EQ(0, host_block(0x100 + i, self->block, 8));
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, first));
	ASSERT_EQ(0, host_wait(&self->before, first));
	for (i = first; i < MANY; i++) {
		ASSERT_EQ(0, start_write(&self->callers[i], self->fd, 0x100 + i, 8));
		wait_asleep(self->callers[i].tid);
	}
	EXPECT_EQ(first, host_counters().requests - self->before.requests);
	for (i = first; i < MANY; i++) {
		ASSERT_EQ(0, host("release one"));
		ASSERT_EQ(0, host_wait(&self->before, i + 1));
		EXPECT_EQ(0x100 + i, host_counters().last_id);
		EXPECT_EQ(first, host_counters().kept);
	}
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(MANY, join_many(self, MANY, 0));
	for (i = first; i < MANY; i++)
		EXPECT_EQ(0, host_block(0x100 + i, NULL, 0));
}

/* Files take turns: who has asked for much does not hold up who asks for little. */
TEST_F_TIMEOUT(host, files_take_turns, TEST_TIMEOUT)
{
	const int first = VPCI_REQUESTS_MAX, last = MANY - 1;
	int other = open_node("00.0", O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, host_block(0x100, self->block, 8));
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, last));
	ASSERT_EQ(0, host_wait(&self->before, first));
	while (request_count("waiting") != last - first)
		usleep(1000);
	ASSERT_EQ(0, start_write(&self->callers[last], other, 0x100, 8));
	while (request_count("waiting") != MANY - first)
		usleep(1000);
	/* One more of the first file's may be before it, and then it is its turn. */
	ASSERT_EQ(0, host("release one"));
	ASSERT_EQ(0, host("release one"));
	ASSERT_EQ(0, host_wait(&self->before, first + 2));
	EXPECT_EQ(0x100, host_counters().last_id);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(MANY, join_many(self, MANY, 0));
	EXPECT_EQ(0, host_block(0x100, NULL, 0));
	close(other);
}

static void *read_own_block(void *arg)
{
	const uint32_t id = (uintptr_t)arg & 0xff;
	const int fd = (uintptr_t)arg >> 8;
	uint8_t block[VPCI_BLOCK_SIZE_MAX], out[VPCI_BLOCK_SIZE_MAX];
	uintptr_t bad = 0;
	uint32_t came;
	int i;

	fill_pattern(block, sizeof(block), id);
	for (i = 0; i < 100; i++) {
		if (read_block(fd, id, out, 128 - i, &came) || came != 128u - i ||
		    memcmp(block, out, came))
			bad++;
	}
	return (void *)bad;
}

TEST_F_TIMEOUT(host, each_caller_has_its_own, TEST_TIMEOUT)
{
	pthread_t threads[6];
	uintptr_t i;
	void *bad;

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		fill_pattern(self->out, sizeof(self->out), i);
		ASSERT_EQ(0, host_block(i, self->out, sizeof(self->out)));
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_own_block,
					    (void *)(i | self->fd << 8)));
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &bad);
		EXPECT_EQ(NULL, bad);
		host_block(i, NULL, 0);
	}
	EXPECT_EQ(600, host_counters().requests - self->before.requests);
}

/* ---- no answer ---- */

/* Processes that read until they are killed. */
static int fork_readers(pid_t *pids, int n, int fd)
{
	uint8_t out[VPCI_BLOCK_SIZE_MAX];
	int i;

	for (i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return errno;
		if (!pids[i]) {
			for (;;)
				read_block(fd, BLOCK, out, sizeof(out), NULL);
		}
	}
	return 0;
}

static bool dies_of_sigkill(pid_t pid)
{
	int status;

	return !kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid &&
	       WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

TEST_F_TIMEOUT(host, killed_caller_dies, TEST_TIMEOUT)
{
	pid_t pid;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, fork_readers(&pid, 1, self->fd));
	ASSERT_EQ(0, host_wait(&self->before, 1));
	EXPECT_TRUE(dies_of_sigkill(pid));
	EXPECT_EQ(1, host_counters().kept);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(0, host_counters().kept);
	EXPECT_TRUE(reads_well(self));
}

/* Those, too, that wait for their turn; and the last one's death closes the file. */
TEST_F_TIMEOUT(host, killed_callers_die, TEST_TIMEOUT)
{
	pid_t pids[MANY];
	int i;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, fork_readers(pids, MANY, self->fd));
	close(self->fd);
	ASSERT_EQ(0, host_wait(&self->before, 4));
	for (i = 0; i < MANY; i++)
		EXPECT_TRUE(dies_of_sigkill(pids[i]));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, host("release"));
	EXPECT_TRUE(reads_well(self));
}

/* As a process that is killed does it: with its threads in the middle of calls. */
TEST_F_TIMEOUT(host, process_with_threads_dies, TEST_TIMEOUT)
{
	pid_t pid;

	ASSERT_EQ(0, host("answer never"));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		start_many(self, MANY);
		start_invalidate(&self->callers[0], self->fd, false);
		pause();
	}
	ASSERT_EQ(0, host_wait(&self->before, 4));
	EXPECT_TRUE(dies_of_sigkill(pid));
	ASSERT_EQ(0, host("release"));
	EXPECT_TRUE(reads_well(self));
}

/* What hangs in one function is no other function's problem. */
TEST_F_TIMEOUT(host, other_function_works, TEST_TIMEOUT)
{
	uint8_t out[VPCI_BLOCK_SIZE_MAX];
	int other;

	ASSERT_EQ(0, host("add 01.0"));
	other = open_node("01.0", O_RDWR);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, MANY));
	ASSERT_EQ(0, host_wait(&self->before, 4));
	wait_asleep(self->callers[MANY - 1].tid);
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(MANY, join_many(self, MANY, ENODEV));
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_EQ(0, read_block(other, BLOCK, out, sizeof(out), NULL));
	EXPECT_EQ(0, memcmp(self->block, out, sizeof(out)));
	close(other);
}

/* How long the fastest of some ejections takes, with a request that the host has or without. */
static double least_of_ejections(FIXTURE_DATA(host) * self, const char *function, bool busy)
{
	double begin, least = 1000;
	struct host_counters before;
	int fd, i, err = 0;

	for (i = 0; i < 5 && !err; i++) {
		err = host("add %s", function);
		fd = open_node(function, O_RDWR);
		before = host_counters();
		if (busy)
			err = err ?: start_read(&self->callers[MANY - 1], fd, BLOCK, 128) ?:
				     host_wait(&before, 1);
		begin = seconds();
		err = err ?: host("eject %s", function);
		if (least > seconds() - begin)
			least = seconds() - begin;
		if (busy)
			join_caller(&self->callers[MANY - 1]);
		close(fd);
	}
	return err ? -1 : least;
}

/* An ejection has a tenth of a second for its own function's requests, none for others'. */
TEST_F_TIMEOUT(host, ejections_do_not_wait_for_long, TEST_TIMEOUT)
{
	double own, other;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, 2));
	ASSERT_EQ(0, host_wait(&self->before, 2));
	other = least_of_ejections(self, "01.0", false);
	own = least_of_ejections(self, "01.0", true);
	TH_LOG("%.3f s, and %.3f s without a request", own, other);
	EXPECT_LT(0, other);
	EXPECT_LT(other + 0.05, own);
	EXPECT_GT(other + 0.5, own);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(2, join_many(self, 2, 0));
}

TEST_F_TIMEOUT(host, module_stays_while_a_request_does, TEST_TIMEOUT)
{
	pid_t pid;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, fork_readers(&pid, 1, self->fd));
	ASSERT_EQ(0, host_wait(&self->before, 1));
	EXPECT_TRUE(dies_of_sigkill(pid));
	close(self->fd);
	EXPECT_EQ(EWOULDBLOCK, unload_module("vpci_block"));
	ASSERT_EQ(0, host("release"));
	wait_unused("vpci_block");
	EXPECT_EQ(0, unload_module("vpci_block"));
	EXPECT_EQ(0, count_nodes());
	ASSERT_EQ(0, load_module("vpci_block"));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	EXPECT_TRUE(reads_well(self));
}

/* hv_pci's code is what the request is in; an open file pins it, too. */
TEST_F_TIMEOUT(host, hv_pci_stays_while_a_request_does, TEST_TIMEOUT)
{
	const char *hv_pci = real_hv_pci() ? "vpci_hv_pci" : "vpci_fake";
	pid_t pid;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, fork_readers(&pid, 1, self->fd));
	EXPECT_EQ(EWOULDBLOCK, unload_module(hv_pci));
	ASSERT_EQ(0, host_wait(&self->before, 1));
	EXPECT_TRUE(dies_of_sigkill(pid));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(EWOULDBLOCK, unload_module(hv_pci));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(EWOULDBLOCK, unload_module(hv_pci));
	ASSERT_EQ(0, host("release"));
	wait_unused(hv_pci);
}

/* ---- removal ---- */

static void expect_gone(struct __test_metadata *_metadata, FIXTURE_DATA(host) * self)
{
	const struct epoll_event all = { .events = EPOLLIN };
	struct epoll_event event = {};
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	uint64_t mask;

	EXPECT_EQ(GONE, readiness(self->fd));
	ASSERT_EQ(0, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd, (struct epoll_event *)&all));
	EXPECT_EQ(1, epoll_wait(epfd, &event, 1, -1));
	EXPECT_EQ(EPOLLHUP | EPOLLERR, event.events);
	close(epfd);
	EXPECT_EQ(ENODEV, read_all(self, NULL));
	EXPECT_EQ(ENODEV, write_block(self->fd, BLOCK, self->block, 16));
	EXPECT_EQ(ENODEV, invalid_blocks(self->fd, &mask));
	EXPECT_EQ(-1, open_node("00.0", O_RDWR));
	EXPECT_EQ(ENOENT, errno);
}

TEST_F_TIMEOUT(host, ejected_while_open, TEST_TIMEOUT)
{
	unsigned int asked;

	ASSERT_EQ(0, host("invalidate 00.0 1"));
	ASSERT_EQ(0, host("eject 00.0"));
	asked = host_counters().requests;
	expect_gone(_metadata, self);
	EXPECT_EQ(asked, host_counters().requests);
	ASSERT_EQ(0, host("add 00.0"));
	EXPECT_EQ(GONE, readiness(self->fd));
	expect_works_anew(_metadata, self);
}

TEST_F_TIMEOUT(host, rescinded_while_open, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("rescind"));
	expect_gone(_metadata, self);
	EXPECT_EQ(0, count_nodes());
	ASSERT_EQ(0, host("plug"));
	expect_works_anew(_metadata, self);
}

/* The last reference to a function that is long gone is the open file's. */
TEST_F_TIMEOUT(host, closed_after_all_is_gone, TEST_TIMEOUT)
{
	int dup_fd = dup(self->fd);

	ASSERT_EQ(0, host("rescind"));
	EXPECT_EQ(EWOULDBLOCK, unload_module("vpci_block"));
	close(self->fd);
	EXPECT_EQ(GONE, readiness(dup_fd));
	close(dup_fd);
	EXPECT_EQ(0, unload_module("vpci_block"));
	ASSERT_EQ(0, host("plug"));
	ASSERT_EQ(0, load_module("vpci_block"));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
}

/*
 * Everybody who waits has ENODEV, those for their turn as well; the ejection does not
 * wait for the host; and the answers, when they come, hurt nobody.
 */
TEST_F_TIMEOUT(host, ejected_with_requests, TEST_TIMEOUT)
{
	struct caller listener;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, MANY));
	ASSERT_EQ(0, start_invalidate(&listener, self->fd, true));
	ASSERT_EQ(0, host_wait(&self->before, 4));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(MANY, join_many(self, MANY, ENODEV));
	EXPECT_RESULT(ENODEV, 0, join_caller(&listener), &listener.req);
	EXPECT_LT(0, host_counters().kept);
	expect_gone(_metadata, self);
	ASSERT_EQ(0, host("answer ok"));
	ASSERT_EQ(0, host("add 00.0"));
	expect_works_anew(_metadata, self);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(0, host_counters().kept);
	EXPECT_TRUE(reads_well(self));
}

TEST_F_TIMEOUT(host, rescinded_with_requests, TEST_TIMEOUT)
{
	struct caller listener;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, MANY));
	ASSERT_EQ(0, start_invalidate(&listener, self->fd, true));
	ASSERT_EQ(0, host_wait(&self->before, 4));
	ASSERT_EQ(0, host("rescind"));
	EXPECT_EQ(MANY, join_many(self, MANY, ENODEV));
	EXPECT_RESULT(ENODEV, 0, join_caller(&listener), &listener.req);
	expect_gone(_metadata, self);
	ASSERT_EQ(0, host("plug"));
	ASSERT_EQ(0, host("answer ok"));
	expect_works_anew(_metadata, self);
}

/* The host forgets a function's requests, ejects it, and then goes altogether. */
TEST_F_TIMEOUT(host, rescinded_after_the_ejection, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, 4));
	ASSERT_EQ(0, host_wait(&self->before, 4));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(4, join_many(self, 4, ENODEV));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(EWOULDBLOCK, unload_module("vpci_block"));
	ASSERT_EQ(0, host("rescind"));
	wait_unused("vpci_block");
	EXPECT_EQ(0, host_counters().kept);
}

/* Callers have their ENODEV before the removal is through, which may take its time. */
static void *remove_function(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)host("eject 00.0");
}

/* Whether they are back before it depends on who runs first. It has never to be the removal. */
TEST_F_TIMEOUT(host, callers_do_not_wait_for_the_removal, TEST_TIMEOUT)
{
	struct host_counters before;
	pthread_t thread;
	bool sooner = false;
	void *err;
	int i;

	for (i = 0; i < 10 && !sooner; i++) {
		before = host_counters();
		ASSERT_EQ(0, host("answer never"));
		ASSERT_EQ(0, start_many(self, 2));
		ASSERT_EQ(0, host_wait(&before, 2));
		ASSERT_EQ(0, pthread_create(&thread, NULL, remove_function, NULL));
		EXPECT_EQ(2, join_many(self, 2, ENODEV));
		sooner = pthread_tryjoin_np(thread, &err) == EBUSY;
		if (sooner)
			pthread_join(thread, &err);
		EXPECT_EQ(NULL, err);
		ASSERT_EQ(0, host("release"));
		ASSERT_EQ(0, host("add 00.0"));
		expect_works_anew(_metadata, self);
	}
	EXPECT_TRUE(sooner);
}

/*
 * It fails them at the last moment: hv_pci, where they are all that is left of the
 * function, is just about to free its bus.
 */
TEST_F_TIMEOUT(host, rescinded_as_the_answers_come, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, 4));
	ASSERT_EQ(0, host_wait(&self->before, 4));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(4, join_many(self, 4, ENODEV));
	ASSERT_EQ(0, host_block(BLOCK, NULL, 0));
	ASSERT_EQ(0, host(real_hv_pci() ? "release" : "release slowly"));
	ASSERT_EQ(0, host("rescind"));
	ASSERT_EQ(0, host("plug"));
	ASSERT_EQ(0, host_block(BLOCK, self->block, sizeof(self->block)));
	expect_works_anew(_metadata, self);
}

#define HV_PCI	"/sys/bus/vmbus/drivers/hv_pci"

/* By hand, as the host knows nothing of it. The device has a root bus below. */
static int unbind_or_bind(const char *how)
{
	char path[64];
	glob_t found;
	int err = ENODEV;

	snprintf(path, sizeof(path), HV_PCI "/%s", how);
	if (!glob("/sys/bus/vmbus/devices/*/pci1111:*", 0, NULL, &found)) {
		err = write_text(path, basename(dirname(found.gl_pathv[0])));
		globfree(&found);
	}
	return err;
}

static void *unbind_hv_pci(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)unbind_or_bind("unbind");
}

static void wait_for_log(const char *text, int more_than)
{
	while (count_in_log(text) <= more_than)
		usleep(1000);
}

/*
 * Programs do not wait for the host then, but hv_pci does: it may not go while there
 * is a request in it, from this function or one that has been ejected.
 */
static void unbind_while_it_waits(struct __test_metadata *_metadata, FIXTURE_DATA(host) * self,
				  const char *what_ends_it)
{
	const char *line = "waiting for the host: it has to answer 4 requests";
	int before = count_in_log(line);
	pthread_t thread;
	void *err;

	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, 2));
	ASSERT_EQ(0, host_wait(&self->before, 2));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(2, join_many(self, 2, ENODEV));
	ASSERT_EQ(0, host("add 00.0"));
	close(self->fd);
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_EQ(0, start_many(self, 2));
	ASSERT_EQ(0, host_wait(&self->before, 4));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unbind_hv_pci, NULL));
	EXPECT_EQ(2, join_many(self, 2, ENODEV));
	wait_for_log(line, before);
	EXPECT_EQ(-1, open_node("00.0", O_RDWR));
	EXPECT_EQ(ENODEV, errno);
	/* Other buses do not wait. */
	EXPECT_EQ(0, write_text("/sys/bus/pci/rescan", "1"));
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, NULL));
	ASSERT_EQ(0, host("%s", what_ends_it));
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
	expect_gone(_metadata, self);
	EXPECT_EQ(0, host_counters().kept);
}

TEST_F_TIMEOUT(host, hv_pci_is_unbound_until_it_answers, TEST_TIMEOUT)
{
	unbind_while_it_waits(_metadata, self, real_hv_pci() ? "release" : "release slowly");
	ASSERT_EQ(0, host("rescind"));
	ASSERT_EQ(0, host("plug"));
	expect_works_anew(_metadata, self);
}

TEST_F_TIMEOUT(host, hv_pci_is_unbound_until_the_rescind, TEST_TIMEOUT)
{
	unbind_while_it_waits(_metadata, self, "rescind");
	ASSERT_EQ(0, host("plug"));
	ASSERT_EQ(0, host("answer ok"));
	expect_works_anew(_metadata, self);
}

#define OTHER	"/dev/vpci/1112:00:00.0"	/* its bus is there from "other plug" on */

static bool other_reads_well(FIXTURE_DATA(host) * self, int other)
{
	memset(self->out, 0, sizeof(self->out));
	return !read_block(other, BLOCK, self->out, 128, NULL) &&
	       !memcmp(self->block, self->out, 128);
}

/* Each function that is passed through has a bus of its own, or shares one. */
TEST_F_TIMEOUT(host, other_bus_does_not_wait, TEST_TIMEOUT)
{
	const char *line = "waiting for the host: it has to answer 2 requests";
	const int logged = count_in_log(line);
	pthread_t thread;
	int other;
	void *err;

	if (real_hv_pci())
		SKIP(return, "there is one bus here");
	ASSERT_EQ(0, host("other plug"));
	EXPECT_EQ(2, count_nodes());
	other = open(OTHER, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, 2));
	ASSERT_EQ(0, start_read(&self->callers[2], other, BLOCK, 128));
	ASSERT_EQ(0, host_wait(&self->before, 3));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unbind_hv_pci, NULL));
	EXPECT_EQ(2, join_many(self, 2, ENODEV));
	wait_for_log(line, logged);
	EXPECT_TRUE(is_waiting(&self->callers[2]));
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_TRUE(other_reads_well(self, other));
	ASSERT_EQ(0, host("other rescind"));
	EXPECT_EQ(ENODEV, join_caller(&self->callers[2]));
	EXPECT_EQ(GONE, readiness(other));
	close(other);
	ASSERT_EQ(0, host("other plug"));
	other = open(OTHER, O_RDWR | O_CLOEXEC);
	EXPECT_TRUE(other_reads_well(self, other));
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, NULL));
	ASSERT_EQ(0, host("release"));
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
	expect_gone(_metadata, self);
	EXPECT_TRUE(other_reads_well(self, other));
	close(other);
	ASSERT_EQ(0, host("other rescind"));
	ASSERT_EQ(0, host("rescind"));
	ASSERT_EQ(0, host("plug"));
	expect_works_anew(_metadata, self);
}

/*
 * hv_pci is bound then, but has no channel; and when it goes, it frees its bus and
 * leaves the PCI functions behind.
 */
TEST_F_TIMEOUT(host, hv_pci_fails_to_resume, TEST_TIMEOUT)
{
	struct caller listener;
	uint64_t mask;
	int other;

	if (real_hv_pci())
		SKIP(return, "hv_pci is not suspended here");
	ASSERT_EQ(0, start_invalidate(&listener, self->fd, true));
	ASSERT_EQ(0, host("lose"));
	ASSERT_EQ(0, sleep_for_a_moment());
	EXPECT_RESULT(ENODEV, 0, join_caller(&listener), &listener.req);
	EXPECT_EQ(ENODEV, invalid_blocks(self->fd, &mask));
	EXPECT_EQ(GONE, readiness(self->fd));
	EXPECT_EQ(ENODEV, read_all(self, NULL));
	EXPECT_EQ(ENODEV, write_block(self->fd, BLOCK, self->block, 16));
	other = open_node("00.0", O_RDWR);
	EXPECT_LE(0, other);
	ASSERT_EQ(0, unbind_or_bind("unbind"));
	EXPECT_EQ(1, count_nodes());
	EXPECT_EQ(GONE, readiness(other));
	EXPECT_EQ(ENODEV, read_block(other, BLOCK, self->out, 128, NULL));
	close(other);
	EXPECT_EQ(-1, open_node("00.0", O_RDWR));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(GONE, readiness(self->fd));
	close(self->fd);
	EXPECT_EQ(-1, open_node("00.0", O_RDWR));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, host("rescind"));
	EXPECT_EQ(0, count_nodes());
	ASSERT_EQ(0, host("plug"));
	self->fd = -1;
	expect_works_anew(_metadata, self);
}

/* Nobody listened when it was unbound, and then it comes back, without them. */
TEST_F_TIMEOUT(host, functions_that_hv_pci_has_left, TEST_TIMEOUT)
{
	if (real_hv_pci())
		SKIP(return, "hv_pci is not suspended here");
	close(self->fd);
	ASSERT_EQ(0, host("lose"));
	ASSERT_EQ(0, unbind_or_bind("unbind"));
	EXPECT_EQ(-1, open_node("00.0", O_RDWR));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, unbind_or_bind("bind"));
	EXPECT_EQ(-1, open_node("00.0", O_RDWR));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, unload_module("vpci_block"));
	ASSERT_EQ(0, load_module("vpci_block"));
	EXPECT_EQ(0, count_nodes());
	ASSERT_EQ(0, host("rescind"));
	ASSERT_EQ(0, host("plug"));
	self->fd = -1;
	expect_works_anew(_metadata, self);
}

/* Its removal has begun when the first one comes who would have listened to that. */
TEST_F_TIMEOUT(host, opened_while_hv_pci_goes, TEST_TIMEOUT)
{
	pthread_t thread;
	void *err;

	if (real_hv_pci())
		SKIP(return, "hv_pci does not stop half-way");
	close(self->fd);
	ASSERT_EQ(0, host("stall"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unbind_hv_pci, NULL));
	ASSERT_EQ(0, host("wait stalled"));
	EXPECT_TRUE(has_node("00.0"));
	EXPECT_EQ(-1, open_node("00.0", O_RDWR));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, host("go on"));
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
	ASSERT_EQ(0, host("rescind"));
	ASSERT_EQ(0, host("plug"));
	self->fd = -1;
	expect_works_anew(_metadata, self);
}

/* ---- many times ---- */

struct hammer {
	pthread_t thread;
	bool *stop;
	unsigned int good, gone, bad;
	int err;		/* of the last bad one; negative: no errno, but wrong */
};

static void count_bad(struct hammer *h, int err)
{
	h->bad++;
	h->err = err;
}

/* 0, or what a call may come to when the function goes at any moment. */
static void count_result(struct hammer *h, int err)
{
	if (!err)
		h->good++;
	else if (err == ENODEV)
		h->gone++;
	else if (err != EAGAIN)
		count_bad(h, err);
}

static void use_node(struct hammer *h, int fd, const uint8_t *block)
{
	uint8_t out[VPCI_BLOCK_SIZE_MAX];
	uint64_t mask;
	uint32_t came = 0;
	int err, i;

	for (i = 0; i < 4; i++) {
		err = read_block(fd, BLOCK, out, sizeof(out), &came);
		count_result(h, err);
		if (!err && (came != sizeof(out) || memcmp(block, out, came)))
			count_bad(h, -1);
		count_result(h, write_block(fd, BLOCK, block, 32));
		count_result(h, invalid_blocks(fd, &mask));
		if (readiness(fd) & POLLNVAL)
			count_bad(h, -2);
	}
}

static void *hammer(void *arg)
{
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	struct hammer *h = arg;
	int fd;

	fill_pattern(block, sizeof(block), 1);
	while (!__atomic_load_n(h->stop, __ATOMIC_RELAXED)) {
		fd = open_node("00.0", O_RDWR | O_NONBLOCK);
		if (fd < 0) {
			/*
			 * ENXIO: the node outlives its device number for a moment. EAGAIN:
			 * hv_pci is still being bound.
			 */
			if (errno != ENOENT && errno != ENODEV && errno != ENXIO &&
			    errno != EAGAIN)
				count_bad(h, errno);
			continue;
		}
		use_node(h, fd, block);
		close(fd);
	}
	return NULL;
}

static int start_hammers(struct hammer *h, int n, bool *stop)
{
	int i, err = 0;

	for (i = 0; i < n && !err; i++) {
		h[i] = (struct hammer) { .stop = stop };
		err = pthread_create(&h[i].thread, NULL, hammer, &h[i]);
	}
	return err;
}

static struct hammer stop_hammers(struct hammer *h, int n, bool *stop)
{
	struct hammer sum = {};
	int i;

	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < n; i++) {
		pthread_join(h[i].thread, NULL);
		sum.good += h[i].good;
		sum.gone += h[i].gone;
		sum.bad += h[i].bad;
		sum.err = h[i].err ?: sum.err;
	}
	return sum;
}

#define HAMMERS	3

/* Each time when the host has got something since the last. */
static void expect_hammered(struct __test_metadata *_metadata, const char *away,
			    const char *back, bool *stop, struct hammer *h)
{
	const unsigned int times = rounds(300);
	struct host_counters before;
	struct hammer sum;
	unsigned int i;

	for (i = 0; i < times; i++) {
		before = host_counters();
		ASSERT_EQ(0, host_wait(&before, i % 4));
		ASSERT_EQ(0, host("invalidate 00.0 1"));
		ASSERT_EQ(0, host("%s", away));
		ASSERT_EQ(0, host("%s", back));
	}
	sum = stop_hammers(h, HAMMERS, stop);
	EXPECT_EQ(0, sum.bad)
		TH_LOG("the last of them: %d", sum.err);
	EXPECT_LT(times / 10, sum.good);
	EXPECT_LT(times / 10, sum.gone);
	TH_LOG("%u calls, %u without a function", sum.good, sum.gone);
}

TEST_F_TIMEOUT(host, ejected_many_times, TEST_TIMEOUT)
{
	struct hammer h[HAMMERS];
	bool stop = false;

	ASSERT_EQ(0, start_hammers(h, HAMMERS, &stop));
	expect_hammered(_metadata, "eject 00.0", "add 00.0", &stop, h);
	expect_works_anew(_metadata, self);
}

TEST_F_TIMEOUT(host, rescinded_many_times, TEST_TIMEOUT)
{
	struct hammer h[HAMMERS];
	bool stop = false;

	ASSERT_EQ(0, start_hammers(h, HAMMERS, &stop));
	expect_hammered(_metadata, "rescind", "plug", &stop, h);
	expect_works_anew(_metadata, self);
}

/* Each time with requests that the host has and does not answer. */
TEST_F_TIMEOUT(host, rescinded_with_requests_many_times, TEST_TIMEOUT)
{
	const int times = rounds(100);
	struct host_counters before;
	int i;

	for (i = 0; i < times; i++) {
		before = host_counters();
		ASSERT_EQ(0, host("answer never"));
		ASSERT_EQ(0, start_many(self, 4));
		ASSERT_EQ(0, host_wait(&before, 1 + i % 4))
			TH_LOG("%d of 4 are waiting, the first ended with %d",
			       count_waiting(self, 4), self->callers[0].err);
		ASSERT_EQ(0, host("rescind"));
		ASSERT_EQ(4, join_many(self, 4, ENODEV));
		close(self->fd);
		ASSERT_EQ(0, host("plug"));
		self->fd = open_node("00.0", O_RDWR);
		ASSERT_LE(0, self->fd);
	}
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_TRUE(reads_well(self));
}

/*
 * What the host never answers adds up, and hv_pci has 64 IDs for it, of which it needs some
 * itself when the function comes back.
 */
TEST_F_TIMEOUT(host, ejected_with_requests_many_times, TEST_TIMEOUT)
{
	const int left = 32;		/* of a VMBus device, at most */
	int i;

	ASSERT_EQ(0, host("answer never"));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, start_many(self, 12));
		while (request_count("in_flight") + request_count("waiting") != 12)
			usleep(1000);
		ASSERT_EQ(0, host("eject 00.0"));
		ASSERT_EQ(12, join_many(self, 12, ENODEV));
		close(self->fd);
		ASSERT_EQ(0, host("add 00.0"));
		self->fd = open_node("00.0", O_RDWR);
		ASSERT_LE(0, self->fd);
	}
	EXPECT_EQ(left, host_counters().kept);
	EXPECT_EQ(left, request_count("left_behind"));
	/* Who waits goes on when one returns. */
	ASSERT_EQ(0, start_read(&self->callers[0], self->fd, BLOCK, 128));
	wait_asleep(self->callers[0].tid);
	EXPECT_EQ(1, request_count("waiting"));
	ASSERT_EQ(0, host("release one"));
	ASSERT_EQ(0, host_wait(&self->before, left + 1));
	EXPECT_EQ(1, request_count("in_flight"));
	ASSERT_EQ(0, host("release"));
	EXPECT_RESULT(0, 128, join_caller(&self->callers[0]), &self->callers[0].req);
	while (request_count("left_behind"))
		usleep(1000);
	EXPECT_TRUE(reads_well(self));
}

/* ---- what is left ---- */

static int all_that_hangs(FIXTURE_DATA(host) * self)
{
	struct host_counters before = host_counters();
	int err;

	err = host("answer never");
	err = err ?: start_many(self, 4);
	err = err ?: host_wait(&before, 4);
	err = err ?: host("eject 00.0");
	err = err ?: join_many(self, 4, ENODEV) == 4 ? 0 : EBADE;
	return err ?: host("release");
}

/* By all who had them: the module can be unloaded. None has the number of another one. */
TEST_F_TIMEOUT(host, functions_are_released, TEST_TIMEOUT)
{
	struct stat last, now;
	int i;

	ASSERT_EQ(0, fstat(self->fd, &last));
	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(reads_well(self));
		ASSERT_EQ(EIO, read_block(self->fd, 9, self->out, 16, NULL));
		ASSERT_EQ(0, all_that_hangs(self));
		close(self->fd);
		wait_unused("vpci_block");
		ASSERT_EQ(0, host("add 00.0"));
		self->fd = open_node("00.0", O_RDWR);
		ASSERT_LE(0, self->fd);
		ASSERT_EQ(0, fstat(self->fd, &now));
		EXPECT_LT(last.st_rdev, now.st_rdev);
		last = now;
	}
}

#define REQUESTS	3000

TEST_F_TIMEOUT(host, requests_are_freed, TEST_TIMEOUT)
{
	long before;
	int i;

	ASSERT_TRUE(reads_well(self));
	before = kmalloc_objects();
	ASSERT_LT(0, before);
	for (i = 0; i < REQUESTS; i++)
		ASSERT_EQ(0, i & 1 ? read_all(self, NULL) :
				     write_block(self->fd, BLOCK, self->block, 16));
	EXPECT_GT(before + REQUESTS / 2, kmalloc_objects());
}

/* ---- the trace ---- */

#define TRACING		"/sys/kernel/tracing"

static void expect_traced(struct __test_metadata *_metadata, const char *trace,
			  const char *event, const char *what)
{
	char line[200];

	snprintf(line, sizeof(line), "%s: %s %s\n", event, function_name("00.0"), what);
	EXPECT_NE(NULL, strstr(trace, line)) {
		TH_LOG("no %sin: %s", line, trace);
	}
}

TEST_F_TIMEOUT(host, tracepoints_tell_what_goes_to_and_fro, TEST_TIMEOUT)
{
	char trace[8192] = "";
	int fd;

	ASSERT_EQ(0, truncate(TRACING "/trace", 0));
	ASSERT_EQ(0, write_text(TRACING "/events/vpci/enable", "1"));
	ASSERT_EQ(0, write_text(TRACING "/tracing_on", "1"));
	EXPECT_TRUE(reads_well(self));
	EXPECT_EQ(EIO, write_block(self->fd, 9, self->block, 16));
	EXPECT_EQ(0, host("invalidate 00.0 8000000000000005"));
	EXPECT_EQ(0, write_text(TRACING "/events/vpci/enable", "0"));

	fd = open(TRACING "/trace", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, pread(fd, trace, sizeof(trace) - 1, 0));
	close(fd);
	expect_traced(_metadata, trace, "vpci_call",
		      "read block=3 length=128 returned=128 result=0");
	expect_traced(_metadata, trace, "vpci_call",
		      "write block=9 length=16 returned=0 result=-5");
	expect_traced(_metadata, trace, "vpci_invalidated", "mask=0x8000000000000005");
}

/* ---- the log ---- */

/* hv_pci has a line for each failure: they come no faster than ten in five seconds. */
#define BURST	10
#define PERIOD	5

TEST_F_TIMEOUT(host, failures_do_not_flood_the_log, TEST_TIMEOUT)
{
	const char *line = "Config Block failed";
	int before = count_in_log(line);
	double begin = seconds();
	int i;

	ASSERT_EQ(0, host("answer status c0000001"));
	for (i = 0; i < 2 * BURST + 1; i++)
		EXPECT_EQ(EIO, i & 1 ? write_block(self->fd, BLOCK, self->block, 16) :
				       read_all(self, NULL));
	EXPECT_LT(2 * PERIOD - 2, seconds() - begin);
	EXPECT_EQ(2 * BURST + 1, count_in_log(line) - before);
}

/* Nor from several at once; they can be killed, and the function can go. */
TEST_F_TIMEOUT(host, failures_of_many_processes, TEST_TIMEOUT)
{
	const char *line = "Config Block failed";
	int before = count_in_log(line);
	double begin = seconds();
	struct caller waiting;
	pid_t pids[MANY];
	int i, lines;

	ASSERT_EQ(0, host("answer status c0000001"));
	ASSERT_EQ(0, fork_readers(pids, MANY, self->fd));
	ASSERT_EQ(0, host_wait(&self->before, 2 * BURST));
	lines = count_in_log(line) - before;
	EXPECT_GE(BURST * (1 + (int)((seconds() - begin) / PERIOD)), lines);
	for (i = 0; i < MANY; i++)
		EXPECT_TRUE(dies_of_sigkill(pids[i]));
	/* Whether it still waits its turn then or not. */
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_read(&waiting, self->fd, BLOCK, 128));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_RESULT(ENODEV, 0, join_caller(&waiting), &waiting.req);
}

/* The delay is for the file whose requests fail. */
TEST_F_TIMEOUT(host, failures_of_others_delay_nobody, TEST_TIMEOUT)
{
	int i, other = open_node("00.0", O_RDWR);
	struct caller *waiting = self->callers;

	ASSERT_LE(0, other);
	for (i = 0; i < BURST; i++)
		EXPECT_EQ(EIO, read_block(other, 9, self->out, 16, NULL));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, start_read(&waiting[i], other, 9, 16));
		wait_asleep(waiting[i].tid);
	}
	for (i = 0; i < 10; i++)
		EXPECT_TRUE(reads_well(self));
	/* None of which took until the period was over. */
	EXPECT_EQ(MANY, count_waiting(self, MANY));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(MANY, join_many(self, MANY, ENODEV));
	close(other);
}

#define ALL_BURST	100

static void *fail_in_new_files(void *stop)
{
	uint8_t out[16];
	int fd;

	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		fd = open_node("00.0", O_RDWR);
		read_block(fd, 9, out, sizeof(out), NULL);
		close(fd);
	}
	return NULL;
}

/* Opening another file is no way to flood the log. A file that has succeeded is not held up. */
TEST_F_TIMEOUT(host, failures_of_many_files, TEST_TIMEOUT)
{
	const char *line = "Config Block failed";
	int i, other, lines, before = count_in_log(line);
	double now, begin = seconds();
	pthread_t threads[8];
	bool stop = false;

	ASSERT_TRUE(reads_well(self));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, fail_in_new_files, &stop));
	while (request_count("failed") < ALL_BURST || !request_count("waiting"))
		usleep(1000);
	EXPECT_TRUE(reads_well(self));
	while (request_count("failed") < ALL_BURST + ALL_BURST / 2)
		usleep(1000);
	/* One that is new has to wait, but not for all the others' failures to end. */
	other = open_node("00.0", O_RDWR);
	now = seconds();
	EXPECT_EQ(0, read_block(other, BLOCK, self->out, 128, NULL));
	EXPECT_GT(3 * PERIOD, seconds() - now);
	close(other);
	lines = count_in_log(line) - before;
	EXPECT_GE((ALL_BURST + VPCI_REQUESTS_MAX) * (1 + (int)((seconds() - begin) / PERIOD)),
		  lines);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

/* Nothing but failures is slowed down; as many of those would take 45 seconds. */
TEST_F_TIMEOUT(host, successes_are_not_slowed_down, TEST_TIMEOUT)
{
	double begin = seconds();
	int i;

	for (i = 0; i < 10 * BURST; i++)
		ASSERT_TRUE(reads_well(self));
	EXPECT_GT(8 * PERIOD, seconds() - begin);
}

/* ---- suspend ---- */

TEST_F_TIMEOUT(host, waiting_ones_do_not_keep_the_machine_awake, TEST_TIMEOUT)
{
	struct caller waiting;
	int i;

	ASSERT_EQ(0, host("answer status c0000001"));
	for (i = 0; i < BURST; i++)
		EXPECT_EQ(EIO, read_all(self, NULL));
	ASSERT_EQ(0, start_read(&waiting, self->fd, BLOCK, 128));
	wait_asleep(waiting.tid);
	EXPECT_EQ(0, sleep_for_a_moment());
	EXPECT_RESULT(EIO, 0, join_caller(&waiting), &waiting.req);
}

/* hv_pci would lose the answer. */
TEST_F_TIMEOUT(host, request_keeps_the_machine_awake, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_many(self, 2));
	ASSERT_EQ(0, host_wait(&self->before, 2));
	EXPECT_EQ(EBUSY, sleep_for_a_moment());
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(2, join_many(self, 2, 0));
	EXPECT_EQ(0, sleep_for_a_moment());
}

TEST_HARNESS_MAIN
