// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ, WRITE and INVALIDATE as commands of io_uring: each that waits ends once and with its
 * block, however it ends, and what the host has not answered is left behind.
 */
#include <sys/utsname.h>
#include <sys/wait.h>

#include "../vmgencounter/uring_ring.h"
#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define ENTRIES		64
#define MANY		24	/* more than the host is given at once */
#define BLOCK		3
#define OTHER		1000	/* user_data of what is no command that waits */
#define GONE		(POLLHUP | POLLERR)

static void __attribute__((constructor)) skip_without_io_uring(void)
{
	ring_skip_without();
}

static bool has_commands(void)
{
	unsigned int major, minor;
	struct utsname name;

	uname(&name);
	return sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 8));
}

#define NO_COMMANDS	"io_uring cannot cancel commands before Linux 6.8"

struct command {
	struct devioctl_request req;
	struct {
		uint32_t block_id, length;
		uint8_t data[VPCI_BLOCK_SIZE_MAX];
	} in;
	uint8_t out[VPCI_BLOCK_SIZE_MAX];	/* 0xa5 at first */
	uint32_t code;
};

FIXTURE(ring) {
	struct ring ring;
	int fd;
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	struct host_counters before;
	struct command command[MANY];
};

FIXTURE_VARIANT(ring) {
	int setup;		/* IORING_SETUP_* */
	int flags;		/* IOSQE_* */
};

FIXTURE_VARIANT_ADD(ring, plain) { 0, 0 };
/* Begun by a thread of the kernel. */
FIXTURE_VARIANT_ADD(ring, async) { 0, IOSQE_ASYNC };
/* Ended when the program asks for what is done. */
FIXTURE_VARIANT_ADD(ring, deferred) { IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER, 0 };

FIXTURE_SETUP(ring)
{
	ASSERT_EQ(0, load_module("vpci_block"));
	ASSERT_EQ(0, reset_host());
	fill_pattern(self->block, sizeof(self->block), 1);
	ASSERT_EQ(0, host_block(BLOCK, self->block, sizeof(self->block)));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	self->before = host_counters();
	if (has_commands())
		ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->setup));
}

/* Of what was not ended, too: nothing of it is left anywhere. */
FIXTURE_TEARDOWN(ring)
{
	if (has_commands())
		ring_close(&self->ring);
	close(self->fd);
	EXPECT_EQ(0, host("release"));
	EXPECT_EQ(self->before.errors, host_counters().errors);
	wait_unused("vpci_block");
	EXPECT_EQ(0, unload_module("vpci_block"));
}

/* ---- commands ---- */

static void prepare(struct command *c, uint32_t code, uint32_t id)
{
	memset(c, 0, sizeof(*c));
	memset(c->out, 0xa5, sizeof(c->out));
	c->code = code;
	c->in.block_id = id;
	c->in.length = VPCI_BLOCK_SIZE_MAX;
	fill_pattern(c->in.data, sizeof(c->in.data), 1);
	if (code == IOCTL_VPCI_READ_BLOCK)
		fill_request(&c->req, &c->in, 8, c->out, VPCI_BLOCK_SIZE_MAX);
	else if (code == IOCTL_VPCI_WRITE_BLOCK)
		fill_request(&c->req, &c->in, sizeof(c->in), NULL, 0);
	else
		fill_request(&c->req, NULL, 0, c->out, 8);
}

static int submit(FIXTURE_DATA(ring) * self, int flags, int i, uint32_t code)
{
	struct command *c = &self->command[i];

	prepare(c, code, BLOCK);
	ring_command(&self->ring, self->fd, code, &c->req, i)->flags = flags;
	return ring_submit(&self->ring);
}

/* Reads (and writes, every other one). */
static int submit_many(FIXTURE_DATA(ring) * self, int flags, int n)
{
	int i, err = 0;

	for (i = 0; i < n && !err; i++)
		err = submit(self, flags, i,
			     i & 1 ? IOCTL_VPCI_WRITE_BLOCK : IOCTL_VPCI_READ_BLOCK);
	return err;
}

