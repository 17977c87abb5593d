// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOCTL_VMGENCOUNTER_READ and VMGENCOUNTER_GET_INFO: what each condition gives,
 * and that nothing else is touched.
 */
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

/* ---- the ABI, the same for both word sizes ---- */

ASSERT_SIZE(struct vm_gencounter, 16);
ASSERT_OFFSET(struct vm_gencounter, generation_count, 0);
ASSERT_OFFSET(struct vm_gencounter, generation_count_high, 8);

ASSERT_SIZE(struct devioctl_request, 32);
ASSERT_OFFSET(struct devioctl_request, in_buffer, 0);
ASSERT_OFFSET(struct devioctl_request, out_buffer, 8);
ASSERT_OFFSET(struct devioctl_request, in_size, 16);
ASSERT_OFFSET(struct devioctl_request, out_size, 20);
ASSERT_OFFSET(struct devioctl_request, information, 24);
ASSERT_OFFSET(struct devioctl_request, status, 28);

ASSERT_SIZE(struct vmgencounter_info, 64);
ASSERT_OFFSET(struct vmgencounter_info, id, 0);
ASSERT_OFFSET(struct vmgencounter_info, changes, 16);
ASSERT_OFFSET(struct vmgencounter_info, changed_at, 24);
ASSERT_OFFSET(struct vmgencounter_info, offset, 32);
ASSERT_OFFSET(struct vmgencounter_info, flags, 36);
ASSERT_OFFSET(struct vmgencounter_info, reseeded, 40);
ASSERT_OFFSET(struct vmgencounter_info, reserved, 48);

static_assert(IOCTL_VMGENCOUNTER_READ == 0x0032c004, "the Windows code");
static_assert(VMGENCOUNTER_GET_INFO == 0x8040c010, "our own code");

/* ---- what the tests share ---- */

/* @fd has delivered nothing yet. */
FIXTURE(vmgen) {
	int fd;
	struct vm_gencounter id;	/* the current one */
	struct vm_gencounter out;
	struct devioctl_request req;
};

FIXTURE_SETUP(vmgen)
{
	ASSERT_EQ(0, peek_id(&self->id));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	memset(&self->out, 0xa5, sizeof(self->out));
}

FIXTURE_TEARDOWN(vmgen)
{
	close(self->fd);
}

/* The call has not ended, or a signal ended it. */
static void expect_untouched(struct __test_metadata *_metadata,
			     const struct devioctl_request *req)
{
	EXPECT_EQ(UNTOUCHED, req->status);
	EXPECT_EQ(UNTOUCHED, req->information);
}

/* The call ended with @err, and its block says the same. */
static void expect_result(struct __test_metadata *_metadata, int err, int seen,
			  const struct devioctl_request *req)
{
	EXPECT_EQ(err, seen);
	EXPECT_EQ(status_of(err), req->status);
	EXPECT_EQ(err ? 0 : ID_SIZE, req->information);
}

/* The errno of a call; expect_result() has the rest. */
static int call(int fd, struct devioctl_request *req, const void *in,
		uint32_t in_size, void *out, uint32_t out_size)
{
	return device_io_control(fd, req, in, in_size, out, out_size) ? errno : 0;
}

/* ---- VMGENCOUNTER_GET_INFO ---- */

/* The first test, so that a fresh guest is seen before any change. */
TEST_F_TIMEOUT(vmgen, info, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	uint32_t flags = VMGENCOUNTER_WAKEUP | VMGENCOUNTER_WAKEUP_AFTER_RESEED |
			 VMGENCOUNTER_MMAP | VMGENCOUNTER_ID_ALONE;
	int i;

	memset(&info, 0xff, sizeof(info));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_TRUE(same_id(&self->id, &info.id));
	EXPECT_EQ(!info.changes, !info.changed_at);
	EXPECT_EQ(fast_device() ? 0x30 : 0x28, info.offset);
	EXPECT_EQ(flags, info.flags);
	EXPECT_EQ(info.changes, info.reseeded);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, info.reserved[i]);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

