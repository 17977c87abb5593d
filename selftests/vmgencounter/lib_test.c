// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmgencounter over the device: each call before, across and after real changes, with
 * the mapping and without it, and when the device goes.
 */
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <vmgencounter.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DRIVER		"/sys/bus/platform/drivers/vmgencounter"
#define ID_DEVICE	"/dev/vmgencounter_id"
#define NOBODY		65534

FIXTURE(lib) {
	struct vmgen *vmgen;
	struct vmgen_watch watch;
	struct vm_gencounter id;
	char device[64];
	bool unbound;
};

FIXTURE_VARIANT(lib) {
	bool mapped;
};

FIXTURE_VARIANT_ADD(lib, mapped) {
	.mapped = true,
};

FIXTURE_VARIANT_ADD(lib, unmapped) {
	.mapped = false,
};

/* In a process with this personality each mapping can be executed, and this one must not. */
static struct vmgen *open_unmapped(void)
{
	int before = personality(0xffffffff);
	struct vmgen *vmgen;

	personality(before | READ_IMPLIES_EXEC);
	vmgen = vmgen_open(NULL);
	personality(before);
	return vmgen;
}

FIXTURE_SETUP(lib)
{
	device_name(self->device, sizeof(self->device));
	self->unbound = false;
	self->vmgen = variant->mapped ? vmgen_open(NULL) : open_unmapped();
	ASSERT_NE(NULL, self->vmgen);
	ASSERT_EQ(0, vmgen_get(self->vmgen, &self->id));
	vmgen_watch_set(self->vmgen, &self->id, &self->watch);
	ASSERT_EQ(variant->mapped, !!self->watch.id);
}

FIXTURE_TEARDOWN(lib)
{
	if (self->unbound)
		write_text(DRIVER "/bind", self->device);
	vmgen_close(self->vmgen);
}

static int take_away(FIXTURE_DATA(lib) * self)
{
	self->unbound = true;
	return write_text(DRIVER "/unbind", self->device);
}

/* ---- look ---- */

TEST_F_TIMEOUT(lib, says_what_the_device_says, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	struct vm_gencounter id;

	ASSERT_EQ(0, peek_id(&id));
	EXPECT_TRUE(same_id(&id, &self->id));
	ASSERT_EQ(0, vmgen_info(self->vmgen, &info));
	EXPECT_TRUE(same_id(&id, &info.id));
	EXPECT_TRUE(info.flags & VMGENCOUNTER_MMAP);
	/* Nothing was delivered by that. */
	EXPECT_EQ(READABLE, readiness(vmgen_fd(self->vmgen)));
}

TEST_F_TIMEOUT(lib, formats_as_the_attributes, TEST_TIMEOUT)
{
	static const char * const attributes[] = {
		[VMGEN_FORMAT_WINDOWS] = VMGEN_SYSFS "/generation",
		[VMGEN_FORMAT_GUID] = VMGEN_SYSFS "/generation_guid",
	};
	char line[64], text[64];
	struct vm_gencounter id;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		ASSERT_EQ(0, read_line(attributes[i], line, sizeof(line)));
		vmgen_format(&self->id, i, text, sizeof(text));
		EXPECT_STREQ(line, text);
		EXPECT_EQ(0, vmgen_parse(line, &id));
		EXPECT_TRUE(same_id(&self->id, &id));
	}
}

TEST_F_TIMEOUT(lib, changed_across_a_change, TEST_TIMEOUT)
{
	struct vm_gencounter id;

	EXPECT_EQ(0, vmgen_changed(&self->watch));
	EXPECT_EQ(0, vmgen_changed(&self->watch));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(1, vmgen_changed(&self->watch));
	EXPECT_EQ(1, vmgen_changed(&self->watch));

	ASSERT_EQ(0, vmgen_get(self->vmgen, &id));
	EXPECT_FALSE(same_id(&self->id, &id));
	vmgen_watch_set(self->vmgen, &id, &self->watch);
	EXPECT_EQ(0, vmgen_changed(&self->watch));
	ASSERT_EQ(0, peek_id(&self->id));
	EXPECT_TRUE(same_id(&self->id, &id));
}

/* Each word is looked at. */
TEST_F_TIMEOUT(lib, changed_in_any_bit, TEST_TIMEOUT)
{
	struct vm_gencounter known;
	int bit;

	for (bit = 0; bit < 64; bit++) {
		known = self->id;
		known.generation_count ^= 1ULL << bit;
		vmgen_watch_set(self->vmgen, &known, &self->watch);
		EXPECT_EQ(1, vmgen_changed(&self->watch));
		known = self->id;
		known.generation_count_high ^= 1ULL << bit;
		vmgen_watch_set(self->vmgen, &known, &self->watch);
		EXPECT_EQ(1, vmgen_changed(&self->watch));
	}
}

TEST_F_TIMEOUT(lib, child_sees_the_change, TEST_TIMEOUT)
{
	int status;
	pid_t child;

	ASSERT_EQ(0, new_generation());
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(vmgen_changed(&self->watch));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(1, WEXITSTATUS(status));
}