/* Does a command end so, whether or not others have? The CQE and the block must agree. */
static void expect_next(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self, int err)
{
	struct io_uring_cqe cqe;
	struct command *c;
	uint32_t came = 0;

	ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
	ASSERT_GT(MANY, cqe.user_data);
	c = &self->command[cqe.user_data];
	EXPECT_EQ(-err, cqe.res);
	if (!err && c->code != IOCTL_VPCI_WRITE_BLOCK)
		came = c->req.out_size;
	EXPECT_RESULT(err, came, -cqe.res, &c->req);
	EXPECT_TRUE(all_a5(c->out + came, c->out + sizeof(c->out)));
	if (came == sizeof(c->out))
		EXPECT_EQ(0, memcmp(self->block, c->out, sizeof(c->out)));
}

static void expect_all(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self, int n,
		       int err)
{
	int i;

	for (i = 0; i < n; i++)
		expect_next(_metadata, self, err);
}

#define EXPECT_NONE(ring) do {							\
		struct io_uring_cqe none;					\
										\
		EXPECT_FALSE(ring_peek(ring, &none))				\
			TH_LOG("CQE of %llu: %d", none.user_data, none.res);	\
	} while (0)

/* Submit what ends at once, and wait for its CQE: its res. */
static int run(FIXTURE_DATA(ring) * self, uint32_t code, const void *request)
{
	struct io_uring_cqe cqe;
	int err;

	ring_command(&self->ring, self->fd, code, request, OTHER);
	err = ring_submit(&self->ring) ?: ring_wait(&self->ring, &cqe);
	return err ? -err : cqe.user_data == OTHER ? cqe.res : -EBADE;
}

static void wait_for(const char *name, long long n)
{
	while (function_number("00.0", name) != n)
		usleep(1000);
}

/* ---- what commands come to ---- */

TEST_F_TIMEOUT(ring, kernels_without, TEST_TIMEOUT)
{
	struct command *c = self->command;
	int res;

	if (has_commands())
		SKIP(return, "this kernel can");
	if (variant->setup)
		SKIP(return, "the plain ring is enough");
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, 0));
	prepare(c, IOCTL_VPCI_READ_BLOCK, BLOCK);
	res = run(self, c->code, &c->req);
	EXPECT_TRUE(res == -EOPNOTSUPP || res == -EINVAL);
	EXPECT_EQ(UNTOUCHED, c->req.status);
	ring_close(&self->ring);
}

TEST_F_TIMEOUT(ring, answered_late, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, submit_many(self, variant->flags, MANY));
	ASSERT_EQ(0, host_wait(&self->before, VPCI_REQUESTS_MAX));
	wait_for("waiting", MANY - VPCI_REQUESTS_MAX);
	EXPECT_NONE(&self->ring);
	ASSERT_EQ(0, host("release"));
	expect_all(_metadata, self, MANY, 0);
	EXPECT_NONE(&self->ring);
	EXPECT_EQ(MANY, host_counters().requests - self->before.requests);
}

TEST_F_TIMEOUT(ring, failed, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_EQ(0, host("answer status c0000001"));
	ASSERT_EQ(0, submit_many(self, variant->flags, 2));
	expect_all(_metadata, self, 2, EIO);
}

/* The host has not been asked then, so all can be cancelled. */
TEST_F_TIMEOUT(ring, full, TEST_TIMEOUT)
{
	int i;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_EQ(0, host("answer full"));
	ASSERT_EQ(0, submit_many(self, variant->flags, 4));
	while (function_number("00.0", "in_flight") + function_number("00.0", "waiting") != 4)
		usleep(1000);
	for (i = 0; i < 2 && !variant->flags; i++) {
		int res;

		/* It may just be on its way to the ring. */
		do {
			res = run(self, VPCI_CANCEL, &self->command[i].req);
		} while (res == -EALREADY);
		EXPECT_EQ(0, res);
		expect_next(_metadata, self, ECANCELED);
	}
	ASSERT_EQ(0, host("answer ok"));
	expect_all(_metadata, self, 4 - i, 0);
	/* A read may have been on its way to the ring. A write is not cancelled then. */
	EXPECT_EQ(i ? 1 : 2, host_counters().writes - self->before.writes);
}