TEST_F_TIMEOUT(vmgen, info_needs_read_access, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	int fd = open(VMGEN_DEVICE, O_WRONLY | O_CLOEXEC);

	EXPECT_EQ(-1, ioctl(fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(EACCES, errno);
	close(fd);

	fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(0, ioctl(fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_TRUE(same_id(&self->id, &info.id));
	close(fd);
}

/* ---- IOCTL_VMGENCOUNTER_READ at once ---- */

TEST_F_TIMEOUT(vmgen, polling_mode, TEST_TIMEOUT)
{
	char line[64], id[64];

	expect_result(_metadata, 0,
		      call(self->fd, &self->req, NULL, 0, &self->out, ID_SIZE),
		      &self->req);
	snprintf(id, sizeof(id), "%016llx:%016llx",
		 (unsigned long long)self->out.generation_count,
		 (unsigned long long)self->out.generation_count_high);
	ASSERT_EQ(0, read_line(VMGEN_SYSFS "/generation", line, sizeof(line)));
	EXPECT_STREQ(line, id);
	EXPECT_EQ(0, readiness(self->fd));
}

/* Where the input has no size, its address means nothing. */
TEST_F_TIMEOUT(vmgen, no_input_no_address, TEST_TIMEOUT)
{
	void *missing = page_edge(0, PAGE_MISSING);

	ASSERT_NE(MAP_FAILED, missing);
	expect_result(_metadata, 0,
		      call(self->fd, &self->req, missing, 0, &self->out, ID_SIZE),
		      &self->req);
	EXPECT_TRUE(same_id(&self->id, &self->out));
}

TEST_F_TIMEOUT(vmgen, writes_only_the_results, TEST_TIMEOUT)
{
	struct devioctl_request before = {
		.in_buffer = (uintptr_t)&self->out,
		.out_buffer = (uintptr_t)&self->out,
		.in_size = 15,
		.out_size = ID_SIZE,
	};
	const size_t results = offsetof(struct devioctl_request, information);

	self->req = before;
	EXPECT_EQ(-1, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, &self->req));
	EXPECT_EQ(0, memcmp(&before, &self->req, results));
	before.in_size = 0;
	self->req = before;
	EXPECT_EQ(0, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, &self->req));
	EXPECT_EQ(0, memcmp(&before, &self->req, results));
}

/* Either half makes another ID, and what @fd has delivered does not matter. */
TEST_F_TIMEOUT(vmgen, a_known_id_that_is_stale, TEST_TIMEOUT)
{
	struct vm_gencounter stale[2] = { self->id, self->id };
	int i;

	/* A wait would be wrong: let it show at once. */
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	stale[0].generation_count ^= 1;
	stale[1].generation_count_high ^= 1ULL << 63;
	for (i = 0; i < 2; i++) {
		memset(&self->out, 0xa5, ID_SIZE);
		expect_result(_metadata, 0,
			      call(self->fd, &self->req, &stale[i], ID_SIZE,
				   &self->out, ID_SIZE),
			      &self->req);
		EXPECT_TRUE(same_id(&self->id, &self->out));
		EXPECT_EQ(0, readiness(self->fd));
	}
}

TEST_F_TIMEOUT(vmgen, input_and_output_overlap, TEST_TIMEOUT)
{
	static const size_t at[][2] = { { 0, 0 }, { 0, 8 }, { 8, 0 } };
	char buffer[32];
	uint32_t in_size;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (in_size = 0; in_size <= ID_SIZE; in_size += ID_SIZE) {
			memset(buffer, 0xa5, sizeof(buffer));
			expect_result(_metadata, 0,
				      call(self->fd, &self->req, buffer + at[i][0],
					   in_size, buffer + at[i][1], ID_SIZE),
				      &self->req);
			EXPECT_EQ(0, memcmp(&self->id, buffer + at[i][1], ID_SIZE));
		}
	}
}

TEST_F_TIMEOUT(vmgen, nonblocking, TEST_TIMEOUT)
{
	struct vm_gencounter stale = { ~self->id.generation_count, 0 };

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	expect_result(_metadata, EAGAIN,
		      call(self->fd, &self->req, &self->id, ID_SIZE, &self->out, ID_SIZE),
		      &self->req);
	EXPECT_TRUE(all_a5(&self->out, &self->out + 1));
	EXPECT_EQ(READABLE, readiness(self->fd));
	expect_result(_metadata, 0,
		      call(self->fd, &self->req, &stale, ID_SIZE, &self->out, ID_SIZE),
		      &self->req);
	EXPECT_TRUE(same_id(&self->id, &self->out));
	EXPECT_EQ(0, readiness(self->fd));
}

/* The truth is in memory, not in a Notify: fast device only. */
TEST_F_TIMEOUT(vmgen, change_before_its_notify, TEST_TIMEOUT)
{
	const struct vm_gencounter set = { 0x0123456789abcdef, 0xfedcba9876543210 };
	struct vmgencounter_info info;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, test_command("set 0123456789abcdef:fedcba9876543210"));
	EXPECT_EQ(0, other_id(self->fd, &self->id, &self->out));
	EXPECT_TRUE(same_id(&set, &self->out));
	EXPECT_EQ(0, current_id(self->fd, &self->out));
	EXPECT_TRUE(same_id(&set, &self->out));
	EXPECT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_TRUE(same_id(&set, &info.id));
	/* Let it be announced, and this ID be used once. */
	ASSERT_EQ(0, new_generation());
}

