// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOCTL_VMGENCOUNTER_READ as a command of io_uring: what each condition gives, that a
 * command which waits ends once and with its block, and that nothing is left behind.
 */
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "uring_ring.h"
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DRIVER	"/sys/bus/platform/drivers/vmgencounter"
#define ENTRIES	256
#define MANY	64
#define CANCEL	(ENTRIES + 1)	/* user_data of what is no command that waits */
#define CHANGED	(ENTRIES + 2)

ASSERT_SIZE(struct devioctl_uring_cmd, 16);
ASSERT_OFFSET(struct devioctl_uring_cmd, request, 0);
ASSERT_OFFSET(struct devioctl_uring_cmd, reserved, 8);

static void __attribute__((constructor)) skip_without_io_uring(void)
{
	ring_skip_without();
}

static bool kernel_is(unsigned int major, unsigned int minor)
{
	unsigned int its_major, its_minor;
	struct utsname name;

	uname(&name);
	return sscanf(name.release, "%u.%u", &its_major, &its_minor) == 2 &&
	       (its_major > major || (its_major == major && its_minor >= minor));
}

static bool has_commands(void)
{
	return kernel_is(6, 8);
}

#define NO_COMMANDS	"io_uring cannot cancel commands before Linux 6.8"

/*
 * Before 6.14 a kernel that checks its locks objects when a deferred ring, closed by a task
 * that goes on, takes its commands with it. It does so with all drivers.
 */
static bool can_close(int setup)
{
	return !(setup & IORING_SETUP_DEFER_TASKRUN) || kernel_is(6, 14) ||
	       access("/proc/lockdep", F_OK);
}

#define NO_CLOSE	"io_uring's own locks do not bear this"

/* ---- calls ---- */

struct call {
	struct vm_gencounter known;	/* when it began */
	struct vm_gencounter id;	/* input and output */
	struct devioctl_request req;
};

static void prepare(struct call *c, const struct vm_gencounter *known)
{
	c->known = *known;
	c->id = *known;
	fill_request(&c->req, &c->id, ID_SIZE, &c->id, ID_SIZE);
}

static void expect_untouched(struct __test_metadata *_metadata, const struct devioctl_request *req)
{
	EXPECT_EQ(UNTOUCHED, req->status);
	EXPECT_EQ(UNTOUCHED, req->information);
}

/* The CQE and the block must agree. */
static void expect_result(struct __test_metadata *_metadata, int err, int res,
			  const struct devioctl_request *req)
{
	EXPECT_EQ(-err, res);
	EXPECT_EQ(status_of(err), req->status);
	EXPECT_EQ(err ? 0 : ID_SIZE, req->information);
}

/* Submit one command and wait for its CQE, or that of another: its res. */
static int run(struct ring *ring, int fd, uint32_t code, const void *request)
{
	struct io_uring_cqe cqe;
	int err;

	ring_command(ring, fd, code, request, CANCEL);
	err = ring_submit(ring) ?: ring_wait(ring, &cqe);
	return err ? -err : cqe.res;
}

static void take_away(const char *device)
{
	write_text(DRIVER "/unbind", device);
}

/* References to the module: open files, and what holds them. */
static void wait_references(int n)
{
	char line[32] = "";

	while (read_line("/sys/module/vmgencounter/refcnt", line, sizeof(line)) || atoi(line) != n)
		usleep(1000);
}

/* ---- commands that wait, on a ring of each kind ---- */

FIXTURE(ring) {
	struct ring ring;
	int fd;
	struct vm_gencounter id;
	struct call call[MANY];
	char device[64];
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
/* A thread of the kernel does it all. */
FIXTURE_VARIANT_ADD(ring, polled) { IORING_SETUP_SQPOLL, 0 };

FIXTURE_SETUP(ring)
{
	device_name(self->device, sizeof(self->device));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, current_id(self->fd, &self->id));
	if (has_commands())
		ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->setup));
}

/* The ring goes with the process. */
FIXTURE_TEARDOWN(ring)
{
	close(self->fd);
	if (access(VMGEN_DEVICE, F_OK))
		write_text(DRIVER "/bind", self->device);
}

/* Of a command that a thread of the kernel begins, this may be too early to say. */
#define EXPECT_NONE(ring)							\
	do {									\
		struct io_uring_cqe none;					\
										\
		EXPECT_FALSE(ring_peek(ring, &none))				\
			TH_LOG("CQE of %llu: %d", none.user_data, none.res);	\
	} while (0)