TEST_F_TIMEOUT(ring, invalidated, TEST_TIMEOUT)
{
	struct command *c = self->command;
	uint64_t mask = 0;
	int i;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	/* Whatever the descriptor says of waiting. */
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, submit(self, variant->flags, 0, IOCTL_VPCI_INVALIDATE_BLOCK));
		EXPECT_NONE(&self->ring);
		ASSERT_EQ(0, host("invalidate 00.0 %x", 1 << i));
		expect_next(_metadata, self, 0);
		EXPECT_EQ(1ULL << i, *(uint64_t *)c->out);
	}
	/* Of those that share the open file one or more is told. */
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, submit(self, variant->flags, i, IOCTL_VPCI_INVALIDATE_BLOCK));
	ASSERT_EQ(0, host("invalidate 00.0 10"));
	expect_next(_metadata, self, 0);
	ASSERT_EQ(0, host("eject 00.0"));
	for (i = 0; i < 3; i++) {
		struct io_uring_cqe cqe;

		ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
		EXPECT_TRUE(!cqe.res || cqe.res == -ENODEV);
	}
	for (i = 0; i < 4; i++)
		if (!c[i].req.status)
			mask |= *(uint64_t *)c[i].out;
	EXPECT_EQ(0x10, mask);
}

TEST_F_TIMEOUT(ring, bad_commands, TEST_TIMEOUT)
{
	struct command *c = self->command;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	EXPECT_EQ(-EFAULT, run(self, IOCTL_VPCI_READ_BLOCK, page_edge(0, PAGE_MISSING)));
	prepare(c, IOCTL_VPCI_READ_BLOCK, BLOCK);
	EXPECT_EQ(-ENOTTY, run(self, IOCTL_VPCI_READ_BLOCK + 1, &c->req));
	EXPECT_EQ(UNTOUCHED, c->req.status);
	c->req.out_size--;
	EXPECT_EQ(-ENOBUFS, run(self, c->code, &c->req));
	EXPECT_EQ(STATUS_BUFFER_TOO_SMALL, c->req.status);
	prepare(c, IOCTL_VPCI_INVALIDATE_BLOCK, 0);
	c->req.out_buffer = (uintptr_t)page_edge(0, PAGE_MISSING);
	EXPECT_EQ(-EFAULT, run(self, c->code, &c->req));
	EXPECT_EQ(STATUS_ACCESS_VIOLATION, c->req.status);
	sqe = ring_command(&self->ring, self->fd, c->code, &c->req, OTHER);
	((struct devioctl_uring_cmd *)sqe->cmd)->reserved = 1;
	ASSERT_EQ(0, ring_submit(&self->ring));
	ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
	EXPECT_EQ(-EINVAL, cqe.res);
	EXPECT_EQ(0, host_counters().requests - self->before.requests);
}

/* ---- cancelling ---- */

