// SPDX-License-Identifier: GPL-2.0-only
/*
 * What io_uring does with any file, on this one: reads and polls that have to wait, their
 * cancellation, and the ring or the device going away meanwhile.
 */
#include <sys/wait.h>

#include "uring_ring.h"
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DRIVER	"/sys/bus/platform/drivers/vmgencounter"
#define THEM	1	/* user_data of the request that waits ... */
#define CANCEL	2	/* ... and of what cancels it */

static void __attribute__((constructor)) skip_without_io_uring(void)
{
	ring_skip_without();
}

/* ---- a request that waits, of each kind ---- */

FIXTURE(request) {
	struct ring ring;
	int fd;
	struct vm_gencounter id;	/* all that @fd has been told */
	struct vm_gencounter out;	/* of a read */
	char device[64];
	bool unbound;
};

FIXTURE_VARIANT(request) {
	int opcode;
	int flags;		/* IOSQE_* */
	bool multi;		/* a poll that goes on */
};

/* The kernel tries, and then waits for poll to say that the file is ready. */
FIXTURE_VARIANT_ADD(request, read) { IORING_OP_READ, 0, false };
/* A thread of the kernel does what it can. */
FIXTURE_VARIANT_ADD(request, read_async) { IORING_OP_READ, IOSQE_ASYNC, false };
FIXTURE_VARIANT_ADD(request, poll) { IORING_OP_POLL_ADD, 0, false };
FIXTURE_VARIANT_ADD(request, poll_async) { IORING_OP_POLL_ADD, IOSQE_ASYNC, false };
FIXTURE_VARIANT_ADD(request, poll_multi) { IORING_OP_POLL_ADD, 0, true };

FIXTURE_SETUP(request)
{
	device_name(self->device, sizeof(self->device));
	ASSERT_EQ(0, ring_open(&self->ring, 8, 0));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, current_id(self->fd, &self->id));
	self->unbound = false;
}

FIXTURE_TEARDOWN(request)
{
	if (self->unbound)
		write_text(DRIVER "/bind", self->device);
	close(self->fd);
}

static void fill(FIXTURE_DATA(request) * self, const FIXTURE_VARIANT(request) * variant)
{
	struct io_uring_sqe *sqe = ring_sqe(&self->ring, variant->opcode, self->fd, THEM);

	sqe->flags = variant->flags;
	if (variant->opcode == IORING_OP_READ) {
		sqe->addr = (uintptr_t)&self->out;
		sqe->len = ID_SIZE;
	} else {
		sqe->poll32_events = POLLIN;
		sqe->len = variant->multi ? IORING_POLL_ADD_MULTI : 0;
	}
}

/* False if this kernel does not know the kind. */
static bool start(struct __test_metadata *_metadata, FIXTURE_DATA(request) * self,
		  const FIXTURE_VARIANT(request) * variant)
{
	struct io_uring_cqe cqe;

	fill(self, variant);
	ASSERT_EQ(0, ring_submit(&self->ring));
	if (!ring_peek(&self->ring, &cqe))
		return true;
	EXPECT_TRUE(variant->multi && cqe.res == -EINVAL)
		TH_LOG("result %d", cqe.res);
	return false;
}

#define UNKNOWN	"this kernel does not know such a request"

/* The change has come: what does the request say? */
static void expect_news(struct __test_metadata *_metadata, FIXTURE_DATA(request) * self,
			const FIXTURE_VARIANT(request) * variant)
{
	struct io_uring_cqe cqe;

	ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
	EXPECT_EQ(THEM, cqe.user_data);
	EXPECT_EQ(variant->multi, !!(cqe.flags & IORING_CQE_F_MORE));
	if (variant->opcode == IORING_OP_POLL_ADD) {
		EXPECT_EQ(POLLIN, cqe.res);
		ASSERT_EQ(0, current_id(self->fd, &self->out));
	} else {
		EXPECT_EQ(ID_SIZE, cqe.res);
	}
	EXPECT_FALSE(same_id(&self->id, &self->out));
	EXPECT_EQ(0, readiness(self->fd));
	self->id = self->out;
}