/* ---- wait ---- */

struct waiting {
	struct vmgen *vmgen;
	const struct vm_gencounter *known;
	struct vm_gencounter now;
	int timeout_ms;
	int result;
	int err;
	pid_t tid;
	pthread_t thread;
};

static void *wait_body(void *arg)
{
	struct waiting *w = arg;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->result = vmgen_wait(w->vmgen, w->known, &w->now, w->timeout_ms);
	w->err = errno;
	return NULL;
}

/* Returns when the thread sleeps in its wait. */
static int start_waiting(struct waiting *w, FIXTURE_DATA(lib) * self, int timeout_ms)
{
	*w = (struct waiting) {
		.vmgen = self->vmgen, .known = &self->id, .timeout_ms = timeout_ms,
	};
	if (pthread_create(&w->thread, NULL, wait_body, w))
		return errno;
	while (!__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(w->tid);
	return 0;
}

static int wait_for(FIXTURE_DATA(lib) * self, struct vm_gencounter *now, int timeout_ms)
{
	return vmgen_wait(self->vmgen, &self->id, now, timeout_ms);
}

/* How long a wait for nothing takes, by the clock of poll(). */
static double lasts_ms(FIXTURE_DATA(lib) * self, int timeout_ms)
{
	struct vm_gencounter now;
	struct timespec begin, end;
	int result;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	result = wait_for(self, &now, timeout_ms);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (result)
		return -1;
	return (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6;
}

TEST_F_TIMEOUT(lib, wait_ends_in_time, TEST_TIMEOUT)
{
	struct vm_gencounter now;

	memset(&now, 0xa5, sizeof(now));
	EXPECT_EQ(0, wait_for(self, &now, 0));
	EXPECT_TRUE(all_a5(&now, &now + 1));
	EXPECT_LE(0, lasts_ms(self, 0));
	EXPECT_LE(1, lasts_ms(self, 1));
	EXPECT_LE(50, lasts_ms(self, 50));
}

TEST_F_TIMEOUT(lib, wait_sees_the_change, TEST_TIMEOUT)
{
	static const int timeouts[] = { -1, 1000000 };
	struct vm_gencounter current;
	struct waiting w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(timeouts); i++) {
		ASSERT_EQ(0, start_waiting(&w, self, timeouts[i]));
		EXPECT_TRUE(is_asleep(w.tid));
		ASSERT_EQ(0, new_generation());
		pthread_join(w.thread, NULL);
		EXPECT_EQ(1, w.result);
		ASSERT_EQ(0, peek_id(&current));
		EXPECT_TRUE(same_id(&current, &w.now));
		EXPECT_EQ(0, readiness(vmgen_fd(self->vmgen)));
		EXPECT_EQ(1, vmgen_changed(&self->watch));
		self->id = current;
	}
}

/* Also where the open file was told of the current ID already, and of no ID at all. */
TEST_F_TIMEOUT(lib, wait_for_what_is_there, TEST_TIMEOUT)
{
	const struct vm_gencounter stale = { 1, 2 };
	struct vm_gencounter id = stale;

	EXPECT_EQ(1, vmgen_wait(self->vmgen, &stale, &id, -1));
	EXPECT_TRUE(same_id(&self->id, &id));
	/* One object for both. */
	id = stale;
	EXPECT_EQ(1, vmgen_wait(self->vmgen, &id, &id, -1));
	EXPECT_TRUE(same_id(&self->id, &id));

	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(1, vmgen_wait(self->vmgen, &id, &id, 0));
	EXPECT_FALSE(same_id(&self->id, &id));
	EXPECT_EQ(0, vmgen_wait(self->vmgen, &id, &id, 0));
}

/* The caller may know of a change before the open file is told. */
TEST_F_TIMEOUT(lib, wait_after_another_look, TEST_TIMEOUT)
{
	struct waiting w;

	EXPECT_EQ(0, wait_for(self, &w.now, 0));
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, vmgen_get(self->vmgen, &self->id));
	ASSERT_EQ(0, start_waiting(&w, self, -1));
	EXPECT_TRUE(is_asleep(w.tid));
	ASSERT_EQ(0, new_generation());
	pthread_join(w.thread, NULL);
	EXPECT_EQ(1, w.result);
	EXPECT_FALSE(same_id(&self->id, &w.now));
}

TEST_F_TIMEOUT(lib, event_loop, TEST_TIMEOUT)
{
	int fd = vmgen_fd(self->vmgen);

	EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(READABLE, readiness(fd));
	EXPECT_EQ(0, vmgen_wait(self->vmgen, &self->id, &self->id, 0));
	EXPECT_EQ(0, readiness(fd));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(READABLE, readiness(fd));
	EXPECT_EQ(1, vmgen_wait(self->vmgen, &self->id, &self->id, 0));
	EXPECT_EQ(0, readiness(fd));
}