static void start(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self, int flags,
		  int n)
{
	int i;

	for (i = 0; i < n; i++) {
		prepare(&self->call[i], &self->id);
		ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ,
			     &self->call[i].req, i)->flags = flags;
	}
	ASSERT_EQ(0, ring_submit(&self->ring));
	EXPECT_NONE(&self->ring);
	for (i = 0; i < n; i++)
		expect_untouched(_metadata, &self->call[i].req);
}

/* Of @n commands each ends with this. */
static void expect_all(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self, int n,
		       int err)
{
	struct io_uring_cqe cqe;
	struct call *c;
	int i;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
		ASSERT_GT(n, cqe.user_data);
		c = &self->call[cqe.user_data];
		expect_result(_metadata, err, cqe.res, &c->req);
		EXPECT_EQ(err != 0, same_id(&self->id, &c->id));
		c->req.status = UNTOUCHED;	/* it ends once */
	}
	EXPECT_NONE(&self->ring);
}

TEST_F_TIMEOUT(ring, wait_for_a_change, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	start(_metadata, self, variant->flags, 1);
	ASSERT_EQ(0, spurious_notify());
	EXPECT_NONE(&self->ring);
	expect_untouched(_metadata, &self->call[0].req);
	ASSERT_EQ(0, new_generation());
	expect_all(_metadata, self, 1, 0);
	EXPECT_EQ(0, readiness(self->fd));
}

TEST_F_TIMEOUT(ring, many_wait_for_a_change, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	start(_metadata, self, variant->flags, MANY);
	ASSERT_EQ(0, new_generation());
	expect_all(_metadata, self, MANY, 0);
}

/* Nothing was started, so there is nothing to be told of later. */
TEST_F_TIMEOUT(ring, o_nonblock_does_not_matter, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	start(_metadata, self, variant->flags, 1);
	ASSERT_EQ(0, new_generation());
	expect_all(_metadata, self, 1, 0);
}

TEST_F_TIMEOUT(ring, hear_that_the_device_goes, TEST_TIMEOUT)
{
	struct call c;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	start(_metadata, self, variant->flags, MANY);
	take_away(self->device);
	expect_all(_metadata, self, MANY, ENODEV);
	/* Later ones do not wait. */
	prepare(&c, &self->id);
	expect_result(_metadata, ENODEV,
		      run(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &c.req), &c.req);
	EXPECT_EQ(-ENOENT, run(&self->ring, self->fd, VMGENCOUNTER_CANCEL, &self->call[0].req));
}

/* One that a thread of the kernel has yet to begin is not found. */
static void cancel(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self, int i)
{
	struct io_uring_cqe cqe;
	int res, ends = 0;

	do {
		ring_command(&self->ring, self->fd, VMGENCOUNTER_CANCEL, &self->call[i].req,
			     CANCEL);
		ASSERT_EQ(0, ring_submit(&self->ring));
		do {
			ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
			if (cqe.user_data != CANCEL) {
				ASSERT_EQ(i, cqe.user_data);
				expect_result(_metadata, ECANCELED, cqe.res, &self->call[i].req);
				ends++;
			}
		} while (cqe.user_data != CANCEL);
		res = cqe.res;
	} while (res == -ENOENT && !ends);
	EXPECT_EQ(0, res);
	if (!ends) {
		ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
		ASSERT_EQ(i, cqe.user_data);
		expect_result(_metadata, ECANCELED, cqe.res, &self->call[i].req);
	}
	EXPECT_TRUE(same_id(&self->id, &self->call[i].id));
}

/* One after the other, the others wait on. */
TEST_F_TIMEOUT(ring, can_be_cancelled, TEST_TIMEOUT)
{
	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	start(_metadata, self, variant->flags, 4);
	cancel(_metadata, self, 2);
	EXPECT_EQ(-ENOENT, run(&self->ring, self->fd, VMGENCOUNTER_CANCEL, &self->call[2].req));
	cancel(_metadata, self, 3);
	EXPECT_NONE(&self->ring);
	ASSERT_EQ(0, new_generation());
	expect_all(_metadata, self, 2, 0);
	EXPECT_EQ(-ENOENT, run(&self->ring, self->fd, VMGENCOUNTER_CANCEL, &self->call[0].req));
}