TEST_F_TIMEOUT(request, ends_with_a_change, TEST_TIMEOUT)
{
	struct io_uring_cqe cqe;
	int i;

	if (!start(_metadata, self, variant))
		SKIP(return, UNKNOWN);
	ASSERT_EQ(0, new_generation());
	expect_news(_metadata, self, variant);
	/* Once, or each time. */
	for (i = 0; i < 2 && variant->multi; i++) {
		ASSERT_EQ(0, new_generation());
		expect_news(_metadata, self, variant);
	}
	EXPECT_FALSE(ring_peek(&self->ring, &cqe));
	ASSERT_EQ(0, new_generation());
	if (variant->multi)
		expect_news(_metadata, self, variant);
	EXPECT_FALSE(ring_peek(&self->ring, &cqe));
	ring_close(&self->ring);
}

TEST_F_TIMEOUT(request, waits_on_after_a_spurious_notify, TEST_TIMEOUT)
{
	struct io_uring_cqe cqe;

	if (!start(_metadata, self, variant))
		SKIP(return, UNKNOWN);
	ASSERT_EQ(0, spurious_notify());
	EXPECT_FALSE(ring_peek(&self->ring, &cqe));
	ASSERT_EQ(0, new_generation());
	expect_news(_metadata, self, variant);
	ring_close(&self->ring);
}

/* What a thread of the kernel is at can only be interrupted, which it says. */
TEST_F_TIMEOUT(request, can_be_cancelled, TEST_TIMEOUT)
{
	struct io_uring_cqe cqe;
	int i;

	if (!start(_metadata, self, variant))
		SKIP(return, UNKNOWN);
	ring_sqe(&self->ring, IORING_OP_ASYNC_CANCEL, -1, CANCEL)->addr = THEM;
	ASSERT_EQ(0, ring_submit(&self->ring));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
		if (cqe.user_data == CANCEL) {
			EXPECT_TRUE(cqe.res == 0 || cqe.res == -EALREADY)
				TH_LOG("cancel: %d", cqe.res);
		} else {
			EXPECT_TRUE(cqe.res == -ECANCELED || cqe.res == -EINTR)
				TH_LOG("result: %d", cqe.res);
		}
		EXPECT_FALSE(cqe.flags & IORING_CQE_F_MORE);
	}
	/* It took nothing with it. */
	ASSERT_EQ(0, new_generation());
	EXPECT_FALSE(ring_peek(&self->ring, &cqe));
	EXPECT_EQ(READABLE, readiness(self->fd));
	ring_close(&self->ring);
}

TEST_F_TIMEOUT(request, hears_that_the_device_goes, TEST_TIMEOUT)
{
	struct io_uring_cqe cqe;

	if (!start(_metadata, self, variant))
		SKIP(return, UNKNOWN);
	self->unbound = true;
	ASSERT_EQ(0, write_text(DRIVER "/unbind", self->device));
	ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
	EXPECT_EQ(THEM, cqe.user_data);
	EXPECT_EQ(variant->opcode == IORING_OP_READ ? -ENODEV : POLLHUP | POLLERR, cqe.res);
	ring_close(&self->ring);
}

/* ---- nothing is left behind ---- */

/* References to the module: open files, and what holds them. */
static int references(void)
{
	char line[32];

	return read_line("/sys/module/vmgencounter/refcnt", line, sizeof(line)) ? -1 : atoi(line);
}

static void wait_references(int n)
{
	while (references() != n)
		usleep(1000);
}

/* The request alone holds the file, until the ring lets go of it. */
TEST_F_TIMEOUT(request, ends_with_the_ring, TEST_TIMEOUT)
{
	wait_references(1);	/* those of earlier tests may be on their way */
	if (!start(_metadata, self, variant))
		SKIP(return, UNKNOWN);
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(1, references());
	ring_close(&self->ring);
	wait_references(0);
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, new_generation());
}

/* In a process of its own, which says so by a pipe and then waits to be killed. */
static void start_alone(FIXTURE_DATA(request) * self, const FIXTURE_VARIANT(request) * variant,
			int told)
{
	struct io_uring_cqe cqe;

	if (ring_open(&self->ring, 8, 0))
		_exit(1);
	fill(self, variant);
	if (ring_submit(&self->ring) || ring_peek(&self->ring, &cqe))
		_exit(1);
	if (write(told, "", 1) == 1)
		pause();
	_exit(1);
}