/* ---- IOCTL_VMGENCOUNTER_READ that waits ---- */

/* A call in event-driven mode, in a thread of its own. */
struct waiting_call {
	struct waiter w;	/* first: the thread gets its address */
	struct devioctl_request req;
	char buffer[48];	/* input and output are in it */
};

static void *make_call(void *arg)
{
	struct waiting_call *c = arg;

	catch_sigusr1(c->w.restart);
	__atomic_store_n(&c->w.tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	c->w.err = ioctl(c->w.fd, IOCTL_VMGENCOUNTER_READ, &c->req) ? errno : 0;
	return NULL;
}

/* Returns when the call sleeps, or has ended. */
static int start_call(struct waiting_call *c)
{
	int err;

	c->w.fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	if (c->w.fd < 0)
		return errno;
	err = waiter_spawn(&c->w, make_call);
	if (err)
		return err;
	while (!__atomic_load_n(&c->w.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(c->w.tid);
	return 0;
}

/* How a program may lay out the buffers of one call. */
static const struct {
	size_t in_at, out_at;
	uint32_t in_size, out_size;
} layouts[] = {
	{ 0, 16, 16, 16 },
	{ 0, 0, 16, 16 },
	{ 0, 8, 16, 16 },
	{ 8, 0, 16, 16 },
	{ 16, 0, 4096, 0xffffffff },
};

static void prepare_call(struct waiting_call *c, size_t layout,
			 const struct vm_gencounter *known)
{
	*c = (struct waiting_call) {
		.w = { .kind = WAIT_IOCTL, .epfd = -1, .restart = true },
	};
	fill_request(&c->req, c->buffer + layouts[layout].in_at, layouts[layout].in_size,
		     c->buffer + layouts[layout].out_at, layouts[layout].out_size);
	memset(c->buffer, 0xa5, sizeof(c->buffer));
	memcpy(c->buffer + layouts[layout].in_at, known, ID_SIZE);
}

/* Interrupt the thread; returns when it has gone to sleep again, or has ended. */
static void interrupt(pid_t tid)
{
	syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
	wait_asleep(tid);
}

static uint64_t boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void expect_one_change(struct __test_metadata *_metadata,
			      const struct vmgencounter_info *before,
			      const struct vmgencounter_info *after,
			      uint64_t begin, uint64_t end)
{
	EXPECT_FALSE(same_id(&before->id, &after->id));
	EXPECT_EQ(before->changes + 1, after->changes);
	EXPECT_LE(begin, after->changed_at);
	EXPECT_GE(end, after->changed_at);
}

/*
 * Fresh open files, so only the ID that the caller knows can make them wait. All
 * are interrupted once and restarted by the kernel.
 */
TEST_F_TIMEOUT(vmgen, known_id_that_is_current, TEST_TIMEOUT)
{
	struct waiting_call c[ARRAY_SIZE(layouts)];
	struct vmgencounter_info before, after;
	uint64_t begin, end;
	long switches;
	size_t i;

	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		prepare_call(&c[i], i, &self->id);
		ASSERT_EQ(0, start_call(&c[i]));
		switches = voluntary_switches(c[i].w.tid);
		interrupt(c[i].w.tid);
		EXPECT_TRUE(is_asleep(c[i].w.tid));
		EXPECT_LT(switches, voluntary_switches(c[i].w.tid));
		expect_untouched(_metadata, &c[i].req);
	}
	begin = boottime_ns();
	ASSERT_EQ(0, new_generation());
	for (i = 0; i < ARRAY_SIZE(c); i++)
		expect_result(_metadata, 0, waiter_join(&c[i].w), &c[i].req);
	end = boottime_ns();

	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	expect_one_change(_metadata, &before, &after, begin, end);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		EXPECT_EQ(0, memcmp(c[i].buffer + layouts[i].out_at, &after.id, ID_SIZE))
			TH_LOG("layout %zu", i);
		EXPECT_EQ(0, readiness(c[i].w.fd));
		waiter_close(&c[i].w);
	}
}

TEST_F_TIMEOUT(vmgen, signal_ends_the_wait, TEST_TIMEOUT)
{
	struct waiting_call c;

	prepare_call(&c, 0, &self->id);
	c.w.restart = false;
	ASSERT_EQ(0, start_call(&c));
	EXPECT_TRUE(is_asleep(c.w.tid));
	interrupt(c.w.tid);
	EXPECT_EQ(EINTR, waiter_join(&c.w));
	expect_untouched(_metadata, &c.req);
	EXPECT_TRUE(all_a5(c.buffer + ID_SIZE, c.buffer + sizeof(c.buffer)));
	EXPECT_EQ(READABLE, readiness(c.w.fd));
	waiter_close(&c.w);
}

/* A call that was stopped goes on, so nobody has been told that it had ended. */
TEST_F_TIMEOUT(vmgen, stopped_during_the_wait, TEST_TIMEOUT)
{
	struct shared_call *c = shared_call_start(self->fd, &self->id);
	int status;

	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, kill(c->pid, SIGSTOP));
	wait_state(c->pid, 'T');
	expect_untouched(_metadata, &c->req);
	ASSERT_EQ(0, kill(c->pid, SIGCONT));
	wait_state(c->pid, 'S');
	expect_untouched(_metadata, &c->req);
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(c->pid, waitpid(c->pid, &status, 0));
	expect_result(_metadata, 0, c->err, &c->req);
	EXPECT_FALSE(same_id(&self->id, &c->id));
	munmap(c, sizeof(*c));
}