/* The commands alone hold the file, until the ring lets go of them. */
TEST_F_TIMEOUT(ring, end_with_it, TEST_TIMEOUT)
{
	int i;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	if (!can_close(variant->setup))
		SKIP(return, NO_CLOSE);
	wait_references(1);	/* those of earlier tests may be on their way */
	start(_metadata, self, variant->flags, MANY);
	close(self->fd);
	ring_close(&self->ring);
	wait_references(0);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->setup));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, new_generation());
	EXPECT_NONE(&self->ring);
	for (i = 0; i < MANY; i++)
		expect_untouched(_metadata, &self->call[i].req);
}

/* In a process of its own: a ring, and commands that wait. */
static void start_alone(FIXTURE_DATA(ring) * self, int setup, int flags)
{
	int i;

	if (ring_open(&self->ring, ENTRIES, setup))
		_exit(1);
	for (i = 0; i < MANY; i++) {
		prepare(&self->call[i], &self->id);
		ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ,
			     &self->call[i].req, i)->flags = flags;
	}
	if (ring_submit(&self->ring))
		_exit(1);
}

TEST_F_TIMEOUT(ring, end_with_the_process, TEST_TIMEOUT)
{
	int status, pipefd[2];
	pid_t pid;
	char c;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	wait_references(1);
	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		start_alone(self, variant->setup, variant->flags);
		if (write(pipefd[1], "", 1) == 1)
			pause();
		_exit(1);
	}
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

/* What it is replaced by has other memory. */
TEST_F_TIMEOUT(ring, end_with_the_program, TEST_TIMEOUT)
{
	int status;
	pid_t pid;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	wait_references(1);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		start_alone(self, variant->setup, variant->flags);
		execl("/bin/sh", "sh", "-c", "exit 7", NULL);
		_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(7, WEXITSTATUS(status));
	close(self->fd);
	wait_references(0);
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

/* ---- what a command says ---- */

FIXTURE(command) {
	struct ring ring;
	int fd;
	struct vm_gencounter id;
	struct call call;
	char device[64];
};

FIXTURE_SETUP(command)
{
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, 0));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, peek_id(&self->id));
	prepare(&self->call, &self->id);
}

FIXTURE_TEARDOWN(command)
{
	close(self->fd);
}

/* One command that must not wait. */
static int call_fd(FIXTURE_DATA(command) * self, int fd, const void *in, uint32_t in_size,
		   void *out, uint32_t out_size)
{
	fill_request(&self->call.req, in, in_size, out, out_size);
	return run(&self->ring, fd, IOCTL_VMGENCOUNTER_READ, &self->call.req);
}

static void start_one(struct __test_metadata *_metadata, FIXTURE_DATA(command) * self,
		      struct ring *ring, struct devioctl_request *req, uint64_t user_data)
{
	ring_command(ring, self->fd, IOCTL_VMGENCOUNTER_READ, req, user_data);
	ASSERT_EQ(0, ring_submit(ring));
	EXPECT_NONE(ring);
}

static int end_one(struct ring *ring)
{
	struct io_uring_cqe cqe;
	int err = ring_wait(ring, &cqe);

	return err ? -err : cqe.res;
}

TEST_F(command, is_unknown_to_old_kernels)
{
	int res;

	if (has_commands())
		SKIP(return, "this kernel knows it");
	res = run(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &self->call.req);
	/* The latter where io_uring knows no commands at all. */
	EXPECT_TRUE(res == -EOPNOTSUPP || res == -EINVAL)
		TH_LOG("result: %d", res);
	expect_untouched(_metadata, &self->call.req);
	res = run(&self->ring, self->fd, VMGENCOUNTER_CANCEL, &self->call.req);
	EXPECT_TRUE(res == -EOPNOTSUPP || res == -EINVAL)
		TH_LOG("result: %d", res);
}

TEST_F(command, in_polling_mode)
{
	struct vm_gencounter out = {};

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	expect_result(_metadata, 0, call_fd(self, self->fd, NULL, 0, &out, ID_SIZE),
		      &self->call.req);
	EXPECT_TRUE(same_id(&self->id, &out));
	EXPECT_EQ(0, readiness(self->fd));
}

