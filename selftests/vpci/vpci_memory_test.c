// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests for which there is no memory. Each has some until it is done, on its caller's
 * account. So callers live in a memory cgroup, where all that they touch is theirs before
 * its limit becomes 0, and nobody can be killed to make room: who then calls has ENOMEM.
 *
 * The kernel has a lot to say about that. It is a program of its own so that nobody's
 * lines in the log get lost by it.
 */
#include <sys/eventfd.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define BLOCK	3
#define LENGTH	8
#define STACK	(128 * 1024)	/* the least that arm64 takes */

/*
 * CPUs keep up to a page of what a cgroup has paid for: enough for 15 requests, on each
 * of two. So more than half of these fail, and some of the reads and of the writes, which
 * take turns.
 */
#define CALLERS	96
#define FAILING	(CALLERS / 2 + 1)
#define MINUTE	60000

#define CGROUPS	"/tmp/vpci_cgroups"
#define CGROUP	CGROUPS "/callers"

struct call {
	uint32_t in[2 + LENGTH / 4];
	uint8_t out[LENGTH];
	struct devioctl_request req;
	int err;
};

/* Of the test and of the process that has the callers. */
struct shared {
	int fd;
	int ready, gate, ended, leave;	/* eventfd: a caller each */
	struct call calls[CALLERS];
};

/* Its own copy, which may cost nothing either, when it is needed. */
static struct shared *shared;

FIXTURE(memory) {
	uint8_t block[LENGTH];
	pid_t pid;
	struct host_counters before;
};

static struct shared *new_shared(void)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	s->fd = open_node("00.0", O_RDWR);
	s->ready = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	s->gate = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	s->ended = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	s->leave = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	return s->fd < 0 || s->leave < 0 ? NULL : s;
}

static int make_cgroup(void)
{
	int err;

	if (mkdir(CGROUPS, 0700) || mount("none", CGROUPS, "cgroup2", 0, NULL))
		return errno;
	err = write_text(CGROUPS "/cgroup.subtree_control", "+memory");
	return err ?: mkdir(CGROUP, 0700) ? errno : 0;
}

static void remove_cgroup(void)
{
	rmdir(CGROUP);
	umount(CGROUPS);
	rmdir(CGROUPS);
}

static int set_limit(const char *limit)
{
	return write_text(CGROUP "/memory.max", limit);
}

FIXTURE_SETUP(memory)
{
	ASSERT_EQ(0, load_module("vpci_block"));
	ASSERT_EQ(0, reset_host());
	fill_pattern(self->block, LENGTH, 1);
	ASSERT_EQ(0, host_block(BLOCK, self->block, LENGTH));
	shared = new_shared();
	ASSERT_NE(NULL, shared);
	ASSERT_EQ(0, make_cgroup());
	self->before = host_counters();
	/* As the log goes to a slow console. */
	klogctl(6 /* SYSLOG_ACTION_CONSOLE_OFF */, NULL, 0);
}

FIXTURE_TEARDOWN(memory)
{
	klogctl(7 /* SYSLOG_ACTION_CONSOLE_ON */, NULL, 0);
	EXPECT_EQ(0, host("release"));
	close(shared->fd);
	remove_cgroup();
	EXPECT_EQ(self->before.errors, host_counters().errors);
	wait_unused("vpci_block");
	EXPECT_EQ(0, unload_module("vpci_block"));
}

/* ---- the callers' process ---- */

static void do_call(struct call *c, int fd)
{
	if ((c - shared->calls) & 1)
		c->err = call(fd, IOCTL_VPCI_WRITE_BLOCK, &c->req, c->in, sizeof(c->in), NULL, 0);
	else
		c->err = call(fd, IOCTL_VPCI_READ_BLOCK, &c->req, c->in, 8, c->out, LENGTH);
}

static void *call_when_told(void *arg)
{
	uint64_t one = 1;

	/* Nothing that is needed later is touched there for the first time. */
	do_call(arg, -1);
	eventfd_write(shared->ready, 1);
	eventfd_read(shared->gate, &one);
	do_call(arg, shared->fd);
	eventfd_write(shared->ended, 1);
	/* A thread that ends makes room: what it had is left to others. */
	eventfd_read(shared->leave, &one);
	return NULL;
}