/* The output goes away during the wait: the change is then still to come. */
TEST_F_TIMEOUT(vmgen, output_goes_during_the_wait, TEST_TIMEOUT)
{
	const size_t size = getpagesize();
	void *out = page_edge(size, PAGE_MISSING);
	struct waiting_call c;

	ASSERT_NE(MAP_FAILED, out);
	prepare_call(&c, 0, &self->id);
	c.req.out_buffer = (uintptr_t)out;
	ASSERT_EQ(0, start_call(&c));
	EXPECT_TRUE(is_asleep(c.w.tid));
	ASSERT_EQ(0, munmap(out, size));
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, EFAULT, waiter_join(&c.w), &c.req);
	EXPECT_EQ(READABLE, readiness(c.w.fd));
	waiter_close(&c.w);
}

/* A page that userfaultfd write-protects, until somebody wants to write to it. */
struct guarded {
	int uffd;
	struct uffdio_writeprotect range;
};

/* 0 or an errno: EINVAL if the kernel cannot. */
static int guard(struct guarded *g, void *page)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_register area = {
		.range = { (uintptr_t)page, getpagesize() },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	g->range = (struct uffdio_writeprotect) {
		.range = area.range,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	g->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	return g->uffd < 0 || ioctl(g->uffd, UFFDIO_API, &api) ||
	       ioctl(g->uffd, UFFDIO_REGISTER, &area) ||
	       ioctl(g->uffd, UFFDIO_WRITEPROTECT, &g->range) ? errno : 0;
}

static void *serve_one_write(void *arg)
{
	struct guarded *g = arg;
	struct uffd_msg msg;

	g->range.mode = 0;
	if (read(g->uffd, &msg, sizeof(msg)) == sizeof(msg))
		ioctl(g->uffd, UFFDIO_WRITEPROTECT, &g->range);
	return NULL;
}

/* The output is looked at before the wait, by who serves its page. */
TEST_F_TIMEOUT(vmgen, output_that_userfaultfd_serves, TEST_TIMEOUT)
{
	void *page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct waiting_call c;
	struct guarded g;
	pthread_t server;

	ASSERT_NE(MAP_FAILED, page);
	if (guard(&g, page))
		SKIP(return, "userfaultfd cannot write-protect here: %s", strerror(errno));
	ASSERT_EQ(0, pthread_create(&server, NULL, serve_one_write, &g));
	prepare_call(&c, 0, &self->id);
	c.req.out_buffer = (uintptr_t)page;
	ASSERT_EQ(0, start_call(&c));
	ASSERT_EQ(0, pthread_join(server, NULL));
	wait_asleep(c.w.tid);
	ASSERT_EQ(0, new_generation());
	expect_result(_metadata, 0, waiter_join(&c.w), &c.req);
	waiter_close(&c.w);
	close(g.uffd);
	munmap(page, getpagesize());
}

/* ---- the count of changes ---- */

#define DRIVER	"/sys/bus/platform/drivers/vmgencounter"

/* Bound anew, the driver has seen none. Asking is no change, nor is a delivery. */
TEST_F_TIMEOUT(vmgen, changes_since_bound, TEST_TIMEOUT)
{
	struct vmgencounter_info info, again;
	uint64_t begin;
	char device[64];

	device_name(device, sizeof(device));
	close(self->fd);
	ASSERT_EQ(0, write_text(DRIVER "/unbind", device));
	ASSERT_EQ(0, write_text(DRIVER "/bind", device));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(0, info.changes);
	EXPECT_EQ(0, info.changed_at);

	begin = boottime_ns();
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &again));
	expect_one_change(_metadata, &info, &again, begin, boottime_ns());
	EXPECT_EQ(READABLE, readiness(self->fd));
	ASSERT_EQ(0, current_id(self->fd, &self->out));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(0, memcmp(&again, &info, sizeof(info)));
}