TEST_F(command, with_a_stale_id)
{
	const struct vm_gencounter stale = {};
	struct vm_gencounter out = {};

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	expect_result(_metadata, 0, call_fd(self, self->fd, &stale, ID_SIZE, &out, ID_SIZE),
		      &self->call.req);
	EXPECT_TRUE(same_id(&self->id, &out));
	EXPECT_EQ(0, readiness(self->fd));
}

/* As ioctl_test has it: all that can be wrong is wrong, then mended one by one. */
TEST_F(command, conditions_in_their_order)
{
	int reader = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);
	int writer = open(VMGEN_DEVICE, O_WRONLY | O_CLOEXEC);
	void *gone = page_edge(0, PAGE_MISSING);
	struct vm_gencounter out;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_NE(MAP_FAILED, gone);
	EXPECT_EQ(-EFAULT, run(&self->ring, writer, IOCTL_VMGENCOUNTER_READ, gone));
	expect_result(_metadata, EACCES, call_fd(self, reader, gone, 1, gone, 1),
		      &self->call.req);
	expect_result(_metadata, EACCES, call_fd(self, writer, gone, 1, gone, 1),
		      &self->call.req);
	expect_result(_metadata, ENOBUFS, call_fd(self, self->fd, gone, 1, gone, 15),
		      &self->call.req);
	expect_result(_metadata, EINVAL, call_fd(self, self->fd, gone, 15, gone, ID_SIZE),
		      &self->call.req);
	expect_result(_metadata, EFAULT,
		      call_fd(self, self->fd, gone, ID_SIZE, &out, ID_SIZE), &self->call.req);
	/* Before a wait that would be, and where there is none. */
	expect_result(_metadata, EFAULT,
		      call_fd(self, self->fd, &self->id, ID_SIZE, gone, ID_SIZE),
		      &self->call.req);
	expect_result(_metadata, EFAULT, call_fd(self, self->fd, NULL, 0, gone, ID_SIZE),
		      &self->call.req);
	EXPECT_EQ(READABLE, readiness(self->fd));
	close(reader);
	close(writer);
}

/* Before a wait, too. */
TEST_F(command, block_that_cannot_be_written)
{
	struct devioctl_request *req = page_edge(getpagesize(), PAGE_MISSING);

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_NE(MAP_FAILED, req);
	*req = self->call.req;
	ASSERT_EQ(0, mprotect(req, getpagesize(), PROT_READ));
	EXPECT_EQ(-EFAULT, run(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, req));
	expect_untouched(_metadata, req);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

TEST_F(command, other_codes)
{
	int bit;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	for (bit = 0; bit < 32; bit++) {
		EXPECT_EQ(-ENOTTY, run(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ ^ 1U << bit,
				       &self->call.req));
		EXPECT_EQ(-ENOTTY, run(&self->ring, self->fd, VMGENCOUNTER_CANCEL ^ 1U << bit,
				       &self->call.req));
	}
	EXPECT_EQ(-ENOTTY, run(&self->ring, self->fd, VMGENCOUNTER_GET_INFO, &self->call.req));
	expect_untouched(_metadata, &self->call.req);
	/* And it is no ioctl. */
	EXPECT_TRUE(is_refused(self->fd, VMGENCOUNTER_CANCEL));
}

TEST_F(command, reserved_bytes)
{
	static const uint32_t codes[] = { IOCTL_VMGENCOUNTER_READ, VMGENCOUNTER_CANCEL };
	struct devioctl_uring_cmd *cmd;
	size_t i, byte;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		for (byte = 0; byte < sizeof(cmd->reserved); byte++) {
			cmd = (void *)ring_command(&self->ring, self->fd, codes[i],
						   &self->call.req, 0)->cmd;
			((uint8_t *)&cmd->reserved)[byte] = 1;
			ASSERT_EQ(0, ring_submit(&self->ring));
			EXPECT_EQ(-EINVAL, end_one(&self->ring));
		}
	}
	expect_untouched(_metadata, &self->call.req);
}

/* A buffer that is registered beforehand is no block. */
TEST_F(command, flags_of_its_own)
{
	struct iovec buffer = { &self->call, sizeof(self->call) };

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_EQ(0, syscall(SYS_io_uring_register, self->ring.fd, IORING_REGISTER_BUFFERS,
			     &buffer, 1));
	/* The member that is now called uring_cmd_flags. */
	ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &self->call.req,
		     0)->rw_flags = IORING_URING_CMD_FIXED;
	ASSERT_EQ(0, ring_submit(&self->ring));
	EXPECT_EQ(-EINVAL, end_one(&self->ring));
	expect_untouched(_metadata, &self->call.req);
}