static int enter_cgroup(void)
{
	int err = write_text("/proc/self/oom_score_adj", "-1000") ?:
		  write_text(CGROUP "/cgroup.procs", "0");

	return err ?: mlockall(MCL_CURRENT | MCL_FUTURE) ? errno : 0;
}

static int run_callers(void)
{
	pthread_t threads[CALLERS];
	pthread_attr_t attr;
	int i, err;

	err = pthread_attr_init(&attr) ?: pthread_attr_setstacksize(&attr, STACK);
	err = err ?: enter_cgroup();
	for (i = 0; i < CALLERS && !err; i++)
		err = pthread_create(&threads[i], &attr, call_when_told, &shared->calls[i]);
	for (i = 0; i < CALLERS && !err; i++)
		err = pthread_join(threads[i], NULL);
	return err;
}

/* ---- the test ---- */

/* False if that takes a minute, when it is not to come any more. */
static bool await(int fd, int n)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t one;

	while (n-- > 0) {
		if (poll(&p, 1, MINUTE) != 1 || eventfd_read(fd, &one))
			return false;
	}
	return true;
}

static void start_callers(struct __test_metadata *_metadata, FIXTURE_DATA(memory) * self)
{
	struct call *c;

	for (c = shared->calls; c < shared->calls + CALLERS; c++) {
		c->in[0] = BLOCK;
		c->in[1] = LENGTH;
		memcpy(c->in + 2, self->block, LENGTH);
		memset(c->out, 0xa5, LENGTH);
	}
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid)
		_exit(run_callers());
	ASSERT_TRUE(await(shared->ready, CALLERS));
}

static void join_callers(struct __test_metadata *_metadata, FIXTURE_DATA(memory) * self)
{
	int status;

	ASSERT_EQ(0, eventfd_write(shared->leave, CALLERS));
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* All of it, or nothing. */
static bool is_good(const struct call *c, const uint8_t *block)
{
	const bool write = (c - shared->calls) & 1;

	if (c->req.status != status_of(c->err) ||
	    c->req.information != (write || c->err ? 0 : LENGTH))
		return false;
	return c->err || write ? all_a5(c->out, c->out + LENGTH) :
				 !memcmp(c->out, block, LENGTH);
}

TEST_F_TIMEOUT(memory, none_for_requests, TEST_TIMEOUT)
{
	unsigned int failed[2] = {};
	int i;

	start_callers(_metadata, self);
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, set_limit("0"));
	ASSERT_EQ(0, eventfd_write(shared->gate, CALLERS));
	EXPECT_TRUE(await(shared->ended, FAILING));
	ASSERT_EQ(0, set_limit("max"));
	ASSERT_EQ(0, host("release"));
	join_callers(_metadata, self);
	for (i = 0; i < CALLERS; i++) {
		EXPECT_TRUE(!shared->calls[i].err || shared->calls[i].err == ENOMEM);
		EXPECT_TRUE(is_good(&shared->calls[i], self->block));
		failed[i & 1] += shared->calls[i].err == ENOMEM;
	}
	EXPECT_LT(0, failed[0]);
	EXPECT_LT(0, failed[1]);
	TH_LOG("no memory for %u reads and %u writes", failed[0], failed[1]);
	EXPECT_EQ(CALLERS - failed[0] - failed[1],
		  host_counters().requests - self->before.requests);
}

/* It is the limit that they fail by, and nothing else. */
TEST_F_TIMEOUT(memory, enough_for_requests, TEST_TIMEOUT)
{
	int i;

	start_callers(_metadata, self);
	ASSERT_EQ(0, eventfd_write(shared->gate, CALLERS));
	join_callers(_metadata, self);
	for (i = 0; i < CALLERS; i++) {
		EXPECT_EQ(0, shared->calls[i].err);
		EXPECT_TRUE(is_good(&shared->calls[i], self->block));
	}
	EXPECT_EQ(CALLERS, host_counters().requests - self->before.requests);
}

TEST_HARNESS_MAIN