/* The kernel tidies up. */
TEST_F_TIMEOUT(request, ends_with_the_process, TEST_TIMEOUT)
{
	int status, pipefd[2];
	pid_t pid;
	char c;

	if (!start(_metadata, self, variant))
		SKIP(return, UNKNOWN);
	ring_close(&self->ring);
	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		start_alone(self, variant, pipefd[1]);
	close(pipefd[1]);
	ASSERT_EQ(1, read(pipefd[0], &c, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	close(pipefd[0]);
	close(self->fd);
	wait_references(0);
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, new_generation());
}

/* ---- reads that need not wait, or may not ---- */

FIXTURE(file) {
	struct ring ring;
	int fd;
	struct vm_gencounter out;
};

FIXTURE_VARIANT(file) {
	int flags;		/* IOSQE_* */
};

FIXTURE_VARIANT_ADD(file, at_once) { 0 };
FIXTURE_VARIANT_ADD(file, async) { IOSQE_ASYNC };

FIXTURE_SETUP(file)
{
	ASSERT_EQ(0, ring_open(&self->ring, 8, 0));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(file)
{
	ring_close(&self->ring);
	close(self->fd);
}

static int start_read(FIXTURE_DATA(file) * self, int flags, unsigned int len, int rw_flags)
{
	struct io_uring_sqe *sqe = ring_sqe(&self->ring, IORING_OP_READ, self->fd, THEM);

	sqe->flags = flags;
	sqe->addr = (uintptr_t)&self->out;
	sqe->len = len;
	sqe->rw_flags = rw_flags;
	return ring_submit(&self->ring);
}

static int end_read(FIXTURE_DATA(file) * self)
{
	struct io_uring_cqe cqe;
	int err = ring_wait(&self->ring, &cqe);

	return err ? -err : cqe.res;
}

TEST_F_TIMEOUT(file, read_of_a_fresh_one, TEST_TIMEOUT)
{
	struct vm_gencounter id;

	ASSERT_EQ(0, peek_id(&id));
	ASSERT_EQ(0, start_read(self, variant->flags, ID_SIZE, 0));
	EXPECT_EQ(ID_SIZE, end_read(self));
	EXPECT_TRUE(same_id(&id, &self->out));
	EXPECT_EQ(0, readiness(self->fd));
}

TEST_F(file, read_that_may_not_wait)
{
	if (variant->flags & IOSQE_ASYNC)
		SKIP(return, "a thread of the kernel may wait, in some kernels");
	ASSERT_EQ(0, start_read(self, variant->flags, ID_SIZE, RWF_NOWAIT));
	EXPECT_EQ(ID_SIZE, end_read(self));
	ASSERT_EQ(0, start_read(self, variant->flags, ID_SIZE, RWF_NOWAIT));
	EXPECT_EQ(-EAGAIN, end_read(self));
}

/* io_uring waits for its caller, whom O_NONBLOCK concerns, and for whom it does not block. */
TEST_F_TIMEOUT(file, read_with_o_nonblock_waits, TEST_TIMEOUT)
{
	struct vm_gencounter id;
	struct io_uring_cqe cqe;

	if (variant->flags & IOSQE_ASYNC)
		SKIP(return, "a thread of the kernel does as the file says, in some kernels");
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	ASSERT_EQ(0, start_read(self, variant->flags, ID_SIZE, 0));
	EXPECT_EQ(ID_SIZE, end_read(self));
	id = self->out;
	ASSERT_EQ(0, start_read(self, variant->flags, ID_SIZE, 0));
	EXPECT_FALSE(ring_peek(&self->ring, &cqe));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(ID_SIZE, end_read(self));
	EXPECT_FALSE(same_id(&id, &self->out));
}

TEST_F(file, read_that_is_too_short)
{
	ASSERT_EQ(0, start_read(self, variant->flags, ID_SIZE - 1, 0));
	EXPECT_EQ(-EINVAL, end_read(self));
	EXPECT_EQ(READABLE, readiness(self->fd));
}

TEST_HARNESS_MAIN