/* The ring holds it, also when the descriptor is closed. */
TEST_F_TIMEOUT(command, for_a_registered_file, TEST_TIMEOUT)
{
	struct io_uring_sqe *sqe;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_EQ(0, syscall(SYS_io_uring_register, self->ring.fd, IORING_REGISTER_FILES,
			     &self->fd, 1));
	ASSERT_EQ(0, close(self->fd));
	sqe = ring_command(&self->ring, 0, IOCTL_VMGENCOUNTER_READ, &self->call.req, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	ASSERT_EQ(0, ring_submit(&self->ring));
	EXPECT_NONE(&self->ring);
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, 0, end_one(&self->ring), &self->call.req);
	EXPECT_FALSE(same_id(&self->id, &self->call.id));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

/* ---- memory that goes during the wait ---- */

TEST_F_TIMEOUT(command, output_goes_during_the_wait, TEST_TIMEOUT)
{
	const size_t size = getpagesize();
	void *out = page_edge(size, PAGE_MISSING);

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_NE(MAP_FAILED, out);
	self->call.req.out_buffer = (uintptr_t)out;
	start_one(_metadata, self, &self->ring, &self->call.req, 0);
	ASSERT_EQ(0, munmap(out, size));
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, EFAULT, end_one(&self->ring), &self->call.req);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

TEST_F_TIMEOUT(command, block_goes_during_the_wait, TEST_TIMEOUT)
{
	const size_t size = getpagesize();
	struct devioctl_request *req = page_edge(size, PAGE_MISSING);

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_NE(MAP_FAILED, req);
	*req = self->call.req;
	start_one(_metadata, self, &self->ring, req, 0);
	ASSERT_EQ(0, munmap(req, size));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(-EFAULT, end_one(&self->ring));
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* The program may use the SQE, and what it read from the block, for something else. */
TEST_F_TIMEOUT(command, has_read_all_before_the_wait, TEST_TIMEOUT)
{
	struct devioctl_request *req = &self->call.req;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	start_one(_metadata, self, &self->ring, req, 0);
	memset(self->ring.sqes, 0xff, ENTRIES * sizeof(*self->ring.sqes));
	req->in_buffer = 1;
	req->out_buffer = 1;
	req->in_size = 1;
	req->out_size = 1;
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, 0, end_one(&self->ring), req);
	EXPECT_FALSE(same_id(&self->id, &self->call.id));
}

/* ---- who ends what ---- */

/* It stays until the next change, and then there is nobody whose memory could be written. */
static void *start_and_exit(void *arg)
{
	return ring_submit(arg) ? arg : NULL;
}

TEST_F_TIMEOUT(command, ends_with_its_thread, TEST_TIMEOUT)
{
	pthread_t thread;
	void *failed;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &self->call.req, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, start_and_exit, &self->ring));
	ASSERT_EQ(0, pthread_join(thread, &failed));
	ASSERT_EQ(NULL, failed);
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(-ECANCELED, end_one(&self->ring));
	expect_untouched(_metadata, &self->call.req);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* This is why there is VMGENCOUNTER_CANCEL. */
TEST_F_TIMEOUT(command, is_unknown_to_async_cancel, TEST_TIMEOUT)
{
	struct io_uring_sqe *sqe;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	start_one(_metadata, self, &self->ring, &self->call.req, 7);
	ring_sqe(&self->ring, IORING_OP_ASYNC_CANCEL, -1, CANCEL)->addr = 7;
	ASSERT_EQ(0, ring_submit(&self->ring));
	EXPECT_EQ(-ENOENT, end_one(&self->ring));
	/* All that there are: 0 is how many. */
	sqe = ring_sqe(&self->ring, IORING_OP_ASYNC_CANCEL, -1, CANCEL);
	sqe->cancel_flags = IORING_ASYNC_CANCEL_ANY;
	ASSERT_EQ(0, ring_submit(&self->ring));
	EXPECT_EQ(0, end_one(&self->ring));
	expect_untouched(_metadata, &self->call.req);
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, 0, end_one(&self->ring), &self->call.req);
}