/* A program that is ahead of the Notify sees that the generator does not know yet. */
TEST_F_TIMEOUT(vmgen, reseeded_follows_the_notify, TEST_TIMEOUT)
{
	struct vmgencounter_info before, info;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	ASSERT_EQ(before.changes, before.reseeded);
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(before.changes + 1, info.changes);
	EXPECT_EQ(before.changes, info.reseeded);
	ASSERT_EQ(0, test_command("notify"));
	while (info.reseeded != info.changes)
		ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(before.changes + 1, info.changes);
}

/* Whoever asks first counts the change, and the Notify does not count it again. */
TEST_F_TIMEOUT(vmgen, changes_before_their_notify, TEST_TIMEOUT)
{
	struct vmgencounter_info before, after;
	uint64_t begin;

	if (!fast_device())
		SKIP(return, "this device has no change without its Notify");
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	begin = boottime_ns();
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	expect_one_change(_metadata, &before, &after, begin, boottime_ns());

	before = after;
	begin = boottime_ns();
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, current_id(self->fd, &self->out));
	ASSERT_EQ(0, test_command("notify"));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	expect_one_change(_metadata, &before, &after, begin, boottime_ns());
}

/* ---- sizes ---- */

FIXTURE(sizes) {
	int fd;
	struct vm_gencounter id;
	struct devioctl_request req;
};

FIXTURE_VARIANT(sizes) {
	uint32_t in_size;
	uint32_t out_size;
	int err;
};

FIXTURE_VARIANT_ADD(sizes, in_0_out_0) { 0, 0, ENOBUFS };
FIXTURE_VARIANT_ADD(sizes, in_0_out_1) { 0, 1, ENOBUFS };
FIXTURE_VARIANT_ADD(sizes, in_0_out_15) { 0, 15, ENOBUFS };
FIXTURE_VARIANT_ADD(sizes, in_16_out_0) { 16, 0, ENOBUFS };
FIXTURE_VARIANT_ADD(sizes, in_16_out_15) { 16, 15, ENOBUFS };
FIXTURE_VARIANT_ADD(sizes, in_15_out_15) { 15, 15, ENOBUFS };
FIXTURE_VARIANT_ADD(sizes, in_1_out_16) { 1, 16, EINVAL };
FIXTURE_VARIANT_ADD(sizes, in_15_out_16) { 15, 16, EINVAL };
FIXTURE_VARIANT_ADD(sizes, in_0_out_16) { 0, 16, 0 };
FIXTURE_VARIANT_ADD(sizes, in_0_out_17) { 0, 17, 0 };
FIXTURE_VARIANT_ADD(sizes, in_0_out_4096) { 0, 4096, 0 };
FIXTURE_VARIANT_ADD(sizes, in_0_out_max) { 0, 0xffffffff, 0 };
FIXTURE_VARIANT_ADD(sizes, in_16_out_16) { 16, 16, 0 };
FIXTURE_VARIANT_ADD(sizes, in_17_out_16) { 17, 16, 0 };
FIXTURE_VARIANT_ADD(sizes, in_4096_out_17) { 4096, 17, 0 };
FIXTURE_VARIANT_ADD(sizes, in_max_out_max) { 0xffffffff, 0xffffffff, 0 };