TEST_F_TIMEOUT(ring, cancelled, TEST_TIMEOUT)
{
	const int first = VPCI_REQUESTS_MAX;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	if (variant->flags)
		SKIP(return, "what a thread of the kernel begins may not have begun yet");
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, submit_many(self, 0, first + 2));
	ASSERT_EQ(0, submit(self, 0, first + 2, IOCTL_VPCI_INVALIDATE_BLOCK));
	ASSERT_EQ(0, host_wait(&self->before, first));
	/* A read and a write that have not been sent, a read that has, an invalidate. */
	EXPECT_EQ(0, run(self, VPCI_CANCEL, &self->command[first].req));
	expect_next(_metadata, self, ECANCELED);
	EXPECT_EQ(0, run(self, VPCI_CANCEL, &self->command[first + 1].req));
	expect_next(_metadata, self, ECANCELED);
	EXPECT_EQ(0, run(self, VPCI_CANCEL, &self->command[0].req));
	expect_next(_metadata, self, ECANCELED);
	EXPECT_EQ(0, run(self, VPCI_CANCEL, &self->command[first + 2].req));
	expect_next(_metadata, self, ECANCELED);
	EXPECT_EQ(1, function_number("00.0", "left_behind"));
	EXPECT_EQ(0, function_number("00.0", "waiting"));
	/* A write that was sent stays. */
	EXPECT_EQ(-EALREADY, run(self, VPCI_CANCEL, &self->command[1].req));
	EXPECT_EQ(-ENOENT, run(self, VPCI_CANCEL, &self->command[0].req));
	EXPECT_NONE(&self->ring);
	ASSERT_EQ(0, host("release"));
	expect_all(_metadata, self, first - 1, 0);
	EXPECT_EQ(first, host_counters().requests - self->before.requests);
	EXPECT_TRUE(all_a5(self->command[0].out, self->command[0].out + 128));
}

/* ---- the end of the function, of the ring, of the process ---- */

static void submit_all_kinds(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self,
			     int flags)
{
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, submit(self, flags, MANY - 1, IOCTL_VPCI_INVALIDATE_BLOCK));
	ASSERT_EQ(0, submit_many(self, flags, MANY - 1));
	ASSERT_EQ(0, host_wait(&self->before, VPCI_REQUESTS_MAX));
	wait_for("waiting", MANY - 1 - VPCI_REQUESTS_MAX);
}

TEST_F_TIMEOUT(ring, ejected, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	submit_all_kinds(_metadata, self, variant->flags);
	ASSERT_EQ(0, host("eject 00.0"));
	expect_all(_metadata, self, MANY, ENODEV);
	EXPECT_EQ(GONE, readiness(self->fd));
	ASSERT_EQ(0, host("add 00.0"));
	EXPECT_EQ(VPCI_REQUESTS_MAX, function_number("00.0", "left_behind"));
	EXPECT_EQ(-ENODEV, run(self, IOCTL_VPCI_READ_BLOCK, &self->command[0].req));
}

TEST_F_TIMEOUT(ring, rescinded, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	submit_all_kinds(_metadata, self, variant->flags);
	ASSERT_EQ(0, host("rescind"));
	expect_all(_metadata, self, MANY, ENODEV);
	ASSERT_EQ(0, host("plug"));
}

/* What the ring had is left behind; and what the host answers then hurts nobody. */
TEST_F_TIMEOUT(ring, ring_closes, TEST_TIMEOUT)
{
	int i;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	if (variant->setup && !access("/proc/lockdep", F_OK))
		SKIP(return, "io_uring's own locks do not bear this");
	submit_all_kinds(_metadata, self, variant->flags);
	ring_close(&self->ring);
	wait_for("left_behind", VPCI_REQUESTS_MAX);
	wait_for("waiting", 0);
	ASSERT_EQ(0, host("release"));
	wait_for("in_flight", 0);
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(UNTOUCHED, self->command[i].req.status);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->setup));
	ASSERT_EQ(0, submit_many(self, variant->flags, 2));
	expect_all(_metadata, self, 2, 0);
}

TEST_F_TIMEOUT(ring, process_is_killed, TEST_TIMEOUT)
{
	int status;
	pid_t pid;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (ring_open(&self->ring, ENTRIES, variant->setup))
			_exit(1);
		submit_all_kinds(_metadata, self, variant->flags);
		pause();
	}
	ASSERT_EQ(0, host_wait(&self->before, VPCI_REQUESTS_MAX));
	wait_for("waiting", MANY - 1 - VPCI_REQUESTS_MAX);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	wait_for("left_behind", VPCI_REQUESTS_MAX);
	wait_for("waiting", 0);
	ASSERT_EQ(0, host("release"));
	ASSERT_EQ(0, submit_many(self, variant->flags, 2));
	expect_all(_metadata, self, 2, 0);
}

TEST_HARNESS_MAIN