TEST_F_TIMEOUT(command, is_unknown_to_linked_timeouts, TEST_TIMEOUT)
{
	struct __kernel_timespec soon = { .tv_nsec = 1 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &self->call.req,
		     0)->flags = IOSQE_IO_LINK;
	sqe = ring_sqe(&self->ring, IORING_OP_LINK_TIMEOUT, -1, CANCEL);
	sqe->addr = (uintptr_t)&soon;
	sqe->len = 1;
	ASSERT_EQ(0, ring_submit(&self->ring));
	ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
	EXPECT_EQ(CANCEL, cqe.user_data);
	EXPECT_EQ(-ENOENT, cqe.res);
	EXPECT_NONE(&self->ring);
	expect_untouched(_metadata, &self->call.req);
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, 0, end_one(&self->ring), &self->call.req);
}

/* The same block twice is the program's own fault, and both go. */
TEST_F_TIMEOUT(command, cancel_is_for_one_block_of_one_file, TEST_TIMEOUT)
{
	struct ring other;
	int fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ring_open(&other, ENTRIES, 0));
	start_one(_metadata, self, &self->ring, &self->call.req, 1);
	EXPECT_EQ(-ENOENT, run(&other, self->fd, VMGENCOUNTER_CANCEL, &self->call));
	EXPECT_EQ(-ENOENT, run(&other, self->fd, VMGENCOUNTER_CANCEL, NULL));
	EXPECT_EQ(-ENOENT, run(&other, fd, VMGENCOUNTER_CANCEL, &self->call.req));
	start_one(_metadata, self, &self->ring, &self->call.req, 2);
	/* Whatever ring they came by. */
	EXPECT_EQ(0, run(&other, self->fd, VMGENCOUNTER_CANCEL, &self->call.req));
	expect_result(_metadata, ECANCELED, end_one(&self->ring), &self->call.req);
	expect_result(_metadata, ECANCELED, end_one(&self->ring), &self->call.req);
	ring_close(&other);
	close(fd);
}

/* Its address is another's there. */
TEST_F_TIMEOUT(command, cancel_is_for_one_process, TEST_TIMEOUT)
{
	struct ring other;
	int status;
	pid_t pid;

	if (!has_commands())
		SKIP(return, NO_COMMANDS);
	start_one(_metadata, self, &self->ring, &self->call.req, 0);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(ring_open(&other, ENTRIES, 0) ?:
		      -run(&other, self->fd, VMGENCOUNTER_CANCEL, &self->call.req));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ENOENT, WEXITSTATUS(status));
	EXPECT_NONE(&self->ring);
	EXPECT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR));
	ring_command(&self->ring, self->fd, VMGENCOUNTER_CANCEL, &self->call.req, 0);
	ASSERT_EQ(0, ring_submit(&self->ring));
	EXPECT_EQ(-ECANCELED, end_one(&self->ring) + end_one(&self->ring));
}

/* ---- the steps of a change, on the device that has them ---- */

static bool has_steps(void)
{
	return has_commands() && fast_device();
}

#define NO_STEPS	"this kernel has no commands, or this device no change without its Notify"

/* Nobody is told before the generator is reseeded, also if others saw the ID before. */
TEST_F_TIMEOUT(command, waits_for_the_reseed, TEST_TIMEOUT)
{
	struct vmgencounter_info info;

	if (!has_steps())
		SKIP(return, NO_STEPS);
	start_one(_metadata, self, &self->ring, &self->call.req, 0);
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_NE(info.changes, info.reseeded);
	EXPECT_NONE(&self->ring);
	ASSERT_EQ(0, test_command("notify"));
	expect_result(_metadata, 0, end_one(&self->ring), &self->call.req);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(info.changes, info.reseeded);
	EXPECT_TRUE(same_id(&info.id, &self->call.id));
}

FIXTURE(deferred) {
	struct ring ring;
	int fd;
	struct vm_gencounter id;
	struct call call;
};

/* A ring whose work waits until it is asked for, so that there is a step before it. */
FIXTURE_SETUP(deferred)
{
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, peek_id(&self->id));
	prepare(&self->call, &self->id);
	if (!has_commands())
		return;
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES,
			       IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER));
	ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &self->call.req, 0);
	ASSERT_EQ(0, ring_submit(&self->ring));
	EXPECT_NONE(&self->ring);
}

FIXTURE_TEARDOWN(deferred)
{
	close(self->fd);
}