TEST_F_TIMEOUT(lib, signal_ends_the_wait, TEST_TIMEOUT)
{
	struct waiting w;

	catch_sigusr1(true);
	ASSERT_EQ(0, start_waiting(&w, self, -1));
	pthread_kill(w.thread, SIGUSR1);
	pthread_join(w.thread, NULL);
	EXPECT_EQ(-1, w.result);
	EXPECT_EQ(EINTR, w.err);
	EXPECT_EQ(0, wait_for(self, &w.now, 0));
}

TEST_F_TIMEOUT(lib, one_waits_at_a_time, TEST_TIMEOUT)
{
	struct vm_gencounter now;
	struct waiting w;

	ASSERT_EQ(0, start_waiting(&w, self, -1));
	EXPECT_EQ(-1, wait_for(self, &now, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, vmgen_changed(&self->watch));
	ASSERT_EQ(0, new_generation());
	pthread_join(w.thread, NULL);
	EXPECT_EQ(1, w.result);
	EXPECT_EQ(1, wait_for(self, &now, 0));
}

/* ---- the device goes ---- */

TEST_F_TIMEOUT(lib, unbind_ends_the_wait, TEST_TIMEOUT)
{
	struct waiting w;

	ASSERT_EQ(0, start_waiting(&w, self, -1));
	ASSERT_EQ(0, take_away(self));
	pthread_join(w.thread, NULL);
	EXPECT_EQ(-1, w.result);
	EXPECT_EQ(ENODEV, w.err);
	EXPECT_EQ(-1, wait_for(self, &w.now, 0));
	EXPECT_EQ(ENODEV, errno);
}

/* Who has the firmware's page still sees the ID; who has not is told to trust nothing. */
TEST_F_TIMEOUT(lib, look_after_unbind, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	struct vm_gencounter id;

	ASSERT_EQ(0, take_away(self));
	EXPECT_EQ(-1, vmgen_info(self->vmgen, &info));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(!variant->mapped, vmgen_changed(&self->watch));
	errno = 0;
	EXPECT_EQ(variant->mapped ? 0 : -1, vmgen_get(self->vmgen, &id));
	EXPECT_EQ(variant->mapped ? 0 : ENODEV, errno);
	EXPECT_EQ(NULL, vmgen_open(NULL));
}

/* As programs do that become daemons: the number is then that of another file. */
TEST_F_TIMEOUT(lib, descriptor_is_another_file, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	int fd = vmgen_fd(self->vmgen), pipes[2];
	struct vm_gencounter id;
	char c;

	ASSERT_EQ(0, pipe2(pipes, O_NONBLOCK));
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	ASSERT_EQ(fd, dup2(pipes[0], fd));
	EXPECT_EQ(!variant->mapped, vmgen_changed(&self->watch));
	EXPECT_EQ(variant->mapped ? 0 : -1, vmgen_get(self->vmgen, &id));
	errno = 0;
	EXPECT_EQ(-1, vmgen_info(self->vmgen, &info));
	EXPECT_EQ(EBADF, errno);
	errno = 0;
	EXPECT_EQ(-1, vmgen_wait(self->vmgen, &self->id, &id, 0));
	EXPECT_EQ(EBADF, errno);
	vmgen_close(self->vmgen);
	self->vmgen = NULL;
	EXPECT_EQ(1, read(fd, &c, 1));
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- the node for everybody ---- */

TEST(nobody_opens_the_second_node)
{
	struct vm_gencounter id, again;
	struct vmgen_watch watch;
	struct vmgen *vmgen;

	ASSERT_EQ(0, peek_id(&id));
	ASSERT_EQ(0, setuid(NOBODY));
	vmgen = vmgen_open(NULL);
	ASSERT_NE(NULL, vmgen);
	EXPECT_EQ(0, vmgen_get(vmgen, &again));
	EXPECT_TRUE(same_id(&id, &again));
	vmgen_watch_set(vmgen, &id, &watch);
	EXPECT_EQ(0, vmgen_changed(&watch));
	EXPECT_EQ(-1, vmgen_wait(vmgen, &id, &again, -1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	vmgen_close(vmgen);
}

/* Where the page must not be shown, each look is a read(). */
TEST(second_node_without_a_mapping)
{
	struct vm_gencounter id, again;
	struct vmgen_watch watch;
	struct vmgen *vmgen;

	if (!fast_device())
		SKIP(return, "nobody writes beside the ID");
	ASSERT_EQ(0, test_command("beside 1"));
	vmgen = vmgen_open(ID_DEVICE);
	ASSERT_EQ(0, test_command("beside 0"));
	ASSERT_NE(NULL, vmgen);
	ASSERT_EQ(0, vmgen_get(vmgen, &id));
	vmgen_watch_set(vmgen, &id, &watch);
	EXPECT_EQ(NULL, watch.id);
	EXPECT_EQ(0, vmgen_changed(&watch));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(1, vmgen_changed(&watch));
	ASSERT_EQ(0, vmgen_get(vmgen, &again));
	EXPECT_FALSE(same_id(&id, &again));
	vmgen_close(vmgen);
}

TEST_HARNESS_MAIN