FIXTURE_SETUP(sizes)
{
	ASSERT_EQ(0, peek_id(&self->id));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(sizes)
{
	close(self->fd);
}

/* Neither buffer goes on after its 16 bytes, whatever the sizes claim. */
TEST_F_TIMEOUT(sizes, nothing_beyond_is_needed, TEST_TIMEOUT)
{
	void *in = page_edge(ID_SIZE, PAGE_MISSING);
	void *out = page_edge(ID_SIZE, PAGE_MISSING);

	ASSERT_NE(MAP_FAILED, in);
	ASSERT_NE(MAP_FAILED, out);
	expect_result(_metadata, variant->err,
		      call(self->fd, &self->req, in, variant->in_size, out,
			   variant->out_size),
		      &self->req);
	if (!variant->err)
		EXPECT_EQ(0, memcmp(&self->id, out, ID_SIZE));
	EXPECT_EQ(variant->err ? READABLE : 0, readiness(self->fd));
}

TEST_F_TIMEOUT(sizes, nothing_beyond_is_touched, TEST_TIMEOUT)
{
	const struct vm_gencounter none = {};
	char buffer[64], *out = buffer + 16, *end = out + ID_SIZE;

	memset(buffer, 0xa5, sizeof(buffer));
	expect_result(_metadata, variant->err,
		      call(self->fd, &self->req, &none, variant->in_size, out,
			   variant->out_size),
		      &self->req);
	EXPECT_TRUE(all_a5(buffer, out));
	EXPECT_EQ(variant->err != 0, all_a5(out, end));
	EXPECT_TRUE(all_a5(end, buffer + sizeof(buffer)));
}

/* ---- addresses ---- */

FIXTURE(address) {
	int fd;
	struct vm_gencounter id;
	struct vm_gencounter out;
	struct devioctl_request req;
	uint64_t bad;
};

#include "../bad_addresses.h"

FIXTURE_SETUP(address)
{
	ASSERT_EQ(0, peek_id(&self->id));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_TRUE(make_bad_address(&variant->bad, ID_SIZE, &self->bad));
}

FIXTURE_TEARDOWN(address)
{
	close(self->fd);
}

/* A call whose input or output (NULL here) is at the bad address. */
static int call_bad(FIXTURE_DATA(address) * self, const void *in, void *out)
{
	fill_bad_request(&self->req, self->bad, in, ID_SIZE, out, ID_SIZE);
	return ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, &self->req) ? errno : 0;
}

/* What can be read is a stale ID, all zero. */
TEST_F_TIMEOUT(address, of_the_input, TEST_TIMEOUT)
{
	int err = can_be_read(&variant->bad) ? 0 : EFAULT;

	expect_result(_metadata, err, call_bad(self, NULL, &self->out), &self->req);
	EXPECT_EQ(err ? READABLE : 0, readiness(self->fd));
}

TEST_F_TIMEOUT(address, of_the_output, TEST_TIMEOUT)
{
	const struct vm_gencounter stale = {};

	expect_result(_metadata, EFAULT, call_bad(self, &stale, NULL), &self->req);
	EXPECT_EQ(READABLE, readiness(self->fd));
	self->req.in_size = 0;
	EXPECT_EQ(-1, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, &self->req));
	expect_result(_metadata, EFAULT, errno, &self->req);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* Refused before the wait. Who does not wait is not asked for the address. */