/* It has changed once more since the Notify, and the generator does not know yet. */
TEST_F(deferred, changes_again_before_it_is_told)
{
	struct vmgencounter_info info;

	if (!has_steps())
		SKIP(return, NO_STEPS);
	ASSERT_EQ(0, test_command("change"));
	ASSERT_EQ(0, test_command("set"));
	EXPECT_NONE(&self->ring);
	expect_untouched(_metadata, &self->call.req);
	ASSERT_EQ(0, test_command("notify"));
	expect_result(_metadata, 0, end_one(&self->ring), &self->call.req);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(info.changes, info.reseeded);
	EXPECT_TRUE(same_id(&info.id, &self->call.id));
}

static int set_back(const struct vm_gencounter *id)
{
	char command[64];

	snprintf(command, sizeof(command), "set %llx:%llx", id->generation_count,
		 id->generation_count_high);
	return test_command(command) ?: test_command("notify");
}

/* The ID that it knows is the current one again, so it waits for the next. */
TEST_F(deferred, changes_back_before_it_is_told)
{
	if (!has_steps())
		SKIP(return, NO_STEPS);
	ASSERT_EQ(0, test_command("change"));
	ASSERT_EQ(0, set_back(&self->id));
	EXPECT_NONE(&self->ring);
	EXPECT_NONE(&self->ring);
	expect_untouched(_metadata, &self->call.req);
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, 0, end_one(&self->ring), &self->call.req);
	EXPECT_FALSE(same_id(&self->id, &self->call.id));
}

/* It is found between the Notify and its end, and where it was put back. */
TEST_F(deferred, is_cancelled_before_it_is_told)
{
	struct io_uring_cqe cqe;
	int i, back;

	if (!has_steps())
		SKIP(return, NO_STEPS);
	for (back = 0; back < 2; back++) {
		ASSERT_EQ(0, test_command("change"));
		ASSERT_EQ(0, set_back(&self->id));
		if (back)
			EXPECT_NONE(&self->ring);
		ring_command(&self->ring, self->fd, VMGENCOUNTER_CANCEL, &self->call.req, CANCEL);
		ASSERT_EQ(0, ring_submit(&self->ring));
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
			EXPECT_EQ(cqe.user_data == CANCEL ? 0 : -ECANCELED, cqe.res);
		}
		EXPECT_EQ(STATUS_CANCELLED, self->call.req.status);
		prepare(&self->call, &self->id);
		ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &self->call.req, 0);
		ASSERT_EQ(0, ring_submit(&self->ring));
	}
}

/* What was told, and is yet to be done, goes with the ring. */
TEST_F(deferred, ring_closes_before_it_is_told)
{
	if (!has_steps())
		SKIP(return, NO_STEPS);
	if (!can_close(IORING_SETUP_DEFER_TASKRUN))
		SKIP(return, NO_CLOSE);
	wait_references(1);
	ASSERT_EQ(0, test_command("change"));
	ring_close(&self->ring);
	close(self->fd);
	wait_references(0);
	expect_untouched(_metadata, &self->call.req);
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, 0));
}

/* ---- many changes: nobody is forgotten ---- */

/* In the kernel's own thread, while we go on; the CQE tells that it is done. */
static void change_meanwhile(struct ring *ring, int fd, const char *command)
{
	struct io_uring_sqe *sqe = ring_sqe(ring, IORING_OP_WRITE, fd, CHANGED);

	sqe->flags = IOSQE_ASYNC;
	sqe->addr = (uintptr_t)command;
	sqe->len = strlen(command);
}

static bool all_know(const struct call *call, const struct vm_gencounter *id)
{
	int i;

	for (i = 0; i < MANY; i++) {
		if (!same_id(&call[i].known, id))
			return false;
	}
	return true;
}

/* Until the changes are over and all wait with the last ID. Returns how many CQEs came. */
static int answer_all(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self, int flags)
{
	struct vmgencounter_info info = {};
	struct io_uring_cqe cqe;
	bool over = false;
	struct call *c;
	int n = 0;

	while (!over || !all_know(self->call, &info.id)) {
		ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
		if (cqe.user_data == CHANGED) {
			EXPECT_LT(0, cqe.res);
			ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
			over = true;
			continue;
		}
		c = &self->call[cqe.user_data];
		expect_result(_metadata, 0, cqe.res, &c->req);
		prepare(c, &c->id);
		ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ, &c->req,
			     cqe.user_data)->flags = flags;
		ASSERT_EQ(0, ring_submit(&self->ring));
		n++;
	}
	return n;
}

TEST_F_TIMEOUT(ring, forgets_nobody, 4 * TEST_TIMEOUT)
{
	const int bursts = rounds(10);
	int i, n = 0, changer = open("/dev/vmgen_test", O_WRONLY | O_CLOEXEC);

	if (!has_steps())
		SKIP(return, NO_STEPS);
	ASSERT_LE(0, changer);
	start(_metadata, self, variant->flags, MANY);
	for (i = 0; i < bursts; i++) {
		change_meanwhile(&self->ring, changer, "change 10");
		ASSERT_EQ(0, ring_submit(&self->ring));
		n += answer_all(_metadata, self, variant->flags);
	}
	TH_LOG("%d changes, %d commands", 10 * bursts, n);
	EXPECT_LE(MANY * bursts, n);
	EXPECT_NONE(&self->ring);
	close(changer);
}

static bool stop;

static bool is_stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

/* By a ring of its own, as fast as it goes. */
static void *cancel_until_stopped(void *arg)
{
	struct call *call = ((FIXTURE_DATA(ring) *)arg)->call;
	int i, fd = ((FIXTURE_DATA(ring) *)arg)->fd;
	struct ring ring;

	if (ring_open(&ring, ENTRIES, 0))
		return arg;
	while (!is_stopped()) {
		for (i = 0; i < MANY; i++)
			run(&ring, fd, VMGENCOUNTER_CANCEL, &call[i].req);
	}
	ring_close(&ring);
	return NULL;
}

static void start_all(struct __test_metadata *_metadata, FIXTURE_DATA(ring) * self, int flags)
{
	int i;

	ASSERT_EQ(0, current_id(self->fd, &self->id));
	for (i = 0; i < MANY; i++) {
		prepare(&self->call[i], &self->id);
		ring_command(&self->ring, self->fd, IOCTL_VMGENCOUNTER_READ,
			     &self->call[i].req, i)->flags = flags;
	}
	ASSERT_EQ(0, ring_submit(&self->ring));
}

/* Each ends once, by the change or by its cancellation. */
TEST_F_TIMEOUT(ring, is_cancelled_while_it_changes, 4 * TEST_TIMEOUT)
{
	const int times = rounds(100);
	int i, left, ended[2] = {};
	struct io_uring_cqe cqe;
	pthread_t thread;
	struct call *c;
	void *failed;

	if (!has_steps())
		SKIP(return, NO_STEPS);
	ASSERT_EQ(0, pthread_create(&thread, NULL, cancel_until_stopped, self));
	for (i = 0; i < times; i++) {
		start_all(_metadata, self, variant->flags);
		ASSERT_EQ(0, test_command("change"));
		for (left = MANY; left; left--) {
			ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
			c = &self->call[cqe.user_data];
			expect_result(_metadata, cqe.res ? ECANCELED : 0, cqe.res, &c->req);
			c->req.status = UNTOUCHED;
			ended[!!cqe.res]++;
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, &failed));
	EXPECT_EQ(NULL, failed);
	TH_LOG("%d changed, %d were cancelled", ended[0], ended[1]);
	EXPECT_NONE(&self->ring);
}

static void *change_until_stopped(void *arg)
{
	while (!is_stopped())
		test_command("change 5");
	return arg;
}

/* Rings close with commands that wait, that are told, and that are being told. */
TEST_F_TIMEOUT(ring, closes_while_it_changes, 4 * TEST_TIMEOUT)
{
	const int times = rounds(20);
	struct io_uring_cqe cqe;
	pthread_t thread;
	int i, j;

	if (!has_steps())
		SKIP(return, NO_STEPS);
	if (!can_close(variant->setup))
		SKIP(return, NO_CLOSE);
	wait_references(1);
	ASSERT_EQ(0, pthread_create(&thread, NULL, change_until_stopped, NULL));
	for (i = 0; i < times; i++) {
		start_all(_metadata, self, variant->flags);
		for (j = 0; j < i % 3; j++)
			ASSERT_EQ(0, ring_wait(&self->ring, &cqe));
		ring_close(&self->ring);
		ASSERT_EQ(0, ring_open(&self->ring, ENTRIES, variant->setup));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	close(self->fd);
	wait_references(0);
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

TEST_HARNESS_MAIN