TEST_F_TIMEOUT(address, of_the_output_of_a_wait, TEST_TIMEOUT)
{
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	expect_result(_metadata, EAGAIN, call_bad(self, &self->id, NULL), &self->req);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR));
	expect_result(_metadata, EFAULT, call_bad(self, &self->id, NULL), &self->req);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* One that can be read is all zero, and fails for what it asks for: no output. */
TEST_F_TIMEOUT(address, of_the_block, TEST_TIMEOUT)
{
	void *block = (void *)(uintptr_t)self->bad;

	EXPECT_EQ(-1, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, block));
	EXPECT_EQ(can_be_read(&variant->bad) ? ENOBUFS : EFAULT, errno);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

TEST_F_TIMEOUT(address, of_the_info, TEST_TIMEOUT)
{
	EXPECT_EQ(-1, ioctl(self->fd, VMGENCOUNTER_GET_INFO,
			    (void *)(uintptr_t)self->bad));
	EXPECT_EQ(EFAULT, errno);
}

/* What was never touched below the stack pointer is memory as good as any. */
TEST_F_TIMEOUT(vmgen, output_on_untouched_stack, TEST_TIMEOUT)
{
	uintptr_t below = ((uintptr_t)__builtin_frame_address(0) - (1 << 20)) & ~15ul;

	EXPECT_EQ(0, call(self->fd, &self->req, NULL, 0, (void *)below, ID_SIZE));
	EXPECT_EQ(ID_SIZE, self->req.information);
}

/* All 64 bits count, also those that a 32-bit caller has no pointers for. */
TEST_F_TIMEOUT(vmgen, upper_half_of_an_address, TEST_TIMEOUT)
{
	const struct vm_gencounter stale = {};
	__u64 *address[] = { &self->req.in_buffer, &self->req.out_buffer };
	int i;

	ASSERT_EQ(0, call(self->fd, &self->req, &stale, ID_SIZE, &self->out, ID_SIZE));
	for (i = 0; i < 2; i++) {
		*address[i] ^= 1ULL << 47;
		EXPECT_EQ(-1, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, &self->req));
		expect_result(_metadata, EFAULT, errno, &self->req);
		*address[i] ^= 1ULL << 47;
	}
	EXPECT_EQ(0, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, &self->req));
}

/* All that can be wrong is wrong, then mended in the order of the documentation. */
TEST_F_TIMEOUT(vmgen, conditions_in_their_order, TEST_TIMEOUT)
{
	void *gone = page_edge(0, PAGE_MISSING);
	int writer = open(VMGEN_DEVICE, O_WRONLY | O_CLOEXEC);

	ASSERT_NE(MAP_FAILED, gone);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_EQ(-1, ioctl(writer, IOCTL_VMGENCOUNTER_READ, gone));
	EXPECT_EQ(EFAULT, errno);
	expect_result(_metadata, EACCES,
		      call(writer, &self->req, gone, 1, gone, 1), &self->req);
	expect_result(_metadata, ENOBUFS,
		      call(self->fd, &self->req, gone, 1, gone, 1), &self->req);
	expect_result(_metadata, EINVAL,
		      call(self->fd, &self->req, gone, 1, gone, ID_SIZE), &self->req);
	expect_result(_metadata, EFAULT,
		      call(self->fd, &self->req, gone, ID_SIZE, &self->out, ID_SIZE),
		      &self->req);
	expect_result(_metadata, EAGAIN,
		      call(self->fd, &self->req, &self->id, ID_SIZE, gone, ID_SIZE),
		      &self->req);
	expect_result(_metadata, EAGAIN,
		      call(self->fd, &self->req, &self->id, ID_SIZE, &self->out, ID_SIZE),
		      &self->req);
	EXPECT_EQ(-1, ioctl(writer, VMGENCOUNTER_GET_INFO, gone));
	EXPECT_EQ(EACCES, errno);
	close(writer);
}

/* What is known before the wait is said before the wait. */
TEST_F_TIMEOUT(vmgen, block_of_a_wait_that_cannot_be_written, TEST_TIMEOUT)
{
	struct devioctl_request *req = page_edge(getpagesize(), PAGE_MISSING);

	ASSERT_NE(MAP_FAILED, req);
	fill_request(req, &self->id, ID_SIZE, &self->out, ID_SIZE);
	ASSERT_EQ(0, mprotect(req, getpagesize(), PROT_READ));
	EXPECT_EQ(-1, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, req));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* Succeeds but for its report, so it has not succeeded. */
TEST_F_TIMEOUT(vmgen, block_that_cannot_be_written, TEST_TIMEOUT)
{
	const size_t results = offsetof(struct devioctl_request, information);
	struct devioctl_request *req;
	char *next;

	ASSERT_NE(MAP_FAILED, (next = page_edge(0, PROT_READ)));
	req = (void *)(next - results);
	req->out_buffer = (uintptr_t)&self->out;
	req->out_size = ID_SIZE;
	EXPECT_EQ(-1, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, req));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(READABLE, readiness(self->fd));

	req = (void *)(next - getpagesize());
	req->out_buffer = (uintptr_t)&self->out;
	req->out_size = ID_SIZE;
	ASSERT_EQ(0, mprotect(req, getpagesize(), PROT_READ));
	EXPECT_EQ(-1, ioctl(self->fd, IOCTL_VMGENCOUNTER_READ, req));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* ---- descriptors ---- */

TEST_F_TIMEOUT(vmgen, needs_read_and_write_access, TEST_TIMEOUT)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		fd = open(VMGEN_DEVICE, modes[i] | O_CLOEXEC);
		ASSERT_LE(0, fd);
		expect_result(_metadata, EACCES,
			      call(fd, &self->req, NULL, 0, &self->out, ID_SIZE),
			      &self->req);
		/* It is the first condition, whatever else is wrong. */
		expect_result(_metadata, EACCES,
			      call(fd, &self->req, NULL, 15, NULL, 15), &self->req);
		EXPECT_TRUE(all_a5(&self->out, &self->out + 1));
		close(fd);
	}
}

TEST_F_TIMEOUT(vmgen, path_descriptor, TEST_TIMEOUT)
{
	int fd = open(VMGEN_DEVICE, O_PATH | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EBADF, current_id(fd, &self->out));
	close(fd);
}

/* ---- other codes ---- */

static bool is_known(uint32_t code)
{
	return code == IOCTL_VMGENCOUNTER_READ || code == VMGENCOUNTER_GET_INFO;
}

TEST_F_TIMEOUT(vmgen, codes_off_by_a_bit, TEST_TIMEOUT)
{
	static const uint32_t ours[] = { IOCTL_VMGENCOUNTER_READ, VMGENCOUNTER_GET_INFO };
	uint32_t code;
	size_t i;
	int bit;

	for (i = 0; i < ARRAY_SIZE(ours); i++) {
		for (bit = 0; bit < 32; bit++) {
			code = ours[i] ^ (1U << bit);
			EXPECT_TRUE(is_refused(self->fd, code))
				TH_LOG("code %#x", code);
		}
	}
}

TEST_F_TIMEOUT(vmgen, codes_of_other_types, TEST_TIMEOUT)
{
	static const uint32_t ours[] = { IOCTL_VMGENCOUNTER_READ, VMGENCOUNTER_GET_INFO };
	uint32_t type, code;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ours); i++) {
		for (type = 0; type < 256; type++) {
			code = (ours[i] & ~0xff00U) | type << 8;
			EXPECT_TRUE(is_known(code) || is_refused(self->fd, code))
				TH_LOG("code %#x", code);
		}
	}
}

TEST_F_TIMEOUT(vmgen, codes_of_this_type, TEST_TIMEOUT)
{
	static const uint32_t sizes[] = { 0, 16, 0x32, 32, 64 };
	uint32_t dir, nr, code;
	size_t i;

	for (dir = 0; dir < 4; dir++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			for (nr = 0; nr < 256; nr++) {
				code = _IOC(dir, 0xc0, nr, sizes[i]);
				EXPECT_TRUE(is_known(code) || is_refused(self->fd, code))
					TH_LOG("code %#x", code);
			}
		}
	}
}

TEST_F_TIMEOUT(vmgen, codes_of_others, TEST_TIMEOUT)
{
	/* VPCI's INVALIDATE, READ and WRITE_BLOCK, a terminal's, a disk's */
	static const uint32_t others[] = {
		0x2ac007, 0x2ac00b, 0x2ac00f, TCGETS, BLKGETSIZE,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_TRUE(is_refused(self->fd, others[i]))
			TH_LOG("code %#x", others[i]);
	}
}

TEST_HARNESS_MAIN
